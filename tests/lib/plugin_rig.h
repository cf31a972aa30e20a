/* plugin_rig.h - the plugin adapter on a loop of its own, driven by a test.
 *
 * A test reads as a history of calls and the kinds of their answers.  A call is begun
 * (pr_do, …) and waited for (PR_IS); while the test waits, the loop runs.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_PLUGIN_RIG_H
#define TESTS_LIB_PLUGIN_RIG_H

#include "participant/adapter.h"
#include "tests/lib/harness.h"

#include <string.h>

struct pr_call {
	struct pr *rig;
	int answers; /* must become 1 */
	enum result_kind kind;
	char *output, *reason; /* NULL: none */
	uint32_t retry_after_ms;
	enum rc rc; /* of a list */
	size_t n;
	char *first; /* of a list: "epoch gid branch" of its first */
};

struct pr {
	uv_loop_t loop;
	struct yaml_doc *doc;
	void *self;
	bool told, ready, closed, inside;
	char problem[1100];
	struct pr_call *calls[100];
	size_t n_calls;
};

/* The library of that name among the tests' or the examples' plugins; for free(). */
char *pr_library(const char *name);
/* A new directory; for free(). */
char *pr_dir(void);
/* The resource's map, as text, for a plugin that gets `dir` as a setting, with the
 * operations of `names` (words) and more lines; for free(). */
char *pr_text(const char *library, const char *dir, const char *names, const char *more);

/* Opens the resource `box` in cluster `test`, or returns NULL and fills `err`. */
struct pr *pr_try(const char *text, const char *directory, struct err *err);
/* Opens it, or fails, and waits until it is ready. */
struct pr *pr_open(const char *text);
/* Closes, checks that every call was answered once, frees all. */
void pr_close(struct pr *r);
void pr_turn(struct pr *r);

#define PR_UNTIL(r, seconds, cond)                                                  \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			pr_turn(r);                                                 \
		}                                                                   \
	} while (0)

/* Branches are of epoch 7 and called `s.b`, steps `s`. */
struct pr_call *pr_do_in(struct pr *r, const char *gid, bool undo, const char *op, const char *args,
			 uint32_t timeout_ms);
struct pr_call *pr_do(struct pr *r, const char *gid, const char *op);
struct pr_call *pr_undo(struct pr *r, const char *gid, const char *op);
struct pr_call *pr_prepare_in(struct pr *r, const char *gid, const char *op, const char *args,
			      uint32_t timeout_ms, bool read_only);
struct pr_call *pr_prepare(struct pr *r, const char *gid, const char *op);
struct pr_call *pr_commit(struct pr *r, const char *gid, bool repeat);
struct pr_call *pr_rollback(struct pr *r, const char *gid);
struct pr_call *pr_list(struct pr *r); /* waits for it */
void pr_cancel(struct pr *r, const char *gid);
void pr_cancel_call(struct pr *r, const char *gid, bool undo);

const char *pr_word(struct pr_call *call);
#define PR_IS(call, expected)                                                                     \
	do {                                                                                      \
		struct pr_call *pr_is_ = (call);                                                  \
		const char *pr_word_ = pr_word(pr_is_);                                           \
		ck_assert_msg(strcmp(pr_word_, expected) == 0, "%s, not %s: %s", pr_word_,        \
			      expected, pr_is_->reason != NULL ? pr_is_->reason : "(no reason)"); \
	} while (0)
#define PR_SAYS(call, text)                                                           \
	ck_assert_msg((call)->reason != NULL && strstr((call)->reason, text) != NULL, \
		      "reason: %s", (call)->reason != NULL ? (call)->reason : "(none)")
#define PR_PUTS(call, text)                                                                      \
	ck_assert_msg((call)->output != NULL && strcmp((call)->output, text) == 0, "output: %s", \
		      (call)->output != NULL ? (call)->output : "(none)")

#endif
