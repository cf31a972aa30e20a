/* err.c - see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define RC_NAME(name, text) [RC_##name] = text,
	RC_LIST(RC_NAME)
#undef RC_NAME
};

const char *rc_name(enum rc code)
{
	return names[code];
}

static void fill(struct err *err, enum rc code, int line, int column, const char *fmt, va_list ap)
{
	if (err == NULL)
		return;
	err->code = code;
	err->line = line;
	err->column = column;
	vsnprintf(err->text, sizeof err->text, fmt, ap);
}

enum rc err_set(struct err *err, enum rc code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, 0, 0, fmt, ap);
	va_end(ap);
	return code;
}

enum rc err_set_at(struct err *err, enum rc code, int line, int column, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, code, line, column, fmt, ap);
	va_end(ap);
	return code;
}

enum rc err_wrap(struct err *err, const char *fmt, ...)
{
	char old[sizeof err->text];
	va_list ap;
	size_t used;

	if (err == NULL)
		return RC_IO;
	memcpy(old, err->text, sizeof old);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", old);
	return err->code;
}
