/* plugin_open.c - the plugin's `open`, with a limit to how long it may take: plugin_load.h. */
#include "adapters/plugin_load.h"

#include "adapters/plugin_pool.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdlib.h>

/* Shared with the thread; who is last frees it. */
struct opening {
	const struct plugin_library *lib;
	const struct settle_host *host;
	const char *settings;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t ended;
	bool over;  /* the thread has ended */
	bool alone; /* nobody waits for it any more */
	bool opened;
	void *self;
	char problem[SETTLE_PROBLEM_SIZE];
};

static void opening_free(struct opening *o)
{
	pthread_cond_destroy(&o->ended);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static void *open_thread(void *arg)
{
	struct opening *o = arg;
	char problem[SETTLE_PROBLEM_SIZE] = "";
	void *self = NULL;
	bool opened, alone;

	plugin_thread_begin();
	opened = o->lib->api.open(o->host, o->settings, &self, problem);
	problem[sizeof problem - 1] = '\0';
	pthread_mutex_lock(&o->lock);
	o->opened = opened;
	o->self = self;
	for (size_t i = 0; i < sizeof problem; i++)
		o->problem[i] = problem[i];
	o->over = true;
	alone = o->alone;
	pthread_cond_signal(&o->ended);
	pthread_mutex_unlock(&o->lock);
	if (alone)
		opening_free(o);
	return NULL;
}

static struct opening *opening_new(void)
{
	struct opening *o = mem_new(1, sizeof *o);

	if (pthread_mutex_init(&o->lock, NULL) != 0)
		abort(); /* only for want of memory */
	cond_init(&o->ended);
	return o;
}

/* False if it is not over in time; the thread then has it for itself. */
static bool await(struct opening *o, uint64_t timeout_ms)
{
	const uint64_t until = clock_mono_us() + timeout_ms * 1000;
	bool over;

	pthread_mutex_lock(&o->lock);
	while (!o->over && cond_wait_until(&o->ended, &o->lock, until))
		continue;
	over = o->over;
	o->alone = !over;
	pthread_mutex_unlock(&o->lock);
	return over;
}

enum rc plugin_open(const struct plugin_library *lib, const struct settle_host *host,
		    const char *settings, uint64_t timeout_ms, void **self, struct err *err)
{
	struct opening *o = opening_new();
	enum rc rc = RC_OK;
	pthread_t thread;
	char *why;

	o->lib = lib;
	o->host = host;
	o->settings = settings;
	if (pthread_create(&thread, NULL, open_thread, o) != 0) {
		opening_free(o);
		return err_set(err, RC_INVALID, "%s: no thread can be had to open it", lib->path);
	}
	if (!await(o, timeout_ms)) {
		pthread_detach(thread);
		return err_set(err, RC_TIMEOUT,
			       "%s: its `open` has not come back in time; what may take long "
			       "belongs into its `check`",
			       lib->path);
	}
	pthread_join(thread, NULL);
	*self = o->self;
	if (!o->opened) {
		why = frame_cut_reason(o->problem);
		rc = err_set(err, RC_INVALID, "%s cannot be opened: %s", lib->path,
			     why[0] != '\0' ? why : "the plugin does not say why");
		free(why);
	}
	opening_free(o);
	return rc;
}
