/* log.c - see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const words[] = {"debug", "info", "warn", "error"};
static atomic_int least = LOG_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&least, (int)level);
}

enum rc log_level_parse(const char *word, enum log_level *level)
{
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
		if (strcmp(word, words[i]) == 0) {
			*level = (enum log_level)i;
			return RC_OK;
		}
	}
	return RC_INVALID;
}

static size_t clip(int printed, size_t room)
{
	if (printed < 0)
		return 0;
	return (size_t)printed < room ? (size_t)printed : room - 1;
}

void log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[2048];
	const size_t room = sizeof line - 1; /* for the newline */
	struct timespec now;
	struct tm tm;
	size_t used, i;
	va_list ap;

	if ((int)level < atomic_load(&least))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	used = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
	used += clip(snprintf(line + used, room - used, ".%03ldZ %s %s ", now.tv_nsec / 1000000,
			      words[level], event),
		     room - used);
	va_start(ap, fmt);
	used += clip(vsnprintf(line + used, room - used, fmt, ap), room - used);
	va_end(ap);
	for (i = 0; i < used; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere to tell it */
}
