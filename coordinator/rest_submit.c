/* rest_submit.c - the body of POST /v1/transactions to what the engine is given. */
#include "coordinator/rest_core.h"

#include "base/clock.h"
#include "base/json_sorted.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <stdlib.h>
#include <string.h>

/* Gids of this program's own making: the atomic groups of sagas. */
static const char reserved[] = "settle.";

struct submission {
	struct submit submit;
	unsigned char hash[BODY_HASH_SIZE];
	char name[NAME_MAX_LEN + 1]; /* of a published workflow */
	const char *what;            /* which workflow, as text: what the hash is made of */
	size_t what_size;
	char *dumped;     /* `what` of a definition that is an object; else NULL */
	char *text;       /* the same as the engine reads it */
	char *input_text; /* NULL: none was given */
};

static char *dump(const json_t *json)
{
	char *text = json_sorted(json);

	if (text == NULL)
		abort(); /* only for want of memory: it was parsed a moment ago */
	return text;
}

static bool read_gid(struct call *c, const json_t *body, struct submit *s)
{
	const json_t *gid = json_object_get(body, "gid");
	const char *text = json_string_value(gid);

	if (gid == NULL) {
		id_make_gid(clock_wall_us(), c->gid);
		s->fresh_gid = true;
	} else if (text == NULL || !id_valid(text, GID_MAX)) {
		return call_refuse_at(c, "gid", "gid: must be 1 to 64 of A-Z a-z 0-9 . _ -");
	} else if (strncmp(text, reserved, sizeof reserved - 1) == 0) {
		return call_refuse_at(c, "gid",
				      "gid: names that begin with \"%s\" are the coordinator's own",
				      reserved);
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
			return call_refuse_at(c, "wait",
					      "wait: must be accepted, decided or finished");
		s->wait = (enum wait_for)i;
	}
	if (timeout == NULL)
		return true;
	if (!json_is_string(timeout))
		return call_refuse_at(c, "timeout", "timeout: must be a duration such as \"30s\"");
	return call_wait(c, "timeout", json_string_value(timeout), &s->wait_ms);
}

/* ---- which workflow ---- */

/* "transfer" or "transfer@3". */
static bool read_published(struct call *c, const char *text, struct submission *s)
{
	const char *at = strchr(text, '@');
	const size_t size = at != NULL ? (size_t)(at - text) : strlen(text);
	uint64_t version = 0;

	if (size <= NAME_MAX_LEN) {
		memcpy(s->name, text, size);
		s->name[size] = '\0';
	}
	if (size > NAME_MAX_LEN || !id_valid(s->name, NAME_MAX_LEN) ||
	    (at != NULL && !number_parse(at + 1, 1, UINT32_MAX, &version)))
		return call_refuse_at(c, "workflow",
				      "workflow: must be the name of a published workflow, or "
				      "name@version");
	s->submit.workflow = s->name;
	s->submit.version = (uint32_t)version;
	s->what = text;
	s->what_size = strlen(text);
	return true;
}

/* The text of `object` as the client wrote its numbers (json_dumps makes
 * 0.10000000000000001 of 0.1), to be read as a workflow; NULL: too long. */
static char *text_of(const json_t *object, size_t *size)
{
	struct jsonbuf buf = {.max = WORKFLOW_TEXT_MAX};
	char *text = NULL;

	jsonbuf_value(&buf, object);
	*size = buf.size;
	if (!buf.over)
		text = jsonbuf_take(&buf);
	jsonbuf_fini(&buf);
	return text;
}

static bool read_definition(struct call *c, const json_t *definition, struct submission *s)
{
	if (json_is_string(definition)) {
		s->what = s->submit.definition = json_string_value(definition);
		s->what_size = s->submit.definition_size = json_string_length(definition);
	} else if (json_is_object(definition)) {
		c->placeless = true; /* places in our text of it mean nothing to the client */
		s->what = s->dumped = dump(definition);
		s->what_size = strlen(s->what);
		s->text = text_of(definition, &s->submit.definition_size);
		s->submit.definition = s->text;
	} else {
		return call_refuse_at(
			c, "definition",
			"definition: must be an object, or the text of a workflow file");
	}
	return (s->what_size <= WORKFLOW_TEXT_MAX && s->submit.definition != NULL) ||
	       call_refuse_at(c, "definition", "definition: is over 1 MiB");
}

static bool read_what(struct call *c, const json_t *body, struct submission *s)
{
	const json_t *definition = json_object_get(body, "definition");
	const json_t *workflow = json_object_get(body, "workflow");

	if (definition != NULL && workflow != NULL)
		return call_refuse_at(c, "workflow", "workflow: give it or definition, not both");
	if (definition != NULL)
		return read_definition(c, definition, s);
	if (workflow == NULL)
		return call_refuse_at(c, "definition",
				      "definition: is missing (or workflow, the name of a "
				      "published one)");
	if (!json_is_string(workflow))
		return call_refuse_at(c, "workflow", "workflow: must be a text");
	return read_published(c, json_string_value(workflow), s);
}

static bool read_input(struct call *c, const json_t *body, struct submission *s)
{
	s->submit.input = json_object_get(body, "input");
	if (s->submit.input == NULL)
		return true;
	if (!json_is_object(s->submit.input))
		return call_refuse_at(c, "input", "input: must be an object");
	s->input_text = dump(s->submit.input);
	return strlen(s->input_text) <= WORKFLOW_INPUT_MAX ||
	       call_refuse_at(c, "input", "input: is over 1 MiB");
}

/* ---- the whole ---- */

/* What identifies the submission, into `s->hash`. */
static void hash_submission(struct submission *s)
{
	const char *input = s->input_text != NULL ? s->input_text : "{}"; /* none means empty */
	struct sha256_ctx sha;

	sha256_init(&sha);
	/* The NUL parts them: no text can hold one.  One before the name of a published
	 * workflow keeps it apart from a definition. */
	if (s->submit.workflow != NULL)
		sha256_update(&sha, 1, (const uint8_t *)"");
	sha256_update(&sha, s->what_size, (const uint8_t *)s->what);
	sha256_update(&sha, 1, (const uint8_t *)"");
	sha256_update(&sha, strlen(input), (const uint8_t *)input);
	sha256_digest(&sha, sizeof s->hash, s->hash);
	s->submit.hash = s->hash;
}

static void render_submitted(struct call *c, enum answer_code code, char *json)
{
	char location[GID_FIELD + 32];

	snprintf(location, sizeof location, "/v1/transactions/%s", c->gid);
	call_respond(c, code, "application/json", json);
	call_header(c, "Location", location);
}

void call_submit(struct call *c)
{
	static const char *const known[] = {"gid",  "workflow", "definition", "input",
					    "wait", "timeout",  NULL};
	struct submission s = {0};
	json_t *body;

	if (!call_json(c, known, false, &body))
		return;
	if (read_gid(c, body, &s.submit) && read_wait(c, body, &s.submit) &&
	    read_what(c, body, &s) && read_input(c, body, &s)) {
		hash_submission(&s);
		c->render = render_submitted;
		engine_submit(c->rest->engine, call_ask(c), &s.submit);
	}
	free(s.dumped);
	free(s.text);
	free(s.input_text);
	json_decref(body);
}
