/* cond.h - a condition variable with a deadline by our own clock.
 *
 * clock_mono_us counts the time that the machine slept, and pthreads know no such clock: a
 * deadline that is handed to them as it is lies too late by all of that time.
 * Thread: any; `lock` is held by who waits, as with pthread_cond_wait. */
#ifndef BASE_COND_H
#define BASE_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Aborts for want of memory, the only way to fail.  pthread_cond_destroy ends it. */
void cond_init(pthread_cond_t *cond);

/* Waits until somebody signals (or for no reason, as pthreads may): true; or until
 * clock_mono_us is `until_us`: false.  Late by what was left, if the machine sleeps meanwhile. */
bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us);

#endif
