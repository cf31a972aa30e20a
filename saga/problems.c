/* problems.c - see problems.h. */
#include "saga/problems.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void problem_take(struct problems *p, const struct err *err)
{
	if (p->count == PROBLEMS_MAX) {
		p->more = true;
		return;
	}
	if (p->all == NULL)
		p->all = mem_new(PROBLEMS_MAX, sizeof *p->all);
	p->all[p->count++] = *err;
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
