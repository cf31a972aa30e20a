/* loop.h - the opponent: two-phase commit as a good engineer writes it by hand.
 *
 * Each client has a connection to each server.  BEGIN, the update and PREPARE
 * TRANSACTION go to both servers at once, in one round trip; when both have
 * promised, COMMIT PREPARED goes to both at once.  One thread and one epoll serve
 * all clients.  Votes are checked (the tag, the row count) and what one side
 * refuses is rolled back on both, but nothing is written down: if this program
 * dies, nobody knows what to do with what it left prepared.
 * Thread: the program's only one. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "bench/run.h"

/* Runs `run->clients` clients against the two servers; their connections are
 * opened before the clock starts. */
void loop_run(struct run *run, const char *const conninfo[2], const char *lock_timeout);

#endif
