/* clock.c - see clock.h. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

static const uint64_t duration_max_ms = UINT64_C(10) * 365 * 24 * 3600 * 1000;

static uint64_t read_clock_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now); /* these two clocks cannot fail on Linux */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
	return read_clock_us(CLOCK_BOOTTIME);
}

uint64_t clock_wall_us(void)
{
	return read_clock_us(CLOCK_REALTIME);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

enum rc duration_parse(const char *text, uint64_t *ms, struct err *err)
{
	const char *p = text;
	uint64_t n = 0;

	for (; is_digit(*p); p++) {
		n = 10 * n + (uint64_t)(*p - '0');
		if (n > duration_max_ms) /* also keeps the product below from overflowing */
			return err_set(err, RC_INVALID, "\"%.40s\" is more than 10 years", text);
	}
	for (size_t i = 0; p != text && i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(p, units[i].name) != 0)
			continue;
		if (n > duration_max_ms / units[i].ms)
			return err_set(err, RC_INVALID, "\"%.40s\" is more than 10 years", text);
		*ms = n * units[i].ms;
		return RC_OK;
	}
	return err_set(err, RC_INVALID,
		       "\"%.40s\" is not a duration: expected a whole number and ms, s, m, h or d, "
		       "such as 500ms or 30s",
		       text);
}

char *duration_format(uint64_t ms, char out[DURATION_TEXT_MAX])
{
	size_t i = sizeof units / sizeof units[0] - 1;

	while (i > 0 && (ms == 0 || ms % units[i].ms != 0))
		i--;
	snprintf(out, DURATION_TEXT_MAX, "%" PRIu64 "%s", ms / units[i].ms, units[i].name);
	return out;
}

/* `width` digits and what comes after them. */
static char *put_number(char *at, unsigned n, int width, char after)
{
	for (int i = width - 1; i >= 0; i--, n /= 10)
		at[i] = (char)('0' + n % 10);
	at[width] = after;
	return at + width + 1;
}

/* By hand, because every answer has two or three, and strftime takes its time. */
char *time_format(uint64_t wall_us, char out[32])
{
	const time_t seconds = (time_t)(wall_us / 1000000);
	static _Thread_local time_t last = -1; /* most often it is the same one again */
	static _Thread_local struct tm tm;
	char *at = out;

	if (seconds != last)
		gmtime_r(&seconds, &tm);
	last = seconds;
	if (tm.tm_year > 9999 - 1900)
		at += snprintf(at, 12, "%d-", tm.tm_year + 1900);
	else
		at = put_number(at, (unsigned)tm.tm_year + 1900, 4, '-');
	at = put_number(at, (unsigned)tm.tm_mon + 1, 2, '-');
	at = put_number(at, (unsigned)tm.tm_mday, 2, 'T');
	at = put_number(at, (unsigned)tm.tm_hour, 2, ':');
	at = put_number(at, (unsigned)tm.tm_min, 2, ':');
	at = put_number(at, (unsigned)tm.tm_sec, 2, '.');
	at = put_number(at, (unsigned)(wall_us % 1000000), 6, 'Z');
	*at = '\0';
	return out;
}

/* Reads exactly `width` digits at `*p`, a value of lo..hi; moves on. */
static bool take_number(const char **p, int width, int lo, int hi, int *out)
{
	int n = 0;

	for (int i = 0; i < width; i++, (*p)++) {
		if (!is_digit(**p))
			return false;
		n = 10 * n + (**p - '0');
	}
	*out = n;
	return n >= lo && n <= hi;
}

static bool take_char(const char **p, char c)
{
	/* RFC 3339 lets T and Z be small letters. */
	if (**p != c && !((c == 'T' || c == 'Z') && **p == c + ('a' - 'A')))
		return false;
	(*p)++;
	return true;
}

/* `.` and 1 to 6 digits, or nothing. */
static bool take_fraction(const char **p, int *us)
{
	int scale = 100000;

	*us = 0;
	if (!take_char(p, '.'))
		return true;
	if (!is_digit(**p))
		return false;
	for (; is_digit(**p); (*p)++, scale /= 10) {
		if (scale == 0)
			return false;
		*us += (**p - '0') * scale;
	}
	return true;
}

/* `Z`, or a sign, hours, a colon and minutes: seconds east of UTC. */
static bool take_offset(const char **p, int *seconds)
{
	const int sign = **p == '-' ? -1 : 1;
	int h, m;

	*seconds = 0;
	if (take_char(p, 'Z'))
		return true;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_number(p, 2, 0, 23, &h) || !take_char(p, ':') || !take_number(p, 2, 0, 59, &m))
		return false;
	*seconds = sign * (3600 * h + 60 * m);
	return true;
}

enum rc time_parse(const char *text, uint64_t *wall_us, struct err *err)
{
	const char *p = text;
	struct tm tm = {0}, exact;
	int year, month, us, offset;
	int64_t seconds;

	if (!take_number(&p, 4, 1970, 9999, &year) || !take_char(&p, '-') ||
	    !take_number(&p, 2, 1, 12, &month) || !take_char(&p, '-') ||
	    !take_number(&p, 2, 1, 31, &tm.tm_mday) || !take_char(&p, 'T') ||
	    !take_number(&p, 2, 0, 23, &tm.tm_hour) || !take_char(&p, ':') ||
	    !take_number(&p, 2, 0, 59, &tm.tm_min) || !take_char(&p, ':') ||
	    !take_number(&p, 2, 0, 59, &tm.tm_sec) || !take_fraction(&p, &us) ||
	    !take_offset(&p, &offset) || *p != '\0')
		goto invalid;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	exact = tm;
	seconds = (int64_t)timegm(&exact) - offset;
	/* timegm makes 3 March of 30 February; and an offset may reach before 1970. */
	if (exact.tm_mday != tm.tm_mday || seconds < 0)
		goto invalid;
	*wall_us = (uint64_t)seconds * 1000000 + (uint64_t)us;
	return RC_OK;
invalid:
	return err_set(err, RC_INVALID,
		       "\"%.40s\" is not a time since 1970: expected RFC 3339, such as "
		       "2024-05-17T08:30:00Z or 2024-05-17T10:30:00.250+02:00",
		       text);
}
