/* deals.h - what each client submitted, and what it was told of it.
 *
 * Rule: no answer contradicts an earlier one.  `deal_hear` notices at once; what the
 * banks and the coordinator say at the end is held against the same record (verdict.h).
 * Thread: a deal belongs to its client's thread until that one has ended. */
#ifndef TESTS_CHAOS_DEALS_H
#define TESTS_CHAOS_DEALS_H

#include "tests/chaos/shapes.h"

#include <jansson.h>
#include <stdint.h>

/* What an answer says of a transaction. */
enum word {
	WORD_NONE, /* no answer, or one that says nothing of it */
	WORD_UNKNOWN,
	WORD_RUNNING,
	WORD_COMMITTING,
	WORD_ROLLING_BACK,
	WORD_COMMITTED,
	WORD_ROLLED_BACK,
	WORD_STUCK,
	WORDS
};

struct deal {
	unsigned char shape, wait; /* wait: 0 accepted, 1 decided, 2 finished */
	unsigned char from, to;    /* accounts */
	bool back;
	bool greedy;           /* asks for more than there is: can never be committed */
	bool accepted;         /* was promised to be run */
	bool lost;             /* an answer did not come */
	bool left;             /* its client went on without its outcome */
	bool told_late;        /* the outcome came after a lost answer */
	unsigned char leaning; /* WORD_COMMITTING or WORD_ROLLING_BACK, once told */
	unsigned char told;    /* the outcome, once told */
	int amount;
	int64_t begun_ms, told_ms;
	/* for the verdict */
	unsigned char is; /* what the coordinator says at the end */
	unsigned char done[EFFECTS_MAX], undone[EFFECTS_MAX];
};

const char *word_text(enum word w);
enum word word_from(const char *status);
bool word_final(enum word w);

/* A new one; what it is, is thrown. */
void deal_throw(struct deal *d, uint64_t *die);
/* True if it can never be committed. */
bool deal_never(const struct deal *d);
/* The body of its submission; for free(). */
char *deal_body(const struct deal *d, const char *gid, const char *hold);

/* Takes note of an answer; a contradiction is wrong. `kept`: the answer tells of a
 * transaction that was promised to be run. */
void deal_hear(struct deal *d, const char *gid, enum word w, bool kept);

#endif
