/* shrink.c - what a broken history can do without; see trial.h.
 *
 * First transactions and sagas are left out, then single things that happened: halves,
 * quarters, one by one, for as long as the same rule is broken.  If much is left, the
 * plots of those few are tried with other dice.  Each trial is a history in a process of
 * its own. */
#include "tests/sim/trial.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { SUBJECTS = SIM_TXNS + SIM_SAGAS };
enum { ENOUGH = 30 /* lines */, AGAIN_MAX = 20000, PATIENCE = 4 };

static struct {
	uint64_t seed;
	char rule[400];
	struct sim_only best, next;
	struct trial *trial;
	size_t trials, lines; /* of the best */
	uint64_t at_us;       /* when it breaks */
	double most;          /* CPU seconds of the children */
	time_t until;
} s;

/* The rule without the names and numbers of this history. */
static void mask(char *rule, const char *how)
{
	while (*how != '\0') {
		const size_t word = strcspn(how, " "), digit = strcspn(how, "0123456789");

		if (digit < word) {
			*rule++ = '#';
		} else {
			memcpy(rule, how, word);
			rule += word;
		}
		how += word;
		if (*how == ' ')
			*rule++ = *how++;
	}
	*rule = '\0';
}

/* Of CPU, so that a busy machine does not make a history longer; but not for ever. */
static double spent(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static bool in_time(void)
{
	return spent() < s.most && time(NULL) < s.until;
}

/* If what is in `next` breaks the same rule, it is the best.  Of its points those that
 * were not reached fall away. */
static bool holds(void)
{
	char rule[sizeof s.rule];

	if (!in_time())
		return false;
	s.trials++;
	trial_run(s.trial, s.seed, &s.next, SHOW_LINES);
	if (!s.trial->v.broken)
		return false;
	mask(rule, s.trial->v.how);
	if (strcmp(rule, s.rule) != 0)
		return false;
	s.best = s.next;
	if (!s.best.every_point)
		s.best.points = s.trial->points;
	s.lines = s.trial->v.lines;
	s.at_us = s.trial->v.at_us;
	return true;
}

/* ---- transactions and sagas ---- */

static uint64_t *bits_of(struct sim_only *o, unsigned i)
{
	return i < SIM_TXNS ? &o->clients : &o->sagas;
}

static unsigned bit_of(unsigned i)
{
	return i < SIM_TXNS ? i : i - SIM_TXNS;
}

/* Leaves in those that the rule's words name; all if there is none. */
static void name_only(struct sim_only *few, const char *how)
{
	const struct sim_only everybody = *few;

	few->clients = few->sagas = 0;
	for (unsigned i = 0; i < SUBJECTS; i++) {
		char name[16];
		const size_t n = (size_t)snprintf(name, sizeof name, "%c%u",
						  i < SIM_TXNS ? 't' : 'g', bit_of(i));
		const char *at = strstr(how, name);

		if (at != NULL && !isalnum((unsigned char)at[n]) && (at == how || at[-1] == ' '))
			*bits_of(few, i) |= (uint64_t)1 << bit_of(i);
	}
	if ((few->clients | few->sagas) == 0)
		*few = everybody;
}

static bool drop_subjects(void)
{
	bool less = false;

	for (unsigned size = SUBJECTS / 2; size > 0; size /= 2) {
		for (unsigned from = 0; from < SUBJECTS; from += size) {
			s.next = s.best;
			for (unsigned i = from; i < from + size && i < SUBJECTS; i++)
				*bits_of(&s.next, i) &= ~((uint64_t)1 << bit_of(i));
			if (s.next.clients != s.best.clients || s.next.sagas != s.best.sagas)
				less = holds() || less;
		}
	}
	return less;
}

/* ---- single things ---- */

static bool drop_points(void)
{
	bool less = false;
	size_t size = s.best.points.n;

	for (; size > 0; size /= 2) {
		/* From the end, so that what is dropped does not move what comes. */
		for (size_t end = s.best.points.n; end > 0 && in_time();) {
			struct sim_points *p = &s.next.points;
			const size_t from = end > size ? end - size : 0;

			s.next = s.best;
			if (end < p->n)
				memmove(&p->at[from], &p->at[end], (p->n - end) * sizeof p->at[0]);
			p->n -= end - from;
			less = holds() || less;
			end = from < s.best.points.n ? from : s.best.points.n;
		}
	}
	return less;
}

/* ---- time ---- */

static bool heal_at(uint64_t us)
{
	s.next = s.best;
	s.next.heals_us = us;
	return holds();
}

/* The sooner nothing fails any more, the shorter it is. */
static void heal_sooner(void)
{
	const uint64_t now = s.best.heals_us != 0 ? s.best.heals_us : SIM_FAULTS_US;

	for (uint64_t part = 1; part < 8; part++)
		if (now / 8 * part > 1000000 && heal_at(now / 8 * part))
			return;
}

/* ---- all of it ---- */

/* From the best, with all that may happen there, to the fewest of it. */
static void reduce(void)
{
	heal_sooner();
	drop_subjects();
	s.next = s.best;
	s.next.every_point = false;
	trial_run(s.trial, s.seed, &s.best, SHOW_LINES);
	s.next.points = s.trial->points;
	for (bool less = holds(); less && in_time();) {
		less = drop_points();
		less = drop_subjects() || less;
		heal_sooner();
	}
}

/* The best without one of its subjects, everything else as it may happen. */
static void all_but(struct sim_only *next, const struct sim_only *best, uint64_t turn)
{
	*next = *best;
	next->every_point = true;
	next->points.n = 0;
	for (unsigned k = 0; k < SUBJECTS; k++) {
		const unsigned i = (unsigned)((turn + k) % SUBJECTS);
		const uint64_t bit = (uint64_t)1 << bit_of(i);

		if ((*bits_of(next, i) & bit) != 0) {
			*bits_of(next, i) &= ~bit;
			return;
		}
	}
}

/* What is left may need the others only by accident: their messages made some of its
 * own late.  So it is tried again without them, with other dice. */
static void other_dice(const struct sim_only *few)
{
	static struct sim_only good;
	size_t lines = s.lines;

	good = s.best;
	for (uint64_t again = 1; in_time() && lines > ENOUGH && again < AGAIN_MAX; again++) {
		if (again % 2 == 0)
			all_but(&s.next, &good, again / 2);
		else
			s.next = *few;
		s.next.again = again;
		if (!holds())
			continue;
		reduce();
		if (s.lines < lines) {
			lines = s.lines;
			good = s.best;
		}
	}
	s.best = good;
	s.lines = lines;
}

bool shrink(uint64_t seed, unsigned seconds, struct shrunk *out)
{
	static struct sim_only few;

	memset(&s, 0, sizeof s);
	memset(out, 0, sizeof *out);
	out->seed = seed;
	s.trial = trial_shared(sizeof *s.trial);
	s.seed = seed;
	s.most = spent() + seconds;
	s.until = time(NULL) + PATIENCE * (time_t)seconds;
	s.best = (struct sim_only){.clients = ((uint64_t)1 << SIM_TXNS) - 1,
				   .sagas = ((uint64_t)1 << SIM_SAGAS) - 1,
				   .every_point = true};
	trial_run(s.trial, seed, NULL, SHOW_LINES);
	if (!s.trial->v.broken)
		return false;
	mask(s.rule, s.trial->v.how);
	out->whole = s.lines = s.trial->v.lines;
	few = s.best;
	name_only(&few, s.trial->v.how);
	s.next = few;
	holds();
	reduce();
	other_dice(&few);
	out->lines = s.lines;
	out->trials = s.trials;
	out->only = s.best;
	return true;
}

void shrink_show(const struct shrunk *it)
{
	printf("---- seed %" PRIu64 ", what is left of it\n", it->seed);
	trial_run(s.trial, it->seed, &it->only, SHOW_SHORT);
	if (!s.trial->v.broken)
		printf("sim: the short history does not break the rule again: something is not "
		       "drawn from the seed\n");
	printf("shrunk from %zu lines to %zu by %zu trials; see it again with\n", it->whole,
	       it->lines, it->trials);
	printf("    build/tests/sim/sim %" PRIu64 " --only ", it->seed);
	only_print(&it->only, stdout);
	printf("\n");
}
