/* metrics.h - the counts of /v1/stats as Prometheus reads them.  Pure.
 * Thread: any. */
#ifndef COORDINATOR_METRICS_H
#define COORDINATOR_METRICS_H

#include <jansson.h>

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The text, for free(); what `stats` (borrowed) does not have is left out. */
char *metrics_text(const json_t *stats);

#endif
