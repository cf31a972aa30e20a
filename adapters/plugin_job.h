/* plugin_job.h - one call of a plugin's function, as its thread sees it.
 *
 * A job has copies of all that it needs, since it may outlive the call that it was made
 * for: a function that does not return is given up, and its job stays with its thread.
 *
 * Thread: the loop's makes it and fills it in; from plugin_pool_give until it is back it
 * is its thread's, but for `cancelled`, and for the fields below it. */
#ifndef ADAPTERS_PLUGIN_JOB_H
#define ADAPTERS_PLUGIN_JOB_H

#include "adapters/plugin_load.h"
#include "base/id.h"
#include "wire/frame.h"

#include <stdatomic.h>
#include <uthash.h>

enum {
	/* `settle:<cluster>:<epoch>:<gid>:<branch>`, or a call's key */
	PLUGIN_KEY_SIZE = 256,
	PLUGIN_LIST_MAX = 100000, /* branches of one list */
};

enum plugin_kind {
	PLUGIN_DO,
	PLUGIN_UNDO,
	PLUGIN_PREPARE,
	PLUGIN_COMMIT,
	PLUGIN_ROLLBACK,
	PLUGIN_LIST,
	PLUGIN_CHECK,
	PLUGIN_CLOSE,
	PLUGIN_KINDS,
};

/* "do", "prepare", "check", … */
const char *plugin_kind_name(enum plugin_kind kind);

/* What a function said. */
struct plugin_said {
	enum settle_result result;
	const char *fault; /* what is wrong with its answer; NULL: nothing */
	char *output;      /* valid JSON; or NULL */
	size_t output_size;
	char *reason; /* as it wrote it, cut; or NULL */
	uint32_t retry_after_ms;
	char **keys; /* of a list */
	size_t n_keys;
};

/* What must stay as long as a thread may be in the plugin. */
struct plugin_target {
	struct settle_host host; /* first: the plugin gives it back to `log` */
	struct plugin_library lib;
	char *cluster, *agent, *resource, *settings;
	void *self;
	bool opened;
	bool close_begun; /* set by the thread that does it */
};

struct plugin_job {
	struct plugin_job *next; /* the pool's */
	struct plugin_target *target;
	enum plugin_kind kind;
	char key[PLUGIN_KEY_SIZE], gid[GID_MAX + 1], step[NAME_MAX_LEN + 1];
	char operation[NAME_MAX_LEN + 1];
	char *args; /* or NULL */
	size_t args_size;
	uint32_t timeout_ms, attempt;
	bool read_only;
	bool elsewhere;
	struct plugin_said said;

	atomic_bool cancelled;

	/* the loop's */
	struct plugin_call *call; /* whom it was made for; NULL: given up */
	char identity[PLUGIN_KEY_SIZE];
	UT_hash_handle hh; /* by identity */
	uint64_t began_at; /* in the loop's ms */
};

/* Calls the function and fills `said`. Blocks for as long as the function does. */
void plugin_job_run(struct plugin_job *job);
void plugin_job_free(struct plugin_job *job);

#endif
