/* sim.h - a world drawn from one seed: the real engine and the real agent cores
 * with a simulated journal, network, databases, clients and clock.
 *
 * Everything happens as an event at a time; each is drawn from one generator, so
 * that a seed is a history, the same each time.  See docs/testing.md.
 *   clock.c    the events and the dice
 *   store.c    the journal: what a crash leaves of it
 *   net.c      polls and replies: late, lost, doubled, cut
 *   db.c       databases with prepared transactions
 *   adapter.c  the adapter to them
 *   service.c  calls of sagas at them: exactly once, or as it happens
 *   people.c   clients: submit, ask, remember what they were told
 *   plots.c    sagas drawn from the seed
 *   sagas.c    their clients, and persons who say a word about them
 *   ledger.c   what was done and undone of them, and what must hold
 *   sim.c      coordinator and agents: start, crash, heal; main */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "base/heap.h"
#include "coordinator/engine.h"
#include "participant/agent.h"

#include <jansson.h>
#include <uthash.h>

enum { SIM_AGENTS = 3, SIM_DBS = 3, SIM_TXNS = 16, SIM_SAGAS = 8, SIM_BRANCHES = 3 };

/* ---- clock.c ---- */

typedef void (*sim_fn)(void *arg, uint64_t n);
void sim_seed(uint64_t seed);
uint64_t sim_rand(uint64_t below);      /* 0 … below - 1 */
bool sim_chance(uint64_t per_thousand); /* only until the healing */
uint64_t sim_delay_us(void);            /* mostly short, sometimes very long */
uint64_t sim_now_us(void);
/* Runs fn(arg, n) in `us`; events of one time run in the order of their making. */
void sim_in(uint64_t us, sim_fn fn, void *arg, uint64_t n);
bool sim_next(uint64_t until_us); /* runs one event; false: none before */
void sim_clock_fini(void);
void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The history breaks a rule: says which and ends the process with status 1. */
void sim_aborted(int signal); /* for SIGABRT */
void sim_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* ---- store.c ---- */

void store_init(void);
struct journal_port store_port(void);
void store_crash(void); /* keeps what was synced, and some of the rest */
void store_load(struct engine *e);
const struct record *store_find(const char *gid); /* durable; NULL: unknown */
size_t store_unfinished(void);
void store_fini(void);

/* ---- net.c ---- */

void net_init(void);
struct link_port net_port(void);
void net_send(void *agent_self, const struct poll *p); /* agent_world.send */
void net_cut(size_t agent);                            /* the connection breaks, and comes again */
void net_agent_up(size_t agent);
void net_coordinator_down(void);
void net_agent_down(size_t agent);

/* ---- db.c ---- */

extern const struct adapter sim_adapter;
void db_init(void);
void *db_open(size_t db, size_t agent, uint64_t incarnation, void *served);
void db_crash(size_t db);
void db_agent_down(size_t agent, uint64_t incarnation);
size_t db_prepared(void); /* branches prepared now, everywhere */
/* Branches of this gid's last try that are prepared now. */
size_t db_left_of(const char *gid);
/* How often the branches of this gid were committed at this db. */
size_t db_commits(size_t db, const char *gid);
void db_check_atomic(bool at_end);
void db_fini(void);

/* ---- people.c ---- */

/* What a client was told once is never told otherwise. */
enum told { TOLD_NOTHING, TOLD_ACCEPTED, TOLD_COMMIT, TOLD_ROLLBACK };
void people_told(const char *gid, enum told *told, const char *status);
/* A new client of the n-th transaction, or from SIM_TXNS on of a saga. */
uint64_t people_ask(size_t n);
/* True if the engine says that nothing is unfinished and no agent has work. */
bool people_engine_is_empty(void);

void people_init(void);
struct client_port people_port(void);
void people_coordinator_down(void);
void people_check(void);
size_t people_open(void); /* transactions not known to have ended */
const char *people_gid(size_t i);
size_t people_branches(size_t i);
size_t people_db(size_t i, size_t branch);

/* ---- sagas.c ---- */

void sagas_init(void);
void sagas_hear(size_t saga, enum answer_code code, const json_t *j, const char *text);
size_t sagas_open(void);
void sagas_check(void);

/* ---- service.c ---- */

bool sim_exact(size_t db); /* it keeps a mark of each call */

/* ---- sim.c ---- */

struct sim_agent {
	struct agent *core; /* NULL: down */
	uint64_t incarnation;
	size_t number;
	struct {
		void *self;
		size_t db;
	} served[SIM_DBS];
	size_t n_served;
};
extern struct sim_agent sim_agents[SIM_AGENTS];
extern struct engine *sim_engine; /* NULL: down */
extern uint64_t sim_epoch;
extern bool sim_healing;
uint64_t sim_healing_since_us(void);
/* What the adapter and the catalogue say of a database. */
void sim_describe(size_t db, struct resource_info *info);
/* After events: lets the engine or the agent take its turn. */
void sim_engine_enter(void);
void sim_engine_leave(void);
void sim_agent_turn(struct sim_agent *a);

#endif
