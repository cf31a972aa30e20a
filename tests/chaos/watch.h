/* watch.h - how old the oldest prepared transaction of a bank ever was.
 *
 * A thread for each bank asks four times a second, while the server answers; so what is
 * told may be short by that, or by as long as the server was away.
 * Thread: the main thread starts and ends it. */
#ifndef TESTS_CHAOS_WATCH_H
#define TESTS_CHAOS_WATCH_H

#include <stdint.h>

void watch_start(void);
/* After pulse_end. The greatest age of all in milliseconds. */
int64_t watch_join(void);

#endif
