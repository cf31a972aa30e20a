/* ports.h - what the engine asks of the world, as tables of functions.
 *
 * The engine knows no socket, no file, no clock and no random: main.c plugs in
 * SQLite, sockets and libmicrohttpd, a test plugs in a simulation.
 * Thread: every function here is called on the loop's thread and never calls
 * back into the engine from inside. */
#ifndef COORDINATOR_PORTS_H
#define COORDINATOR_PORTS_H

#include "base/err.h"
#include "coordinator/record.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stdint.h>

/* What to list: filters are NULL or 0 when absent. */
struct list_query {
	const char *status; /* a word of record_status */
	const char *workflow;
	const char *resource;
	uint64_t since_us, until_us; /* begun at or after, before */
	uint64_t before_seq;         /* the cursor: only older ones; 0: from the newest */
	size_t limit;                /* 1 to LIST_MAX */
	bool groups; /* also the atomic groups of sagas, which people are not shown */
	/* Out, may be NULL: the `before_seq` to go on with, 0 when there is no more.  All
	 * rows from there on were looked at, whatever was given: a page may be short. */
	uint64_t *next_seq;
};
enum { LIST_MAX = 1000, LIST_STANDARD = 50 };

/* Called for each row, newest first; the record is borrowed, and may come without
 * its input and branches. */
typedef void (*record_fn)(const struct record *r, void *arg);
/* What was put by put_event; `json` is borrowed. */
typedef void (*event_fn)(uint64_t n, uint64_t wall_us, const char *json, void *arg);

/* One published version of a workflow. */
struct workflow_row {
	const char *name;
	uint32_t version; /* from 1 */
	bool active;      /* the one that a submit by name alone begins */
	uint64_t published_us;
	const char *text; /* as it was published; NULL where only the rest was asked for */
};
typedef void (*workflow_fn)(const struct workflow_row *row, void *arg);

/* One catalogued resource; borrowed. */
typedef void (*resource_fn)(const struct resource_info *info, void *arg);

/* The durable record.  What is put is staged for the open batch; commit closes
 * the batch under `batch` and makes it durable in the background; when it is,
 * engine_durable(batch) is called from a later turn, batches in order.  `at_once`: hardly
 * anybody else waits for the engine, so commit may block for as long as a sync takes.  A
 * failed write does not come back: the process stops (the journal sees to it). */
struct journal_port {
	/* The whole row, new or replaced. */
	void (*put)(void *self, const struct record *r);
	/* Only that it ended: state and time, of a row that was put before. */
	void (*end)(void *self, const struct record *r);
	/* Remembers a resource and its operations, so that one whose agent is away is
	 * still known. */
	void (*put_resource)(void *self, const struct resource_info *info);
	/* The n-th step of a saga, new or replaced; the saga's own row was put before. */
	void (*put_step)(void *self, const struct record *r, size_t n);
	/* Lines of the history of the transaction `seq`, up to its line number `n`; how they
	 * are put into `json` is the engine's.  `n` counts from 1; of one transaction at most
	 * EVENTS_KEPT are kept: up to the first hundred, and the newest. */
	void (*put_event)(void *self, uint64_t seq, uint64_t n, uint64_t wall_us, const char *json);
	/* A new version, which becomes the active one of its name. */
	void (*put_workflow)(void *self, const struct workflow_row *row);
	/* Makes another version the active one. */
	void (*activate)(void *self, const char *name, uint32_t version);
	/* Forgets finished transactions that began before `before_us`, a bounded number
	 * each time. */
	void (*prune)(void *self, uint64_t before_us);
	void (*commit)(void *self, uint64_t batch, bool at_once);

	/* Reads; they see every durable batch and perhaps later ones.  RC_NOT_FOUND,
	 * RC_INVALID (the journal is damaged), RC_IO; a list also RC_FULL: it looked at as
	 * many rows as it may without `next_seq`.  `*out` is given: record_free. */
	enum rc (*find)(void *self, const char *gid, struct record **out, struct err *err);
	enum rc (*list)(void *self, const struct list_query *q, record_fn each, void *arg,
			struct err *err);
	/* The history of `seq`, oldest first, what has lines after `after`, `limit` of them
	 * at the most. */
	enum rc (*events)(void *self, uint64_t seq, uint64_t after, size_t limit, event_fn each,
			  void *arg, struct err *err);
	/* The text of a published version, for free(). RC_NOT_FOUND, RC_IO. */
	enum rc (*workflow)(void *self, const char *name, uint32_t version, char **text,
			    struct err *err);
	void *self;
};
enum { EVENTS_KEPT = 1000, EVENTS_FIRST_KEPT = 100 };

/* Frames to agents: answers the held poll, once. `reply` is borrowed. */
struct link_port {
	void (*reply)(void *self, uint64_t poll, const struct reply *reply);
	void *self;
};

/* How a client's call ended. */
enum answer_code {
	ANSWER_OK = 200,
	ANSWER_FINISHED = 201,
	ANSWER_UNFINISHED = 202,
	ANSWER_INVALID = 422,
	ANSWER_NOT_FOUND = 404,
	ANSWER_CONFLICT = 409,
	ANSWER_FULL = 429,
	ANSWER_FAILED = 500,
	ANSWER_STOPPING = 503,
};

/* Answers to clients: once per client id.  `json` is given (free): the body for
 * 200 to 202.  Else `text` (borrowed) says what was wrong, and `json` is NULL or where
 * in the request that is (problem_place: "definition" or "input", line and column). */
struct client_port {
	void (*answer)(void *self, uint64_t client, enum answer_code code, char *json,
		       const char *text);
	void *self;
};

#endif
