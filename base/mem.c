/* mem.c - see mem.h. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
	if (p == NULL) {
		static const char msg[] = "fatal out-of-memory\n";
		fwrite(msg, 1, sizeof msg - 1, stderr);
		abort();
	}
	return p;
}

void *mem_new(size_t n, size_t size)
{
	return or_die(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *mem_grow(void *old, size_t n, size_t size)
{
	return or_die(reallocarray(old, n > 0 ? n : 1, size > 0 ? size : 1));
}

char *mem_dup(const char *s)
{
	return s == NULL ? NULL : or_die(strdup(s));
}

char *mem_dup_bytes(const void *bytes, size_t size)
{
	char *copy = mem_new(size + 1, 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

char *mem_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return or_die(text);
}
