/* agent_side.h - the real core of an agent for fuzz targets, over an adapter that answers when
 * and what the input says; and the rules that hold whatever a coordinator sends:
 *
 *   - one call at a time for a branch, and for a saga's step;
 *   - a prepare does not begin after its rollback began, nor an action after its undo, for as
 *     long as a frame can be late;
 *   - a coordinator of an older epoch begins nothing;
 *   - what goes up is a frame that a coordinator reads, of results that fit their commands.
 *
 * Thread: one. */
#ifndef TESTS_FUZZ_AGENT_SIDE_H
#define TESTS_FUZZ_AGENT_SIDE_H

#include "participant/agent.h"
#include "tests/fuzz/fuzz.h"

enum { SIDE_CALLS = 128, SIDE_WINDOW = 8 };

extern struct agent_side {
	struct agent *agent;
	uint64_t now_us, epoch; /* the highest that it was told */
	uint64_t seqs[64];      /* polls without an end */
	size_t n_seqs;
	size_t begun; /* calls of the adapter, ever */
	size_t open;  /* … without an answer */
} side;

void side_open(bool one_phase);
/* Answers what is open, and lets the agent stop: it must become idle. */
void side_close(void);
/* The oldest poll is answered (borrowed), or lost; nothing happens without one. */
void side_reply(const struct reply *r);
void side_lose(void);
void side_pass(uint64_t ms);
/* The nth open call is answered; `kind` is made one that fits. */
void side_answer(size_t n, enum result_kind kind);

#endif
