/* log.h - one line an event: `time level event-id key=value … text`.
 *
 * Event ids are stable and listed in docs/operations.md; scripts may match them.
 * Log where an error is handled, never log and return.  Secrets are never given
 * to this module.  Control characters in values are written as `?`, so that no
 * input can forge a line.
 * Thread: any; each line is one write(2) to standard error. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below `level` are dropped from now on; starts at LOG_INFO. */
void log_set_level(enum log_level level);

/* "debug", "info", "warn" or "error" to a level; RC_INVALID for another word. */
enum rc log_level_parse(const char *word, enum log_level *level);

/* Writes one line: `fmt` gives the key=value pairs and the text. Never blocks
 * for longer than the write does; a failed write is ignored. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
