/* cond.c - see cond.h. */
#include "base/cond.h"
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	if (pthread_condattr_init(&attr) != 0 ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(cond, &attr) != 0)
		abort();
	pthread_condattr_destroy(&attr);
}

bool cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_us)
{
	const uint64_t now_us = clock_mono_us();
	struct timespec at;
	uint64_t left_us;

	if (now_us >= until_us)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &at);
	left_us = until_us - now_us + (uint64_t)at.tv_nsec / 1000;
	at.tv_sec += (time_t)(left_us / 1000000);
	at.tv_nsec = (long)(left_us % 1000000) * 1000;
	return pthread_cond_timedwait(cond, lock, &at) == 0;
}
