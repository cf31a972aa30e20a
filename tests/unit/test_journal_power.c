/* test_journal_power.c - after a kill or a power failure at any moment the journal opens, and
 * holds what was durable: a whole number of batches, none of the durable ones missing.
 *
 *   POWER_IMAGES=100000  so many crashes instead of a few hundred
 *   POWER_SEED=n         begins with that one */
#include "base/log.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"
#include "tests/power/image.h"
#include "tests/power/life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIVES = 6, PER_LIFE = 30, IMAGES = 500, START = 40 };

static struct disk_story *story;
static uint64_t seed;
static size_t images, doubts;
static long n_dirs;

static void make(void)
{
	story = disk_story_new();
	log_set_level(LOG_ERROR); /* upgrades, fixes */
}

static size_t wanted(void)
{
	const char *text = getenv("POWER_IMAGES");

	return text != NULL ? strtoul(text, NULL, 10) : IMAGES;
}

static char *new_dir(void)
{
	return temp_path("p%ld", n_dirs++);
}

/* ---- one crash ---- */

struct crash {
	size_t at; /* before this call */
	enum crash_kind kind;
	uint64_t dice;
};

/* What must be true after it. */
struct bounds {
	size_t durable, given; /* batches */
	uint64_t epoch;        /* the last that was raised */
};

static struct bounds bounds_at(size_t at)
{
	struct bounds b = {0};

	for (size_t i = 0; i < at; i++) {
		const struct disk_op *op = &story->ops[i];

		if (op->kind != DISK_TOLD)
			continue;
		if (op->what == TOLD_OPEN)
			b.epoch = op->n;
		else if (op->what == TOLD_GIVEN)
			b.given = op->n;
		else
			b.durable = op->n;
	}
	return b;
}

static const char *named(const struct crash *c)
{
	static char text[200];

	snprintf(text, sizeof text, "POWER_SEED=%llu: %s before call %zu of %zu, dice %llx",
		 (unsigned long long)seed, c->kind == CRASH_KILL ? "kill" : "power failure", c->at,
		 story->n_ops, (unsigned long long)c->dice);
	return text;
}

/* Puts the files into a directory "failed" (KEEP=1 leaves it). */
static void keep(const struct crash *c)
{
	char *dir = temp_path("failed");
	uint64_t state = c->dice;

	image_make(story, c->at, c->kind, &state, dir);
	fprintf(stderr, "%s: see %s\n", named(c), dir);
	free(dir);
}

#define MUST(cond, c, ...)                               \
	do {                                             \
		if (!(cond)) {                           \
			char *why_ = textf(__VA_ARGS__); \
			keep(c);                         \
			FAIL("%s: %s", named(c), why_);  \
		}                                        \
	} while (0)

static bool holds_one_of(const char *dir, const struct life_facts *facts, const struct bounds *b)
{
	const uint64_t hash = life_hash(dir);

	for (size_t n = b->durable; n <= b->given; n++)
		if (facts->held[n] == hash)
			return true;
	return false;
}

static void look_inside(struct jf *f, const struct crash *c)
{
	MUST(jf_count(f, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1, c,
	     "integrity_check");
}

/* The one refusal that may come of a crash: see base/wal.h. */
static bool in_doubt(const struct crash *c, const struct err *err)
{
	MUST(strstr(err->text, "a bit of its log (-wal) is wrong") != NULL, c, "refused: %s",
	     err->text);
	doubts++;
	return true;
}

/* False if it was refused. */
static bool opens(struct jf *f, const struct crash *c, const struct life_facts *facts)
{
	const struct bounds b = bounds_at(c->at);
	struct err err = {0};

	if (journal_open(f->dir, "test", &f->j, &err) != RC_OK)
		return !in_doubt(c, &err);
	MUST(journal_epoch(f->j) > b.epoch, c, "the epoch is not new");
	MUST(holds_one_of(f->dir, facts, &b), c, "holds what %zu to %zu batches do not make",
	     b.durable, b.given);
	return true;
}

/* False if it was refused. */
static bool crash(const struct crash *c, const struct life_facts *facts)
{
	char *dir = new_dir();
	uint64_t state = c->dice;
	struct jf f;
	bool ok;

	image_make(story, c->at, c->kind, &state, dir);
	jf_init_on(&f, dir);
	ok = opens(&f, c, facts);
	if (ok && dice_one_in(&state, 8))
		look_inside(&f, c);
	jf_close(&f);
	if (ok && dice_one_in(&state, 8))
		MUST(opens(&f, c, facts), c, "refused after it was closed in order");
	jf_fini(&f);
	image_remove(dir);
	free(dir);
	images++;
	return ok;
}

/* ---- lives and crashes ---- */

/* The start is a small part of most lives, and has the most to get wrong. */
static struct crash draw_crash(uint64_t *state)
{
	const size_t end = dice_one_in(state, 4) && story->n_ops > START ? START : story->n_ops;

	return (struct crash){.at = dice_below(state, end + 1),
			      .kind = dice_one_in(state, 4) ? CRASH_KILL : CRASH_POWER,
			      .dice = dice(state)};
}

/* Each life begins with what a crash has left of the one before. */
static void history(void)
{
	uint64_t state = seed;
	char *dir = new_dir();
	struct life_facts facts = {0};

	life_base(dir, &state);
	for (int n = 0; n < LIVES && !facts.big; n++) {
		struct crash c;

		life_live(story, dir, dice(&state), &facts);
		image_remove(dir);
		for (int i = 0; i < PER_LIFE; i++) {
			c = draw_crash(&state);
			crash(&c, &facts);
		}
		c = dice_one_in(&state, 3) ? (struct crash){.at = story->n_ops, .kind = CRASH_KILL}
					   : draw_crash(&state);
		while (!crash(&c, &facts))
			c = draw_crash(&state);
		free(dir);
		dir = new_dir();
		image_make(story, c.at, c.kind, &c.dice, dir);
	}
	image_remove(dir);
	free(dir);
}

START_TEST(journal_opens_after_any_crash_with_all_that_was_durable)
{
	const char *first = getenv("POWER_SEED");
	const size_t n = wanted();

	seed = first != NULL && *first != '\0'
		       ? strtoull(first, NULL, 10)
		       : (uint64_t)time(NULL) * 1000000 + (uint64_t)getpid() % 1000000;
	for (; images < n; seed++)
		history();
	fprintf(stderr, "%zu crashes, %zu in doubt\n", images, doubts);
	ck_assert_uint_le(doubts, 10 + images / 100); /* they come in clusters */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_power");
	TCase *tc = tcase_create("journal_power");

	if (access("/dev/shm", W_OK | X_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	tcase_set_timeout(tc, wanted() > IMAGES ? 36000 : 240);
	tcase_add_test(tc, journal_opens_after_any_crash_with_all_that_was_durable);
	suite_add_tcase(suite, tc);
	return suite_run(suite, make, NULL);
}
