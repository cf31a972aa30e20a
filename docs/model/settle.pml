/* settle.pml - two-phase commit as Settle does it, for spin (README.md beside this file).
 *
 * One transaction (one gid) of N branches, each at a database of its own with an agent of its
 * own; EPOCHS starts of the coordinator, an old one living on beside the new ones; STARTS starts
 * of each agent, CRASHES of them all together beyond the first.  A try is the transaction as one
 * coordinator began it; its number is that coordinator's epoch, as in the branches' names.
 *
 * Two nets:
 *   default   what was sent stays on the way for ever: it may arrive at any time, any number of
 *             times, in any order, or never.  For safety: no count bounds loss or doubling.
 *   HEALED    what arrives is taken, what was lost is sent again when all is quiet, and lost or
 *             doubled messages count as faults.  Every history ends, so that termination is:
 *             no cycle, and nothing owed where nothing more can happen.
 * Calls of an agent at its database whose answer is lost count as faults in both.
 *
 * Each rule of the protocol is a line that a name given with -D leaves out: `#ifdef NO_…`. */

#ifndef N
#define N 2 /* branches; 1: one-phase commit */
#endif
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef CRASHES
#define CRASHES 1 /* of agents */
#endif
#if defined(HEALED) && !defined(OLD_DIES)
#define OLD_DIES /* a healed world has no old coordinator */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

/* ---- where things stand in the arrays ---- */

#define XB(x, b)     ((x) * N + (b))                   /* at coordinator x, of branch b */
#define BI(b, i)     ((b) * EPOCHS + (i))              /* of branch b in try i */
#define XBI(x, b, i) (((x) * N + (b)) * EPOCHS + (i))  /* from coordinator x, of that */

#ifdef SAME_EPOCH
#define EP(x)  1
#define TRY(x) 0
#else
#define EP(x)  ((x) + 1) /* the epoch of coordinator x; 0 is none */
#define TRY(x) (x)
#endif

/* ---- words: coordinator/record.h, participant/branch.h, wire/frame.h ---- */

#define NONE          0 /* of a transaction: not in memory */
#define ACCEPTED      1
#define PREPARING     2
#define ONE_PHASE     3
#define COMMITTING    4
#define ABORTING      5
#define COMMITTED     6
#define ABORTED       7
#define HAZARD        8
#define OUT           9 /* ended, and its end is durable: the journal answers for it */

#define BR_WAITING    0
#define BR_WORKING    1
#define BR_PREPARED   2
#define BR_COMMITTING 3
#define BR_COMMITTED  4
#define BR_ABORTING   5
#define BR_ABORTED    6
#define BR_HAZARD     7

#define UNKNOWN       0 /* stages of a branch at its agent */
#define WORKING       1
#define AT_PREPARED   2
#define DOUBT         3
#define OVER_BACK     4 /* the tombstones */
#define OVER_DONE     5
#define OVER_GONE     6
#define OVER_HAZARD   7

#define NOTHING       0 /* of a branch in its database: never there, or rolled back */
#define PREPARED      1
#define DONE          2 /* committed */

#define IDLE          0 /* the session that works on it */
#define RUNNING       1
#define ORPHAN        2 /* … of an earlier start of the agent, which the present one does not know */

#define C_PREPARE     1 /* commands, as bits; with one branch PREPARE means ONCE */
#define C_COMMIT      2
#define C_AGAIN       4 /* COMMIT with `repeat` */
#define C_ROLLBACK    8 /* with one branch: SETTLE_ONCE */
#define A_COMMIT      16 /* answers to an inquiry */
#define A_ABORT       32

#define R_PREPARED    1 /* results, as bits */
#define R_BACK        2 /* REFUSED and ROLLED_BACK: nothing of it is left */
#define R_COMMITTED   4
#define R_HAZARD      8
#define R_UNKNOWN     16

#define DOWN          0
#define UP            1
#define DEAD          2

/* ---- the state ---- */

/* coordinators */
byte newest;                  /* the last that was begun */
byte life[EPOCHS];
byte st[EPOCHS];              /* of the transaction in memory */
byte try[EPOCHS];             /* its record's epoch */
bit durable[EPOCHS];          /* what its effects wait for is in the journal */
byte br[EPOCHS * N];          /* its branches */
byte known[EPOCHS * N];       /* the incarnation of the agent that was heard of */
bit sent[EPOCHS * N];         /* the command that is owed was sent before */

/* the journal: the transaction's row */
byte j_st;
byte j_try;
byte j_back;                  /* which branches were owed a rollback when it was written */

/* agents */
byte crashes = CRASHES;
byte inc[N];                  /* incarnation, from 1 */
byte seen[N];                 /* the highest epoch it has seen; forgotten by a crash */
bit fenced[N];                /* sessions of earlier starts have been ended: it serves */
byte stage[N * EPOCHS];
bit tried_commit[N * EPOCHS];
bit tried_back[N * EPOCHS];

/* databases: they survive everything */
byte db[N * EPOCHS];
byte session[N * EPOCHS];
bit settled[EPOCHS];          /* one phase: the mark that forbids a late ONCE */

/* on the way */
byte cmd[EPOCHS * N * EPOCHS]; /* to the agent's present incarnation; frames to others are lost */
byte res[N * EPOCHS];          /* from the present incarnation, in its outbox or beyond */
byte late[N * EPOCHS];         /* from earlier ones */

/* what has been promised, for the properties */
bit decided[EPOCHS];           /* a decision to commit this try was durable */
bit gone[N * EPOCHS];          /* it was said, or taken, to be gone for good */
bit told_commit, told_abort;   /* a client was told */
bit by_hand;                   /* a person has ended a prepared branch (HAND) */

hidden byte j, k;              /* of loops inside one step */

byte faults = FAULTS;
#ifdef HEALED
#define TAKE(m, bits) m = m & ~(bits)
#else
#define TAKE(m, bits) skip
#endif

/* ---- what must hold ---- */

/* Properties by name, which spin prints when one is missed.  One that is set is let go: to see
 * whether a broken rule costs atomicity as well, or whether anything else rests on it. */
#ifdef ATOMICITY_ALONE
#define LET 1
#else
#define LET 0
#endif
#ifdef EPOCHS_ASIDE
#define LET_EPOCHS 1
#else
#define LET_EPOCHS LET
#endif
hidden byte by_decision = LET;   /* nothing is committed without a durable decision */
hidden byte all_or_none = 0;  /* never one branch committed and another rolled back */
hidden byte once_only = LET;     /* no branch is prepared or committed twice, in whatever try */
hidden byte gone_for_good = LET; /* nothing is left, nor appears, of what was said to be gone */
hidden byte one_answer = LET;    /* no answer to a client is ever contradicted */
hidden byte done_is_done = LET;  /* what is passed as committed was committed */
hidden byte no_hazard = LET;     /* no hazard is seen, as nobody touches the databases by hand */
hidden byte newest_only = LET_EPOCHS; /* nothing is begun for a coordinator known to be replaced */
hidden byte nothing_left = LET;  /* at the end: nothing is prepared, no session works */
hidden byte it_ends = LET;       /* at the end: the transaction has ended */
hidden byte told_truly = LET;    /* at the end: clients were told what the databases have */
#define MUST(fact, property)                                                                    \
	if                                                                                      \
	:: fact -> skip                                                                         \
	:: else -> assert(property)                                                             \
	fi

/* A branch is committed only by a durable decision, when every other one of its try is prepared
 * or committed, and no other try of it was committed before. */
inline check_commit(b, i) {
	MUST(decided[i], by_decision);
	k = 0;
	do
	:: k < N -> MUST(db[BI(k, i)] != NOTHING || by_hand, all_or_none); k++
	:: else -> break
	od;
	k = 0;
	do
	:: k < EPOCHS -> MUST(db[BI(b, k)] != DONE, once_only); k++
	:: else -> break
	od;
	k = 0
}

inline check_back(b, i) {
	k = 0;
	do
	:: k < N -> MUST(db[BI(k, i)] != DONE || by_hand, all_or_none); k++
	:: else -> break
	od;
	k = 0
}

/* Said to be gone: nothing of it is there, and nobody works on it any more. */
inline check_gone(b, i) {
	MUST(db[BI(b, i)] == NOTHING && session[BI(b, i)] == IDLE, gone_for_good);
	gone[BI(b, i)] = 1
}

inline tell(commit) {
	if
	:: commit -> told_commit = 1
	:: else -> told_abort = 1
	fi;
	MUST(!told_commit || !told_abort, one_answer)
}

#include "coordinator.pml"
#include "wire.pml"
#include "agent.pml"

/* ---- the end, when nothing more can happen ---- */

#ifdef HEALED
proctype last() {
	timeout ->
	d_step {
		MUST(life[newest] == UP && (st[newest] == NONE || st[newest] == OUT || st[newest] == HAZARD),
			it_ends);
		j = 0;
		do
		:: j < N * EPOCHS ->
			MUST(db[j] != PREPARED && session[j] == IDLE, nothing_left);
			j++
		:: else -> break
		od;
		if
		:: by_hand -> MUST(!told_commit || st[newest] == HAZARD, told_truly)
		:: told_commit && !by_hand ->
			j = 0;
			do
			:: j < N -> MUST(db[BI(j, j_try)] == DONE, told_truly); j++
			:: else -> break
			od
		:: told_abort && !by_hand ->
			j = 0;
			do
			:: j < N * EPOCHS -> MUST(db[j] != DONE, told_truly); j++
			:: else -> break
			od
		:: else -> skip
		fi
	}
}
#endif

init {
	byte x, b, i;

	atomic {
		for (b : 0 .. N - 1) {
			inc[b] = 1;
			fenced[b] = 1;
			run agent(b);
			for (i : 0 .. EPOCHS - 1) {
				run at_agent(b, i)
			}
		}
		for (x : 0 .. EPOCHS - 1) {
			run coordinator(x);
			for (b : 0 .. N - 1) {
				run link(x, b);
				for (i : 0 .. x) {
					run wire(x, b, i)
				}
			}
		}
		life[0] = UP;
		durable[0] = 1;
#ifdef HEALED
		run last()
#endif
		x = 0; b = 0; i = 0
	}
}
