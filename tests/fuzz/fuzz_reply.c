/* fuzz_reply.c - the bytes are a frame from a coordinator.
 *
 * What decodes is encoded and decoded to the same again; then it is given to the real core of an
 * agent, twice, and once more after what it began was answered: the rules of agent_side.h hold. */
#include "base/mem.h"
#include "tests/fuzz/agent_side.h"

#include <stdlib.h>
#include <string.h>

static void check_round_trip(const struct reply *r)
{
	const size_t size = reply_size(r);
	unsigned char *once = mem_new(size, 1), *twice = mem_new(size, 1);
	struct err err = {0};
	struct reply again;

	MUST(size <= FRAME_MAX);
	reply_encode(r, once);
	MUST_SAY(reply_decode(&again, once, size, &err) == RC_OK, "what was encoded is read: %s",
		 err.text);
	MUST(reply_size(&again) == size);
	reply_encode(&again, twice);
	MUST(memcmp(once, twice, size) == 0);
	reply_free(&again);
	free(once);
	free(twice);
}

static void answer_all(enum result_kind kind)
{
	for (int i = 0; i < 100 && side.open > 0; i++)
		side_answer(0, kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct reply r;

	if (reply_decode(&r, data, size, &err) != RC_OK) {
		MUST(err.text[0] != '\0' && r.owned == NULL);
		return 0;
	}
	check_round_trip(&r);
	side_open((size & 1) != 0);
	answer_all(RESULT_NONE); /* the first sweep */
	side_reply(&r);
	side_reply(&r);
	answer_all((enum result_kind)(r.epoch % (RESULT_PENDING + 1)));
	side_pass(1000);
	side_reply(&r);
	answer_all(RESULT_UNKNOWN);
	side_pass(6000);
	side_close();
	reply_free(&r);
	return 0;
}
