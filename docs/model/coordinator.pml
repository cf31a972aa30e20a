/* coordinator.pml - coordinator x: the transaction (coordinator/txn.c), its record
 * (effects.c), its jobs (jobs.c, results.c), and what a start finds in the journal (txn_continue). */

#define ALL_ARE(x, state) (br[XB(x, 0)] == (state) && br[XB(x, N / 2)] == (state) && \
			   br[XB(x, N - 1)] == (state)) /* N up to 3 */

/* A replaced coordinator cannot write: the journal compares epochs with each batch.  So what it would have to write first, it never says; and what it
 * hears can only keep it from saying something again. */
#ifdef TWO_WRITERS
#define WRITES(x) true
#else
#define WRITES(x) ((x) == newest)
#endif

/* A new start of an agent is vouched for by a batch that the journal takes: one who was
 * replaced by then sends it nothing. */
#ifdef NO_VOUCHING
#define VOUCHES(x) true
#else
#define VOUCHES(x) WRITES(x)
#endif

/* Whether votes of try i still count: once that is over, it is over for good. */
#ifdef SAME_EPOCH
#define VOTING(i) ((st[0] == PREPARING || st[EPOCHS - 1] == PREPARING))
#else
#define VOTING(i) (st[i] == PREPARING && WRITES(i))
#endif

/* Nobody counts them any more. */
inline drop_votes(i) {
	j = 0;
	do
	:: j < N ->
		res[BI(j, i)] = res[BI(j, i)] & ~(R_PREPARED | R_UNKNOWN);
		late[BI(j, i)] = late[BI(j, i)] & ~(R_PREPARED | R_UNKNOWN);
		j++
	:: else -> break
	od;
	j = 0
}

inline forced(x) {
	durable[x] = 0
}

/* It is heard of no more, and its memory does not matter. */
inline leave(x, how) {
	life[x] = how;
	st[x] = OUT;
	try[x] = 0;
	durable[x] = 1;
	j = 0;
	do
	:: j < N -> br[XB(x, j)] = 0; sent[XB(x, j)] = 0; known[XB(x, j)] = 0; j++
	:: else -> break
	od;
	j = 0
}

/* abort_all: a branch that was never sent is gone already. */
inline abort_all(x) {
	st[x] = ABORTING;
#ifndef SAME_EPOCH
	drop_votes(x);
#endif
	j = 0;
	do
	:: j < N ->
		if
		:: br[XB(x, j)] == BR_WAITING -> br[XB(x, j)] = BR_ABORTED
		:: br[XB(x, j)] == BR_WORKING || br[XB(x, j)] == BR_PREPARED ->
			br[XB(x, j)] = BR_ABORTING
		:: else -> skip
		fi;
		sent[XB(x, j)] = 0;
		j++
	:: else -> break
	od;
#ifdef ABORT_UNFORCED
	tell(false);
#else
	forced(x);
#endif
	settle(x)
}

inline settle(x) {
	j = 0;
	k = 0; /* 1: one is owed something; 2: a hazard */
	do
	:: j < N ->
		if
		:: br[XB(x, j)] == BR_COMMITTING || br[XB(x, j)] == BR_ABORTING -> k = k | 1
		:: br[XB(x, j)] == BR_HAZARD -> k = k | 2
		:: else -> skip
		fi;
		j++
	:: else -> break
	od;
	if
	:: k == 0 && st[x] == COMMITTING -> st[x] = COMMITTED
	:: k == 0 && st[x] == ABORTING -> st[x] = ABORTED
	:: k == 2 -> st[x] = HAZARD
	:: else -> skip
	fi
}

inline decide_commit(x) {
	st[x] = COMMITTING;
#ifndef SAME_EPOCH
	drop_votes(x);
#endif
	j = 0;
	do
	:: j < N -> br[XB(x, j)] = BR_COMMITTING; sent[XB(x, j)] = 0; j++
	:: else -> break
	od;
	forced(x)
}

/* txn_begin: one branch is committed in one phase, and that is forced before it is sent. */
inline begin(x) {
	try[x] = TRY(x);
	j = 0;
	do
	:: j < N ->
		br[XB(x, j)] = BR_WAITING;
		sent[XB(x, j)] = 0;
		if
		:: VOUCHES(x) -> known[XB(x, j)] = inc[j]
		:: else -> skip
		fi;
		j++
	:: else -> break
	od;
	if
	:: N == 1 ->
		st[x] = ONE_PHASE;
#ifndef ONCE_UNFORCED
		forced(x)
#endif
	:: else ->
		st[x] = PREPARING;
#ifdef ACCEPT
		if
		:: j_st != ACCEPTED -> forced(x)
		:: else -> skip
		fi
#endif
	fi
}

/* A new coordinator: a new epoch, and what the journal has. */
inline start(x) {
#ifndef TWO_WRITERS
	if
#ifdef OLD_DIES
	:: true -> leave(newest, DEAD)
#else
	:: !durable[newest] -> leave(newest, DEAD)
#endif
	:: else -> skip
	fi;
#ifndef SAME_EPOCH
	drop_votes(newest);
#endif
#endif
	newest = x;
	life[x] = UP;
	durable[x] = 1;
	try[x] = j_try;
	j = 0;
	do
	:: j < N ->
		known[XB(x, j)] = inc[j];
		sent[XB(x, j)] = 1; /* by whoever was here before, perhaps */
		if
		:: j_st == COMMITTING -> br[XB(x, j)] = BR_COMMITTING
		:: j_st == ONE_PHASE || ((j_back >> j) & 1) -> br[XB(x, j)] = BR_ABORTING
		:: else -> br[XB(x, j)] = BR_ABORTED
		fi;
#ifdef REPEAT_AS_FIRST
		sent[XB(x, j)] = 0;
#endif
		j++
	:: else -> break
	od;
	if
	:: j_st == COMMITTED || j_st == ABORTED || j_st == NONE ->
		leave(x, UP);
		if
		:: j_st == NONE -> st[x] = NONE
		:: else -> skip
		fi
	:: j_st == ACCEPTED -> begin(x)
	:: else -> st[x] = j_st
	fi
}

/* The journal takes the record as it is now. */
inline write(x) {
	j_try = try[x];
	j_back = 0;
	j = 0;
	do
	:: j < N ->
		if
		:: br[XB(x, j)] == BR_ABORTING -> j_back = j_back | (1 << j)
		:: else -> skip
		fi;
		j++
	:: else -> break
	od;
	durable[x] = 1;
	if
	:: st[x] == PREPARING -> j_st = ACCEPTED
	:: else -> j_st = st[x]
	fi;
	if
	:: st[x] == COMMITTING || st[x] == ONE_PHASE -> decided[try[x]] = 1
	:: else -> skip
	fi;
	if
	:: st[x] == COMMITTING || st[x] == COMMITTED -> tell(true)
	:: st[x] == ABORTING || st[x] == ABORTED -> tell(false)
	:: else -> skip
	fi
}

/* Its end is durable. */
inline finish(x) {
	j_st = st[x];
	j_try = try[x];
	leave(x, UP)
}

proctype coordinator(byte x) {
end:	do
	:: d_step { life[x] == DOWN && newest + 1 == x -> start(x) }
	/* A client submits; what the journal knows is not begun again. */
	:: d_step { life[x] == UP && st[x] == NONE && j_st == NONE -> begin(x) }
#ifndef NO_DEADLINE
	/* The deadline, a cancel. */
	:: d_step { st[x] == PREPARING && WRITES(x) -> abort_all(x) }
#endif
	:: d_step { st[x] == ONE_PHASE && br[XB(x, 0)] == BR_WORKING ->
		br[XB(x, 0)] = BR_ABORTING; sent[XB(x, 0)] = 0 }
	:: d_step { !durable[x] && WRITES(x) -> write(x) }
	/* Ends are lazy; then it leaves memory. */
	:: d_step { durable[x] && (st[x] == COMMITTED || st[x] == ABORTED) && WRITES(x) -> finish(x) }
#ifdef FORGETS_COMMIT
	/* Broken: the row is forgotten when the commits have been sent. */
	:: d_step { durable[x] && st[x] == COMMITTING && WRITES(x) &&
		sent[XB(x, 0)] && sent[XB(x, N - 1)] -> leave(x, UP); j_st = NONE }
#endif
#ifdef HASTY_COMMIT
	/* Broken: with a vote missing. */
	:: d_step { st[x] == PREPARING && WRITES(x) && br[XB(x, 0)] == BR_PREPARED ->
		decide_commit(x) }
#endif
#ifdef SILENCE_IS_GONE
	/* Broken: who does not answer a rollback is taken for gone. */
	:: d_step { durable[x] && st[x] == ABORTING && WRITES(x) && br[XB(x, 0)] == BR_ABORTING ->
		br[XB(x, 0)] = BR_ABORTED; gone[BI(0, try[x])] = 1; settle(x) }
#endif
	od
}

/* ---- one branch, and the agent that has it ---- */

/* Nobody can say what became of its prepare: that is no no. */
inline lost(x, b) {
#ifdef UNKNOWN_IS_NO
	br[XB(x, b)] = BR_ABORTED;
	gone[BI(b, try[x])] = 1;
#endif
	if
	:: st[x] == PREPARING -> abort_all(x)
	:: st[x] == ONE_PHASE -> br[XB(x, b)] = BR_ABORTING; sent[XB(x, b)] = 0
	fi
}

/* restarted: what the agent before had in hand is lost. */
inline heard(x, b) {
	known[XB(x, b)] = inc[b];
	if
	:: br[XB(x, b)] == BR_WORKING && (st[x] == PREPARING || st[x] == ONE_PHASE) ->
#ifdef PREPARE_AGAIN
		br[XB(x, b)] = BR_WAITING
#else
		lost(x, b)
#endif
	:: else -> skip
	fi
}

inline hazard(x, b) {
	MUST(by_hand, no_hazard);
	br[XB(x, b)] = BR_HAZARD;
	settle(x)
}

/* results.c; a result of another try finds nothing. */
inline result(x, b, r) {
	if
	:: st[x] == PREPARING && br[XB(x, b)] == BR_WORKING ->
		if
		:: r == R_PREPARED ->
			br[XB(x, b)] = BR_PREPARED;
			if
			:: ALL_ARE(x, BR_PREPARED) -> decide_commit(x)
			:: else -> skip
			fi
		:: r == R_BACK -> br[XB(x, b)] = BR_ABORTED; abort_all(x)
		:: else -> lost(x, b)
		fi
	:: st[x] == ONE_PHASE && br[XB(x, b)] != BR_WAITING ->
		if
		:: r == R_COMMITTED -> br[XB(x, b)] = BR_COMMITTED; st[x] = COMMITTED; tell(true)
#ifdef ACCEPT
		/* Nobody asked for it: a restart did, and it was accepted. */
		:: r == R_BACK && try[x] != TRY(x) -> begin(x)
		:: r == R_BACK && try[x] == TRY(x) ->
#else
		:: r == R_BACK ->
#endif
			br[XB(x, b)] = BR_ABORTED; st[x] = ABORTED; forced(x)
		:: r == R_UNKNOWN && br[XB(x, b)] == BR_WORKING -> lost(x, b)
		:: else -> skip
		fi
	:: st[x] == COMMITTING && br[XB(x, b)] == BR_COMMITTING ->
		if
		:: r == R_COMMITTED -> br[XB(x, b)] = BR_COMMITTED; settle(x)
		:: r == R_HAZARD || r == R_BACK -> hazard(x, b)
		:: else -> skip
		fi
	:: st[x] == ABORTING && br[XB(x, b)] == BR_ABORTING ->
		if
		:: r == R_BACK -> br[XB(x, b)] = BR_ABORTED; settle(x)
		:: r == R_HAZARD || r == R_COMMITTED -> hazard(x, b)
		:: else -> skip
		fi
	:: else -> skip
	fi
}

/* Whether a result can still change anything: a late one is passed over. */
#define OPEN(x, b) ((br[XB(x, b)] == BR_WORKING || br[XB(x, b)] == BR_COMMITTING || \
		     br[XB(x, b)] == BR_ABORTING) && st[x] >= PREPARING && st[x] <= ABORTING && \
		    (WRITES(x) || st[x] == ONE_PHASE))
#define HEARS(x, b)  (OPEN(x, b) && known[XB(x, b)] == inc[b])
#define OVERHEARS(x, b) (OPEN(x, b) && known[XB(x, b)] < inc[b])

/* May a command leave now?  Its batch is durable, and a poll of the agent is held: one
 * that has seen a later epoch polls others. */
#ifdef SEND_FIRST
#define MAY_SEND(x, b) (known[XB(x, b)] == inc[b] && seen[b] <= EP(x))
#else
#define MAY_SEND(x, b) (durable[x] && known[XB(x, b)] == inc[b] && \
			seen[b] <= EP(x))
#endif
#ifdef HEALED
/* Sent again when nothing of it is on its way or under way. */
#ifdef NO_RESEND
#define QUIET(x, b, bit) (!sent[XB(x, b)])
#else
#define QUIET(x, b, bit) (cmd[XBI(x, b, try[x])] == 0 && res[BI(b, try[x])] == 0 && \
			  stage[BI(b, try[x])] != WORKING)
#endif
#else
#define QUIET(x, b, bit) ((cmd[XBI(x, b, try[x])] & (bit)) == 0)
#endif
#define PUT(x, b, bit) cmd[XBI(x, b, try[x])] = cmd[XBI(x, b, try[x])] | (bit); sent[XB(x, b)] = 1

#define MINE res[BI(b, try[x])]
#define OLD  late[BI(b, try[x])]
#ifdef HEALED
#define GOT(mask, r) mask = mask & ~(r); result(x, b, r)
#else
#define GOT(mask, r) result(x, b, r)
#endif

proctype link(byte x; byte b) {
end:	do
	:: d_step { st[x] != NONE && st[x] != OUT && known[XB(x, b)] < inc[b] && VOUCHES(x) ->
		heard(x, b) }
	/* commands */
	:: d_step { MAY_SEND(x, b) && br[XB(x, b)] == BR_WAITING &&
		(st[x] == PREPARING || st[x] == ONE_PHASE) ->
		br[XB(x, b)] = BR_WORKING; PUT(x, b, C_PREPARE) }
	:: d_step { MAY_SEND(x, b) && st[x] == COMMITTING && br[XB(x, b)] == BR_COMMITTING &&
		!sent[XB(x, b)] && QUIET(x, b, C_COMMIT) -> PUT(x, b, C_COMMIT) }
	:: d_step { MAY_SEND(x, b) && st[x] == COMMITTING && br[XB(x, b)] == BR_COMMITTING &&
		sent[XB(x, b)] && QUIET(x, b, C_AGAIN) -> PUT(x, b, C_AGAIN) }
	:: d_step { MAY_SEND(x, b) && (st[x] == ABORTING || st[x] == ONE_PHASE) &&
		br[XB(x, b)] == BR_ABORTING && QUIET(x, b, C_ROLLBACK) -> PUT(x, b, C_ROLLBACK) }
	/* results, of this start of the agent and of earlier ones */
	:: d_step { HEARS(x, b) && (MINE & R_PREPARED) -> GOT(MINE, R_PREPARED) }
	:: d_step { HEARS(x, b) && (MINE & R_COMMITTED) -> GOT(MINE, R_COMMITTED) }
	:: d_step { HEARS(x, b) && (MINE & R_BACK) -> GOT(MINE, R_BACK) }
	:: d_step { HEARS(x, b) && (MINE & R_HAZARD) -> GOT(MINE, R_HAZARD) }
	:: d_step { HEARS(x, b) && (MINE & R_UNKNOWN) -> GOT(MINE, R_UNKNOWN) }
	:: d_step { OVERHEARS(x, b) && (OLD & R_PREPARED) -> GOT(OLD, R_PREPARED) }
	:: d_step { OVERHEARS(x, b) && (OLD & R_COMMITTED) -> GOT(OLD, R_COMMITTED) }
	:: d_step { OVERHEARS(x, b) && (OLD & R_BACK) -> GOT(OLD, R_BACK) }
	:: d_step { OVERHEARS(x, b) && (OLD & R_HAZARD) -> GOT(OLD, R_HAZARD) }
	:: d_step { OVERHEARS(x, b) && (OLD & R_UNKNOWN) -> GOT(OLD, R_UNKNOWN) }
#ifdef HEALED
	/* What nobody waits for is taken and passed over. */
	:: d_step { x == newest && known[XB(x, b)] == inc[b] && !OPEN(x, b) && MINE != 0 -> MINE = 0 }
#endif
	od
}
