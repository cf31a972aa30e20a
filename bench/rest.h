/* rest.h - the same transfers through `settled`, submitted by REST.
 *
 * Each client has one connection that it keeps, and one transaction under way: it
 * posts the workflow and its input and is answered when the transaction has ended
 * (`wait: finished`).  One thread and one epoll serve all clients, and no more of
 * HTTP is understood than this takes, so that the client costs as little as it can.
 * Thread: the program's only one. */
#ifndef BENCH_REST_H
#define BENCH_REST_H

#include "bench/run.h"

/* Runs `run->clients` clients against 127.0.0.1:`port`. */
void rest_run(struct run *run, int port);

/* Waits until both resources are served; ends the program if that takes too long. */
void rest_await_ready(int port);

#endif
