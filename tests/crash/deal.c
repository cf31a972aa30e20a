#include "tests/crash/deal.h"

#include "tests/crash/world.h"
#include "tests/lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEALS_MAX = 16, ANSWER_MS = 60000, PATIENCE_S = 90, PATH_MAX_ = 256 };

static struct deal all[DEALS_MAX];
static int n_deals;

int deals(void)
{
	return n_deals;
}

struct deal *deal_at(int i)
{
	return &all[i];
}

struct deal *deal_new(const struct flow *flow)
{
	NEED(n_deals < DEALS_MAX, "too many deals");
	struct deal *d = &all[n_deals];
	snprintf(d->gid, sizeof d->gid, "%s-%d", world.cluster, ++n_deals);
	d->flow = flow;
	return d;
}

/* ---- what is told ---- */

static enum told meaning(const char *status)
{
	static const struct {
		const char *word;
		enum told told;
	} words[] = {{"running", TOLD_OPEN},      {"committing", TOLD_FORWARD},
		     {"committed", TOLD_FORWARD}, {"rolling_back", TOLD_BACK},
		     {"rolled_back", TOLD_BACK},  {"stuck", TOLD_STUCK}};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].word, status) == 0)
			return words[i].told;
	FAIL("a status of this name is not known: %s", status);
}

static bool is_end(const char *status)
{
	return strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0;
}

static void hear_unknown(struct deal *d)
{
	NEED(d->may_fade || !d->promised, "%s was promised, and now it is not known", d->gid);
	NEED(d->may_fade || d->told == TOLD_NOTHING || d->told == TOLD_OPEN,
	     "%s had been decided, and now it is not known", d->gid);
	d->known = true;
	d->ended = true;
	d->stuck = false;
}

static void hear(struct deal *d, const struct response *r)
{
	const char *status = json_text(r->json, "status");
	const enum told now = meaning(status);

	NEED(!(d->told == TOLD_FORWARD && now == TOLD_BACK) &&
		     !(d->told == TOLD_BACK && now == TOLD_FORWARD),
	     "%s is told %s after it was told the contrary", d->gid, status);
	NEED(now != TOLD_OPEN || d->told == TOLD_NOTHING || d->told == TOLD_OPEN,
	     "%s is told %s after it had been decided", d->gid, status);
	d->known = true;
	d->stuck = now == TOLD_STUCK;
	d->ended = is_end(status);
	d->voted = strstr(r->body, "\"prepared\"") != NULL;
	d->pending = strstr(r->body, "\"pending\"") != NULL;
	if (now == TOLD_FORWARD || now == TOLD_BACK || d->told == TOLD_NOTHING)
		d->told = now == TOLD_STUCK ? d->told : now;
	/* A decision is durable when it is told, as is a saga. */
	if (d->flow->saga || d->told == TOLD_FORWARD || d->told == TOLD_BACK || d->stuck)
		d->promised = true;
}

static void take_answer(struct deal *d, const struct response *r)
{
	if (r->status == 404)
		hear_unknown(d);
	else if (r->status == 200 || r->status == 201 || r->status == 202)
		hear(d, r);
	else
		FAIL("%s: %ld %s", d->gid, r->status, r->body);
}

/* ---- asking ---- */

/* Nobody there, starting or stopping; or its disk fails, as this case wants it to. */
static bool is_no_answer(const struct response *r)
{
	return r->status == 0 || r->status == 503 || (r->status == 500 && world_has_errors());
}

static struct response ask(const char *method, const char *path, const char *body)
{
	const int64_t until = clock_ms() + harness_patience_ms(PATIENCE_S);
	for (;;) {
		struct response r = rest_send(world.url, method, path, body, -1, ANSWER_MS);
		if (!is_no_answer(&r))
			return r;
		NEED(clock_ms() < until, "nobody answers %s %s: %ld %s", method, path, r.status,
		     r.body);
		response_free(&r);
		harness_pause();
	}
}

static char *submission(const struct deal *d, const char *wait, const char *hold)
{
	json_t *body = json_pack("{s:s, s:s, s:s}", "gid", d->gid, "wait", wait, "timeout", hold);
	if (d->workflow)
		json_object_set_new(body, "workflow", json_string(d->workflow));
	else
		json_object_set_new(body, "definition", json_string(d->flow->text));
	if (d->bulk) {
		char *bulk = textf("%0*d", (int)d->bulk, 0);
		json_object_set_new(body, "input", json_pack("{s:s}", "bulk", bulk));
		free(bulk);
	}
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

void deal_submit(struct deal *d, const char *wait, const char *hold)
{
	char *body = submission(d, wait, hold);
	struct response r = ask("POST", "/v1/transactions", body);
	take_answer(d, &r);
	if (strcmp(wait, "accepted") == 0)
		d->promised = true;
	response_free(&r);
	free(body);
}

void deal_try(struct deal *d, const char *wait, const char *hold)
{
	char *body = submission(d, wait, hold);
	struct response r = rest_send(world.url, "POST", "/v1/transactions", body, -1, ANSWER_MS);
	if (!is_no_answer(&r))
		take_answer(d, &r);
	response_free(&r);
	free(body);
}

bool deal_look(struct deal *d, const char *hold)
{
	char path[PATH_MAX_];
	snprintf(path, sizeof path, "/v1/transactions/%s?wait=%s", d->gid, hold);
	struct response r = rest_send(world.url, "GET", path, NULL, 0, ANSWER_MS);
	const bool answered = !is_no_answer(&r);
	if (answered)
		take_answer(d, &r);
	response_free(&r);
	return answered;
}

void deal_say(struct deal *d, const char *what, const char *body)
{
	char path[PATH_MAX_];
	snprintf(path, sizeof path, "/v1/transactions/%s%s", d->gid, what);
	struct response r = ask("POST", path, body);
	if (r.status != 404 && r.status != 409)
		take_answer(d, &r);
	response_free(&r);
}

void deal_await(struct deal *d)
{
	const int64_t until = clock_ms() + harness_patience_ms(PATIENCE_S);
	while (!deal_look(d, "5s") || !(d->ended || d->stuck)) {
		NEED(clock_ms() < until, "%s does not end", d->gid);
		harness_pause();
	}
}

void client_ask(const char *method, const char *path, const char *body)
{
	struct response r = ask(method, path, body);
	NEED(r.status < 500 || world_has_errors(), "%s %s: %ld %s", method, path, r.status, r.body);
	response_free(&r);
}

static bool all_ready(const json_t *list)
{
	size_t i, ready = 0;
	json_t *one;
	json_array_foreach(list, i, one)
	{
		if (json_is_true(json_object_get(one, "ready")))
			ready++;
	}
	return ready == PLACES;
}

void client_await_ready(void)
{
	const int64_t until = clock_ms() + harness_patience_ms(PATIENCE_S);
	for (;;) {
		struct response r =
			rest_send(world.url, "GET", "/v1/resources", NULL, 0, ANSWER_MS);
		const bool ready = all_ready(json_object_get(r.json, "resources"));
		NEED(ready || clock_ms() < until, "not all is served: %s", r.body);
		response_free(&r);
		if (ready)
			return;
		/* Each question is a pass of the coordinator's points, and the fewer there are
		 * the better the passes are those of the trace. */
		for (int i = 0; i < 8; i++)
			harness_pause();
	}
}
