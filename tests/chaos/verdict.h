/* verdict.h - the end of a chaos run: everything is held against everything else.
 *
 * Three accounts of each deal must agree: what its client was told, what the coordinator
 * says at the end, and the ledger rows at both banks.
 * Thread: the main thread, when the clients have ended and all is healed. */
#ifndef TESTS_CHAOS_VERDICT_H
#define TESTS_CHAOS_VERDICT_H

#include <stdint.h>

struct verdict {
	long deals, sagas;
	long committed, rolled_back, never_begun; /* at the end */
	long told_committed, told_rolled_back;    /* to the client, while it ran */
	long told_late;                           /* after a lost answer */
	long left;                                /* its client left without an outcome */
	long promised;                            /* of those, what was promised to be run */
	int64_t heal_ms;                          /* until the last one had ended */
	int64_t longest_ms;                       /* from submit to end, by the coordinator */
	int64_t longest_told_ms; /* from the first submit to the knowing of a client that waited */
	long rows;               /* in both ledgers */
	long suspected; /* hazards, by agents that had been cut off; the coordinator knew better */
	char longest_gid[32];
};

/* What does not agree is wrong (pulse_wrong). */
void verdict_find(struct verdict *v);

#endif
