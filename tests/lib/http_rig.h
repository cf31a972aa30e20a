/* http_rig.h - the HTTP adapter on a loop of its own, driven by a test.
 *
 * A test reads as a history of calls and the kinds of their answers.  A call is
 * begun (shop_prepare, …) and waited for (WORD); while the test waits, the loop runs.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_HTTP_RIG_H
#define TESTS_LIB_HTTP_RIG_H

#include "participant/adapter.h"
#include "tests/lib/harness.h"

#include <string.h>

struct shop_call {
	struct shop *shop;
	bool done;
	enum result_kind kind;
	char *output, *reason; /* NULL: none */
	uint32_t retry_after_ms;
	enum rc rc; /* of a list */
	size_t n;
	char **branches; /* of a list: "epoch gid branch" */
};

struct shop {
	uv_loop_t loop;
	struct yaml_doc *doc;
	void *self;
	bool ready, closed;
	bool inside; /* a call of the contract: no callback may come meanwhile */
	char problem[600];
	struct shop_call *calls[256];
	size_t n_calls;
};

/* Opens the resource `shop` of cluster `test` with this YAML; RC_OK, or the error.
 * Does not wait. */
struct shop *shop_try_open(const char *config, struct err *err);
/* Opens and waits until it is ready. */
struct shop *shop_open(const char *config);
/* Closes, checks that nothing is left on the loop, frees, with all calls. */
void shop_close(struct shop *r);

/* One turn of the loop, at most some milliseconds long. */
void shop_turn(struct shop *r);
#define RUN_UNTIL(r, seconds, cond)                                                 \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			shop_turn(r);                                               \
		}                                                                   \
	} while (0)

/* Calls. Epoch 7 and branch `s.b` always. What they give belongs to the rig. */
struct shop_call *shop_prepare(struct shop *r, const char *gid, const char *op, const char *args);
struct shop_call *shop_prepare_in(struct shop *r, const char *gid, const char *op, const char *args,
				  uint32_t timeout_ms);
struct shop_call *shop_read(struct shop *r, const char *gid, const char *op, const char *args);
struct shop_call *shop_commit(struct shop *r, const char *gid, bool repeat);
struct shop_call *shop_rollback(struct shop *r, const char *gid);
struct shop_call *shop_list(struct shop *r);
void shop_cancel(struct shop *r, const char *gid);

/* Calls of a saga: step `st`, attempt 1, but for _call_in. */
struct shop_call *shop_do(struct shop *r, const char *gid, const char *op, const char *args);
struct shop_call *shop_undo(struct shop *r, const char *gid, const char *op, const char *args);
struct shop_call *shop_call_in(struct shop *r, const struct adapter_call *given);
void shop_cancel_call(struct shop *r, const char *gid, bool undo);
struct resource_info shop_info(struct shop *r);

/* Waits for the answer and gives the word for its kind. */
const char *shop_word(struct shop_call *call);

#define WORD(call, expected) ck_assert_str_eq(shop_word(call), expected)
/* The answer's reason holds `text`. */
#define SAYS(call, text) \
	ck_assert_msg((call)->reason &&strstr((call)->reason, text), "reason: %s", (call)->reason)

#endif
