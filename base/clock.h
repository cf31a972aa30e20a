/* clock.h - the two clocks.  Only main programs and the edges read them: the
 * protocol core is told the time with each event.
 * Thread: any. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

#include <stdint.h>

/* Microseconds since some start; never goes back, and counts the time that the machine
 * slept.  For deadlines. */
uint64_t clock_mono_us(void);

/* Microseconds since 1970, as the machine believes.  For people, never for deadlines. */
uint64_t clock_wall_us(void);

/* "1500ms", "30s", "5m", "2h", "7d" (a whole number and a unit) to milliseconds.
 * RC_INVALID for anything else and for more than 10 years. */
enum rc duration_parse(const char *text, uint64_t *ms, struct err *err);

/* The shortest such text for `ms`: 90000 gives "90s", 86400000 "1d"; returns `out`. */
enum { DURATION_TEXT_MAX = 24 };
char *duration_format(uint64_t ms, char out[DURATION_TEXT_MAX]);

/* RFC 3339 in UTC with microseconds, into at least 32 bytes; returns `out`. */
char *time_format(uint64_t wall_us, char out[32]);

/* The reverse, any precision up to microseconds, `Z` or a numeric offset. */
enum rc time_parse(const char *text, uint64_t *wall_us, struct err *err);

#endif
