/* watch.c - settle watch; see watch.h. */
#include "cli/watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cli/events.h"
#include "cli/http.h"
#include "cli/show.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WATCH_STEP_MS = 500, WATCH_PATIENCE_MS = 30 * 1000, WATCH_HOLD_MS = 10 * 1000 };

struct watch {
	struct cli *cli;
	const char *gid;
	uint64_t until_us;
	uint64_t answered_us; /* when the server last answered; 0: never yet */
	uint64_t after;       /* the last line of the history that was printed */
	char *seen;           /* of a plain transaction: what was printed last */
};

/* ---- asking ---- */

enum got { GOT_ANSWER, GOT_NOTHING_YET, GOT_FAILURE };

/* One question; what failed for good has been said. */
static enum got ask(struct watch *w, const char *path, uint64_t wait_ms, struct http_answer *out)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
	struct err err = {0};
	const enum rc rc =
		http_call(w->cli, "GET", path, NULL, wait_ms + HTTP_TIMEOUT_MS, out, &err);

	if (rc == RC_OK && out->status == 200) {
		w->answered_us = clock_mono_us();
		return GOT_ANSWER;
	}
	if (rc == RC_OK && out->status != 503) {
		http_explain(out, NULL);
		return GOT_FAILURE;
	}
	if (rc != RC_INVALID && w->answered_us != 0 &&
	    clock_mono_us() - w->answered_us < WATCH_PATIENCE_MS * UINT64_C(1000)) {
		nanosleep(&pause, NULL);
		return GOT_NOTHING_YET;
	}
	cli_fail("%s", rc == RC_OK ? "the server is stopping" : err.text);
	return GOT_FAILURE;
}

/* How long the server may hold an answer, `ms` at most. */
static uint64_t hold_ms(const struct watch *w, uint64_t ms)
{
	const uint64_t now = clock_mono_us();
	const uint64_t left = w->until_us > now ? (w->until_us - now) / 1000 : 0;

	return left < ms ? left : ms;
}

static char *path_of(const struct watch *w, uint64_t wait_ms)
{
	char *escaped = http_escape(w->gid);
	char *path = mem_printf("/v1/transactions/%s?wait=%dms", escaped, (int)wait_ms);

	free(escaped);
	return path;
}

/* ---- a plain transaction: what changed of it ---- */

/* What a person would see change: the states and reasons, not the times. */
static char *fingerprint(const json_t *txn)
{
	json_t *key = json_array();
	const json_t *step, *branch;
	char *text;
	size_t i, j;

	json_array_append(key, json_object_get(txn, "status"));
	json_array_append(key, json_object_get(txn, "reason"));
	json_array_foreach(json_object_get(txn, "steps"), i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			json_array_append(key, json_object_get(branch, "status"));
			json_array_append(key, json_object_get(branch, "reason"));
		}
	}
	text = json_dumps(key, JSON_COMPACT);
	json_decref(key);
	return text;
}

static void put_branches(const struct cli *cli, const json_t *txn)
{
	const json_t *step, *branch;
	size_t i, j;

	json_array_foreach(json_object_get(txn, "steps"), i, step)
	{
		json_array_foreach(json_object_get(step, "branches"), j, branch)
		{
			const char *status = text_of(branch, "status");

			printf("  ");
			text_put(stdout, text_or(branch, "name", "?"));
			printf("=");
			text_status(cli, status != NULL ? status : "?", 0);
		}
	}
}

/* The transaction on one line: when, how far, its branches (of a plain one), why. */
static void put_state(const struct cli *cli, const struct http_answer *answer, bool branches)
{
	const json_t *txn = answer->json;
	char now[32];

	if (cli->json) {
		printf("%s\n", answer->text);
		fflush(stdout);
		return;
	}
	time_format(clock_wall_us(), now);
	printf("%.23sZ  ", now);
	text_status(cli, text_or(txn, "status", "?"), 12);
	if (branches)
		put_branches(cli, txn);
	if (text_of(txn, "reason") != NULL) {
		printf("  ");
		text_put(stdout, text_of(txn, "reason"));
	}
	printf("\n");
	fflush(stdout);
}

static void put_if_changed(struct watch *w, const struct http_answer *answer)
{
	char *now = fingerprint(answer->json);

	if (w->seen == NULL || strcmp(w->seen, now) != 0)
		put_state(w->cli, answer, true);
	free(w->seen);
	w->seen = now;
}

/* ---- the loops ---- */

/* Whether the transaction has ended, and how; prints that. */
static enum cli_exit look_at_end(struct watch *w)
{
	struct http_answer answer = {0};
	enum cli_exit status = CLI_UNFINISHED;
	char *path = path_of(w, 0);

	switch (ask(w, path, 0, &answer)) {
	case GOT_NOTHING_YET: break;
	case GOT_FAILURE: status = CLI_FAILED; break;
	case GOT_ANSWER:
		status = show_exit(answer.json);
		if (status != CLI_UNFINISHED)
			put_state(w->cli, &answer, false);
		break;
	}
	http_fini(&answer);
	free(path);
	return status;
}

static enum cli_exit follow_events(struct watch *w)
{
	enum cli_exit status = CLI_UNFINISHED;

	do {
		const uint64_t hold = hold_ms(w, WATCH_HOLD_MS);
		char *path = events_path(w->gid, w->after, hold);
		struct http_answer answer = {0};

		switch (ask(w, path, hold, &answer)) {
		case GOT_NOTHING_YET: break;
		case GOT_FAILURE: status = CLI_FAILED; break;
		case GOT_ANSWER:
			if (w->cli->json)
				printf("%s\n", answer.text);
			if (events_print(w->cli, answer.json, &w->after))
				status = look_at_end(w);
			break;
		}
		http_fini(&answer);
		free(path);
	} while (status == CLI_UNFINISHED && clock_mono_us() < w->until_us);
	return status;
}

/* The first look tells which kind it is; a plain one is asked again in short steps. */
static enum cli_exit follow(struct watch *w)
{
	enum cli_exit status = CLI_UNFINISHED;
	bool saga = false;

	do {
		const uint64_t hold = w->seen != NULL ? hold_ms(w, WATCH_STEP_MS) : 0;
		char *path = path_of(w, hold);
		struct http_answer answer = {0};

		switch (ask(w, path, hold, &answer)) {
		case GOT_NOTHING_YET: break;
		case GOT_FAILURE: status = CLI_FAILED; break;
		case GOT_ANSWER:
			saga = show_is_saga(answer.json);
			if (!saga) {
				put_if_changed(w, &answer);
				status = show_exit(answer.json);
			}
			break;
		}
		http_fini(&answer);
		free(path);
	} while (!saga && status == CLI_UNFINISHED && clock_mono_us() < w->until_us);
	return saga ? follow_events(w) : status;
}

enum cli_exit watch_transaction(struct cli *cli, const char *gid, uint64_t timeout_ms)
{
	struct watch w = {.cli = cli, .gid = gid, .until_us = UINT64_MAX};
	enum cli_exit status;

	if (timeout_ms != UINT64_MAX)
		w.until_us = clock_mono_us() + timeout_ms * 1000;
	status = follow(&w);
	free(w.seen);
	return status;
}

enum cli_exit watch_events(struct cli *cli, const char *gid)
{
	struct watch w = {.cli = cli, .gid = gid, .until_us = UINT64_MAX};

	return follow_events(&w);
}

static enum cli_exit run_watch(struct cli *cli, const struct args *args)
{
	return watch_transaction(cli, args->operands[0], UINT64_MAX);
}

const struct cli_command command_watch = {
	"watch",
	"GID",
	1,
	"Follows a transaction to its end, a line for each thing that happens",
	"Ends with the same exit statuses as settle show.",
	NULL,
	run_watch,
};
