/* world_clients.c - see world.h: what clients ask and are told. */
#include "base/mem.h"
#include "tests/fuzz/world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GIDS_MAX = 32 };

/* What clients were told of a transaction, whoever it was; it outlives the coordinator. */
static struct told {
	char gid[GID_MAX + 1];
	enum { TOLD_NOTHING, TOLD_COMMIT, TOLD_ROLLBACK } word;
} told[GIDS_MAX];
static size_t n_told;

static struct asking {
	uint64_t client; /* 0: free */
	struct told *about;
} askings[WORLD_PENDING];
/* Those that went away: an answer that was on its way may still come. */
static uint64_t gone[64];
static size_t n_gone;
static uint64_t last_client;

/* The answer to the request that the world itself waits for. */
static uint64_t wanted;
static json_t *heard;

void world_clients_reset(void)
{
	memset(askings, 0, sizeof askings);
	memset(gone, 0, sizeof gone);
	json_decref(heard);
	heard = NULL;
	if (fw.epoch == 0) {
		memset(told, 0, sizeof told);
		n_told = 0;
		last_client = 0;
	}
}

static struct told *told_of(const char *gid)
{
	if (gid == NULL)
		return NULL;
	for (size_t i = 0; i < n_told; i++)
		if (strcmp(told[i].gid, gid) == 0)
			return &told[i];
	if (n_told == GIDS_MAX)
		return NULL;
	snprintf(told[n_told].gid, sizeof told[n_told].gid, "%s", gid);
	return &told[n_told++];
}

void world_know(const char *gid)
{
	told_of(gid);
}

uint64_t world_client(const char *gid)
{
	struct told *about = told_of(gid);

	for (size_t i = 0; i < WORLD_PENDING; i++) {
		if (askings[i].client == 0) {
			askings[i] = (struct asking){++last_client, about};
			return last_client;
		}
	}
	MUST_SAY(false, "too many clients wait at once for this world");
}

void world_client_gone(uint64_t client)
{
	for (size_t i = 0; i < WORLD_PENDING; i++) {
		if (client != 0 && askings[i].client == client) {
			askings[i].client = 0;
			gone[n_gone++ % 64] = client;
			engine_client_gone(fw.e, client);
			world_turn();
		}
	}
}

/* ---- what they are told ---- */

static void hear_status(struct told *t, const char *status)
{
	if (strcmp(status, "committed") == 0 || strcmp(status, "committing") == 0) {
		MUST_SAY(fw.mute || t->word != TOLD_ROLLBACK,
			 "%s: told of a rollback before, of a commit now", t->gid);
		t->word = TOLD_COMMIT;
	} else if (strcmp(status, "rolled_back") == 0 || strcmp(status, "rolling_back") == 0) {
		MUST_SAY(fw.mute || t->word != TOLD_COMMIT,
			 "%s: told of a commit before, of a rollback now", t->gid);
		t->word = TOLD_ROLLBACK;
	}
}

static void check_told(struct told *t, enum answer_code code, const json_t *json, const char *text)
{
	const json_t *status = json_object_get(json, "status");

	MUST_SAY(code != ANSWER_NOT_FOUND || t->word == TOLD_NOTHING || fw.mute ||
			 strstr(text, "step") != NULL || strstr(text, "workflow") != NULL,
		 "%s: told of it before, unknown now", t->gid);
	if (code >= 200 && code < 300 && status != NULL)
		hear_status(t, json_string_value(status));
}

/* True if it went away and had no answer yet. */
static bool take_gone(uint64_t client)
{
	for (size_t i = 0; client != 0 && i < 64; i++) {
		if (gone[i] == client) {
			gone[i] = 0;
			return true;
		}
	}
	return false;
}

static void hear(void *self, uint64_t client, enum answer_code code, char *json, const char *text)
{
	json_t *parsed = json != NULL ? json_loads(json, 0, NULL) : NULL;
	const bool good = code >= 200 && code < 300;
	struct asking *a = NULL;

	(void)self;
	for (size_t i = 0; i < WORLD_PENDING; i++)
		if (client != 0 && askings[i].client == client)
			a = &askings[i];
	if (a == NULL && take_gone(client)) {
		json_decref(parsed);
		free(json);
		return;
	}
	MUST_SAY(a != NULL, "a client is answered once");
	a->client = 0;
	MUST(json != NULL || !good);
	MUST(text != NULL || good);
	MUST_SAY(json == NULL || parsed != NULL || fw.foreign, "an answer is JSON, not: %s", json);
	MUST_SAY(code != ANSWER_FAILED, "the journal failed nobody: %s", text);
	if (a->about != NULL)
		check_told(a->about, code, parsed, text);
	if (client == wanted)
		heard = json_incref(parsed);
	json_decref(parsed);
	free(json);
}

struct client_port world_clients(void)
{
	return (struct client_port){.answer = hear};
}

/* ---- asking ---- */

void world_submit(const char *gid, const char *text, size_t size, const json_t *input,
		  enum wait_for wait)
{
	/* The same text under the same gid is the same submission. */
	unsigned char hash[BODY_HASH_SIZE] = {(unsigned char)size, (unsigned char)wait};
	const struct submit s = {.gid = gid,
				 .hash = hash,
				 .definition = text,
				 .definition_size = size,
				 .input = input,
				 .wait = wait,
				 .wait_ms = 60000};

	engine_submit(fw.e, world_client(gid), &s);
	world_turn();
}

static uint64_t want(const char *gid)
{
	json_decref(heard);
	heard = NULL;
	wanted = world_client(gid);
	return wanted;
}

/* The transaction as it is now, to be released; NULL: there is none. */
static json_t *look(const char *gid)
{
	engine_get(fw.e, want(gid), gid, 0);
	world_turn();
	world_sync(0);
	return json_incref(heard);
}

/* ---- healing ---- */

/* What a person does about one step. */
static void see_to_step(const char *gid, const json_t *step, bool hurry)
{
	const char *name = json_string_value(json_object_get(step, "name"));
	const char *status = json_string_value(json_object_get(step, "status"));

	if (strcmp(status, "pending") == 0) {
		engine_complete(fw.e, world_client(gid), gid, name, NULL);
	} else if (strcmp(status, "stuck") == 0) {
		engine_resolve(fw.e, world_client(gid), gid, RESOLVE_FORGET, NULL, "seen to");
		world_turn();
		engine_resolve(fw.e, world_client(gid), gid, RESOLVE_SKIP, name, "let it be");
		world_turn();
		engine_complete(fw.e, world_client(gid), gid, name, NULL);
	} else if (hurry) {
		engine_retry(fw.e, world_client(gid), gid, name, "hurry");
	}
	world_turn();
}

static bool see_to(const char *gid, bool hurry)
{
	json_t *now = look(gid);
	const json_t *steps = json_object_get(now, "steps"), *step;
	const char *status = json_string_value(json_object_get(now, "status"));
	size_t i;
	bool over;

	over = status == NULL || strcmp(status, "committed") == 0 ||
	       strcmp(status, "rolled_back") == 0;
	if (!over && strcmp(status, "stuck") == 0) {
		engine_resolve(fw.e, world_client(gid), gid, RESOLVE_FORGET, NULL, "seen to");
		world_turn();
	}
	if (!over)
		json_array_foreach(steps, i, step) see_to_step(gid, step, hurry);
	json_decref(now);
	return over;
}

/* Nothing is left of any transaction, also of none that nobody asked about. */
static bool nothing_left(void)
{
	const json_t *now, *n;
	const char *key;
	bool none = true;

	engine_stats(fw.e, want(NULL));
	world_turn();
	world_sync(0);
	now = json_object_get(heard, "now");
	MUST(json_is_object(now));
	json_object_foreach((json_t *)now, key, n) none = none && json_integer_value(n) == 0;
	return none;
}

bool world_see_to_all(bool hurry)
{
	bool over = true;

	for (size_t i = 0; i < n_told; i++)
		over = see_to(told[i].gid, hurry) && over;
	return nothing_left() && over;
}

void world_told_holds(void)
{
	for (size_t i = 0; i < n_told; i++)
		json_decref(look(told[i].gid)); /* hear() compares */
	MUST(nothing_left());
	for (size_t i = 0; i < WORLD_PENDING; i++)
		MUST_SAY(askings[i].client == 0, "nobody waits for ever");
}
