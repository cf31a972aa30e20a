/* sim.h - a world drawn from one seed: the real engine and the real agent cores
 * with a simulated journal, network, databases, clients and clock.
 *
 * Everything happens as an event at a time, drawn from the seed, so that a seed is a
 * history, the same each time.  See docs/testing.md.
 *   clock.c    the events
 *   dice.c     what chance says to each, and what is left out
 *   notes.c    what happened, in words
 *   watch.c    the clocks of each machine: they drift and are set
 *   coord.c    coordinators: start, crash, take over, stand still
 *   agents.c   agents: the same
 *   faults.c   what fails, and when
 *   store.c    the journal: what a crash leaves of it, and who may write
 *   net.c      polls and replies: late, lost, doubled, cut
 *   db.c       databases with prepared transactions
 *   adapter.c  the adapter to them
 *   service.c  calls of sagas at them: exactly once, or as it happens
 *   people.c   clients: submit, ask, remember what they were told
 *   hands.c    persons in the databases
 *   accounts.c money and locks
 *   plots.c    sagas drawn from the seed
 *   sagas.c    their clients, and persons who say a word about them
 *   ledger.c   what was done and undone of them, and what must hold
 *   sim.c      one history, from start to end
 *   trial.h    many histories, shrinking, the command line */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "base/heap.h"
#include "coordinator/engine.h"
#include "participant/agent.h"

#include <jansson.h>
#include <uthash.h>

enum { SIM_AGENTS = 3, SIM_DBS = 3, SIM_TXNS = 16, SIM_SAGAS = 8, SIM_BRANCHES = 3 };
enum { SIM_BEGIN_US = 1000 * 1000 };
enum { SIM_FAULTS_US = 40 * 1000 * 1000, SIM_HEAL_US = 400 * 1000 * 1000 };

/* ---- clock.c ---- */

typedef void (*sim_fn)(void *arg, uint64_t n);
void sim_clock_init(void);
uint64_t sim_now_us(void);
/* Runs fn(arg, n) in `us`, as who made it; events of one time run in the order of their
 * making. */
void sim_in(uint64_t us, sim_fn fn, void *arg, uint64_t n);
bool sim_next(uint64_t until_us); /* runs one event; false: none before */
void sim_clock_fini(void);

/* ---- dice.c ---- */

/* Who draws.  What is drawn depends on the seed, on who draws, and on the time. */
enum sim_whos {
	SIM_WORLD,
	SIM_CLIENT, /* the n-th transaction's */
	SIM_SAGA,   /* the n-th saga's */
	SIM_LINK,   /* to the n-th agent */
	SIM_AGENT,
	SIM_DB,
	SIM_BRANCH, /* work at the databases for the n-th transaction */
	SIM_CALL,   /* work at the databases for the n-th saga */
	SIM_STORE,
	SIM_COORDINATOR,
	SIM_FAULT,
	SIM_WHOS
};

struct sim_as {
	enum sim_whos who;
	uint64_t n;
};

struct sim_as sim_who(void);
/* From now on `who` draws; returns who did.  Events go on as who made them. */
struct sim_as sim_as(enum sim_whos who, uint64_t n);
void sim_as_before(const struct sim_as *was);
/* The same until the end of the block. */
#define SIM_AS(who, n) \
	__attribute__((cleanup(sim_as_before), unused)) const struct sim_as sim_was = sim_as(who, n)

uint64_t sim_rand(uint64_t below); /* 0 … below - 1 */
/* Something out of the ordinary happens; it may be left out when a history is made
 * shorter.  Only until the healing, or also after it. */
bool sim_chance(uint64_t per_thousand);
bool sim_chance_ever(uint64_t per_thousand);
uint64_t sim_delay_us(void); /* mostly short, sometimes very long */

/* One time at which chance said yes: the n-th draw of that one at that time. */
struct sim_point {
	enum sim_whos who;
	uint32_t drawn;
	uint64_t n, at_us;
};

enum { SIM_POINTS = 4096 };

struct sim_points {
	size_t n;
	struct sim_point at[SIM_POINTS];
};

/* A part of a history: the rest is left out. */
struct sim_only {
	uint64_t clients, sagas; /* one bit each */
	uint64_t heals_us;       /* 0: at its usual time */
	uint64_t again;          /* other dice for all but the plots; 0: the seed's own */
	bool every_point;
	struct sim_points points; /* else these */
};

/* Both may be NULL; else they are borrowed.  `points` gets the points that were taken. */
void sim_dice_init(uint64_t seed, const struct sim_only *only, struct sim_points *points);
uint64_t sim_dice_seed(void);
bool sim_left_in(enum sim_whos who, uint64_t n); /* SIM_CLIENT, SIM_SAGA */
uint64_t sim_heals_us(void);
size_t sim_point_text(const struct sim_point *p, char *out, size_t room);
bool sim_point_parse(struct sim_point *p, const char *text);

/* ---- notes.c ---- */

/* SHORT: without what only says the same again.  LINES counts those, NOTHING does not. */
enum sim_show { SHOW_NOTHING, SHOW_LINES, SHOW_SHORT, SHOW_ALL };

/* How a history ended; in memory that the parent sees as well. */
struct sim_verdict {
	uint64_t events, hash, at_us;
	size_t lines;
	bool broken;
	char how[400];
	enum sim_show show;
};

void sim_notes_init(struct sim_verdict *v);
void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_notes_show(void); /* as the verdict says */
void sim_notes_fini(void);
/* Counts what went wrong, by kind; a NULL table counts nothing. */
enum { SIM_TALLIES = 64 };
extern struct sim_tally {
	char what[48];
	uint64_t n;
} * sim_tallies;
void sim_tally(const char *what);
/* The history breaks a rule: says which and ends the process with status 1. */
void sim_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void sim_aborted(int signal); /* for SIGABRT */
void sim_overdue(int signal); /* for SIGPROF */

/* ---- watch.c ---- */

/* The clocks of a machine. */
struct sim_watch {
	uint64_t since_us, mono_us; /* what the one that only goes on showed then */
	int64_t ppm;                /* how much too fast it is */
	bool asleep;                /* it stands still */
	int64_t wall_off_us;
};

void watch_start(struct sim_watch *w); /* of a process: its monotonic clock */
uint64_t watch_mono_us(const struct sim_watch *w);
/* How long until it shows `mono_us`, about. */
uint64_t watch_until_us(const struct sim_watch *w, uint64_t mono_us);
void watch_sleep(struct sim_watch *w);
void watch_awake(struct sim_watch *w);
uint64_t watch_wall_us(const struct sim_watch *w);
void watch_set_wall(struct sim_watch *w); /* somebody sets the wall clock */

/* ---- coord.c ---- */

enum { SIM_COORDS = 2 };

struct sim_coord {
	struct engine *engine;          /* NULL: down */
	struct memory_journal *journal; /* how it writes to the one there is */
	uint64_t epoch, life;
	uint64_t still_until_us; /* it stands still; what is for it waits */
	uint64_t wake_us;        /* when it is to have its turn */
	uint64_t synced_us;      /* when all that it writes is durable */
	struct sim_watch watch;
};
extern struct sim_coord sim_coords[SIM_COORDS];
extern uint64_t sim_epoch; /* the newest, in the journal */
extern bool sim_slept;     /* one was asleep, its clock as well */

void coords_init(void);
void coords_fini(void);
bool coord_runs(const struct sim_coord *c);
/* NULL: there is none. */
struct sim_coord *coord_newest(void);
struct sim_coord *coord_found(void); /* that one, or an old one */
bool coord_alone(void);
void coord_dies(struct sim_coord *c, const char *why);
extern const char coord_killed[];
void coord_stands_still(struct sim_coord *c, uint64_t us);
/* Somebody starts another one soon, whether the old one lives or not. */
void coord_replace(uint64_t within_us);
/* Around events: lets the engine take its turn. */
void coord_enter(struct sim_coord *c);
void coord_leave(struct sim_coord *c);
/* Whom a client speaks to; between these two. */
bool sim_speak(void); /* false: nobody is found */
void sim_spoken(void);
extern struct engine *sim_engine;
extern struct sim_coord *sim_speaking;
/* The process stands still: what is for it comes when it goes on. */
bool sim_stands_still(uint64_t until_us, sim_fn fn, void *arg, uint64_t n);

/* ---- faults.c ---- */

void faults_init(void);

/* ---- store.c ---- */

struct journal_port store_port(struct sim_coord *c);
void store_crash(struct sim_coord *c);      /* keeps what was synced, and some of the rest */
void store_taken_over(struct sim_coord *c); /* the same; and nothing of it comes any more */
void store_load(struct engine *e);
const struct record *store_find(const char *gid); /* durable; NULL: unknown */
size_t store_unfinished(void);
void store_fini(void);

/* ---- net.c ---- */

void net_init(void);
void net_fini(void);
struct link_port net_port(void);
void net_send(void *agent_self, const struct poll *p); /* agent_world.send */
void net_cut(size_t agent);                            /* the connection breaks, and comes again */
void net_agent_up(size_t agent);
void net_coordinator_down(const struct sim_coord *c);
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
/* Whoever is told that it is too late to cancel is told of a commit: the status that says so. */
const char *people_refused(const char *text);
/* A new client of the n-th transaction, or from SIM_TXNS on of a saga. */
uint64_t people_ask(size_t n);
/* True if the engine says that nothing is unfinished and no agent has work. */
bool people_engine_is_empty(void);

void people_init(void);
struct client_port people_port(void);
void people_coordinator_down(const struct sim_coord *c);
void people_check(void);
size_t people_open(void); /* transactions not known to have ended */
const char *people_gid(size_t i);
size_t people_branches(size_t i);
size_t people_db(size_t i, size_t branch);

/* Somebody cancels or forgets a transaction, the n-th or one after it, that is under way. */
void people_meddle(void *arg, uint64_t n);

/* ---- hands.c ---- */

void hands_init(void);
bool hands_touched(const char *gid);
bool hands_seen(const char *gid); /* and an adapter knows */
void hands_check(void);

/* ---- accounts.c ---- */

void accounts_init(void);
void accounts_check(void);

/* ---- sagas.c ---- */

void sagas_init(void);
void sagas_hear(size_t saga, enum answer_code code, const json_t *j, const char *text);
size_t sagas_open(void);
void sagas_check(void);

/* ---- service.c ---- */

bool sim_exact(size_t db); /* it keeps a mark of each call */

/* ---- agents.c ---- */

struct sim_agent {
	struct agent *core; /* NULL: down */
	uint64_t incarnation;
	size_t number;
	uint64_t still_until_us, wake_us; /* as of a coordinator */
	struct sim_watch watch;
};
extern struct sim_agent sim_agents[SIM_AGENTS];

void agents_init(void);
void agents_stop(void);
void agent_crash(struct sim_agent *a);
void agent_stands_still(struct sim_agent *a, uint64_t us);
/* What the adapter and the catalogue say of a database. */
void sim_describe(size_t db, struct resource_info *info);
/* After events: lets the agent take its turn. */
void sim_agent_turn(struct sim_agent *a);

/* ---- sim.c ---- */

/* Runs the history of this seed; one that breaks a rule ends the process. */
void sim_history(uint64_t seed, const struct sim_only *only, struct sim_points *points,
		 struct sim_verdict *v);

extern bool sim_healing;
/* For the tests of the simulator itself: it demands that no coordinator is killed while a
 * branch is prepared. */
extern bool sim_wrong_rule;
uint64_t sim_healing_since_us(void);

#endif
