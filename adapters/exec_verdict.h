/* exec_verdict.h - what the end of a command means.
 *
 * Rule: what a command has not said clearly is never taken for done, nor for
 * refused with nothing left behind.
 * Thread: no shared state. */
#ifndef ADAPTERS_EXEC_VERDICT_H
#define ADAPTERS_EXEC_VERDICT_H

#include "adapters/exec_run.h"

enum exec_outcome {
	EXEC_DONE,
	EXEC_REFUSED, /* it says no, and that it has left nothing behind */
	EXEC_RETRY,   /* a passing fault; of a call: it says that it has left nothing */
	EXEC_PENDING, /* it will be finished later, by somebody else */
	EXEC_UNSURE,  /* nobody knows what it has done */
};

struct exec_verdict {
	enum exec_outcome outcome;
	/* It is not to be believed that nothing is left (an interpreter that dies of its
	 * script's fault exits with 1 as well), or it says done and its output cannot be
	 * used: to be rolled back, and then it is a refusal. */
	bool undo;
	uint32_t retry_after_ms; /* RETRY: not before; 0: not told */
	struct bytes output;     /* JSON, part of the end's output; empty: none */
	char *reason; /* one line for people, not quite UTF-8; NULL when done; for free() */
};

/* `end` is borrowed, and the verdict's output is valid as long as it is. */
void exec_judge(const struct exec_end *end, struct exec_verdict *verdict);

/* RC_INVALID unless `args` is empty or one JSON object. */
enum rc exec_check_args(struct bytes args, struct err *err);

#endif
