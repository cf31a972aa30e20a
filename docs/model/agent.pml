/* agent.pml - agent b, and its database.
 *
 * The database keeps what is prepared through every crash.  A session lives on after the agent
 * that opened it died or lost the connection: its PREPARE may wait for a lock, and land later. */

proctype agent(byte b) {
end:	do
	/* It dies, and starts anew: tables and outbox are gone, sessions may still run. */
	:: d_step { crashes > 0 ->
		crashes--;
		inc[b]++;
		seen[b] = 0;
		fenced[b] = 0;
		j = 0;
		do
		:: j < EPOCHS ->
			stage[BI(b, j)] = UNKNOWN;
			tried_commit[BI(b, j)] = 0;
			tried_back[BI(b, j)] = 0;
			late[BI(b, j)] = late[BI(b, j)] | res[BI(b, j)];
			res[BI(b, j)] = 0;
			if
			:: session[BI(b, j)] == RUNNING -> session[BI(b, j)] = ORPHAN
			:: else -> skip
			fi;
			k = 0;
			do
			:: k < EPOCHS -> cmd[XBI(k, b, j)] = 0; k++
			:: else -> break
			od;
			j++
		:: else -> break
		od;
		j = 0 }
	/* The fence (pg_preflight.c): before it serves, sessions of earlier starts are ended. */
	:: d_step { !fenced[b] ->
		fenced[b] = 1;
#ifndef NO_FENCE
		j = 0;
		do
		:: j < EPOCHS ->
			session[BI(b, j)] = IDLE;
			j++
		:: else -> break
		od;
		j = 0
#endif
		}
	od
}

#define HERE     stage[BI(b, i)]
#define SESSION  session[BI(b, i)]
#define LANDS    (SESSION != IDLE && !(N == 1 && settled[i]))

inline vote(b, i, r) {
	if
	:: VOTING(i) -> res[BI(b, i)] = res[BI(b, i)] | (r)
	:: else -> skip /* nobody counts it any more */
	fi
}

/* The session's work lands: PREPARE TRANSACTION, or with one branch COMMIT with its mark. */
inline land(b, i) {
	SESSION = IDLE;
	MUST(!gone[BI(b, i)], gone_for_good);
	if
	:: N == 1 ->
		MUST(decided[i], by_decision);
		k = 0;
		do
		:: k < EPOCHS -> MUST(db[BI(b, k)] != DONE, once_only); k++
		:: else -> break
		od;
		db[BI(b, i)] = DONE
	:: else ->
		MUST(db[BI(b, i)] == NOTHING, once_only);
		db[BI(b, i)] = PREPARED
	fi
}

inline voted_yes(b, i) {
	if
	:: N == 1 -> HERE = OVER_DONE; res[BI(b, i)] = res[BI(b, i)] | R_COMMITTED
	:: else -> HERE = AT_PREPARED; vote(b, i, R_PREPARED)
	fi
}

proctype at_agent(byte b; byte i) {
end:	do
	/* on_worked: yes; no; the connection broke, after the work, before it, or while
	 * the session runs on.  (A database that crashes is the last but one.) */
	:: d_step { HERE == WORKING && LANDS -> land(b, i); voted_yes(b, i) }
	:: d_step { HERE == WORKING ->
		SESSION = IDLE;
		check_gone(b, i);
		HERE = OVER_BACK;
		res[BI(b, i)] = res[BI(b, i)] | R_BACK }
	:: d_step { HERE == WORKING && LANDS && faults > 0 ->
		faults--; land(b, i); HERE = DOUBT; vote(b, i, R_UNKNOWN) }
	:: d_step { HERE == WORKING && faults > 0 ->
		faults--; SESSION = IDLE; HERE = DOUBT; vote(b, i, R_UNKNOWN) }
	:: d_step { HERE == WORKING && faults > 0 ->
		faults--; HERE = DOUBT; vote(b, i, R_UNKNOWN) }
	/* Nobody waits for this session any more, and it ends its work, well or not. */
	:: d_step { HERE != WORKING && LANDS -> land(b, i) }
	:: d_step { HERE != WORKING && SESSION != IDLE -> SESSION = IDLE }
#ifdef HAND
	/* A person rolls it back by hand; the commit may be decided already. */
	:: d_step { db[BI(b, i)] == PREPARED && !by_hand -> by_hand = 1; db[BI(b, i)] = NOTHING }
#endif
	/* sweep.c: what was over, and yet is there, is in doubt. */
	:: d_step { fenced[b] && db[BI(b, i)] == PREPARED && HERE >= OVER_BACK -> HERE = DOUBT }
	/* Waited for, and not found: somebody else has ended it. */
	:: d_step { fenced[b] && db[BI(b, i)] != PREPARED && N > 1 &&
		(HERE == AT_PREPARED || HERE == DOUBT) -> HERE = OVER_GONE }
	od
}
