/* Every step of every example workflow fails in each way, and so does every
 * compensation: see tests/lib/saga_ways.h.
 *
 * MATRIX=all tries every way on every unit of every file (`make crash-sagas`);
 * otherwise each file is tried in half of the ways (of those that take long in fewer),
 * the next file in the other half, each on another unit: all ways, in half a minute.
 * MATRIX=book-trip tries all of that workflow, MATRIX=book-trip.pay.debit.do.decided the
 * one case, and MATRIX=decided that way on all. */
#include "tests/lib/saga_ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_S = 200, ALL_S = 1200, CASES_MAX = 2000 };

static char **paths;
static size_t n_paths;
static const char *wish; /* NULL: a part */

static bool wanted(const struct saga_file *f, const struct saga_unit *u, const struct saga_way *way)
{
	char *name = textf("%s.%s.%s.%s", f->name, u->label, u->undo ? "undo" : "do", way->name);
	const size_t n = strlen(wish);
	const bool yes = strcmp(wish, "all") == 0 || strcmp(wish, way->name) == 0 ||
			 (strncmp(name, wish, n) == 0 && (name[n] == '\0' || name[n] == '.'));
	free(name);
	return yes;
}

/* The one of the units that fit which is `turn`th, going round. */
static const struct saga_unit *by_turns(const struct saga_file *f, const struct saga_way *way,
					size_t turn)
{
	const struct saga_unit *fit[SAGA_UNITS];
	size_t n = 0;
	for (size_t i = 0; i < f->n_units; i++)
		if (saga_way_fits(way, &f->units[i]))
			fit[n++] = &f->units[i];
	return n ? fit[turn % n] : NULL;
}

static bool chosen(const struct saga_file *f, size_t file, const struct saga_unit *u, size_t way)
{
	if (!saga_way_fits(&saga_ways[way], u))
		return false;
	if (wish)
		return wanted(f, u, &saga_ways[way]);
	if ((file + way) % (saga_ways[way].slow ? 4 : 2) != 0)
		return false;
	return by_turns(f, &saga_ways[way], file + 3 * way) == u;
}

START_TEST(whatever_fails_all_or_nothing_is_left)
{
	struct saga_file *f = saga_file_open(paths[_i]);
	char(*gids)[65] = calloc(CASES_MAX, sizeof *gids);
	const int64_t since = clock_ms();
	size_t n = 0;

	ck_assert_ptr_nonnull(gids);
	stage.file = f; /* the ways ask it what fits */
	for (size_t w = 0; saga_ways[w].name; w++) {
		for (size_t i = 0; i < f->n_units; i++) {
			if (!chosen(f, (size_t)_i, &f->units[i], w))
				continue;
			if (n == 0)
				stage_open(f);
			const int64_t begin = clock_ms();
			ck_assert_uint_lt(n, CASES_MAX);
			saga_try(&saga_ways[w], &f->units[i], gids[n]);
			if (getenv("VERBOSE"))
				fprintf(stderr, "%s %lld ms\n", gids[n],
					(long long)(clock_ms() - begin));
			n++;
		}
	}
	/* Whatever came late came to nothing. */
	for (size_t i = 0; i < n; i++)
		case_count(gids[i]);
	if (n > 0)
		stage_close();
	if (getenv("VERBOSE"))
		fprintf(stderr, "%s: %zu cases in %lld ms\n", f->name, n,
			(long long)(clock_ms() - since));
	free(gids);
	saga_file_close(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("saga_matrix");
	TCase *c = tcase_create("saga_matrix");
	wish = getenv("MATRIX");
	paths = saga_examples();
	while (paths[n_paths])
		n_paths++;
	tcase_set_timeout(c, (double)harness_patience_ms(wish ? ALL_S : CASE_S) / 1000);
	tcase_add_loop_test(c, whatever_fails_all_or_nothing_is_left, 0, (int)n_paths);
	suite_add_tcase(s, c);
	const int status = suite_run(s, banks_open, banks_close);
	for (size_t i = 0; i < n_paths; i++)
		free(paths[i]);
	free(paths);
	return status;
}
