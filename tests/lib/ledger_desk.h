/* ledger_desk.h - a ledger on a loop of its own, driven by a test.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_LEDGER_DESK_H
#define TESTS_LIB_LEDGER_DESK_H

#include "adapters/ledger.h"
#include "tests/lib/harness.h"

struct desk {
	uv_loop_t loop;
	struct ledger *ledger;
	char *path;
	bool told, ready, closed, inside;
	char problem[600];

	/* of the last call */
	bool done;
	enum rc rc;
	enum ledger_phase phase;
	char operation[64], args[64], output[64], why[600];
	char list[2000];
	size_t n_list;
};

/* The one that the calls below go to. */
extern struct desk desk;

/* A turn of the loop that ends after a while even if nothing happens. */
void desk_turn(struct desk *d);

#define RUN_UNTIL(d, seconds, cond)                                                 \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			desk_turn(d);                                               \
		}                                                                   \
	} while (0)

/* Opens for cluster `test`, and does not wait. */
void desk_open_as(struct desk *d, const char *path, const char *resource);
/* Opens `desk` for resource `seats`, and waits until it is ready. */
void desk_open(const char *path);
/* Closes, checks that nothing is left on the loop, frees. */
void desk_close(struct desk *d);
void desk_reopen(void);

/* Calls, each waited for: "ok trying", the code and the phase of its answer; the rest
 * of it is in `desk`. Epoch 7 and branch `s.b` always. */
struct branch_id desk_id(const char *gid);
struct bytes desk_text(const char *s);
const char *desk_try(const char *gid);
const char *desk_try_id(const struct branch_id *id);
const char *desk_prepared(const char *gid);
const char *desk_commit(const char *gid);
const char *desk_rollback(const char *gid);
const char *desk_end(const char *gid, enum ledger_phase over);
/* "7/g/s.b trying, …" */
const char *desk_list(void);

#define IS(call, expected) ck_assert_str_eq(call, expected)

/* Runs SQL on a file that nobody has open. */
void desk_alter(const char *file, const char *sql);

#endif
