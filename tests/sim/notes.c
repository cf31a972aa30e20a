/* notes.c - what happened, in words, and how it ended; see sim.h. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *notes;
static size_t notes_size, notes_room;
static struct sim_verdict *verdict;
struct sim_tally *sim_tallies;

void sim_notes_init(struct sim_verdict *v)
{
	verdict = v;
	notes_size = 0;
}

/* The history is kept and only shown when it breaks a rule, or on demand. */
void sim_note(const char *fmt, ...)
{
	char line[3000];
	size_t size;
	va_list ap;
	int n = snprintf(line, sizeof line, "%10.3f ms  ", (double)sim_now_us() / 1000.0);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	va_end(ap);
	size = strlen(line);
	line[size++] = '\n';
	while (notes_size + size > notes_room) {
		notes_room = 2 * notes_room + 65536;
		notes = mem_grow(notes, notes_room, 1);
	}
	memcpy(notes + notes_size, line, size);
	notes_size += size;
}

void sim_tally(const char *what)
{
	struct sim_tally *t = sim_tallies;

	if (t == NULL)
		return;
	for (size_t i = 0; i < SIM_TALLIES; i++, t++) {
		if (t->n == 0)
			snprintf(t->what, sizeof t->what, "%s", what);
		if (strcmp(t->what, what) == 0) {
			t->n++;
			return;
		}
	}
}

/* ---- showing them ---- */

struct line {
	const char *at, *text; /* without its time */
	size_t size, text_size;
};

/* The line that begins at `from`; false: none is left. */
static bool line_at(size_t from, struct line *l)
{
	const char *end;

	if (from >= notes_size)
		return false;
	l->at = notes + from;
	end = memchr(l->at, '\n', notes_size - from);
	l->size = (size_t)(end - l->at) + 1;
	l->text = strstr(l->at, " ms  ");
	l->text_size = l->size - (size_t)(l->text - l->at);
	return true;
}

static bool alike(const struct line *a, const struct line *b)
{
	return a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0;
}

/* A client asks on and on: lines that say what one of the two before them said are only
 * counted.  NULL: prints nothing.  Gives the number of lines. */
static size_t fold(FILE *out)
{
	struct line last[2] = {{"", "", 0, 0}, {"", "", 0, 0}}, l;
	size_t lines = 0, more = 0;

	for (size_t from = 0;; from += l.size) {
		const bool any = line_at(from, &l);

		if (any && (alike(&l, &last[0]) || alike(&l, &last[1]))) {
			more++;
			continue;
		}
		if (more > 0 && out != NULL)
			fprintf(out, "                  … and so on, %zu times\n", more);
		lines += (more > 0) + (any ? 1u : 0u);
		more = 0;
		if (!any)
			return lines;
		if (out != NULL)
			fwrite(l.at, 1, l.size, out);
		last[0] = last[1];
		last[1] = l;
	}
}

/* FNV-1a. */
static void sum_up(void)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < notes_size; i++)
		hash = (hash ^ (unsigned char)notes[i]) * 0x100000001b3u;
	verdict->hash = hash;
	verdict->lines = verdict->show == SHOW_NOTHING ? 0 : fold(NULL);
	verdict->at_us = sim_now_us();
}

void sim_notes_show(void)
{
	if (verdict->show == SHOW_SHORT)
		fold(stdout);
	else if (verdict->show == SHOW_ALL)
		fwrite(notes, 1, notes_size, stdout);
}

void sim_notes_fini(void)
{
	sum_up();
	free(notes);
	notes = NULL;
	notes_size = notes_room = 0;
}

/* In the place of the C library's: which assertion it was is part of the rule. */
void __assert_fail(const char *text, const char *file, unsigned line, const char *function)
{
	(void)line;
	sim_fail("an assertion failed in %s of %s: %s", function, file, text);
}

void sim_aborted(int signum)
{
	(void)signum;
	sim_fail("it called abort");
}

/* It may have been interrupted where nothing can be said: then the next one ends it. */
void sim_overdue(int signum)
{
	signal(signum, SIG_DFL);
	alarm(10);
	sim_fail("it goes on for ever");
}

void sim_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(verdict->how, sizeof verdict->how, fmt, ap);
	va_end(ap);
	sum_up();
	verdict->broken = true;
	sim_notes_show();
	if (verdict->show == SHOW_ALL || verdict->show == SHOW_SHORT)
		printf("BROKEN by seed %" PRIu64 ": %s\n", sim_dice_seed(), verdict->how);
	fflush(stdout);
	_exit(1);
}
