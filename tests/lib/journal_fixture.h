/* journal_fixture.h - a journal in a temporary directory, its loop, and what it has
 * reported durable.
 * Thread: a test's main thread. */
#ifndef TESTS_LIB_JOURNAL_FIXTURE_H
#define TESTS_LIB_JOURNAL_FIXTURE_H

#include "coordinator/journal.h"

struct jf {
	char *dir;
	uv_loop_t loop;
	struct journal *j;
	struct journal_port port;
	uint64_t durable; /* the last batch reported; each must be above the one before */
	size_t reported;  /* how many were */
	void (*on_durable)(uint64_t batch); /* called as well, if set */
	bool started;
};

/* A fixture on a new directory, or on that of another. Nothing is opened. */
void jf_init(struct jf *f);
void jf_init_on(struct jf *f, const char *dir);
void jf_fini(struct jf *f);

/* Opens and starts, or fails the test. */
void jf_open(struct jf *f);
/* Opens, but starts no writer. */
void jf_open_only(struct jf *f);
void jf_start(struct jf *f);
/* Closes, if open, and lets the loop free what is left. */
void jf_close(struct jf *f);
/* Expects the opening to be refused with `rc` and a text that has `part` in it. */
void jf_refused(struct jf *f, enum rc rc, const char *part);

/* Commits what was put and waits until it is durable; returns the batch. */
uint64_t jf_commit(struct jf *f);
/* Runs the loop until `batch` is reported. */
void jf_wait(struct jf *f, uint64_t batch);

/* A path in the fixture's directory; give to free(). */
char *jf_path(const struct jf *f, const char *name);

/* A record with one branch per resource named (NULL ends them). */
struct record *jf_record(const char *gid, uint64_t seq, enum txn_state state, ...);
/* Puts one such record, with a branch at bank-a. */
void jf_put(struct jf *f, const char *gid, uint64_t seq, enum txn_state state);
/* A saga of `n` steps s0, s1, … each of which calls `hotel-N` and is undone at `undo-N`. */
struct record *jf_saga(const char *gid, uint64_t seq, enum saga_state state, size_t n);
/* Puts one such saga. */
void jf_put_saga(struct jf *f, const char *gid, uint64_t seq, enum saga_state state, size_t n);
/* Finds it, or fails; give to record_free. */
struct record *jf_find(struct jf *f, const char *gid);
bool jf_has(struct jf *f, const char *gid);

/* Runs SQL on the file, on a connection of its own; what a SELECT counts. */
void jf_sql(struct jf *f, const char *sql);
/* Where what SQLite would read of the log ends. */
off_t jf_log_end(struct jf *f);
/* The same as anybody's program does it, on a file that may not be there yet. */
void jf_foreign_sql(struct jf *f, const char *sql);
int64_t jf_count(struct jf *f, const char *sql);
/* Puts lines `from` to `to` of a history, {"line":n} at 1,000,000 + n, and commits. */
void jf_put_events(struct jf *f, uint64_t seq, uint64_t from, uint64_t to);
/* Puts an atomic group of the saga "s", whose number is `parent`. */
void jf_put_group(struct jf *f, const char *gid, uint64_t seq, enum txn_state state,
		  uint64_t parent);

/* Forks; `child` runs in the new process with a fixture on the same directory and
 * must not return. The answer is waitpid's status. `said` (may be NULL) gets what the
 * child wrote to standard error; give to free(). */
int jf_fork(struct jf *f, void (*child)(struct jf *f, void *arg), void *arg, char **said);

#endif
