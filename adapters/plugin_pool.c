/* plugin_pool.c - see plugin_pool.h. */
#include "adapters/plugin_pool.h"

#include "base/crash.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct worker {
	struct plugin_pool *pool;
	pthread_t thread;
	bool inside; /* in the plugin */
};

struct jobs {
	struct plugin_job *first, **end;
};

/* Lives until the loop's handle and each thread have let go of it. */
struct plugin_pool {
	uv_async_t async;
	struct plugin_pool_events events;
	struct worker *workers;
	size_t n_workers;
	pthread_mutex_t lock; /* guards what follows, and worker.inside */
	pthread_cond_t wake;
	struct jobs given, done;
	bool closed;
	size_t holders;
};

static void put(struct jobs *list, struct plugin_job *job)
{
	job->next = NULL;
	*list->end = job;
	list->end = &job->next;
}

static struct plugin_job *get(struct jobs *list)
{
	struct plugin_job *job = list->first;

	if (job == NULL)
		return NULL;
	list->first = job->next;
	if (list->first == NULL)
		list->end = &list->first;
	return job;
}

void plugin_thread_begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void drop(struct jobs *list)
{
	struct plugin_job *job;

	while ((job = get(list)) != NULL)
		plugin_job_free(job);
}

/* With the lock, which it gives back; the last one frees the pool. */
static void let_go(struct plugin_pool *pool)
{
	const bool last = --pool->holders == 0;

	pthread_mutex_unlock(&pool->lock);
	if (!last)
		return;
	drop(&pool->given);
	drop(&pool->done);
	pool->events.left(pool->events.left_arg);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool->workers);
	free(pool);
}

/* The next job; NULL: the pool is closed. With the lock. */
static struct plugin_job *take(struct plugin_pool *pool)
{
	while (pool->given.first == NULL && !pool->closed)
		pthread_cond_wait(&pool->wake, &pool->lock);
	return pool->closed ? NULL : get(&pool->given);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct plugin_pool *pool = w->pool;
	struct plugin_job *job;

	plugin_thread_begin();
	pthread_mutex_lock(&pool->lock);
	while ((job = take(pool)) != NULL) {
		w->inside = true;
		pthread_mutex_unlock(&pool->lock);
		CRASH_POINT(plugin_call);
		plugin_job_run(job);
		CRASH_POINT(plugin_called);
		pthread_mutex_lock(&pool->lock);
		w->inside = false;
		put(&pool->done, job);
		/* Under the lock: the handle is closed only after `closed` was set. */
		if (!pool->closed)
			uv_async_send(&pool->async);
	}
	let_go(pool);
	return NULL;
}

static void on_wake(uv_async_t *async)
{
	struct plugin_pool *pool = async->data;
	struct plugin_job *job;

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		job = pool->closed ? NULL : get(&pool->done);
		pthread_mutex_unlock(&pool->lock);
		if (job == NULL)
			break;
		pool->events.back(job, pool->events.arg);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct plugin_pool *pool = handle->data;

	pthread_mutex_lock(&pool->lock);
	let_go(pool);
}

static bool add_worker(struct plugin_pool *pool)
{
	struct worker *w = &pool->workers[pool->n_workers];
	bool good;

	w->pool = pool;
	pthread_mutex_lock(&pool->lock);
	good = pthread_create(&w->thread, NULL, work, w) == 0;
	pool->holders += good;
	pool->n_workers += good;
	pthread_mutex_unlock(&pool->lock);
	return good;
}

enum rc plugin_pool_new(uv_loop_t *loop, size_t threads, const struct plugin_pool_events *events,
			struct plugin_pool **out, struct err *err)
{
	struct plugin_pool *pool = mem_new(1, sizeof *pool);

	pool->events = *events;
	pool->given.end = &pool->given.first;
	pool->done.end = &pool->done.first;
	pool->holders = 1;
	pool->workers = mem_new(threads, sizeof *pool->workers);
	/* These fail only for want of memory or descriptors at start-up. */
	if (pthread_mutex_init(&pool->lock, NULL) != 0 ||
	    pthread_cond_init(&pool->wake, NULL) != 0 ||
	    uv_async_init(loop, &pool->async, on_wake) != 0)
		abort();
	pool->async.data = pool;
	while (pool->n_workers < threads) {
		if (add_worker(pool))
			continue;
		err_set(err, RC_FULL, "the system gives no more than %zu threads", pool->n_workers);
		plugin_pool_close(pool);
		return RC_FULL;
	}
	*out = pool;
	return RC_OK;
}

void plugin_pool_give(struct plugin_pool *pool, struct plugin_job *job)
{
	pthread_mutex_lock(&pool->lock);
	put(&pool->given, job);
	pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
}

void plugin_pool_close(struct plugin_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (size_t i = 0; i < pool->n_workers; i++) {
		bool inside;

		pthread_mutex_lock(&pool->lock);
		inside = pool->workers[i].inside;
		pthread_mutex_unlock(&pool->lock);
		if (inside)
			pthread_detach(pool->workers[i].thread);
		else
			pthread_join(pool->workers[i].thread, NULL);
	}
	uv_close((uv_handle_t *)&pool->async, on_closed);
}
