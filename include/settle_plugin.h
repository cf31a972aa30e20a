/* settle_plugin.h - make your own resource take part in Settle's transactions.
 *
 * A plugin is a shared object that exports one symbol, `settle_plugin`: a table of
 * your functions.  An agent loads it by path (`adapter: plugin`) and calls them.
 * This header needs nothing else of Settle, and may be copied into your source.
 *
 *     #include <settle_plugin.h>
 *
 *     static enum settle_result call(void *self, const struct settle_request *q,
 *                                    struct settle_reply *r) { … return SETTLE_DONE; }
 *
 *     const struct settle_plugin settle_plugin = {
 *         .abi = SETTLE_PLUGIN_ABI, .size = sizeof(struct settle_plugin),
 *         .name = "seats", .open = open_it, .close = close_it, .call = call,
 *     };
 *
 *     cc -std=c11 -shared -fPIC -o seats.so seats.c
 *
 * Write plain code that blocks: each function runs on a thread of its own pool, several
 * at the same time, so what they share needs a lock.  Never two at once for the same
 * branch, or for the same step of a transaction.  What the agent passes to a function is
 * valid until that function returns, and what you pass to the agent is copied.
 *
 * Rules that Settle's promises rest on:
 *   - SETTLE_UNKNOWN is never wrong.  DONE, REFUSED and RETRY are statements of fact.
 *   - Return in time.  Poll `cancelled` where you may take long.  A function that has
 *     not returned soon after its deadline costs the resource a thread until it does;
 *     its answer is then no longer heard, and counts as UNKNOWN.
 *   - The plugin runs in the agent's process: a crash of yours is a crash of the agent
 *     (and of everything else that it serves).
 *   - Signals SIGINT and SIGTERM are blocked on the threads that call you: they are the agent's.
 *
 * docs/adapters/plugin.md tells all of it; examples/plugin is a whole plugin.
 *
 * The MIT licence.  Copyright (c) 2026 The Settle authors
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this
 * software and associated documentation files (the "Software"), to deal in the Software
 * without restriction, including without limitation the rights to use, copy, modify, merge,
 * publish, distribute, sublicense, and/or sell copies of the Software, and to permit
 * persons to whom the Software is furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all copies or
 * substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
 * INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
 * PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE
 * FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
 * OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
 * DEALINGS IN THE SOFTWARE. */
#ifndef SETTLE_PLUGIN_H
#define SETTLE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of everything below.  Fields are only ever added, at the ends of structs,
 * and `size` says which are there; what cannot be added so gets a new version. */
#define SETTLE_PLUGIN_ABI 1

enum {
	SETTLE_OUTPUT_MAX = 1 << 20, /* bytes of output */
	SETTLE_REASON_MAX = 1000,    /* bytes of a reason; a longer one is cut */
	SETTLE_PROBLEM_SIZE = 512,   /* bytes, with the NUL, that open and check may write */
};

/* How a function ended. */
enum settle_result {
	/* It cannot be told whether it was done.  Also: anything that is not in this list. */
	SETTLE_UNKNOWN = 0,
	SETTLE_DONE = 1,    /* done, now or before */
	SETTLE_REFUSED = 2, /* no, and asking again will not help; this call has left nothing */
	SETTLE_RETRY = 3,   /* not now: a passing fault; this call has left nothing */
	SETTLE_PENDING = 4, /* `call` only: begun; the coordinator is told its end by others */
	SETTLE_GONE = 5,    /* `commit` and `rollback`: there is no such branch (any more);
			       `call` of an undo: the action was never done */
};

/* What a function is asked to do.  No pointer in it is NULL. */
struct settle_request {
	uint32_t size; /* of this struct, as the agent knows it */
	/* Of a branch: its name `settle:<cluster>:<epoch>:<gid>:<branch>`.
	 * Of a call: `<gid>/<step>/do` or `<gid>/<step>/undo`, the same each time. */
	const char *key;
	const char *gid;       /* the transaction */
	const char *step;      /* the step of a call, or the branch */
	const char *operation; /* of call and prepare; else "" */
	const char *args;      /* of call and prepare: a JSON object; NUL-terminated; else "" */
	size_t args_size;      /* without the NUL */
	uint32_t timeout_ms;   /* what is left, when the function is called */
	uint32_t attempt;      /* of a call, from 1; else 0 */
	bool undo;             /* the call undoes the action of the same gid and step */
	bool read_only;        /* of prepare: answer, change nothing, leave nothing prepared */
	bool elsewhere;        /* the undone action was another resource's, or an atomic group's */
};

/* What a function has to say beside its result; its functions are for the thread that
 * was called, until it returns. */
struct settle_reply {
	uint32_t size;
	/* Adds to the output, which must be one JSON value (or nothing) in the end. */
	void (*output)(struct settle_reply *reply, const void *json, size_t size);
	/* Why not, for people; the last one counts.  Never put a secret in it. */
	void (*reason)(struct settle_reply *reply, const char *text);
	/* With RETRY: not before so many milliseconds. */
	void (*retry_after)(struct settle_reply *reply, uint32_t ms);
	/* True once it shall end soon: its deadline has passed, the transaction does not want
	 * it any more, or the agent is stopping. */
	bool (*cancelled)(const struct settle_reply *reply);
};

/* Where `list` names branches. */
struct settle_list {
	uint32_t size;
	/* One prepared branch, by its key. */
	void (*add)(struct settle_list *list, const char *key);
};

enum settle_log_level { SETTLE_LOG_DEBUG, SETTLE_LOG_INFO, SETTLE_LOG_WARN, SETTLE_LOG_ERROR };

/* The agent; valid from `open` until `close` has returned.  From any thread. */
struct settle_host {
	uint32_t size;
	const char *cluster;
	const char *agent;
	const char *resource; /* what this plugin serves is called so */
	/* One line in the agent's log.  Never put a secret in it. */
	void (*log)(const struct settle_host *host, enum settle_log_level level, const char *text);
};

/* The flags of a plugin. */
enum {
	/* Calls are exact: each key's mark is written together with its work, in one local
	 * transaction, so that
	 *   - a key that was done is not done again, and is answered DONE with the first output;
	 *   - an undo whose action was never done does nothing, and is answered DONE or GONE
	 *     (but one of what was done `elsewhere` is a work of its own, done once);
	 *   - an action that comes after its undo does nothing, and is answered REFUSED;
	 *   - REFUSED and RETRY prove that no earlier call of the key was done either. */
	SETTLE_EXACT = 1,
};

/* The table.  `open` and `close` must be there, and `call`, or the four of atomic
 * groups, or all five; the rest is NULL. */
struct settle_plugin {
	uint32_t abi;  /* SETTLE_PLUGIN_ABI */
	uint32_t size; /* sizeof(struct settle_plugin) */
	const char *name;
	uint32_t flags; /* SETTLE_EXACT, or 0 */

	/* Once for each resource that uses the plugin. `settings` is that map of the agent's
	 * file, as JSON (`{}` if it is not there).  Gives what the other functions get as `self`.
	 * False: the settings are wrong; `problem` (SETTLE_PROBLEM_SIZE bytes) then says what to
	 * change, and the agent does not start.  For what may pass there is `check`. */
	bool (*open)(const struct settle_host *host, const char *settings, void **self,
		     char *problem);
	/* All others have returned.  Ends every thread that the plugin has started. */
	void (*close)(void *self);

	/* May be NULL.  Does it serve now?  Asked before anything else and every few seconds;
	 * false: `problem` says for people what is wrong and what to do. */
	bool (*check)(void *self, char *problem);

	/* One step of a saga: its action, or (`undo`) its compensation.
	 * DONE, REFUSED, RETRY, PENDING, UNKNOWN; of an undo also GONE. */
	enum settle_result (*call)(void *self, const struct settle_request *q,
				   struct settle_reply *r);

	/* Atomic groups.  `prepare` reserves durably: once it has answered DONE, a commit
	 * of the key must succeed, whatever dies in between, and a rollback must free it.
	 * Name what you reserve by the key.  DONE, REFUSED, RETRY or UNKNOWN.
	 * After anything but REFUSED and RETRY a rollback will come. */
	enum settle_result (*prepare)(void *self, const struct settle_request *q,
				      struct settle_reply *r);
	/* Both are asked again until they answer DONE or GONE.  GONE says that there is no
	 * such branch, and that no prepare of it can still take effect. */
	enum settle_result (*commit)(void *self, const struct settle_request *q,
				     struct settle_reply *r);
	enum settle_result (*rollback)(void *self, const struct settle_request *q,
				       struct settle_reply *r);
	/* Adds every branch that is prepared, or may be; those of other clusters may be
	 * among them.  DONE, else the list is not used. */
	enum settle_result (*list)(void *self, struct settle_list *list);
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct settle_plugin settle_plugin;

#ifdef __cplusplus
}
#endif

#endif
