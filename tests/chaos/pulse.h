/* pulse.h - what all threads of a chaos run share: when it ends, what went wrong, and
 * when somebody was last told something new.
 *
 * Waiting here is never for something to have happened: it is the rhythm of clients and
 * of faults, and it ends at once when the run is over.
 * Thread: any. */
#ifndef TESTS_CHAOS_PULSE_H
#define TESTS_CHAOS_PULSE_H

#include <stdbool.h>
#include <stdint.h>

/* Clients begin nothing new from here on. */
void pulse_end(void);
bool pulse_over(void);

/* Returns at `at_ms` of clock_ms, or when the run is over; false then. */
bool pulse_until(int64_t at_ms);

/* A broken promise: printed, counted; the run ends early. */
void pulse_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int pulse_wrongs(void);

/* A client was told an outcome that it did not know. */
void pulse_answer(void);
/* The longest time without one, since the first. */
int64_t pulse_silence_ms(void);

/* Dice: a number from 0 to n - 1; `state` is the thrower's own. */
unsigned dice(uint64_t *state, unsigned n);

#endif
