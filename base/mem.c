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

/* Not to be inlined: compilers make a calloc of malloc and memset. */
static void *__attribute__((noinline)) take(size_t size)
{
	return or_die(malloc(size));
}

enum { SMALL = 1024 };

/* calloc of glibc 2.36 does without the lists of free memory that each thread has, and takes 260
 * instructions; malloc and memset together take 80 of what is small. */
void *mem_new(size_t n, size_t size)
{
	size_t all;

	n = n > 0 ? n : 1;
	size = size > 0 ? size : 1;
	if (__builtin_mul_overflow(n, size, &all) || all > SMALL)
		return or_die(calloc(n, size));
	return memset(take(all), 0, all);
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
	char *copy = take(size + 1);

	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\0';
	return copy;
}

char *mem_put(char *at, const char *s)
{
	const size_t size = strlen(s) + 1;

	memcpy(at, s, size);
	return at + size;
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
