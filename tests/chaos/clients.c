#include "tests/chaos/clients.h"

#include "tests/chaos/pulse.h"
#include "tests/lib/harness.h"
#include "tests/lib/rest_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MS = 6000, /* then the client thinks that none will come */
	THINK_MS = 200,   /* at most, between two deals */
	RETRY_MS = 300,   /* at most, after no answer */
};

struct client {
	pthread_t thread;
	int number;
	uint64_t die;  /* what it submits */
	uint64_t mood; /* how it takes the answers: must not change the next deal */
	const char *url;
	struct client_sums sums;
	/* the deal that is talked about */
	struct deal *deal;
	char gid[GID_ROOM];
};

struct client_deals client_deals[CLIENTS_MAX];

static struct client clients[CLIENTS_MAX];
static int n_clients;

void deal_gid(int client, size_t i, char gid[GID_ROOM])
{
	snprintf(gid, GID_ROOM, "c%d-%zu", client, i);
}

struct deal *deal_of(const char *gid)
{
	char *end = NULL;

	if (gid[0] != 'c')
		return NULL;
	const long client = strtol(gid + 1, &end, 10);
	if (*end != '-' || client < 0 || client >= n_clients)
		return NULL;
	const unsigned long i = strtoul(end + 1, &end, 10);
	return *end == '\0' && i < client_deals[client].n ? &client_deals[client].all[i] : NULL;
}

/* ---- one question, one answer ---- */

/* What the answer says; the deal takes note. */
static enum word listen(struct client *c, struct response *r)
{
	enum word w = WORD_NONE;
	bool kept = false;

	if (r->status == 404) {
		w = WORD_UNKNOWN;
	} else if (r->status == 200 || r->status == 201 || r->status == 202) {
		w = word_from(json_text(r->json, "status"));
		kept = c->deal->wait == 0 || shapes[c->deal->shape].saga;
	} else if (r->status != 0 && r->status != 409 && r->status != 429 && r->status != 503) {
		pulse_wrong("%s: %ld %s", c->gid, r->status, r->body);
	}
	if (r->status == 409 && strcmp(json_text(r->json, "detail"),
				       "this gid was submitted before with another definition or "
				       "input") == 0)
		pulse_wrong("%s: %s", c->gid, r->body);
	deal_hear(c->deal, c->gid, w, kept);
	if (r->status == 0) {
		c->deal->lost = true;
		c->sums.lost++;
	}
	response_free(r);
	return w;
}

static enum word submit(struct client *c)
{
	const char *hold = dice(&c->mood, 4) ? "4s" : "500ms";
	char *body = deal_body(c->deal, c->gid, hold);
	struct response r = rest_send(c->url, "POST", "/v1/transactions", body, -1, ANSWER_MS);

	free(body);
	return listen(c, &r);
}

static enum word look(struct client *c, const char *wait)
{
	char *path = textf("/v1/transactions/%s%s", c->gid, wait);
	struct response r = rest_send(c->url, "GET", path, NULL, 0, ANSWER_MS);

	free(path);
	c->sums.looks++;
	return listen(c, &r);
}

static enum word cancel(struct client *c)
{
	char *path = textf("/v1/transactions/%s/cancel", c->gid);
	struct response r =
		rest_send(c->url, "POST", path, "{\"reason\": \"changed my mind\"}", -1, ANSWER_MS);

	free(path);
	c->sums.cancels++;
	return listen(c, &r);
}

/* ---- a deal from its begin to its end ---- */

/* What to do after an answer without outcome; false: leave it at that. */
static bool go_on(struct client *c, enum word *w)
{
	const unsigned die = dice(&c->mood, 100);

	if (*w == WORD_NONE || *w == WORD_UNKNOWN) {
		if (die < 10)
			return false;
		/* Nobody hurries a coordinator that is being started. */
		if (!pulse_until(clock_ms() + dice(&c->mood, RETRY_MS)))
			return false;
		if (die < 60) {
			c->sums.again++;
			*w = submit(c);
		} else {
			*w = look(c, "?wait=2s");
		}
		return true;
	}
	if (die < 10)
		return false;
	*w = die < 14 ? cancel(c) : look(c, die < 20 ? "" : "?wait=3s");
	return true;
}

static void point_at(struct client *c, size_t i)
{
	c->deal = &client_deals[c->number].all[i];
	deal_gid(c->number, i, c->gid);
}

static void begin(struct client *c)
{
	struct client_deals *mine = &client_deals[c->number];

	if (mine->n == mine->room) {
		mine->room = mine->room ? 2 * mine->room : 256;
		mine->all = realloc(mine->all, mine->room * sizeof *mine->all);
		NEED(mine->all, "out of memory");
	}
	deal_throw(&mine->all[mine->n++], &c->die);
	point_at(c, mine->n - 1);
}

/* Some deal of before, finished or not: what is said of it now must fit. */
static void look_back(struct client *c)
{
	point_at(c, dice(&c->mood, (unsigned)client_deals[c->number].n));
	if (dice(&c->mood, 3))
		look(c, "");
	else
		submit(c);
}

static void *serve(void *arg)
{
	struct client *c = arg;

	while (pulse_until(clock_ms() + dice(&c->mood, THINK_MS))) {
		begin(c);
		enum word w = submit(c);
		if (dice(&c->mood, 100) < 3 && !word_final(w))
			w = cancel(c);
		while (!word_final(w) && !pulse_over())
			if (!go_on(c, &w))
				break;
		c->deal->left = !word_final((enum word)c->deal->told);
		if (dice(&c->mood, 10) == 0)
			look_back(c);
	}
	return NULL;
}

void clients_start(int n, uint64_t seed, const char *url)
{
	n_clients = n;
	for (int i = 0; i < n; i++) {
		clients[i] = (struct client){.number = i,
					     .die = seed + 1000003U * (unsigned)i,
					     .mood = ~seed - (unsigned)i,
					     .url = url};
		NEED(pthread_create(&clients[i].thread, NULL, serve, &clients[i]) == 0,
		     "no thread");
	}
}

struct client_sums clients_join(void)
{
	struct client_sums sums = {0};

	for (int i = 0; i < n_clients; i++) {
		pthread_join(clients[i].thread, NULL);
		sums.lost += clients[i].sums.lost;
		sums.again += clients[i].sums.again;
		sums.looks += clients[i].sums.looks;
		sums.cancels += clients[i].sums.cancels;
	}
	return sums;
}
