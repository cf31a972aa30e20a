#include "tests/chaos/watch.h"

#include "tests/chaos/pulse.h"
#include "tests/chaos/site.h"
#include "tests/lib/harness.h"

#include <pthread.h>
#include <stdlib.h>

enum { EVERY_MS = 250 };

static struct watch {
	pthread_t thread;
	char *conninfo;
	int64_t oldest_ms;
} watches[BANKS];

/* The age of the oldest one; -1 if the server does not say. */
static int64_t look(PGconn *conn)
{
	PGresult *res = PQexec(conn, "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - "
				     "prepared)) * 1000, 0)::bigint FROM pg_prepared_xacts");
	const int64_t ms =
		PQresultStatus(res) == PGRES_TUPLES_OK ? atoll(PQgetvalue(res, 0, 0)) : -1;

	PQclear(res);
	return ms;
}

static void *serve(void *arg)
{
	struct watch *w = arg;
	PGconn *conn = NULL;

	while (pulse_until(clock_ms() + EVERY_MS)) {
		if (!conn)
			conn = PQconnectdb(w->conninfo);
		const int64_t ms = PQstatus(conn) == CONNECTION_OK ? look(conn) : -1;
		if (ms > w->oldest_ms)
			w->oldest_ms = ms;
		if (ms < 0) {
			PQfinish(conn);
			conn = NULL;
		}
	}
	PQfinish(conn);
	return NULL;
}

void watch_start(void)
{
	for (int b = 0; b < BANKS; b++) {
		watches[b].conninfo = textf("%s connect_timeout=5", bank[b]->conninfo);
		NEED(pthread_create(&watches[b].thread, NULL, serve, &watches[b]) == 0,
		     "no thread");
	}
}

int64_t watch_join(void)
{
	int64_t oldest = 0;

	for (int b = 0; b < BANKS; b++) {
		pthread_join(watches[b].thread, NULL);
		if (watches[b].oldest_ms > oldest)
			oldest = watches[b].oldest_ms;
		free(watches[b].conninfo);
	}
	return oldest;
}
