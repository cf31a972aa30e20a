/* db_core.h - what db.c and adapter.c share; see sim.h. */
#ifndef TESTS_SIM_DB_CORE_H
#define TESTS_SIM_DB_CORE_H

#include "tests/sim/sim.h"

#include <jansson.h>

enum dbstate { DB_NONE, DB_PREPARED, DB_COMMITTED, DB_ROLLED_BACK, DB_FORBIDDEN };

struct dbbranch {
	char key[200]; /* epoch/gid/branch */
	char gid[65], branch[65];
	uint64_t epoch;
	size_t db;
	enum dbstate state;
	bool was_prepared;
	size_t commits;
	json_int_t amount;   /* what it adds to its account */
	bool by_hand;        /* a person ended it */
	bool hazard_said;    /* its adapter saw that */
	bool taken_for_done; /* its adapter could not tell it from a commit made before */
	UT_hash_handle hh;
};

/* A database session that works on a branch. */
struct session {
	struct dbbranch *b;
	size_t agent;
	uint64_t incarnation;
	bool dead;
	bool once;
	bool cut; /* its agent will not hear of the end */
	struct session *next;
};

/* The adapter of one agent at one database. */
struct client {
	size_t db, agent;
	uint64_t incarnation;
	void *served;
	bool gone; /* its agent is */
	struct client *next;
};

enum call_kind { CALL_WORK, CALL_COMMIT, CALL_ROLLBACK, CALL_SETTLE, CALL_ANSWER };

/* A call that will be answered. */
struct call {
	struct client *c;
	struct session *s;
	struct dbbranch *b;
	adapter_done_fn done;
	void *arg;
	enum call_kind what; /* CALL_ANSWER: it is done, and `kind` to be told */
	enum result_kind kind;
	bool repeat, read_only, once;
	uint64_t until_us; /* it waits no longer for a lock */
	uint64_t crashes;  /* of the database when it began */
	struct call *next;
};

extern struct dbbranch *db_branches;
extern struct session *db_sessions;
extern bool db_down[SIM_DBS];
extern uint64_t db_crashes[SIM_DBS];

struct dbbranch *db_branch(size_t db, const struct branch_id *id);
void db_commit(struct dbbranch *b);
void db_rollback(struct dbbranch *b);
/* The session's work ends: prepared, or done in one phase. */
enum result_kind db_work(struct session *s);
/* The session goes on by itself: at some time it does its work, if it lives. */
void db_zombie(void *session, uint64_t n);
/* Ends the sessions of an agent on branch `b`, or on all. */
void db_end_sessions(const struct dbbranch *b, size_t db, size_t agent);
void sim_calls_fini(void);

/* ---- accounts.c ---- */

/* What it is to add, from its arguments. */
void account_asked(struct dbbranch *b, const void *args, size_t size);
bool account_locked(const struct dbbranch *b); /* by another branch that is prepared */
void account_add(const struct dbbranch *b);
void accounts_check_try(const struct dbbranch *b);

#endif
