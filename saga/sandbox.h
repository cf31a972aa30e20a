/* sandbox.h - Lua for expressions: it can compute, and nothing else.
 *
 * Rules guarded: an expression reaches no file, no clock, no other expression; it
 * leaves nothing behind for the next; and whatever it is, it ends soon.  For that
 * every instruction and every byte is counted, memory is never collected while it
 * runs (all of it goes when the sandbox does), and a tick of instructions costs more
 * the longer the longest text is, since one instruction can walk over a whole text.
 * One sandbox serves one call of workflow_args and its kind; the budgets of the call
 * are the sandbox's.  Thread: the owner's; sandboxes share nothing. */
#ifndef SAGA_SANDBOX_H
#define SAGA_SANDBOX_H

#include "base/err.h"
#include "saga/jsonbuf.h"

#include <stdint.h>

enum {
	SANDBOX_INSTRUCTIONS = 100 * 1000, /* of one expression */
	SANDBOX_MEMORY = 1 << 20,          /* bytes, of one expression */
	SANDBOX_CALL_INSTRUCTIONS = 300 * 1000,
	SANDBOX_CALL_MEMORY = 2 << 20,
	SANDBOX_DEPTH = 100, /* levels of lists and objects, in and out */
};

struct sandbox;

/* For the functions that expressions call, and for writing results: takes so many
 * instructions off the budget; raises a Lua error when it is used up. */
struct lua_State;
void sandbox_charge(struct lua_State *L, size_t instructions);

/* What one expression can see.  Borrowed for the call. */
struct sandbox_step {
	const char *name, *status;
	const json_t *output; /* NULL: missing */
};
struct sandbox_env {
	const char *gid;
	const json_t *input;
	char *const *inputs; /* the names that are mentioned */
	size_t n_inputs;
	bool whole_input; /* all of them */
	const struct sandbox_step *steps;
	size_t n_steps;
};

struct sandbox *sandbox_new(void);
void sandbox_free(struct sandbox *s);

/* Whether `source` is one Lua expression; RC_INVALID says why not. */
enum rc sandbox_check(struct sandbox *s, const char *source, size_t size, struct err *err);

/* Computes `source`; the result stays in the sandbox until the next run.
 * RC_INVALID: it failed, or ran away. */
enum rc sandbox_run(struct sandbox *s, const char *source, size_t size,
		    const struct sandbox_env *env, struct err *err);

/* The result as JSON; missing is null.  RC_INVALID: it cannot be said in JSON. */
enum rc sandbox_json(struct sandbox *s, struct jsonbuf *out, struct err *err);

/* The result as a part of a text: the inside of a JSON string. */
enum rc sandbox_text(struct sandbox *s, struct jsonbuf *out, struct err *err);

/* The result, if it is true or false. */
enum rc sandbox_bool(struct sandbox *s, bool *out, struct err *err);

#endif
