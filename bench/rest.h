/* rest.h - transactions through `settled`, submitted by REST.
 *
 * Each client has one connection that it keeps, and one transaction under way: it
 * posts what the load makes of its turn and is answered when the transaction has ended
 * (`wait: finished`), or when its end is decided.  One thread and one epoll serve all clients, and
 * no more of HTTP is understood than this takes, so that the client costs as little as it can.
 * Thread: the program's only one. */
#ifndef BENCH_REST_H
#define BENCH_REST_H

#include "bench/run.h"

/* What clients submit. */
struct rest_load {
	/* Writes the body of the next POST /v1/transactions, a NUL-terminated text. */
	void (*body)(const struct transfer *t, char *out, size_t room);
	bool decided; /* it asks for `wait: decided`: "committing" is an answer, and final */
};

/* Runs `run->clients` clients against 127.0.0.1:`port`; `load` is borrowed.  When it
 * returns, all that was begun has been carried out. */
void rest_run(struct run *run, int port, const struct rest_load *load);

/* Publishes a workflow written in JSON, or ends the program. */
void rest_publish(int port, const char *workflow);

/* Waits until that many resources are served; ends the program if that takes too long. */
void rest_await_ready(int port, int resources);

#endif
