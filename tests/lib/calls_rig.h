/* calls_rig.h - any adapter on a loop of its own, driven through saga calls.
 *
 * A test reads as a history of calls and the kinds of their answers.  A call is begun
 * (cr_do, cr_undo, …) and waited for (CR_IS); while the test waits, the loop runs.
 * The rig fails the test when the contract is broken: a callback from inside a call,
 * a second answer, none at all, a handle that is left on the loop.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_CALLS_RIG_H
#define TESTS_LIB_CALLS_RIG_H

#include "participant/adapter.h"
#include "tests/lib/harness.h"

#include <string.h>

struct cr_call {
	struct cr *rig;
	int answers; /* must become 1 */
	enum result_kind kind;
	char *output, *reason; /* NULL: none */
};

struct cr {
	const struct adapter *adapter;
	uv_loop_t loop;
	struct yaml_doc *doc;
	void *self;
	bool told, ready, closed, inside;
	char problem[600];
	struct cr_call *calls[1000];
	size_t n_calls;
};

/* The name of the agents that are opened from now on [agent-a]; each start of one has a
 * higher incarnation than those before. */
void cr_agent(const char *name);
/* Opens the resource `box` of cluster `test` with this YAML, or gives NULL and the
 * error.  Does not wait. */
struct cr *cr_try_open(const struct adapter *adapter, const char *config, struct err *err);
/* Opens, fails the test if the configuration is wrong, does not wait. */
struct cr *cr_open(const struct adapter *adapter, const char *config);
/* Opens and waits until it serves. */
struct cr *cr_serve(const struct adapter *adapter, const char *config);
/* Begins to close; cr_close waits for it as well, checks, frees, with all calls. */
void cr_shut(struct cr *r);
void cr_close(struct cr *r);
/* One turn of the loop, at most some milliseconds long. */
void cr_turn(struct cr *r);

#define CR_UNTIL(r, seconds, cond)                                                  \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			cr_turn(r);                                                 \
		}                                                                   \
	} while (0)

/* Begins a call: attempt 1, with a minute's time. What is given is only borrowed. */
struct cr_call *cr_do(struct cr *r, const char *gid, const char *step, const char *operation,
		      const char *args);
struct cr_call *cr_undo(struct cr *r, const char *gid, const char *step, const char *operation,
			const char *args);
struct cr_call *cr_call(struct cr *r, const struct adapter_call *call);
void cr_cancel(struct cr *r, const char *gid, const char *step, bool undo);

/* Waits for the answer; "done", "refused", … */
const char *cr_word(struct cr_call *call);
#define CR_IS(call, expected)                                                                     \
	do {                                                                                      \
		struct cr_call *cr_is_ = (call);                                                  \
		const char *cr_word_ = cr_word(cr_is_);                                           \
		ck_assert_msg(strcmp(cr_word_, expected) == 0, "%s, not %s: %s", cr_word_,        \
			      expected, cr_is_->reason != NULL ? cr_is_->reason : "(no reason)"); \
	} while (0)
#define CR_SAYS(call, text)                                                           \
	ck_assert_msg((call)->reason != NULL && strstr((call)->reason, text) != NULL, \
		      "reason: %s", (call)->reason != NULL ? (call)->reason : "(none)")
#define CR_GAVE(call, text) ck_assert_pstr_eq((call)->output, text)

#endif
