/* inproc.h - sagas on the engine and its journal alone: no sockets, no agent.
 *
 * The real engine, with the real journal in a directory.  Clients are function calls;
 * one agent that is none answers every call in the next turn with DONE.
 * Thread: the program's only one (the journal has its writer's beside it). */
#ifndef BENCH_INPROC_H
#define BENCH_INPROC_H

#include "bench/run.h"

struct inproc;

/* With a journal in `dir`, which is made; publishes the workflow `text`, whose name is
 * `name` and whose calls all go to operation `step` of resource `nothing`. */
struct inproc *inproc_open(const char *dir, const char *name, const char *text);
void inproc_run(struct inproc *p, struct run *run);
void inproc_close(struct inproc *p);

#endif
