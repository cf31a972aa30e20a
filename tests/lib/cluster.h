/* cluster.h - a coordinator, two agents and the two banks, for one test.
 *
 * Each test has its own journal and its own programs, on ports that stay the same
 * over restarts.  A test reads as a history: SUBMIT, FREEZE, KILL, RESTART, END.
 * At its end `cluster_stop` holds the banks against each other and against what
 * the coordinator says, and ends every program by its process id, politely: a
 * program that does not end with status 0 (a leak, a data race) fails the test.
 * Thread: the test's main thread; SUBMIT and ask from any. */
#ifndef TESTS_LIB_CLUSTER_H
#define TESTS_LIB_CLUSTER_H

#include "tests/lib/bank.h"
#include "tests/lib/harness.h"
#include "tests/lib/proc.h"
#include "tests/lib/proxy.h"
#include "tests/lib/rest_client.h"

/* What a test wants to be different. */
struct cluster_wish {
	bool link_proxy;       /* a proxy between each agent and the coordinator */
	bool pg_proxy;         /* a proxy between each agent and its bank */
	const char *settings;  /* more lines for the coordinator's file */
	const char *resources; /* more resources for agent b's file */
};

extern struct cluster {
	char *url; /* of the REST interface */
	int rest_port, agents_port;
	char *conf_path;
	struct proc *coordinator, *agent[BANKS];
	struct proxy *link[BANKS], *pg[BANKS];
	long epoch; /* of the coordinator's last start */
} cluster;

/* A case whose tests end with cluster_stop, unless they failed before. */
TCase *cluster_case(Suite *suite, const char *name);

/* Starts everything and waits until both banks are ready at the coordinator. */
void cluster_start(const struct cluster_wish *wish);
#define START(...) cluster_start(&(struct cluster_wish){__VA_ARGS__})
/* The end of every test; see above. */
void cluster_stop(void);

void coordinator_start(void);
void coordinator_kill(void);
void agent_start(int b);
void agent_kill(int b);
/* Waits until the coordinator has an agent that serves the resource (or not). */
void await_ready(const char *resource, bool ready);

/* A transfer; what is left out has the value in brackets. */
struct transfer {
	const char *gid;                  /* must be given */
	int from, to;                     /* accounts [1, 1] */
	int amount;                       /* [10] */
	bool back;                        /* from bank b to bank a */
	const char *timeout;              /* to prepare [10s] */
	const char *wait;                 /* accepted, decided or [finished] */
	const char *hold;                 /* for how long the call waits [30s] */
	const char *debit;                /* operation [debit] */
	const char *credit;               /* operation [credit] */
	const char *debit_at, *credit_at; /* resources [bank-a, bank-b] */
};

/* The body of its submission; give to free(). */
char *transfer_body(const struct transfer *t);
struct response transfer_submit(const struct transfer *t);
/* Submits, checks nothing: give to response_free. */
#define SUBMIT(...) transfer_submit(&(struct transfer){__VA_ARGS__})
/* Submits and does not wait for anything but being taken. */
#define BEGIN(...) transfer_begin(&(struct transfer){__VA_ARGS__, .hold = "0ms"})
void transfer_begin(const struct transfer *t);

/* What the coordinator says of `gid` now; "unknown" for 404, "" when it does not
 * answer. Borrowed until the next call of this thread. */
const char *status_of(const char *gid);
/* Waits until the coordinator says that it ended; fails if it does not within 40 s.
 * `*reason` (may be NULL) is what it says why; give to free(). */
const char *end_of(const char *gid, char **reason);
/* Fails unless `gid` ends so, on both sides alike; returns its reason; give to free(). */
char *ends(const char *gid, const char *status);
#define ENDS(gid, status) free(ends(gid, status))
/* Fails unless it ends committed or rolled back, on both sides alike; says which. */
const char *ends_alike(const char *gid);

#endif
