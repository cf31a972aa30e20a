/* word.c - see word.h. */
#include "base/word.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct entry {
	size_t held;
	UT_hash_handle hh;
	char text[];
};

static struct entry *all; /* by text */

const char *word_hold(const char *text)
{
	struct entry *e;
	size_t size;

	if (text == NULL)
		return NULL;
	size = strlen(text);
	HASH_FIND(hh, all, text, size, e);
	if (e == NULL) {
		e = mem_new(1, sizeof *e + size + 1);
		memcpy(e->text, text, size + 1);
		HASH_ADD_KEYPTR(hh, all, e->text, size, e);
	}
	e->held++;
	return e->text;
}

const char *word_printf(const char *fmt, ...)
{
	const char *word;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* for want of memory */
	va_end(ap);
	word = word_hold(text);
	free(text);
	return word;
}

void word_drop(const char *word)
{
	struct entry *e;

	if (word == NULL)
		return;
	e = (struct entry *)(void *)((char *)word - offsetof(struct entry, text));
	if (--e->held > 0)
		return;
	HASH_DEL(all, e);
	free(e);
}
