/* plugin_pool.h - the threads that call a plugin's functions.
 *
 * The pool does not queue: never more jobs are given than there are threads, so that a
 * job which was given is one that runs.  Who is late, and who must wait, is known to
 * plugin_call.c alone.
 * Rule: a thread that is inside the plugin when the pool is closed is left alone; what
 * it brings back is dropped, and it ends by itself.
 * Thread: the loop's, but for plugin_thread_begin. */
#ifndef ADAPTERS_PLUGIN_POOL_H
#define ADAPTERS_PLUGIN_POOL_H

#include "adapters/plugin_job.h"
#include "base/err.h"

#include <uv.h>

struct plugin_pool;

struct plugin_pool_events {
	/* A job is back; it is the receiver's again. */
	void (*back)(struct plugin_job *job, void *arg);
	void *arg;
	/* After plugin_pool_close: all jobs are gone, and no thread is in the plugin any more.
	 * From any thread, but never from inside a call of ours. */
	void (*left)(void *left_arg);
	void *left_arg;
};

/* RC_FULL: the system has no room for so many threads (`left` follows, too). */
enum rc plugin_pool_new(uv_loop_t *loop, size_t threads, const struct plugin_pool_events *events,
			struct plugin_pool **pool, struct err *err);

/* Takes the job. */
void plugin_pool_give(struct plugin_pool *pool, struct plugin_job *job);

/* Ends the threads that are not in the plugin, and waits for these; forgets the others. */
void plugin_pool_close(struct plugin_pool *pool);

/* What each thread that calls a plugin does first: signals stay the agent's. */
void plugin_thread_begin(void);

#endif
