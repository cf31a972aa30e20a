/* db.c - databases with prepared transactions; see sim.h.
 *
 * An adapter keeps the contract of participant/adapter.h and no more: it answers
 * UNKNOWN when a connection breaks, whatever the database did; a session may go on
 * after its agent died and prepare late (a zombie), until the agent's successor
 * ends it; "gone" is said only after the branch's sessions are ended. */
#include "base/mem.h"
#include "tests/sim/sagas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dbbranch *db_branches;
struct session *db_sessions;
static struct client *clients;
bool db_down[SIM_DBS];
uint64_t db_crashes[SIM_DBS];

struct dbbranch *db_branch(size_t db, const struct branch_id *id)
{
	char key[200];
	struct dbbranch *b;

	snprintf(key, sizeof key, "%zu/%" PRIu64 "/%s/%s", db, id->epoch, id->gid, id->branch);
	HASH_FIND_STR(db_branches, key, b);
	if (b != NULL)
		return b;
	b = mem_new(1, sizeof *b);
	memcpy(b->key, key, sizeof key);
	snprintf(b->gid, sizeof b->gid, "%s", id->gid);
	snprintf(b->branch, sizeof b->branch, "%s", id->branch);
	b->epoch = id->epoch;
	b->db = db;
	HASH_ADD_STR(db_branches, key, b);
	return b;
}

/* ---- what the database does ---- */

void db_commit(struct dbbranch *b)
{
	const struct record *r = store_find(b->gid);

	sim_note("db %zu: %s %s of %s, epoch %" PRIu64, b->db,
		 b->by_hand ? "a person commits" : "commits", b->branch, b->gid, b->epoch);
	account_add(b);
	b->state = DB_COMMITTED;
	b->commits++;
	if (b->by_hand)
		return;
	if (r == NULL || r->epoch != b->epoch ||
	    (r->state != TXN_COMMITTING && r->state != TXN_COMMITTED && r->state != TXN_ONE_PHASE))
		sim_fail("%s of %s is committed without a durable decision", b->branch, b->gid);
	if (r->parent_seq != 0)
		ledger_group(b, r);
	db_check_atomic(false);
	accounts_check_try(b);
}

void db_rollback(struct dbbranch *b)
{
	sim_note("db %zu: %s %s of %s, epoch %" PRIu64, b->db,
		 b->by_hand ? "a person rolls back" : "rolls back", b->branch, b->gid, b->epoch);
	b->state = DB_ROLLED_BACK;
	db_check_atomic(false);
}

/* Its transaction has ended as rolled back: nothing of it may be left or appear. */
static bool said_gone(const struct dbbranch *b)
{
	const struct record *r = store_find(b->gid);

	return r != NULL && r->epoch == b->epoch && r->state == TXN_ABORTED;
}

/* The session's work ends: prepared, or done in one phase. */
enum result_kind db_work(struct session *s)
{
	struct dbbranch *b = s->b;

	if (s->once) {
		if (b->state == DB_FORBIDDEN)
			return RESULT_REFUSED;
		if (b->state == DB_COMMITTED)
			return RESULT_COMMITTED;
		db_commit(b);
		return RESULT_COMMITTED;
	}
	if (b->was_prepared)
		sim_fail("%s of %s is prepared twice in epoch %" PRIu64, b->branch, b->gid,
			 b->epoch);
	if (said_gone(b))
		sim_fail("%s of %s is prepared after it was said to be gone", b->branch, b->gid);
	sim_note("db %zu: prepares %s of %s, epoch %" PRIu64, b->db, b->branch, b->gid, b->epoch);
	b->state = DB_PREPARED;
	b->was_prepared = true;
	return RESULT_PREPARED;
}

void db_zombie(void *arg, uint64_t n)
{
	struct session *s = arg;

	(void)n;
	if (!s->dead && !db_down[s->b->db] && !account_locked(s->b))
		db_work(s);
	s->dead = true;
}

void db_end_sessions(const struct dbbranch *b, size_t db, size_t agent)
{
	for (struct session *s = db_sessions; s != NULL; s = s->next)
		if ((b == NULL || s->b == b) && s->b->db == db && s->agent == agent)
			s->dead = true;
}

/* ---- life ---- */

static void becomes_ready(void *arg, uint64_t n)
{
	struct client *c = arg;

	if (c->gone || db_down[c->db] ||
	    sim_stands_still(sim_agents[c->agent].still_until_us, becomes_ready, arg, n))
		return;
	agent_ready(c->served, NULL);
	sim_agent_turn(&sim_agents[c->agent]);
}

static void is_away(void *arg, uint64_t n)
{
	struct client *c = arg;

	if (c->gone || !db_down[c->db] ||
	    sim_stands_still(sim_agents[c->agent].still_until_us, is_away, arg, n))
		return;
	agent_ready(c->served, "the database is away");
	sim_agent_turn(&sim_agents[c->agent]);
}

/* Ready only once the db_sessions of the agent's earlier lives are ended. */
void *db_open(size_t db, size_t agent, uint64_t incarnation, void *served)
{
	struct client *c = mem_new(1, sizeof *c);

	*c = (struct client){db, agent, incarnation, served, false, clients};
	clients = c;
	db_end_sessions(NULL, db, agent);
	service_end_sessions(db, agent);
	sim_in(sim_delay_us(), becomes_ready, c, 0);
	return c;
}

void db_agent_down(size_t agent, uint64_t incarnation)
{
	for (struct client *c = clients; c != NULL; c = c->next)
		if (c->agent == agent && c->incarnation == incarnation)
			c->gone = true;
	service_agent_down(agent, incarnation);
	for (struct session *s = db_sessions; s != NULL; s = s->next)
		if (s->agent == agent && s->incarnation == incarnation && !s->dead)
			sim_in(sim_rand(20000000), db_zombie, s, 0);
}

static void db_up(void *arg, uint64_t db)
{
	(void)arg;
	db_down[db] = false;
	sim_note("db %lu: is back", (unsigned long)db);
	for (struct client *c = clients; c != NULL; c = c->next)
		if (c->db == db && !c->gone)
			sim_in(sim_delay_us(), becomes_ready, c, 0);
}

/* Prepared db_branches survive, db_sessions do not. */
void db_crash(size_t db)
{
	if (db_down[db])
		return;
	sim_note("db %zu: crashes", db);
	sim_tally("database killed");
	db_down[db] = true;
	db_crashes[db]++;
	for (struct session *s = db_sessions; s != NULL; s = s->next)
		if (s->b->db == db)
			s->dead = true;
	for (struct client *c = clients; c != NULL; c = c->next)
		if (c->db == db)
			is_away(c, 0);
	sim_in(1000 + sim_rand(8000000), db_up, NULL, db);
}

void db_init(void)
{
	memset(db_down, 0, sizeof db_down);
	memset(db_crashes, 0, sizeof db_crashes);
	accounts_init();
}

/* ---- what must hold ---- */

size_t db_prepared(void)
{
	struct dbbranch *b, *tmp;
	size_t n = 0;

	HASH_ITER (hh, db_branches, b, tmp)
		n += b->state == DB_PREPARED;
	return n;
}

size_t db_commits(size_t db, const char *gid)
{
	struct dbbranch *b, *tmp;
	size_t n = 0;

	HASH_ITER (hh, db_branches, b, tmp)
		if (b->db == db && strcmp(b->gid, gid) == 0)
			n += b->commits;
	return n;
}

size_t db_left_of(const char *gid)
{
	const struct record *r = store_find(gid);
	struct dbbranch *b, *tmp;
	size_t n = 0;

	HASH_ITER (hh, db_branches, b, tmp)
		n += b->state == DB_PREPARED && r != NULL && r->epoch == b->epoch &&
		     strcmp(b->gid, gid) == 0;
	return n;
}

/* Never one branch committed and another of the same try rolled back. */
void db_check_atomic(bool at_end)
{
	struct dbbranch *b, *tmp, *o, *tmp2;

	HASH_ITER (hh, db_branches, b, tmp) {
		if (b->state != DB_COMMITTED || b->by_hand)
			continue;
		if (b->commits != 1)
			sim_fail("%s of %s is committed %zu times", b->branch, b->gid, b->commits);
		HASH_ITER (hh, db_branches, o, tmp2) {
			if (o->by_hand || o->epoch != b->epoch || strcmp(o->gid, b->gid) != 0)
				continue;
			if (o->state == DB_ROLLED_BACK || (at_end && o->state == DB_PREPARED))
				sim_fail("%s: %s is committed, %s is not", b->gid, b->branch,
					 o->branch);
		}
	}
}

void db_fini(void)
{
	struct dbbranch *b, *tmp;

	HASH_ITER (hh, db_branches, b, tmp) {
		HASH_DEL(db_branches, b);
		free(b);
	}
	while (db_sessions != NULL) {
		struct session *s = db_sessions;

		db_sessions = s->next;
		free(s);
	}
	sim_calls_fini();
	service_fini();
	while (clients != NULL) {
		struct client *c = clients;

		clients = c->next;
		free(c);
	}
}
