/* sqlite_db.h - the database file of one SQLite resource, and the calls in it.
 *
 * A call is a savepoint in a transaction that it may share with others: first the
 * barrier is read, under the file's write lock, then the operation runs and leaves its
 * own row in the barrier.  The barrier's key is cluster, gid, step and part; who is
 * there first decides:
 *
 *   do    a row `do`: done before, its output.  A row `undo`: refused, too late.
 *   undo  a row `undo`: done before.  No row `do`: there is nothing to undo; a row that
 *         says so is left, which keeps a late `do` off.
 *
 * Rule: REFUSED and RETRY are said only after that look.  It proves that no call of
 * the key was done, because whoever else works on the file needs the same lock.
 * Thread: the resource's own; sqlite_db_check: any. */
#ifndef ADAPTERS_SQLITE_DB_H
#define ADAPTERS_SQLITE_DB_H

#include "adapters/http_args.h"
#include "adapters/http_text.h"
#include "adapters/sqlite_config.h"
#include "wire/frame.h"

#include <sqlite3.h>

/* What SQLite does when it asks whether to go on. */
enum sqlite_phase {
	SQ_WAITING,  /* for the file's lock, to begin */
	SQ_RUNNING,  /* an operation, or a read of the barrier */
	SQ_FINISHING /* waits for readers, to commit */
};

/* True: give up. Asked every few milliseconds. */
typedef bool (*sqlite_give_up_fn)(enum sqlite_phase phase, void *arg);

/* What one call asks, and how it ended. */
struct sqlite_job {
	const char *gid, *step; /* borrowed, as is all above `kind` */
	bool undo;
	bool elsewhere; /* an undo of what was not done here: no row `do` is looked for */
	const struct sqlite_operation *operation; /* NULL: `refusal` says why */
	const struct http_args *args;
	const char *refusal; /* refuse with this what is not in the barrier; or NULL */

	enum result_kind kind; /* NONE: not yet known */
	bool acted;            /* DONE, and by this very call */
	char *output;          /* JSON or NULL; the job's */
	size_t output_size;
	char reason[REASON_MAX];
};

enum sqlite_end {
	SQ_END_OK,     /* the transaction goes on, or is committed */
	SQ_END_LOST,   /* all of it was rolled back, for certain */
	SQ_END_BROKEN, /* the same, and the file must be opened again */
	SQ_END_UNKNOWN /* of a commit: nobody knows; open the file again */
};

struct sqlite_db_settings {
	const struct sqlite_config *config; /* borrowed until the end, as are all */
	const char *cluster, *resource;
	sqlite_give_up_fn give_up;
	void *arg;
};

struct sqlite_db;

/* What can be told of the configuration's SQL without the file: RC_INVALID with line
 * and column where it breaks SQL's grammar or does what an operation must not. */
enum rc sqlite_db_check(const struct sqlite_config *config, struct err *err);

/* Opens the file, makes it and the barrier if they are not there, prepares every
 * operation, and writes once, so that a file that takes nothing is noticed now.
 * RC_OK, or RC_IO with what is wrong and what to do. */
enum rc sqlite_db_open(const struct sqlite_db_settings *settings, struct sqlite_db **db,
		       struct err *err);
void sqlite_db_close(struct sqlite_db *db); /* NULL is fine */

/* Takes the write lock.  LOST: it was not to be had; BROKEN. `reason` says why. */
enum sqlite_end sqlite_db_begin(struct sqlite_db *db, char reason[REASON_MAX]);
/* Carries out one call.  Whatever comes back, the job has its end, but for DONE, which
 * holds only when the transaction is committed. OK, LOST or BROKEN. */
enum sqlite_end sqlite_db_call(struct sqlite_db *db, struct sqlite_job *job);
enum sqlite_end sqlite_db_commit(struct sqlite_db *db, char reason[REASON_MAX]);
void sqlite_db_rollback(struct sqlite_db *db);

#endif
