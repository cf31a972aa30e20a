/* repeat.c - a seed is a history, the same to the byte; see trial.h.
 *
 * Each time it is run by a new program, so that no address and nothing left over from
 * another history is the same. */
#include "tests/sim/trial.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 8 << 20, SHORT = 60 /* lines */, SHRINK_SECONDS = 60 };

static char *text_of(uint64_t seed, size_t *size)
{
	char self[500], command[600];
	const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *text = mem_new(TEXT_MAX, 1);
	FILE *f;

	self[n < 0 ? 0 : n] = '\0';
	snprintf(command, sizeof command, "'%s' %" PRIu64, self, seed);
	f = popen(command, "r");
	*size = f != NULL ? fread(text, 1, TEXT_MAX, f) : 0;
	if (f != NULL)
		pclose(f);
	return text;
}

bool repeat_check(uint64_t seed)
{
	size_t na, nb;
	char *a = text_of(seed, &na), *b = text_of(seed, &nb);
	const bool same = na > 0 && na < TEXT_MAX && na == nb && memcmp(a, b, na) == 0;

	if (!same)
		printf("BROKEN: seed %" PRIu64 " told two histories, of %zu and %zu bytes\n", seed,
		       na, nb);
	free(a);
	free(b);
	return same;
}

/* The first seed from here on that breaks the rule that is made to be broken. */
static bool shrink_next(uint64_t seed, struct shrunk *it)
{
	for (unsigned i = 0; i < 20; i++)
		if (shrink(seed + i, SHRINK_SECONDS, it))
			return true;
	return false;
}

bool repeat_check_shrunk(uint64_t seed)
{
	static struct shrunk it;
	static struct sim_only again;
	struct trial *t = trial_shared(sizeof *t);
	char *text = NULL;
	size_t size = 0;
	FILE *f;
	bool good;

	sim_wrong_rule = true;
	good = shrink_next(seed, &it) && (f = open_memstream(&text, &size)) != NULL;
	if (good) {
		only_print(&it.only, f);
		fclose(f);
		good = only_parse(&again, text);
	}
	if (good) {
		trial_run(t, it.seed, &again, SHOW_LINES);
		good = t->v.broken && t->v.lines == it.lines && it.lines <= SHORT;
	}
	if (!good)
		printf("BROKEN: seed %" PRIu64
		       " is shrunk to %zu lines, and its command line gives "
		       "%zu\n",
		       it.seed, it.lines, t->v.lines);
	sim_wrong_rule = false;
	free(text);
	return good;
}
