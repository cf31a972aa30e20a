#include "tests/lib/saga_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 60000, PATIENCE_S = 60, IN_VAIN_MS = 300 };

void case_open(struct saga_case *c, const char *gid, const struct saga_pace *pace)
{
	*c = (struct saga_case){.pace = *pace, .lines = json_array()};
	snprintf(c->gid, sizeof c->gid, "%s", gid);
}

void case_close(struct saga_case *c)
{
	json_decref(c->lines);
}

/* ---- calls ---- */

static struct response ask(const char *method, const char *gid, const char *rest, const char *body)
{
	char *path = textf("/v1/transactions/%s%s", gid, rest);
	struct response r = rest_send(stage.url, method, path, body, -1, ANSWER_MS);
	free(path);
	return r;
}

static struct response submit(struct saga_case *c, int timeout_ms)
{
	json_t *body =
		json_pack("{s:s, s:s, s:s, s:o, s:o}", "gid", c->gid, "wait", "accepted", "timeout",
			  "30s", "definition", saga_file_paced(stage.file, &c->pace), "input",
			  saga_file_input(stage.file));
	char *text = json_dumps(body, JSON_COMPACT);
	struct response r = rest_send(stage.url, "POST", "/v1/transactions", text, -1, timeout_ms);
	free(text);
	json_decref(body);
	return r;
}

void case_submit(struct saga_case *c)
{
	struct response r = submit(c, ANSWER_MS);
	NEED(r.status == 202 || r.status == 201, "%s: %ld %s", c->gid, r.status, r.body);
	response_free(&r);
}

bool case_submit_in_vain(struct saga_case *c)
{
	struct response r = submit(c, IN_VAIN_MS);
	const bool answered = r.status != 0;
	response_free(&r);
	return answered;
}

void case_ask(struct saga_case *c, const char *what)
{
	char *rest = textf("/%s", what);
	struct response r = ask("POST", c->gid, rest, "{\"reason\": \"the test says so\"}");
	NEED(r.status == 200 || r.status == 202, "%s %s: %ld %s", what, c->gid, r.status, r.body);
	response_free(&r);
	free(rest);
}

/* ---- its history ---- */

static bool is(const json_t *line, const char *key, const char *wanted)
{
	return !wanted || strcmp(json_text(line, key), wanted) == 0;
}

static size_t count(const struct saga_case *c, const char *event, const char *step, const char *way,
		    const char *outcome)
{
	size_t i, n = 0;
	json_t *line;
	json_array_foreach(c->lines, i, line) n +=
		is(line, "event", event) && is(line, "step", step) && is(line, "direction", way) &&
		is(line, "outcome", outcome);
	return n;
}

/* Adds what is new; waits for it a while, if there is nothing. */
static void listen_more(struct saga_case *c)
{
	char *rest = textf("/events?after=%lld&wait=2s", c->next);
	struct response r = ask("GET", c->gid, rest, NULL);
	NEED(r.status == 200, "the history of %s: %ld %s", c->gid, r.status, r.body);
	json_array_extend(c->lines, json_object_get(r.json, "events"));
	c->next = json_integer_value(json_object_get(r.json, "next"));
	response_free(&r);
	free(rest);
}

static char *told(const struct saga_case *c)
{
	return json_dumps(c->lines, JSON_INDENT(0) | JSON_COMPACT);
}

void case_await(struct saga_case *c, const char *event, const char *step, const char *way,
		const char *outcome, size_t n)
{
	const int64_t until = clock_ms() + harness_patience_ms(PATIENCE_S);
	while (count(c, event, step, way, outcome) < n) {
		NEED(clock_ms() < until, "%s: not %zu times %s %s %s %s in: %s", c->gid, n, event,
		     step ? step : "", way ? way : "", outcome ? outcome : "", told(c));
		listen_more(c);
	}
}

/* ---- what it is now ---- */

static const char *word_of(struct response *r)
{
	static char word[32];
	snprintf(word, sizeof word, "%s",
		 r->status == 404   ? "unknown"
		 : r->status == 200 ? json_text(r->json, "status")
				    : "");
	response_free(r);
	return word;
}

const char *case_status(const struct saga_case *c)
{
	struct response r = ask("GET", c->gid, "", NULL);
	return word_of(&r);
}

const char *case_group_status(const struct saga_case *c, size_t step)
{
	struct response r = ask("GET", c->gid, "", NULL);
	json_t *one = json_array_get(json_object_get(r.json, "steps"), step);
	char *gid = textf("%s", json_text(one, "transaction"));
	response_free(&r);
	struct response group = ask("GET", *gid ? gid : "none", "", NULL);
	free(gid);
	return word_of(&group);
}

/* ---- counting ---- */

/* How often the step was done, or undone; branches of a group must agree. -1: nothing
 * does it. */
static long long times(const char *gid, size_t step, bool undo)
{
	const struct saga_file *f = stage.file;
	long long all = -1;

	for (size_t i = 0; i < f->n_units; i++) {
		const struct saga_unit *u = &f->units[i];
		if (u->step != step || u->undo != undo)
			continue;
		const long long n = stage_effects(gid, u);
		NEED(all < 0 || n == all, "%s: step %s, %s: %lld of one branch and %lld of another",
		     gid, u->label, undo ? "undo" : "do", all, n);
		all = n;
	}
	return all;
}

static void count_step(const char *gid, const json_t *view, size_t step, bool committed)
{
	const char *name = stage.file->w->steps[step].name;
	const char *status = json_text(view, "status");
	const long long done = times(gid, step, false), undone = times(gid, step, true);
	const bool skipped = strcmp(status, "skipped") == 0;
	const bool never =
		skipped || strcmp(status, "not_run") == 0 || strcmp(status, "failed") == 0;

	NEED(done <= 1 && undone <= 1, "%s: %s: done %lld and undone %lld times", gid, name, done,
	     undone);
	NEED(!never || done == 0, "%s: %s is %s, and was done", gid, name, status);
	if (committed)
		NEED(done == !skipped && undone <= 0,
		     "%s: committed, %s is %s: done %lld and undone %lld times", gid, name, status,
		     done, undone);
	else
		NEED(undone < 0 || done == undone,
		     "%s: rolled back, %s is %s: done %lld and undone %lld times", gid, name,
		     status, done, undone);
}

static void count_all(const char *gid, const struct response *r)
{
	const char *status = json_text(r->json, "status");
	size_t i;
	json_t *step;
	NEED(strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0, "%s is %s",
	     gid, status);
	json_array_foreach(json_object_get(r->json, "steps"), i, step)
		count_step(gid, step, i, strcmp(status, "committed") == 0);
}

void case_count(const char *gid)
{
	struct response r = ask("GET", gid, "", NULL);
	NEED(r.status == 200, "%s: %ld %s", gid, r.status, r.body);
	count_all(gid, &r);
	response_free(&r);
}

void case_ends(struct saga_case *c, const char *status)
{
	const int64_t until = clock_ms() + harness_patience_ms(PATIENCE_S);
	for (;;) {
		struct response r = ask("GET", c->gid, "?wait=10s", NULL);
		const char *now = json_text(r.json, "status");
		const bool over = strcmp(now, "committed") == 0 ||
				  strcmp(now, "rolled_back") == 0 || strcmp(now, "stuck") == 0;
		NEED(r.status == 200 && (over || clock_ms() < until),
		     "%s does not end: %ld %s; its history: %s", c->gid, r.status, r.body, told(c));
		if (over) {
			const bool wanted = strcmp(now, status) == 0;
			if (!wanted)
				listen_more(c);
			NEED(wanted, "%s ended %s, not %s: %s; its history: %s", c->gid, now,
			     status, json_text(r.json, "reason"), told(c));
			if (strcmp(now, "stuck") != 0)
				count_all(c->gid, &r);
			response_free(&r);
			return;
		}
		response_free(&r);
	}
}
