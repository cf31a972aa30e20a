#include "tests/chaos/deals.h"

#include "tests/chaos/pulse.h"
#include "tests/chaos/site.h"
#include "tests/lib/harness.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[WORDS] = {
	[WORD_NONE] = "(no answer)",          [WORD_UNKNOWN] = "unknown",
	[WORD_RUNNING] = "running",           [WORD_COMMITTING] = "committing",
	[WORD_ROLLING_BACK] = "rolling_back", [WORD_COMMITTED] = "committed",
	[WORD_ROLLED_BACK] = "rolled_back",   [WORD_STUCK] = "stuck",
};

/* How many of a hundred are of which shape. */
static const unsigned char shares[SHAPES] = {
	[SHAPE_TRANSFER] = 53, [SHAPE_CHECKED] = 11, [SHAPE_INSIDE] = 10, [SHAPE_HOP] = 8,
	[SHAPE_TRIP] = 7,      [SHAPE_PAIR] = 7,     [SHAPE_DOOMED] = 4,
};

const char *word_text(enum word w)
{
	return words[w];
}

enum word word_from(const char *status)
{
	for (int w = WORD_UNKNOWN; w < WORDS; w++)
		if (strcmp(words[w], status) == 0)
			return (enum word)w;
	return WORD_NONE;
}

bool word_final(enum word w)
{
	return w == WORD_COMMITTED || w == WORD_ROLLED_BACK || w == WORD_STUCK;
}

/* Half of all go through a few hot accounts. */
static unsigned char throw_account(uint64_t *die)
{
	return (unsigned char)(1 + dice(die, dice(die, 2) ? HOT : PURSES));
}

void deal_throw(struct deal *d, uint64_t *die)
{
	unsigned share = dice(die, 100);

	memset(d, 0, sizeof *d);
	while (share >= shares[d->shape])
		share -= shares[d->shape++];
	d->back = dice(die, 2);
	d->from = throw_account(die);
	do
		d->to = throw_account(die);
	while (d->to == d->from);
	d->greedy = dice(die, 100) < 8;
	d->amount = d->greedy ? 2000000000 : (int)(1 + dice(die, 200));
	const unsigned wait = dice(die, 10);
	d->wait = wait < 2 ? 0 : wait < 4 ? 1 : 2;
	d->begun_ms = clock_ms();
}

bool deal_never(const struct deal *d)
{
	return d->greedy || shapes[d->shape].never;
}

char *deal_body(const struct deal *d, const char *gid, const char *hold)
{
	static const char *const waits[] = {"accepted", "decided", "finished"};
	char *name = shape_name((enum shape_id)d->shape, d->back);
	char *text = textf("{\"gid\": \"%s\", \"workflow\": \"%s\", \"wait\": \"%s\", "
			   "\"timeout\": \"%s\", "
			   "\"input\": {\"from\": %d, \"to\": %d, \"amount\": %d}}",
			   gid, name, waits[d->wait], hold, d->from, d->to, d->amount);

	free(name);
	return text;
}

/* What may follow once `told` was said. A leaning is a decision: it is only carried out. */
static bool may_follow(const struct deal *d, enum word w)
{
	if (d->told != WORD_NONE)
		return w == d->told;
	if (d->leaning == WORD_COMMITTING)
		return w == WORD_COMMITTING || w == WORD_COMMITTED;
	if (d->leaning == WORD_ROLLING_BACK)
		return w == WORD_ROLLING_BACK || w == WORD_ROLLED_BACK;
	return w != WORD_UNKNOWN || !d->accepted;
}

void deal_hear(struct deal *d, const char *gid, enum word w, bool kept)
{
	if (w == WORD_NONE)
		return;
	if (!may_follow(d, w))
		pulse_wrong("%s (%s) was told %s%s%s, and then %s", gid, shapes[d->shape].name,
			    d->accepted ? "accepted " : "", word_text((enum word)d->leaning),
			    d->told ? " and an outcome" : "", word_text(w));
	if (w == WORD_STUCK)
		pulse_wrong("%s (%s) is stuck", gid, shapes[d->shape].name);
	if (w == WORD_COMMITTED && deal_never(d))
		pulse_wrong("%s (%s) was committed and cannot have been", gid,
			    shapes[d->shape].name);
	if (w == WORD_COMMITTING || w == WORD_ROLLING_BACK)
		d->leaning = (unsigned char)w;
	if (kept && w != WORD_UNKNOWN)
		d->accepted = true;
	if (word_final(w) && d->told == WORD_NONE) {
		d->told = (unsigned char)w;
		d->told_ms = clock_ms();
		d->told_late = d->lost;
		pulse_answer();
	}
}
