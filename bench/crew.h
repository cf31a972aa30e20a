/* crew.h - many agents in one process, for measuring the coordinator: each is the core of
 * `settle-agent` with a connection of its own, over a resource that does nothing.
 *
 * Agent N of a crew is named `a<N>` and serves the resource `r<N>` with one operation, `work`;
 * a branch is prepared, and committed, in the loop's next round.  What is prepared is
 * kept nowhere: a crew is of use while it lives, and for measuring only.
 * Thread: the program's only one. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

/* Serves `agents` of them for the coordinator at `url`, until SIGTERM ends the process. */
_Noreturn void crew_run(const char *url, int agents);

#endif
