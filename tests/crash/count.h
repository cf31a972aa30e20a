/* count.h - what the resources of a case hold at its end, against what was told.
 * Thread: the case's main thread, when the programs have ended. */
#ifndef TESTS_CRASH_COUNT_H
#define TESTS_CRASH_COUNT_H

#include "tests/crash/deal.h"

/* Fresh tables in this worker's databases. */
void count_make_tables(void);
/* Ends what a failed case left prepared or connected in them. */
void count_clear(void);

/* Branches that this case has prepared at bank `b`; sessions that wait for a lock there.
 * Any thread, one at a time. */
long long count_prepared(int b);
long long count_waiting(int b);
long long count_rows(int b, const char *gid);

/* Waits until this case has nothing prepared at either bank: who is not known to anybody
 * is rolled back by his agent's next sweep. */
void count_await_orphans(void);
/* Fails unless the effects of each deal are what its end says; nothing is prepared; each
 * balance is what its ledger says, and the sum over both banks what it was. */
void count_all(void);
/* Fails unless the journal is whole, nothing in it is unfinished, and it knows the end of
 * each deal as the client was told. */
void count_journal(void);

#endif
