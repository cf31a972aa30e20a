/* wire.pml - from coordinator x to agent b, about try i: commands, inquiries and their answers
 * (participant/work.c and agent.c, coordinator/inquiries.c). */

/* ---- what an agent that asks is told ---- */

#define IN_MEMORY(x) (st[x] != NONE && st[x] != OUT)
#ifdef ANY_TRY /* broken: a commit of another try answers as well */
#define IN_JOURNAL(i) (j_st == COMMITTING || j_st == COMMITTED)
#else
#define IN_JOURNAL(i) (j_try == (i) && (j_st == COMMITTING || j_st == COMMITTED))
#endif
#define DECIDED_YES(x, i) (IN_MEMORY(x) -> (try[x] == (i) && st[x] == COMMITTED) : IN_JOURNAL(i))
#ifdef ASKED_IN_VAIN /* broken: what is undecided is told to abort */
#define DECIDED_NO(x, i) \
	(IN_MEMORY(x) -> (try[x] != (i) || st[x] < COMMITTING || st[x] == ABORTED) : !IN_JOURNAL(i))
#else
#define DECIDED_NO(x, i) \
	(IN_MEMORY(x) -> (try[x] != (i) || st[x] == ABORTED) : !IN_JOURNAL(i))
#endif
#ifdef UNKNOWN_IS_COMMIT /* broken: what is not known was committed */
#define SAY_COMMIT(x, i) (DECIDED_YES(x, i) || (!IN_MEMORY(x) && !IN_JOURNAL(i)))
#define SAY_ABORT(x, i)  (DECIDED_NO(x, i) && IN_MEMORY(x))
#else
#define SAY_COMMIT(x, i) DECIDED_YES(x, i)
#define SAY_ABORT(x, i)  DECIDED_NO(x, i)
#endif

/* ---- what the agent makes of it ---- */

#define CMD      cmd[XBI(x, b, i)]
#define STAGE    stage[BI(b, i)]
#define ON_IT    (STAGE == WORKING)  /* a decision waits for the call's end */
#define AT_HAND  (STAGE == UNKNOWN || STAGE == AT_PREPARED || STAGE == DOUBT || STAGE == OVER_GONE)

#ifdef NO_EPOCH_CHECK
#define LISTENS(x, b) (fenced[b])
#else
#define LISTENS(x, b) (fenced[b] && seen[b] <= EP(x))
#endif

/* Takes the reply's epoch; what has seen a later one must not begin work. */
inline take_epoch(x, b) {
	if
	:: seen[b] < EP(x) -> seen[b] = EP(x)
	:: else -> skip
	fi
}

inline report(b, i, r) {
	res[BI(b, i)] = res[BI(b, i)] | (r)
}

inline work_begin(x, b, i) {
	MUST(seen[b] <= EP(x), newest_only);
	take_epoch(x, b);
	STAGE = WORKING;
	session[BI(b, i)] = RUNNING
}

inline refuse(x, b, i) {
	take_epoch(x, b);
	check_gone(b, i);
#ifndef NO_GRAVE
	STAGE = OVER_BACK;
#endif
	report(b, i, R_BACK)
}

/* call_commit: "no such branch" is done if it may have been done before, else a hazard. */
inline do_commit(b, i, again) {
	if
	:: db[BI(b, i)] == PREPARED ->
		check_commit(b, i);
		db[BI(b, i)] = DONE;
		STAGE = OVER_DONE;
		report(b, i, R_COMMITTED)
	:: db[BI(b, i)] != PREPARED && (again || tried_commit[BI(b, i)]) && !tried_back[BI(b, i)] ->
		MUST(db[BI(b, i)] == DONE, done_is_done);
		STAGE = OVER_DONE;
		report(b, i, R_COMMITTED)
#ifdef FIRST_IS_DONE
	:: db[BI(b, i)] != PREPARED && !again && !tried_commit[BI(b, i)] ->
		MUST(db[BI(b, i)] == DONE, done_is_done);
		STAGE = OVER_DONE;
		report(b, i, R_COMMITTED)
#endif
	:: else ->
		STAGE = OVER_HAZARD;
		report(b, i, R_HAZARD)
	fi;
	tried_commit[BI(b, i)] = 1
}

/* The connection broke: done or not, nobody heard. */
inline miss_commit(b, i, done) {
	faults--;
	if
	:: done && db[BI(b, i)] == PREPARED -> check_commit(b, i); db[BI(b, i)] = DONE
	:: else -> skip
	fi;
	tried_commit[BI(b, i)] = 1;
	STAGE = DOUBT
}

/* settle_once: who writes the mark first decides.  It need not end the session that may
 * still work on it. */
inline settle_once(b, i) {
#ifdef ONCE_UNMARKED
	if
	:: STAGE == OVER_DONE ->
#else
	if
	:: db[BI(b, i)] == DONE ->
#endif
		STAGE = OVER_DONE;
		report(b, i, R_COMMITTED)
	:: else ->
#ifndef ONCE_UNFORBIDDEN
		settled[i] = 1;
#endif
		MUST(db[BI(b, i)] != DONE, gone_for_good);
		gone[BI(b, i)] = 1;
		STAGE = OVER_BACK;
		report(b, i, R_BACK)
	fi
}

/* pg_suspect_clear, then ROLLBACK PREPARED: afterwards nothing is left, nor can appear. */
inline do_rollback(b, i) {
	if
	:: N == 1 -> settle_once(b, i)
	:: else ->
#ifndef NO_SUSPECTS
		if
		:: session[BI(b, i)] == RUNNING -> session[BI(b, i)] = IDLE
		:: else -> skip
		fi;
#endif
		check_back(b, i);
		db[BI(b, i)] = NOTHING;
#ifdef NO_TOMBSTONE
		gone[BI(b, i)] = 1;
		STAGE = UNKNOWN;
#else
		check_gone(b, i);
		STAGE = OVER_BACK;
#endif
		report(b, i, R_BACK)
	fi
}

inline miss_rollback(b, i, done) {
	faults--;
	if
	:: done && N > 1 && db[BI(b, i)] == PREPARED -> check_back(b, i); db[BI(b, i)] = NOTHING
	:: else -> skip
	fi;
	tried_back[BI(b, i)] = 1;
	STAGE = DOUBT
}

/* A decision for a branch that is over. */
inline commit_over(b, i) {
	if
	:: STAGE == OVER_DONE -> report(b, i, R_COMMITTED)
	:: else -> report(b, i, R_HAZARD)
	fi
}

inline back_over(b, i) {
	if
	:: N == 1 && STAGE == OVER_DONE -> report(b, i, R_COMMITTED)
	:: STAGE == OVER_BACK -> report(b, i, R_BACK)
	:: else -> report(b, i, R_HAZARD)
	fi
}

#ifdef NO_INQUIRY
#define ASKS false
#else
#define ASKS (db[BI(b, i)] == PREPARED && fenced[b] && seen[b] <= EP(x) && STAGE != WORKING && \
	      life[x] == UP)
#endif
#define OVER (STAGE == OVER_BACK || STAGE == OVER_DONE || STAGE == OVER_HAZARD)
#define COMES(bits) ((CMD & (bits)) && LISTENS(x, b))
#ifdef HEALED
#define NEWS(r) true
#else
#define NEWS(r) ((res[BI(b, i)] & (r)) == 0)
#endif

proctype wire(byte x; byte b; byte i) {
end:	do
	/* PREPARE, ONCE */
	:: d_step { COMES(C_PREPARE) && STAGE == UNKNOWN -> work_begin(x, b, i); TAKE(CMD, C_PREPARE) }
	:: d_step { COMES(C_PREPARE) && STAGE == UNKNOWN -> refuse(x, b, i); TAKE(CMD, C_PREPARE) }
	:: d_step { COMES(C_PREPARE) && STAGE == AT_PREPARED && NEWS(R_PREPARED) && VOTING(i) ->
		take_epoch(x, b); report(b, i, R_PREPARED); TAKE(CMD, C_PREPARE) }
	:: d_step { COMES(C_PREPARE) && STAGE == OVER_BACK && NEWS(R_BACK) ->
		take_epoch(x, b); report(b, i, R_BACK); TAKE(CMD, C_PREPARE) }

	/* COMMIT, first and again, or on an inquiry */
	:: d_step { COMES(C_COMMIT) && AT_HAND ->
		take_epoch(x, b); do_commit(b, i, false); TAKE(CMD, C_COMMIT) }
	:: d_step { COMES(C_AGAIN | A_COMMIT) && AT_HAND ->
		take_epoch(x, b); do_commit(b, i, true); TAKE(CMD, C_AGAIN | A_COMMIT) }
	:: d_step { COMES(C_COMMIT | C_AGAIN | A_COMMIT) && AT_HAND && faults > 0 ->
		take_epoch(x, b); miss_commit(b, i, true);
		TAKE(CMD, C_COMMIT | C_AGAIN | A_COMMIT) }
	:: d_step { COMES(C_COMMIT | C_AGAIN | A_COMMIT) && AT_HAND && faults > 0 ->
		take_epoch(x, b); miss_commit(b, i, false);
		TAKE(CMD, C_COMMIT | C_AGAIN | A_COMMIT) }
	:: d_step { COMES(C_COMMIT | C_AGAIN | A_COMMIT) && OVER &&
		NEWS(STAGE == OVER_DONE -> R_COMMITTED : R_HAZARD) ->
		take_epoch(x, b); commit_over(b, i); TAKE(CMD, C_COMMIT | C_AGAIN | A_COMMIT) }

	/* ROLLBACK, SETTLE_ONCE, or on an inquiry */
	:: d_step { COMES(C_ROLLBACK | A_ABORT) && AT_HAND && !tried_commit[BI(b, i)] ->
		take_epoch(x, b); do_rollback(b, i); TAKE(CMD, C_ROLLBACK | A_ABORT) }
	:: d_step { COMES(C_ROLLBACK | A_ABORT) && AT_HAND && faults > 0 && !tried_commit[BI(b, i)] ->
		take_epoch(x, b); miss_rollback(b, i, true); TAKE(CMD, C_ROLLBACK | A_ABORT) }
	:: d_step { COMES(C_ROLLBACK | A_ABORT) && AT_HAND && faults > 0 && !tried_commit[BI(b, i)] ->
		take_epoch(x, b); miss_rollback(b, i, false); TAKE(CMD, C_ROLLBACK | A_ABORT) }
	:: d_step { COMES(C_ROLLBACK | A_ABORT) && (OVER || (AT_HAND && tried_commit[BI(b, i)])) &&
		NEWS(STAGE == OVER_BACK -> R_BACK : R_HAZARD) ->
		take_epoch(x, b); back_over(b, i); TAKE(CMD, C_ROLLBACK | A_ABORT) }

	/* A sweep finds it, asks, and is answered; "wait" is the same as asking later. */
	:: d_step { ASKS && !(CMD & A_COMMIT) && SAY_COMMIT(x, i) -> CMD = CMD | A_COMMIT }
	:: d_step { ASKS && !(CMD & A_ABORT) && SAY_ABORT(x, i) -> CMD = CMD | A_ABORT }

#ifdef HEALED
	/* Lost; come twice; come too late, to an agent that has seen a later epoch; or
	 * without effect. */
	:: d_step { CMD != 0 && faults > 0 -> faults--; CMD = 0 }
	:: d_step { COMES(C_PREPARE) && STAGE == UNKNOWN && faults > 0 ->
		faults--; work_begin(x, b, i) }
	:: d_step { COMES(C_COMMIT) && AT_HAND && faults > 0 ->
		faults--; take_epoch(x, b); do_commit(b, i, false) }
	:: d_step { COMES(C_ROLLBACK) && AT_HAND && faults > 0 && !tried_commit[BI(b, i)] ->
		faults--; take_epoch(x, b); do_rollback(b, i) }
	:: d_step { CMD != 0 && fenced[b] && seen[b] > EP(x) -> CMD = 0 }
	:: d_step { COMES(C_PREPARE) && STAGE != UNKNOWN && STAGE != OVER_BACK &&
		(STAGE != AT_PREPARED || !VOTING(i)) -> CMD = CMD & ~C_PREPARE }
#endif
	od
}
