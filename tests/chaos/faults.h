/* faults.h - what happens to the programs, servers and lines of a chaos run.
 *
 * Every second or so one thing, or several at once, is killed, frozen, cut, held up or
 * silenced, for a while; then it is started again, thawed, let through.  The dice are
 * seeded: a seed gives much the same plan (the programs' threads do not repeat).
 * Rule: whatever ends without having been killed here is wrong.
 * Thread: the main thread. */
#ifndef TESTS_CHAOS_FAULTS_H
#define TESTS_CHAOS_FAULTS_H

#include <stdint.h>

enum victim_kind {
	VICTIM_COORDINATOR,
	VICTIM_AGENT,
	VICTIM_SERVER,
	VICTIM_LINK,  /* between an agent and the coordinator */
	VICTIM_DB,    /* between an agent and its bank */
	VICTIM_FRONT, /* between the clients and the coordinator */
	VICTIM_KINDS
};

struct fault_counts {
	long kills[VICTIM_KINDS], freezes[VICTIM_KINDS], cuts[VICTIM_KINDS];
	long held[VICTIM_KINDS], silenced[VICTIM_KINDS];
	long starts, full_stops;
	long rss_peak_kib; /* of the coordinator, in any of its lives */
};

extern struct fault_counts fault_counts;

/* Until `end_ms`, or until something is wrong. */
void faults_run(uint64_t seed, int64_t end_ms);
/* Everything runs, and every line is open and new. */
void faults_heal(void);
/* Something that must run has ended by itself: that is wrong. */
void faults_look(void);

#endif
