/* txn.c - see txn.h.
 *
 *                    ┌────────────▶ ONE_PHASE ──────────┐
 *                    │               │      │           │
 *     ACCEPTED ──────┤               ▼      │           ▼
 *        (or new)    └▶ PREPARING    │      └──────▶ ABORTED
 *                        │     │     │                  ▲
 *                        ▼     ▼     │                  │
 *                COMMITTING   ABORTING ─────────────────┤
 *                   │   │      │     │                  │
 *                   │   ▼      ▼     │                  │
 *                   │ COMMIT  ABORT_HAZARD ─────────────┘
 *                   │ _HAZARD        │
 *                   ▼   ▼            │
 *                 COMMITTED ◀────────┘ (one phase only)
 *
 * Every transition, and the function that makes it:
 *   ACCEPTED   → PREPARING, ONE_PHASE      begin
 *   PREPARING  → COMMITTING                decide_commit, all branches voted yes
 *   PREPARING  → ABORTING                  abort_all: a no, a loss, the deadline, a cancel
 *   ONE_PHASE  → COMMITTED, ABORTED        step_once, on the agent's word only
 *   ONE_PHASE  → ACCEPTED                  step_once: a restart undid what was accepted
 *   COMMITTING → COMMITTED, COMMIT_HAZARD  settle, when no branch owes a commit
 *   ABORTING   → ABORTED, ABORT_HAZARD     settle, when no branch owes a rollback
 *   hazards    → COMMITTED, ABORTED        forget, on a person's word
 *
 * Facts that hold in each state stand in the table and in txn_valid. */
#include "coordinator/txn.h"
#include "base/crash.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TO(s) (1u << TXN_##s)
#define IN(s) (1u << BR_##s)

/* One row per state: where it may go, what its branches may be, how it is written
 * down.  The two decisions are forced.  That of a commit because presumed abort
 * would otherwise undo it; that of a rollback only because clients may be told of
 * it, and no crash may make an answer untrue: for the branches' sake it need not
 * be.  Ends are lazy: after a crash the decision is found and carried out again. */
static const struct txn_row {
	unsigned to;
	unsigned branches;
	enum txn_durability durability;
} rows[TXN_STATES] = {
	[TXN_ACCEPTED] = {TO(PREPARING) | TO(ONE_PHASE), IN(WAITING), TXN_FORCED},
	[TXN_PREPARING] = {TO(COMMITTING) | TO(ABORTING),
			   IN(WAITING) | IN(WORKING) | IN(PREPARED) | IN(READ_ONLY), TXN_VOLATILE},
	[TXN_ONE_PHASE] = {TO(COMMITTED) | TO(ABORTED) | TO(ACCEPTED),
			   IN(WAITING) | IN(WORKING) | IN(ABORTING), TXN_FORCED},
	[TXN_COMMITTING] = {TO(COMMITTED) | TO(COMMIT_HAZARD),
			    IN(READ_ONLY) | IN(COMMITTING) | IN(COMMITTED) | IN(HAZARD),
			    TXN_FORCED},
	[TXN_ABORTING] = {TO(ABORTED) | TO(ABORT_HAZARD),
			  IN(READ_ONLY) | IN(ABORTING) | IN(ABORTED) | IN(HAZARD), TXN_FORCED},
	[TXN_COMMITTED] = {0, IN(READ_ONLY) | IN(COMMITTED) | IN(HAZARD), TXN_LAZY},
	[TXN_ABORTED] = {0, IN(READ_ONLY) | IN(ABORTED) | IN(HAZARD), TXN_LAZY},
	[TXN_COMMIT_HAZARD] = {TO(COMMITTED), IN(READ_ONLY) | IN(COMMITTED) | IN(HAZARD),
			       TXN_FORCED},
	[TXN_ABORT_HAZARD] = {TO(ABORTED), IN(READ_ONLY) | IN(ABORTED) | IN(HAZARD), TXN_FORCED},
};

bool txn_may_move(enum txn_state from, enum txn_state to)
{
	return (rows[from].to & (1u << to)) != 0;
}

enum txn_durability txn_durability(enum txn_state state)
{
	return rows[state].durability;
}

/* ---- the only writers of the states ---- */

static void move(struct record *r, enum txn_state to)
{
	assert(txn_may_move(r->state, to));
	r->state = to;
}

static void set(struct record_branch *b, enum branch_state to)
{
	b->state = to;
}

static void explain(char **slot, const char *reason)
{
	if (reason == NULL || reason[0] == '\0')
		return;
	free(*slot);
	*slot = mem_dup(reason);
}

static bool any(const struct record *r, unsigned states)
{
	for (size_t i = 0; i < r->n_branches; i++)
		if ((states & (1u << r->branches[i].state)) != 0)
			return true;
	return false;
}

/* ---- transitions ---- */

static void begin(struct record *r, enum txn_state to)
{
	if (r->state == TXN_ACCEPTED)
		move(r, to);
}

/* When nothing is owed any more, the decision has been carried out. */
static void settle(struct record *r)
{
	const bool hazard = any(r, IN(HAZARD));

	if (r->state == TXN_COMMITTING && !any(r, IN(COMMITTING)))
		move(r, hazard ? TXN_COMMIT_HAZARD : TXN_COMMITTED);
	else if (r->state == TXN_ABORTING && !any(r, IN(ABORTING)))
		move(r, hazard ? TXN_ABORT_HAZARD : TXN_ABORTED);
}

static void decide_commit(struct record *r)
{
	CRASH_POINT(decide_commit);
	move(r, TXN_COMMITTING);
	for (size_t i = 0; i < r->n_branches; i++) {
		struct record_branch *b = &r->branches[i];

		if (b->state == BR_PREPARED)
			set(b, BR_COMMITTING);
		free(b->args);
		b->args = NULL;
	}
	settle(r);
}

/* A branch that was never sent is gone already.  One that was sent is rolled back
 * until an agent says that it is gone, whether or not it ever answered. */
static void abort_all(struct record *r, const char *reason)
{
	CRASH_POINT(decide_abort);
	move(r, TXN_ABORTING);
	explain(&r->reason, reason);
	for (size_t i = 0; i < r->n_branches; i++) {
		struct record_branch *b = &r->branches[i];

		if (b->state == BR_WAITING)
			set(b, BR_ABORTED);
		else if (b->state == BR_WORKING || b->state == BR_PREPARED)
			set(b, BR_ABORTING);
		free(b->args);
		b->args = NULL;
	}
	settle(r);
}

static bool is_no(enum txn_event ev)
{
	return ev == TXN_EV_REFUSED || ev == TXN_EV_FAILED;
}

static void vote_no(struct record *r, struct record_branch *b, const char *reason)
{
	set(b, BR_ABORTED);
	explain(&b->reason, reason);
	abort_all(r, reason);
}

static void step_preparing(struct record *r, enum txn_event ev, struct record_branch *b,
			   const char *reason)
{
	if (ev == TXN_EV_DEADLINE || ev == TXN_EV_CANCEL) {
		abort_all(r, reason);
	} else if (ev == TXN_EV_SENT && b->state == BR_WAITING) {
		set(b, BR_WORKING);
	} else if (b->state != BR_WORKING) {
		return; /* a late or repeated vote */
	} else if (ev == TXN_EV_PREPARED || ev == TXN_EV_READ_ONLY) {
		set(b, ev == TXN_EV_PREPARED ? BR_PREPARED : BR_READ_ONLY);
		if (!any(r, IN(WAITING) | IN(WORKING)))
			decide_commit(r);
	} else if (is_no(ev) || ev == TXN_EV_ROLLED_BACK) {
		r->refused = ev == TXN_EV_REFUSED;
		vote_no(r, b, reason);
	} else if (ev == TXN_EV_LOST) {
		explain(&b->reason, reason);
		abort_all(r, reason);
	}
}

/* In one phase the resource decides.  Silence, loss and deadlines only make us ask
 * (BR_ABORTING: COMMAND_SETTLE_ONCE, which also forbids what has not happened). */
static void step_once(struct record *r, enum txn_event ev, struct record_branch *b,
		      const char *reason)
{
	if (ev == TXN_EV_SENT && b->state == BR_WAITING) {
		set(b, BR_WORKING);
	} else if (ev == TXN_EV_COMMITTED && b->state != BR_WAITING) {
		set(b, BR_COMMITTED);
		move(r, TXN_COMMITTED);
	} else if (ev == TXN_EV_ROLLED_BACK && r->accepted && r->reason == NULL) {
		/* Nobody asked for it: a restart did. It was accepted, so it runs again. */
		set(b, BR_WAITING);
		move(r, TXN_ACCEPTED);
	} else if ((is_no(ev) || ev == TXN_EV_ROLLED_BACK) && b->state != BR_WAITING) {
		/* A refusal says that the ONCE was not done, and an agent does it once. */
		r->refused = ev == TXN_EV_REFUSED;
		explain(&b->reason, is_no(ev) ? reason : NULL);
		if (is_no(ev) || r->reason == NULL)
			explain(&r->reason, reason);
		set(b, BR_ABORTED);
		move(r, TXN_ABORTED);
	} else if (b->state != BR_ABORTING &&
		   (ev == TXN_EV_DEADLINE || ev == TXN_EV_CANCEL || ev == TXN_EV_LOST)) {
		explain(&r->reason, reason);
		if (b->state == BR_WAITING)
			move(r, TXN_ABORTED);
		set(b, b->state == BR_WAITING ? BR_ABORTED : BR_ABORTING);
	}
}

static void step_committing(struct record *r, enum txn_event ev, struct record_branch *b,
			    const char *reason)
{
	if (b->state != BR_COMMITTING)
		return;
	if (ev == TXN_EV_COMMITTED) {
		set(b, BR_COMMITTED);
	} else if (ev == TXN_EV_HAZARD || ev == TXN_EV_ROLLED_BACK) {
		set(b, BR_HAZARD);
		explain(&b->reason, reason);
		explain(&r->reason, reason);
	}
	settle(r);
}

/* A refusal that comes now means the same as a rollback: nothing is left. */
static void step_aborting(struct record *r, enum txn_event ev, struct record_branch *b,
			  const char *reason)
{
	if (b->state != BR_ABORTING)
		return;
	if (ev == TXN_EV_ROLLED_BACK || is_no(ev) || ev == TXN_EV_READ_ONLY) {
		set(b, BR_ABORTED);
	} else if (ev == TXN_EV_HAZARD || ev == TXN_EV_COMMITTED) {
		set(b, BR_HAZARD);
		explain(&b->reason, reason);
		explain(&r->reason, reason);
	}
	settle(r);
}

static void forget(struct record *r, const char *reason)
{
	explain(&r->reason, reason);
	move(r, r->state == TXN_COMMIT_HAZARD ? TXN_COMMITTED : TXN_ABORTED);
}

bool txn_step(struct record *r, enum txn_event ev, size_t branch, const char *reason)
{
	const enum txn_state before = r->state;
	struct record_branch *b;

	assert(branch < r->n_branches);
	b = &r->branches[branch];
	switch (r->state) {
	case TXN_ACCEPTED:
		if (ev == TXN_EV_BEGIN)
			begin(r, TXN_PREPARING);
		else if (ev == TXN_EV_BEGIN_ONCE && r->n_branches == 1)
			begin(r, TXN_ONE_PHASE);
		break;
	case TXN_PREPARING: step_preparing(r, ev, b, reason); break;
	case TXN_ONE_PHASE: step_once(r, ev, b, reason); break;
	case TXN_COMMITTING: step_committing(r, ev, b, reason); break;
	case TXN_ABORTING: step_aborting(r, ev, b, reason); break;
	case TXN_COMMIT_HAZARD:
	case TXN_ABORT_HAZARD:
		if (ev == TXN_EV_FORGET)
			forget(r, reason);
		break;
	case TXN_COMMITTED:
	case TXN_ABORTED:
	default: break; /* those of sagas are not ours */
	}
	txn_check(r);
	return r->state != before;
}

/* What was written when the ONCE was about to be sent is all that a restart knows:
 * it may have been sent, so the resource is asked. */
void txn_resume(struct record *r)
{
	if (r->state == TXN_ONE_PHASE)
		set(&r->branches[0], BR_ABORTING);
	txn_check(r);
}

/* ---- what follows from the states ---- */

static bool its_turn(const struct record *r, size_t branch)
{
	for (size_t i = 0; r->sequential && i < branch; i++)
		if (r->branches[i].state == BR_WAITING || r->branches[i].state == BR_WORKING)
			return false;
	return true;
}

enum command_kind txn_owes(const struct record *r, size_t branch)
{
	const enum branch_state s = r->branches[branch].state;

	switch (r->state) {
	case TXN_PREPARING:
		if (s == BR_WORKING || (s == BR_WAITING && its_turn(r, branch)))
			return COMMAND_PREPARE;
		break;
	case TXN_ONE_PHASE: return s == BR_ABORTING ? COMMAND_SETTLE_ONCE : COMMAND_ONCE;
	case TXN_COMMITTING: return s == BR_COMMITTING ? COMMAND_COMMIT : COMMAND_NONE;
	case TXN_ABORTING: return s == BR_ABORTING ? COMMAND_ROLLBACK : COMMAND_NONE;
	case TXN_ACCEPTED:
	case TXN_COMMITTED:
	case TXN_ABORTED:
	case TXN_COMMIT_HAZARD:
	case TXN_ABORT_HAZARD:
	default: break; /* those of sagas are not ours */
	}
	return COMMAND_NONE;
}

bool txn_valid(const struct record *r)
{
	if (r->state <= 0 || r->state >= TXN_STATES || r->n_branches == 0)
		return false;
	for (size_t i = 0; i < r->n_branches; i++)
		if ((rows[r->state].branches & (1u << r->branches[i].state)) == 0)
			return false;
	switch (r->state) {
	case TXN_ONE_PHASE: return r->n_branches == 1;
	case TXN_COMMITTING: return any(r, IN(COMMITTING));
	case TXN_ABORTING: return any(r, IN(ABORTING));
	case TXN_COMMIT_HAZARD:
	case TXN_ABORT_HAZARD: return any(r, IN(HAZARD));
	case TXN_ABORTED:
	case TXN_ACCEPTED:
	case TXN_PREPARING:
	case TXN_COMMITTED:
	default: break; /* those of sagas are not ours */
	}
	return true;
}

void txn_check(const struct record *r)
{
	assert(txn_valid(r));
}
