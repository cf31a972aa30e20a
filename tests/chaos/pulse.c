#include "tests/chaos/pulse.h"

#include "tests/lib/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

enum { WRONGS_SHOWN = 30 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool over;
static int wrongs;
static int64_t last_ms, silence_ms;

static void prepare(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ended, &attr);
	pthread_condattr_destroy(&attr);
}

static void end_locked(void)
{
	pthread_once(&once, prepare);
	over = true;
	pthread_cond_broadcast(&ended);
}

void pulse_end(void)
{
	pthread_mutex_lock(&lock);
	end_locked();
	pthread_mutex_unlock(&lock);
}

bool pulse_over(void)
{
	pthread_mutex_lock(&lock);
	const bool is = over;
	pthread_mutex_unlock(&lock);
	return is;
}

bool pulse_until(int64_t at_ms)
{
	const struct timespec at = {.tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000};

	pthread_once(&once, prepare);
	pthread_mutex_lock(&lock);
	while (!over && pthread_cond_timedwait(&ended, &lock, &at) != ETIMEDOUT)
		continue;
	const bool goes_on = !over;
	pthread_mutex_unlock(&lock);
	return goes_on;
}

void pulse_wrong(const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&lock);
	if (++wrongs <= WRONGS_SHOWN) {
		printf("chaos: WRONG: ");
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		printf("\n");
		fflush(stdout);
	}
	end_locked();
	pthread_mutex_unlock(&lock);
}

int pulse_wrongs(void)
{
	pthread_mutex_lock(&lock);
	const int n = wrongs;
	pthread_mutex_unlock(&lock);
	return n;
}

void pulse_answer(void)
{
	const int64_t now = clock_ms();

	pthread_mutex_lock(&lock);
	if (last_ms != 0 && now - last_ms > silence_ms)
		silence_ms = now - last_ms;
	last_ms = now;
	pthread_mutex_unlock(&lock);
}

int64_t pulse_silence_ms(void)
{
	pthread_mutex_lock(&lock);
	const int64_t ms = silence_ms;
	pthread_mutex_unlock(&lock);
	return ms;
}

unsigned dice(uint64_t *state, unsigned n)
{
	/* A linear congruential generator, of which only the high half is good. */
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return (unsigned)((*state >> 33) % n);
}
