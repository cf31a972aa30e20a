/* rest_submit.c - the body of POST /v1/transactions to what the engine is given. */
#include "coordinator/rest_core.h"

#include "base/clock.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- definitions: programs send the same text thousands of times a second, so
 * that each is parsed once and kept, the least recently used one thrown out ---- */

enum { DEFINITIONS_MAX = 256 };

struct definition {
	unsigned char hash[SHA256_DIGEST_SIZE]; /* of the text */
	struct workflow *workflow;
	struct definition *prev, *next;
	UT_hash_handle hh;
};

struct definitions {
	struct definition *by_hash;
	struct definition *recent; /* the last used first */
	size_t count;
};

struct definitions *definitions_new(void)
{
	return mem_new(1, sizeof(struct definitions));
}

static void definition_drop(struct definitions *d, struct definition *def)
{
	HASH_DELETE(hh, d->by_hash, def);
	DL_DELETE(d->recent, def);
	d->count--;
	workflow_free(def->workflow);
	free(def);
}

void definitions_free(struct definitions *d)
{
	if (d == NULL)
		return;
	while (d->recent != NULL)
		definition_drop(d, d->recent);
	free(d);
}

/* The text of `object` as the client wrote its numbers (json_dumps makes
 * 0.10000000000000001 of 0.1), read again as a workflow. */
static enum rc parse_object(const json_t *object, struct workflow **out, struct err *err)
{
	struct jsonbuf buf = {.max = WORKFLOW_TEXT_MAX};
	enum rc rc;

	jsonbuf_value(&buf, object);
	if (buf.over)
		rc = err_set(err, RC_TOO_BIG, "the definition is over 1 MiB");
	else
		rc = workflow_parse(buf.text, buf.size, out, err);
	jsonbuf_fini(&buf);
	return rc;
}

/* The workflow of a definition, given as text or as an object; `hash` is that of
 * its text.  Borrowed until the next call; NULL with `err` filled. */
static const struct workflow *definition_get(struct definitions *d, const unsigned char *hash,
					     const json_t *given, struct err *err)
{
	struct definition *def;
	enum rc rc;

	HASH_FIND(hh, d->by_hash, hash, SHA256_DIGEST_SIZE, def);
	if (def != NULL) {
		DL_DELETE(d->recent, def);
		DL_PREPEND(d->recent, def);
		return def->workflow;
	}
	def = mem_new(1, sizeof *def);
	if (json_is_object(given))
		rc = parse_object(given, &def->workflow, err);
	else
		rc = workflow_parse(json_string_value(given), json_string_length(given),
				    &def->workflow, err);
	if (rc != RC_OK) {
		free(def);
		return NULL;
	}
	memcpy(def->hash, hash, sizeof def->hash);
	HASH_ADD(hh, d->by_hash, hash, sizeof def->hash, def);
	DL_PREPEND(d->recent, def);
	if (++d->count > DEFINITIONS_MAX)
		definition_drop(d, d->recent->prev); /* the head's prev is the tail */
	return def->workflow;
}

/* ---- the body ---- */

struct submission {
	struct submit submit;
	unsigned char hash[BODY_HASH_SIZE];
	struct plan plan;
	const json_t *definition;
	char *dumped; /* the definition, if it is an object; else NULL */
	const json_t *input;
	char *input_text; /* NULL: none was given */
};

static char *dump(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);

	if (text == NULL)
		abort(); /* only for want of memory: it was parsed a moment ago */
	return text;
}

static bool refuse_at(struct call *c, const char *where, const char *detail, int line, int column)
{
	call_problem(c, &(struct problem){.status = 422,
					  .detail = detail,
					  .where = where,
					  .line = line,
					  .column = column});
	return false;
}

static bool read_gid(struct call *c, const json_t *body, struct submit *s)
{
	const json_t *gid = json_object_get(body, "gid");
	const char *text = json_string_value(gid);

	if (gid == NULL) {
		id_make_gid(clock_wall_us(), c->gid);
		s->fresh_gid = true;
	} else if (text == NULL || !id_valid(text, GID_MAX)) {
		return refuse_at(c, "gid", "gid: must be 1 to 64 of A-Z a-z 0-9 . _ -", 0, 0);
	} else {
		memcpy(c->gid, text, strlen(text) + 1);
	}
	s->gid = c->gid;
	return true;
}

static bool read_wait(struct call *c, const json_t *body, struct submit *s)
{
	static const char *const words[] = {
		[WAIT_ACCEPTED] = "accepted",
		[WAIT_DECIDED] = "decided",
		[WAIT_FINISHED] = "finished",
	};
	const json_t *wait = json_object_get(body, "wait");
	const json_t *timeout = json_object_get(body, "timeout");
	const char *word = json_string_value(wait);

	s->wait = WAIT_FINISHED;
	s->wait_ms = WAIT_STANDARD_MS;
	if (wait != NULL) {
		size_t i = 0;

		while (i < 3 && (word == NULL || strcmp(word, words[i]) != 0))
			i++;
		if (i == 3)
			return refuse_at(c, "wait", "wait: must be accepted, decided or finished",
					 0, 0);
		s->wait = (enum wait_for)i;
	}
	if (timeout == NULL)
		return true;
	if (!json_is_string(timeout))
		return refuse_at(c, "timeout", "timeout: must be a duration such as \"30s\"", 0, 0);
	return call_wait(c, "timeout", json_string_value(timeout), &s->wait_ms);
}

static bool read_definition(struct call *c, const json_t *body, struct submission *s)
{
	const json_t *definition = json_object_get(body, "definition");

	if (json_object_get(body, "workflow") != NULL)
		return refuse_at(c, "workflow",
				 "published workflows are not supported by this version; send "
				 "definition",
				 0, 0);
	if (definition == NULL)
		return refuse_at(c, "definition", "definition: is missing", 0, 0);
	if (json_is_object(definition))
		s->dumped = dump(definition);
	else if (!json_is_string(definition))
		return refuse_at(c, "definition",
				 "definition: must be an object, or the text of a workflow file", 0,
				 0);
	if ((s->dumped != NULL ? strlen(s->dumped) : json_string_length(definition)) >
	    WORKFLOW_TEXT_MAX)
		return refuse_at(c, "definition", "definition: is over 1 MiB", 0, 0);
	s->definition = definition;
	return true;
}

static bool read_input(struct call *c, const json_t *body, struct submission *s)
{
	s->input = json_object_get(body, "input");
	if (s->input == NULL)
		return true;
	if (!json_is_object(s->input))
		return refuse_at(c, "input", "input: must be an object", 0, 0);
	s->input_text = dump(s->input);
	if (strlen(s->input_text) > WORKFLOW_INPUT_MAX)
		return refuse_at(c, "input", "input: is over 1 MiB", 0, 0);
	return true;
}

/* What identifies the submission, into `s->hash`; of the definition alone, into
 * `definition_hash`. */
static void hash_submission(struct submission *s, unsigned char *definition_hash)
{
	const char *text = s->dumped != NULL ? s->dumped : json_string_value(s->definition);
	const char *input = s->input_text != NULL ? s->input_text : "{}"; /* none means empty */
	struct sha256_ctx one, both;

	sha256_init(&one);
	sha256_update(&one, strlen(text), (const uint8_t *)text);
	both = one;
	sha256_digest(&one, SHA256_DIGEST_SIZE, definition_hash);
	/* The NUL parts them: neither text can hold one. */
	sha256_update(&both, 1, (const uint8_t *)"");
	sha256_update(&both, strlen(input), (const uint8_t *)input);
	sha256_digest(&both, sizeof s->hash, s->hash);
}

static bool make_plan(struct call *c, struct submission *s)
{
	unsigned char definition_hash[SHA256_DIGEST_SIZE];
	const struct workflow *workflow;
	struct workflow_data data = {.gid = c->gid};
	struct err err = {0};
	const char *where = "definition";
	json_t *input = NULL;
	bool bound = false;

	hash_submission(s, definition_hash);
	workflow = definition_get(c->rest->definitions, definition_hash, s->definition, &err);
	if (workflow != NULL && workflow->saga) {
		err_set(&err, RC_INVALID, "sagas are not served yet");
	} else if (workflow != NULL) {
		where = "input";
		bound = workflow_input(workflow, s->input, &input, &err) == RC_OK;
		data.input = input;
		bound = bound && workflow_group(workflow, 0, false, &data, &s->plan, &err) == RC_OK;
		json_decref(input);
	}
	/* Places in a dumped object mean nothing to the client. */
	return bound || refuse_at(c, where, err.text, s->dumped != NULL ? 0 : err.line, err.column);
}

void call_submit(struct call *c)
{
	static const char *const known[] = {"gid",  "workflow", "definition", "input",
					    "wait", "timeout",  NULL};
	json_t *body = call_json(c, known, false);
	struct submission s = {0};

	if (body == NULL)
		return;
	if (read_gid(c, body, &s.submit) && read_wait(c, body, &s.submit) &&
	    read_definition(c, body, &s) && read_input(c, body, &s) && make_plan(c, &s)) {
		s.submit.hash = s.hash;
		s.submit.plan = &s.plan;
		s.submit.input = s.input_text;
		engine_submit(c->rest->engine, call_ask(c), &s.submit);
	}
	plan_fini(&s.plan); /* empty if the engine took it */
	free(s.dumped);
	free(s.input_text);
	json_decref(body);
}
