/* notes.c - what happened, in words, and how it ended; see sim.h. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
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

/* FNV-1a. */
static void sum_up(void)
{
	uint64_t hash = 0xcbf29ce484222325u;
	size_t lines = 0;

	for (size_t i = 0; i < notes_size; i++) {
		hash = (hash ^ (unsigned char)notes[i]) * 0x100000001b3u;
		lines += notes[i] == '\n';
	}
	verdict->hash = hash;
	verdict->lines = lines;
	verdict->at_us = sim_now_us();
}

void sim_notes_show(void)
{
	fwrite(notes, 1, notes_size, stdout);
}

void sim_notes_fini(void)
{
	sum_up();
	free(notes);
	notes = NULL;
	notes_size = notes_room = 0;
}

/* An assertion of the programs failed, which has said so: whose history it was. */
void sim_aborted(int signal)
{
	(void)signal;
	sim_fail("an assertion failed");
}

void sim_overdue(int signal)
{
	(void)signal;
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
	if (verdict->show == SHOW_ALL)
		sim_notes_show();
	if (verdict->show != SHOW_NOTHING)
		printf("BROKEN by seed %" PRIu64 ": %s\n", sim_dice_seed(), verdict->how);
	fflush(stdout);
	_exit(1);
}
