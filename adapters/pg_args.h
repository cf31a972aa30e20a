/* pg_args.h - a branch's arguments as the parameters $1, $2, … of its statement.
 *
 * Rules: a value is only ever bound, never written into SQL; a number is passed
 * on digit by digit as it was written, since money does not survive a double.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_ARGS_H
#define ADAPTERS_PG_ARGS_H

#include "adapters/pg_config.h"
#include "wire/frame.h"

struct pg_params {
	char **values; /* NULL is SQL's NULL */
	size_t n;
};

/* Fills `out` for `op` from `args`, a JSON object (empty means `{}`).  Strings go
 * as their text, objects and arrays as JSON.  RC_INVALID: not an object, one
 * missing, or one too many; `err` names it.  pg_params_fini in either case. */
enum rc pg_args_bind(const struct pg_operation *op, struct bytes args, struct pg_params *out,
		     struct err *err);
void pg_params_fini(struct pg_params *p);

#endif
