/* team.h - a coordinator and agents of a test's own making, with no database.
 *
 * For sagas: a test says what each agent serves.  Programs keep their ports over
 * restarts.  At a test's end `team_stop` ends every program by its process id, politely:
 * one that does not end with status 0 (a leak, a data race) fails the test.
 * Thread: the test's main thread; team_ask from any. */
#ifndef TESTS_LIB_TEAM_H
#define TESTS_LIB_TEAM_H

#include "tests/lib/harness.h"
#include "tests/lib/proc.h"
#include "tests/lib/rest_client.h"

enum { TEAM_AGENTS_MAX = 4 };

extern struct team {
	char *url; /* of the REST interface */
	int rest_port, agents_port;
	struct proc *coordinator;
	struct proc *agents[TEAM_AGENTS_MAX]; /* in the order in which they came */
	int n_agents;
	char *said; /* what the last `settle` printed */
} team;

/* A case whose tests end with team_stop, unless they failed before. */
TCase *team_case(Suite *suite, const char *name);

/* Starts the coordinator; `settings` (may be NULL) are more lines for its file. */
void team_start(const char *settings);
void team_stop(void);
/* kill -9, and started again; what it held is loaded. */
void team_restart(void);

/* Starts one more agent; `resources` is the section of that name in its file. */
struct proc *team_agent(const char *name, const char *resources);
/* Waits until the coordinator has an agent that serves the resource. */
void team_await(const char *resource);

/* Runs the command `settle` with these words, up to NULL; gives its exit status, and
 * what it printed in team.said. */
int settle(const char *first, ...) __attribute__((sentinel));
/* Fails unless it ended with `status`, and printed `word` (NULL: anything). */
#define SETTLE(status, word, ...) settle_is(settle(__VA_ARGS__, NULL), status, word, __LINE__)
void settle_is(int got, int status, const char *word, int line);
/* Starts it, to be watched while it runs. */
struct proc *settle_begin(const char *first, ...) __attribute__((sentinel));

/* A call of the REST interface that must answer `status` (0: any); the answer's body,
 * borrowed until the next call of this thread. */
const json_t *team_ask(const char *method, const char *path, const char *body, int status);
/* The number at `group`.`member` of /v1/stats. */
long team_stat(const char *group, const char *member);
/* Submits {gid, wait: accepted, and `more`: the rest of the body}. */
void team_submit(const char *gid, const char *more);
/* Waits until `gid` is finished or stuck; its status; borrowed as above. */
const char *team_end(const char *gid);
/* Fails unless `gid` ends so. */
void team_ends(const char *gid, const char *status);
/* Publishes the text of a workflow file; its version. */
int team_publish(const char *text);

/* Resident memory in KiB, now and at its most; 0 when the process is gone. */
long rss_kib(const struct proc *p);
long rss_peak_kib(const struct proc *p);
/* False in builds whose memory tells nothing: a sanitizer keeps what was freed. */
bool memory_counts(void);

#endif
