/* problems.c - see problems.h. */
#include "saga/problems.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A text that was cut inside a character would not be UTF-8, and so no JSON. */
static void mend(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++) {
		size_t n = *p < 0x80 ? 0 : *p < 0xc0 ? 4 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		size_t k = 1;

		while (k <= n && n < 4 && (p[k] & 0xc0) == 0x80)
			k++;
		if (k <= n)
			*p = '?';
		else
			p += n;
	}
}

void problem_take(struct problems *p, const struct err *err)
{
	if (p->count == PROBLEMS_MAX) {
		p->more = true;
		return;
	}
	if (p->all == NULL)
		p->all = mem_new(PROBLEMS_MAX, sizeof *p->all);
	p->all[p->count] = *err;
	mend(p->all[p->count++].text);
}

void problem_add(struct problems *p, enum rc code, const struct yaml_node *at, const char *fmt, ...)
{
	struct err err = {.code = code, .line = at->line, .column = at->column};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err.text, sizeof err.text, fmt, ap);
	va_end(ap);
	problem_take(p, &err);
}

static int by_place(const void *a, const void *b)
{
	const struct err *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->text, y->text);
}

void problems_sort(struct problems *p)
{
	if (p->count > 0)
		qsort(p->all, p->count, sizeof *p->all, by_place);
	if (p->more)
		snprintf(p->all[p->count - 1].text, sizeof p->all[0].text,
			 "there are more than %d problems; mend those above first",
			 PROBLEMS_MAX - 1);
}

void problems_fini(struct problems *p)
{
	free(p->all);
	*p = (struct problems){0};
}
