/* plugin_impl.h - one plugin resource: what its parts share.
 *
 *   plugin.c       the contract's functions       plugin_config, plugin_settings
 *   plugin_call    a call: queue, thread, answer  plugin_load, plugin_open   the library
 *   plugin_verdict what an answer means           plugin_pool, plugin_job    the threads
 *   plugin_ready   may it serve?
 *
 * Private to these files.  Thread: the loop's. */
#ifndef ADAPTERS_PLUGIN_IMPL_H
#define ADAPTERS_PLUGIN_IMPL_H

#include "adapters/loop.h"
#include "adapters/plugin_config.h"
#include "adapters/plugin_job.h"
#include "adapters/plugin_load.h"
#include "adapters/plugin_pool.h"
#include "participant/adapter.h"

enum { PLUGIN_BUSY_RETRY_MS = 1000 }; /* when the queue is full */

struct plugin;

/*   QUEUED ──▶ RUNNING ──▶ ANSWERED ──▶ told, freed
 *                 │ deadline + grace: its job is lost; it has the thread until
 *                 ▼ it returns, and what it says then is dropped
 *              ANSWERED (unknown) */
enum plugin_place { PLUGIN_NEW, PLUGIN_QUEUED, PLUGIN_RUNNING, PLUGIN_ANSWERED };

struct plugin_call {
	struct plugin *p;
	struct plugin_call *prev, *next;           /* in a queue, or among the answers */
	struct plugin_call *prev_open, *next_open; /* among all that are not answered */
	enum plugin_kind kind;
	enum plugin_place place;
	bool repeat;            /* of a commit */
	struct plugin_job *job; /* NULL: it has no part in it (any more) */
	uint64_t ends_at;       /* its deadline, in the loop's ms */
	bool late;              /* the deadline has passed, the grace runs */
	struct adapter_timer timer;

	adapter_done_fn done;   /* of a branch or a step */
	adapter_list_fn listed; /* of a list; a check and a close have neither */
	void *arg;

	/* the answer */
	enum result_kind result;
	char *output;
	size_t output_size;
	char *reason; /* or NULL */
	uint32_t retry_after_ms;
	enum rc rc; /* of a list */
	struct branch_id *found;
	char **names; /* which `found` points to, two for each */
	size_t n_found;
};

struct plugin {
	struct adapter_host host; /* its strings are the target's */
	const char *resource;
	struct plugin_config config;
	struct operation_info *operations; /* for describe */
	struct plugin_target *target;
	const struct settle_plugin *api; /* the target's */
	struct adapter_loop loop;
	struct plugin_pool *pool; /* NULL when it is closed */

	struct plugin_call *open, *queued_work, *queued_finish, *answers;
	struct plugin_job *jobs; /* by identity: of open calls, and the lost */
	int64_t queued;          /* in both queues */
	int64_t running;         /* jobs that a thread has, lost ones too */
	int64_t lost;

	/* readiness */
	struct adapter_timer check_due;
	char *unchecked; /* what `check` said last; NULL: it serves */
	bool told;
	char *told_problem;
	char described[REASON_MAX + 1];

	bool closing, close_given;
	adapter_closed_fn closed;
	void *closed_arg;
};

/* ---- plugin_call.c ---- */

/* A call about `identity`; it must end in plugin_call_answer.  If an earlier one about
 * the same has been given up and is still in the plugin, `job` is NULL and the call has
 * been answered: UNKNOWN. */
struct plugin_call *plugin_call_new(struct plugin *p, enum plugin_kind kind, const char *identity,
				    void *arg);
/* Waits for a thread, until `ms` from now; beyond the queue's length it is sent back. */
void plugin_call_queue(struct plugin_call *c, uint64_t ms);
/* Ends the call; the agent is told from plugin_call_deliver. `fmt` may be NULL. */
void plugin_call_answer(struct plugin_call *c, enum result_kind result, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same for one whose function was certainly not called. */
void plugin_call_not_begun(struct plugin_call *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void plugin_call_deliver(struct plugin *p);
/* Gives free threads to those who wait; true if anybody got one. */
bool plugin_call_dispatch(struct plugin *p);
/* Asks the one of that kind that is open about `identity` to end soon. */
void plugin_call_cancel(struct plugin *p, const char *identity, enum plugin_kind kind);
/* Ends what is queued, and asks the others to end within the grace. */
void plugin_call_end_all(struct plugin *p);
/* For the pool. */
void plugin_call_back(struct plugin_job *job, void *plugin);
/* No job is waited for any more. */
void plugin_call_forget_lost(struct plugin *p);

/* ---- plugin_verdict.c ---- */

/* Ends the call by what its function said. */
void plugin_verdict(struct plugin_call *c, struct plugin_said *said);

/* ---- plugin_ready.c ---- */

void plugin_ready_init(struct plugin *p);
/* A check has ended (NULL: it serves), or has not. */
void plugin_ready_checked(struct plugin *p, const char *problem);
/* A check could not be begun: another one, later. */
void plugin_ready_again(struct plugin *p);
/* A job was lost, or a lost one is back: is anything left to serve with? */
void plugin_ready_tell(struct plugin *p);
/* The present problem in `out`, which has REASON_MAX + 1 bytes; NULL: none. */
const char *plugin_ready_problem(const struct plugin *p, char *out);
void plugin_ready_fini(struct plugin *p);

#endif
