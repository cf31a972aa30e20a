/* pg_rig.h - the PostgreSQL adapter on a loop of its own, driven by a test.
 *
 * A test reads as a history of calls and the kinds of their answers.  A call is
 * begun (rig_prepare, …) and waited for (rig_kind); while the test waits, the
 * loop runs.  Thread: the test's main thread. */
#ifndef TESTS_LIB_PG_RIG_H
#define TESTS_LIB_PG_RIG_H

#include "participant/adapter.h"
#include "tests/lib/harness.h"
#include "tests/lib/pg_server.h"
#include "tests/lib/proxy.h"

#include <string.h>

/* How one call ended. */
struct rig_call {
	struct rig *rig;
	bool done;
	int answers; /* must become 1 */
	enum result_kind kind;
	char *output; /* NULL: none */
	char *reason; /* NULL: none */
	enum rc rc;   /* of a list */
	size_t n;
	char **branches; /* of a list: "epoch gid branch" */
};

struct rig {
	uv_loop_t loop;
	struct yaml_doc *doc;
	void *self;
	bool ready;
	int changes; /* of readiness */
	char problem[600];
	bool closed;
	bool inside; /* a call of the contract: no callback may come meanwhile */
	struct rig_call *calls[256];
	size_t n_calls;
};

/* What an adapter opened with the defaults below holds when all are connected. */
enum { RIG_SESSIONS = 2 + 1 };

/* How to open. */
struct rig_wish {
	const char *conninfo;   /* must be given */
	const char *agent;      /* [agent-a] */
	uint64_t incarnation;   /* [1] */
	int pool, finishers;    /* [2], [1] */
	const char *more;       /* lines of the resource's map */
	const char *operations; /* more of them, each line indented by two */
};

/* Opens and does not wait; cluster `test`, resource `bank`. */
struct rig *rig_open(const struct rig_wish *wish);
#define OPEN(...) rig_open(&(struct rig_wish){__VA_ARGS__})
/* Opens and waits until it is ready. */
#define SERVE(...) rig_serve(OPEN(__VA_ARGS__))
struct rig *rig_serve(struct rig *r);
/* The same through a new proxy to the server; `operations` as in the wish. */
struct rig *rig_serve_through(const struct pg_server *s, const char *operations,
			      struct proxy **proxy);
/* Closes, checks that nothing is left on the loop, frees, with all calls. */
void rig_close(struct rig *r);

/* Runs the loop until `cond` holds; fails after `seconds`. */
#define RUN_UNTIL(r, seconds, cond)                                                 \
	do {                                                                        \
		int64_t run_until_ = clock_ms() + harness_patience_ms(seconds);     \
		while (!(cond)) {                                                   \
			if (clock_ms() > run_until_)                                \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			rig_turn(r);                                                \
		}                                                                   \
	} while (0)
/* One turn of the loop, at most some milliseconds long. */
void rig_turn(struct rig *r);

/* Calls. Epoch 7 and branch `s.b` always; `op` and `args` as in the rig's
 * operations. What they give belongs to the rig. */
struct rig_call *rig_prepare(struct rig *r, const char *gid, const char *op, const char *args);
struct rig_call *rig_prepare_in(struct rig *r, const char *gid, const char *op, const char *args,
				uint32_t timeout_ms);
struct rig_call *rig_read(struct rig *r, const char *gid, const char *op, const char *args);
struct rig_call *rig_once(struct rig *r, const char *gid, const char *op, const char *args);
struct rig_call *rig_settle(struct rig *r, const char *gid);
struct rig_call *rig_commit(struct rig *r, const char *gid, bool repeat);
struct rig_call *rig_rollback(struct rig *r, const char *gid);
struct rig_call *rig_list(struct rig *r);
void rig_cancel(struct rig *r, const char *gid);

/* A saga's call: of step `step`, and the defaults below for what is 0. */
struct rig_step {
	const char *gid, *op, *args; /* must be given */
	const char *step;            /* [step] */
	bool undo;
	uint32_t attempt, timeout_ms; /* [1], [20 s] */
};
struct rig_call *rig_step(struct rig *r, const struct rig_step *step);
#define STEP(r, ...) rig_step(r, &(struct rig_step){__VA_ARGS__})
void rig_cancel_step(struct rig *r, const char *gid, bool undo);

/* Waits for the answer and gives its kind. */
enum result_kind rig_kind(struct rig_call *call);
/* The word for it, for asserts that people read. */
const char *rig_word(struct rig_call *call);

#define WORD(call, expected) ck_assert_str_eq(rig_word(call), expected)
/* The answer's reason holds `text`. */
#define SAYS(call, text) \
	ck_assert_msg((call)->reason &&strstr((call)->reason, text), "reason: %s", (call)->reason)

/* The tables that the rig's operations use, with accounts 1 to 3 at 100. */
void rig_make_tables(const struct pg_server *s);
/* Rolls back whatever is prepared, fills the accounts again. */
void rig_clean(const struct pg_server *s);
/* The name of gid's branch in the server. */
#define RIG_NAME(gid) "settle:test:7:" gid ":s.b"

#endif
