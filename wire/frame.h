/* frame.h - the frames as plain structs, and their encoding.
 *
 * Protocol Buffers stay behind this header.  Strings in a frame are never NULL
 * ("" where absent).  A decoded frame owns everything it points to, until
 * poll_free or reply_free; a frame built for encoding borrows.
 * Everything decoded is checked: version, caps, names (id.h), known enums; so
 * that what passes here may be trusted in shape, never in meaning.
 * Thread: no shared state; any. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FRAME_VERSION = 1,
	FRAME_MAX = 16 << 20,  /* bytes */
	PAYLOAD_MAX = 1 << 20, /* bytes of one args or output */
	REASON_MAX = 1000,     /* bytes; a longer one is cut by frame_cut_reason */
	FRAME_ITEMS_MAX = 20000,
	RETRY_AFTER_MAX_MS = 3600 * 1000, /* a longer wish is cut to this when it is decoded */
	/* The coordinator holds a poll this long at the most, the agent gives one up
	 * after the second: no command reaches an agent later than that, by the
	 * agent's own clock.  Tombstones live longer than POLL_LIFE_MS. */
	POLL_HOLD_MS = 20000,
	POLL_LIFE_MS = 30000,
};

/* Values are those of settle.proto. */
enum result_kind {
	RESULT_NONE,
	RESULT_PREPARED,
	RESULT_READ_ONLY,
	RESULT_REFUSED,
	RESULT_COMMITTED,
	RESULT_ROLLED_BACK,
	RESULT_HAZARD,
	RESULT_UNKNOWN,
	RESULT_DONE,
	RESULT_RETRY,
	RESULT_PENDING,
};

enum command_kind {
	COMMAND_NONE,
	COMMAND_PREPARE,
	COMMAND_COMMIT,
	COMMAND_ROLLBACK,
	COMMAND_ONCE,
	COMMAND_SETTLE_ONCE,
	COMMAND_DO,
	COMMAND_UNDO,
};

enum verdict { VERDICT_WAIT, VERDICT_COMMIT, VERDICT_ABORT };

/* The stable words for logs: "prepared", "rollback", "wait", … */
const char *result_kind_name(enum result_kind kind);
const char *command_kind_name(enum command_kind kind);
const char *verdict_name(enum verdict verdict);

/* A text from outside as a `reason` that any frame takes: bytes that are not UTF-8
 * and control characters become '?', and it is cut to REASON_MAX. NULL gives "".
 * Give the result to free(). */
char *frame_cut_reason(const char *text);

struct bytes {
	const char *data; /* may be NULL when size is 0 */
	size_t size;
};

struct branch_id {
	const char *resource;
	const char *gid;
	uint64_t epoch;
	const char *branch;
};

/* The idempotency key of a saga call, `gid/step/do` or `gid/step/undo`; NUL-terminated. */
enum { CALL_KEY_SIZE = 64 + 1 + 63 + 1 + 4 + 1 };
void call_key(const char *gid, const char *step, bool undo, char out[CALL_KEY_SIZE]);

/* True for COMMAND_DO and COMMAND_UNDO: saga calls, not branches. */
bool command_is_call(enum command_kind kind);
/* True for what a result of `kind` may be: the answer to a saga call (`call`), or
 * about a branch.  REFUSED, RETRY and UNKNOWN are both. */
bool result_fits(enum result_kind kind, bool call);

/* True when every part is there and keeps to the rules of id.h. */
bool branch_id_valid(const struct branch_id *id);

struct operation_info {
	const char *name;
	const char **args;
	size_t n_args;
};

struct resource_info {
	const char *name;
	const char *adapter;
	bool ready;
	const char *problem;
	bool one_phase; /* `once` can be used */
	bool calls;     /* serves saga calls */
	bool exact;     /* … exactly once: REFUSED is proof, also for earlier attempts */
	bool groups;    /* takes part in two-phase commit */
	struct operation_info *operations;
	size_t n_operations;
};

struct result {
	struct branch_id id;
	enum result_kind kind;
	struct bytes output;
	const char *reason;
	enum command_kind call;  /* COMMAND_DO or COMMAND_UNDO; NONE: about a branch */
	uint32_t attempt;        /* of the call: from 1; about a branch: 0 */
	uint32_t retry_after_ms; /* RETRY: 0 to RETRY_AFTER_MAX_MS; else 0 */
};

struct poll {
	const char *cluster;
	const char *agent;
	uint64_t incarnation;
	uint64_t seq;
	uint64_t epoch;
	uint32_t window;
	bool hello;
	struct resource_info *resources;
	size_t n_resources;
	struct result *results;
	size_t n_results;
	struct branch_id *inquiries;
	size_t n_inquiries;
	void *owned; /* frame.c's */
};

struct command {
	enum command_kind kind;
	struct branch_id id;
	const char *operation;
	struct bytes args;
	uint32_t timeout_ms;
	bool read_only;
	bool repeat;
	uint32_t attempt; /* DO and UNDO: 1 or more; else 0 */
	/* UNDO: the action was another resource's, or an atomic group's: this resource
	 * has no mark of it, and must not take that for "there is nothing to undo". */
	bool elsewhere;
};

struct answer {
	struct branch_id id;
	enum verdict verdict;
};

struct reply {
	const char *cluster;
	uint64_t epoch;
	const char *error;
	bool want_hello;
	struct command *commands;
	size_t n_commands;
	struct answer *answers;
	size_t n_answers;
	void *owned; /* frame.c's */
};

/* The frame as bytes, for free(). */
void *poll_pack(const struct poll *p, size_t *size);
void *reply_pack(const struct reply *r, size_t *size);

/* How many they are, and the same into `out`, which has that much room.  Each packs anew. */
size_t poll_size(const struct poll *p);
void poll_encode(const struct poll *p, void *out);
size_t reply_size(const struct reply *r);
void reply_encode(const struct reply *r, void *out);

/* Fill `*p` or `*r` from `size` bytes, which may be freed afterwards.
 *   RC_INVALID  not a frame, another version, or a field that breaks a rule
 *   RC_TOO_BIG  over a cap
 * On failure nothing is owned and the frame is zeroed. */
enum rc poll_decode(struct poll *p, const void *bytes, size_t size, struct err *err);
enum rc reply_decode(struct reply *r, const void *bytes, size_t size, struct err *err);
void poll_free(struct poll *p);
void reply_free(struct reply *r);

#endif
