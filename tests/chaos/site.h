/* site.h - the programs of a chaos run: a coordinator, several agents for each bank, a
 * proxy on every line between them, and the two banks.
 *
 * Thread: the main thread, which starts and ends all programs (see tests/lib/proc.h). */
#ifndef TESTS_CHAOS_SITE_H
#define TESTS_CHAOS_SITE_H

#include "tests/lib/bank.h"
#include "tests/lib/proc.h"
#include "tests/lib/proxy.h"

/* Two for bank a, three for bank b. */
enum { AGENTS = 5, PURSES = 24, HOT = 3, PURSE = 100000 };

extern struct site {
	char *url;    /* of the REST interface through its proxy: what clients use */
	char *direct; /* the same without */
	char *journal;
	struct proc *coordinator, *agent[AGENTS];
	struct proxy *front, *link[AGENTS], *db[AGENTS];
} site;

/* The bank that the agent serves. */
int agent_bank(int agent);

/* Starts all and waits until both banks are served. */
void site_open(void);
/* Ends the programs politely; a status other than 0 is wrong.  Then looks whether the
 * journal is whole.  The banks stay. */
void site_stop(void);
void site_close(void);

/* ---- a bank's server as a whole: the postmaster and its children ---- */

/* kill -9 of all of them. */
void server_crash(int b);
void server_freeze(int b);
void server_thaw(int b);

#endif
