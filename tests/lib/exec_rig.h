/* exec_rig.h - the exec adapter on a loop of its own, driven by a test.
 *
 * A test reads as a history of calls and the kinds of their answers.  A call is
 * begun (xr_prepare, …) and waited for (XR_IS); while the test waits, the loop runs.
 * Commands run in a directory of the rig's.  Thread: the test's main thread. */
#ifndef TESTS_LIB_EXEC_RIG_H
#define TESTS_LIB_EXEC_RIG_H

#include "participant/adapter.h"
#include "tests/lib/harness.h"

#include <string.h>

struct xr_call {
	struct xr *rig;
	int answers; /* must become 1 */
	enum result_kind kind;
	char *output, *reason; /* NULL: none */
	uint32_t retry_after_ms;
	enum rc rc; /* of a list */
	size_t n;
	char *first; /* of a list: "epoch gid branch" of its first */
};

struct xr {
	uv_loop_t loop;
	struct yaml_doc *doc;
	void *self;
	bool told, ready, closed, inside;
	char problem[600];
	char *dir;
	struct xr_call *calls[600];
	size_t n_calls;
};

/* A new directory for commands and state. */
char *xr_dir(void);
/* Opens with the operations of `operations` (YAML, indented by two) and more lines of
 * the resource's map; cluster `test`, resource `box`. Does not wait. */
struct xr *xr_open(const char *dir, const char *operations, const char *more);
/* The same without the line `state`. */
struct xr *xr_open_stateless(const char *dir, const char *operations);
struct xr *xr_serve(struct xr *r);
/* Closes, checks that nothing is left (handles, children), frees, with all calls. */
void xr_close(struct xr *r);
void xr_turn(struct xr *r);

#define XR_UNTIL(r, seconds, cond)                                                  \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			xr_turn(r);                                                 \
		}                                                                   \
	} while (0)

/* An operation whose prepare is `script`, run by sh; commit appends the gid to the
 * file `committed`, rollback to `undone`. For free(). */
char *xr_operation(const char *name, const char *script);

/* Epoch 7 and branch `s.b` always. */
struct xr_call *xr_prepare_in(struct xr *r, const char *gid, const char *op, const char *args,
			      uint32_t timeout_ms, bool read_only);
struct xr_call *xr_prepare(struct xr *r, const char *gid, const char *op);
struct xr_call *xr_commit(struct xr *r, const char *gid, bool repeat);
struct xr_call *xr_rollback(struct xr *r, const char *gid);
struct xr_call *xr_list(struct xr *r);
void xr_cancel(struct xr *r, const char *gid);

/* Calls of a saga: step `st`, attempt 1, but for _call_in. */
struct xr_call *xr_do(struct xr *r, const char *gid, const char *op, const char *args);
struct xr_call *xr_undo(struct xr *r, const char *gid, const char *op, const char *args);
struct xr_call *xr_call_in(struct xr *r, const struct adapter_call *given);
void xr_cancel_call(struct xr *r, const char *gid, bool undo);
struct resource_info xr_info(struct xr *r);

const char *xr_word(struct xr_call *call);
#define XR_IS(call, expected)                                                                     \
	do {                                                                                      \
		struct xr_call *xr_is_ = (call);                                                  \
		const char *xr_word_ = xr_word(xr_is_);                                           \
		ck_assert_msg(strcmp(xr_word_, expected) == 0, "%s, not %s: %s", xr_word_,        \
			      expected, xr_is_->reason != NULL ? xr_is_->reason : "(no reason)"); \
	} while (0)
#define XR_SAYS(call, text)                                                           \
	ck_assert_msg((call)->reason != NULL && strstr((call)->reason, text) != NULL, \
		      "reason: %s", (call)->reason != NULL ? (call)->reason : "(none)")

/* A file in the rig's directory: its text or NULL, for free(); whether it is there. */
char *xr_file(const struct xr *r, const char *name);
bool xr_has(const struct xr *r, const char *name);
/* True if a process of that number (in a file) is there and no zombie. */
bool xr_alive(const struct xr *r, const char *pid_file);

#endif
