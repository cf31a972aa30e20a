/* err.h - result codes, and the error a person reads.
 *
 * The code is for branching, the text for the operator.  A function that can
 * fail returns `enum rc` and fills a `struct err` given by the caller; each
 * layer that knows more adds its context once, with err_wrap.
 * Rule: RC_UNKNOWN is neither success nor failure.  It says that the other side
 * may or may not have acted, and nobody may turn it into either without proof.
 * Thread: no shared state; any thread. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define RC_LIST(X)                                                                        \
	X(OK, "ok")                                                                       \
	X(INVALID, "invalid")         /* the input is wrong: the sender must change it */ \
	X(NOT_FOUND, "not-found")     /* no such thing */                                 \
	X(CONFLICT, "conflict")       /* it exists, and differs */                        \
	X(TOO_BIG, "too-big")         /* over a cap */                                    \
	X(FULL, "full")               /* no room now; later there may be */               \
	X(REFUSED, "refused")         /* understood, and the answer is no */              \
	X(TIMEOUT, "timeout")         /* a deadline passed before the thing happened */   \
	X(UNAVAILABLE, "unavailable") /* not reachable now; certainly nothing was done */ \
	X(UNKNOWN, "unknown")         /* it may or may not have happened */               \
	X(IO, "io")                   /* the disk or the system failed us */

enum rc {
#define RC_ENUM(name, text) RC_##name,
	RC_LIST(RC_ENUM)
#undef RC_ENUM
};

/* What went wrong.  `line` and `column` count from 1 and are 0 where the error
 * has no place in a text. */
struct err {
	enum rc code;
	int line;
	int column;
	char text[512];
};

/* The stable name of a code, for logs and JSON; never NULL. */
const char *rc_name(enum rc code);

/* Fills `err` (which may be NULL) and returns `code`, so that a failing function
 * ends in `return err_set(err, RC_…, "…")`.  Longer texts are cut. */
enum rc err_set(struct err *err, enum rc code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with a place in a text. */
enum rc err_set_at(struct err *err, enum rc code, int line, int column, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Puts context before the text that `err` has; returns its code.  With NULL
 * there is nothing to wrap, and RC_IO comes back. */
enum rc err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
