/* pg_preflight.h - may this server serve, and is nobody of an earlier start of
 * this agent still at work in it?
 *
 * Rules: the resource becomes ready only after the fence: every session of an
 * earlier incarnation is terminated and gone, so that the list of prepared
 * branches read afterwards cannot grow by one of theirs.  In turn, one that finds
 * itself fenced by a newer start serves no more.  What is wrong is said
 * together with the setting that cures it.
 * Thread: the loop's. */
#ifndef ADAPTERS_PG_PREFLIGHT_H
#define ADAPTERS_PG_PREFLIGHT_H

#include "adapters/pg_session.h"

enum { PG_PROBLEM_SIZE = 512 };

struct pg;

/* What the server says of itself. */
struct pg_facts {
	long max_prepared;
	bool standby;
};

/* What forbids to serve, for people, into `out`; false if nothing does.
 * `pool` is how many branches may be preparing at once. */
bool pg_facts_problem(const struct pg_facts *facts, long pool, char out[PG_PROBLEM_SIZE]);

struct pg_preflight {
	struct pg *pg;
	struct pg_session *session; /* NULL: not under way */
	struct pg_unit unit;
	struct adapter_timer again;
	struct pg_facts facts;
	bool failed;               /* a statement of the present step did */
	uint64_t fencing_since;    /* loop's ms */
	int fence_left, fence_pid; /* sessions of earlier starts, and one of them */
	bool barrier_seen, barrier_shape, barrier_usable, barrier_tried, barrier_told;
	char why[PG_PROBLEM_SIZE];
};

/* A session came up, or went down because of `why`. */
void pg_preflight_up(struct pg *pg, struct pg_session *s);
void pg_preflight_down(struct pg *pg, struct pg_session *s, bool was_up, const char *why);
void pg_preflight_stop(struct pg *pg);

/* Sets the problem that people are told (NULL: none, it serves). */
void pg_problem(struct pg *pg, const char *problem);
/* Tells the agent if that has changed. */
void pg_problem_tell(struct pg *pg);

#endif
