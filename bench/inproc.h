/* inproc.h - transactions on the engine and its journal alone: no sockets, no agent.
 *
 * The real engine, with the real journal in a directory.  Clients are function calls;
 * one agent that is none answers every command in the next turn: calls are done, branches
 * prepared and committed.
 * Thread: the program's only one (the journal has its writer's beside it). */
#ifndef BENCH_INPROC_H
#define BENCH_INPROC_H

#include "bench/run.h"

struct inproc;

/* With a journal in `dir`, which is made, or holds nothing unfinished; publishes the workflow
 * `text`, whose name is `name` and whose calls or branches all go to operation `step` of
 * resource `nothing`. */
struct inproc *inproc_open(const char *dir, const char *name, const char *text);
/* From now on clients give gids of their own, in no order. */
void inproc_own_gids(struct inproc *p);
void inproc_run(struct inproc *p, struct run *run);
/* Submits `n` transactions with `wait: accepted` that do not end, since the commands of the
 * branch `silent` are not answered from now on; returns when that is all that they wait for. */
void inproc_pile_up(struct inproc *p, size_t n, const char *silent);
/* Goes on for so long with whatever comes. */
void inproc_idle(struct inproc *p, uint64_t ms);
void inproc_close(struct inproc *p);

#endif
