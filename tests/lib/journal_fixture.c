/* journal_fixture.c - see journal_fixture.h. */
#include "tests/lib/journal_fixture.h"
#include "base/mem.h"
#include "base/wal.h"
#include "base/word.h"
#include "coordinator/journal_db.h"
#include "tests/lib/harness.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- opening and closing ---- */

void jf_init_on(struct jf *f, const char *dir)
{
	memset(f, 0, sizeof *f);
	f->dir = mem_dup(dir);
	NEED(uv_loop_init(&f->loop) == 0, "no loop");
}

void jf_init(struct jf *f)
{
	static int number;
	char *dir = temp_path("journal-%d-%d", (int)getpid(), number++);

	jf_init_on(f, dir);
	free(dir);
}

void jf_fini(struct jf *f)
{
	jf_close(f);
	NEED(uv_loop_close(&f->loop) == 0, "something is left on the loop");
	free(f->dir);
}

static void on_durable(uint64_t batch, void *arg)
{
	struct jf *f = arg;

	NEED(batch > f->durable, "batch %" PRIu64 " after %" PRIu64, batch, f->durable);
	f->durable = batch;
	f->reported++;
	if (f->on_durable != NULL)
		f->on_durable(batch);
}

void jf_open_only(struct jf *f)
{
	struct err err = {0};

	NEED(journal_open(f->dir, "test", &f->j, &err) == RC_OK, "%s", err.text);
	f->port = journal_port(f->j);
	f->durable = f->reported = 0;
}

void jf_start(struct jf *f)
{
	journal_start(f->j, &f->loop, on_durable, f);
	f->started = true;
}

void jf_open(struct jf *f)
{
	jf_open_only(f);
	jf_start(f);
}

void jf_close(struct jf *f)
{
	journal_close(f->j);
	f->j = NULL;
	f->started = false;
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

void jf_refused(struct jf *f, enum rc rc, const char *part)
{
	struct err err = {0};
	const enum rc got = journal_open(f->dir, "test", &f->j, &err);

	NEED(got == rc, "%s instead of %s: %s", rc_name(got), rc_name(rc), err.text);
	NEED(f->j == NULL, "refused, but given");
	NEED(strstr(err.text, part) != NULL, "no \"%s\" in \"%s\"", part, err.text);
	NEED(strstr(err.text, f->dir) != NULL, "no path in \"%s\"", err.text);
}

/* ---- batches ---- */

static void on_late(uv_timer_t *timer)
{
	(void)timer;
	FAIL("the batch did not become durable in time");
}

void jf_wait(struct jf *f, uint64_t batch)
{
	uv_timer_t late;

	uv_timer_init(&f->loop, &late);
	uv_timer_start(&late, on_late, (uint64_t)harness_patience_ms(20), 0);
	while (f->durable < batch)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&late, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
}

uint64_t jf_commit(struct jf *f)
{
	const uint64_t batch = f->durable + 1;

	f->port.commit(f->port.self, batch, batch % 2 == 0); /* both ways are the same to all */
	jf_wait(f, batch);
	return batch;
}

/* ---- records ---- */

struct record *jf_record(const char *gid, uint64_t seq, enum txn_state state, ...)
{
	struct plan plan = {.workflow = mem_dup("transfer"), .timeout_ms = 1000};
	const char *resource;
	struct record *r;
	va_list ap;

	plan.branches = mem_new(8, sizeof *plan.branches);
	va_start(ap, state);
	while ((resource = va_arg(ap, const char *)) != NULL)
		plan.branches[plan.n_branches++] = (struct plan_branch){
			.name = word_printf("pay.at-%s", resource),
			.resource = word_hold(resource),
			.operation = word_hold("debit"),
			.args = mem_dup("{\"id\":1}"),
		};
	va_end(ap);
	r = record_new(gid, &plan);
	r->seq = seq;
	r->state = state;
	r->epoch = 1;
	memset(r->hash, 0xa5, sizeof r->hash);
	if (record_finished(state))
		r->finished_us = seq + 5;
	return r;
}

void jf_put(struct jf *f, const char *gid, uint64_t seq, enum txn_state state)
{
	struct record *r = jf_record(gid, seq, state, "bank-a", (char *)NULL);

	f->port.put(f->port.self, r);
	record_free(r);
}

struct record *jf_saga(const char *gid, uint64_t seq, enum saga_state state, size_t n)
{
	struct record *r = mem_new(1, sizeof *r);

	memcpy(r->gid, gid, strlen(gid) + 1);
	r->seq = seq;
	r->state = record_of_saga(state);
	r->epoch = 1;
	r->workflow = mem_dup("trip");
	if (record_finished(r->state))
		r->finished_us = seq + 5;
	r->saga = saga_blank(n);
	r->saga->state = state;
	for (size_t i = 0; i < n; i++) {
		struct saga_step *step = &r->saga->steps[i];

		step->name = mem_printf("s%zu", i);
		step->resource = mem_printf("hotel-%zu", i);
		step->operation = mem_dup("reserve");
		step->undo_resource = mem_printf("undo-%zu", i);
		step->undo_operation = mem_dup("release");
	}
	return r;
}

void jf_put_saga(struct jf *f, const char *gid, uint64_t seq, enum saga_state state, size_t n)
{
	struct record *r = jf_saga(gid, seq, state, n);

	f->port.put(f->port.self, r);
	record_free(r);
}

static enum rc find(struct jf *f, const char *gid, struct record **r)
{
	struct err err = {0};
	const enum rc rc = f->port.find(f->port.self, gid, r, &err);

	NEED(rc == RC_OK || rc == RC_NOT_FOUND, "%s: %s", rc_name(rc), err.text);
	return rc;
}

struct record *jf_find(struct jf *f, const char *gid)
{
	struct record *r;

	NEED(find(f, gid, &r) == RC_OK, "%s is not there", gid);
	return r;
}

bool jf_has(struct jf *f, const char *gid)
{
	struct record *r;
	const enum rc rc = find(f, gid, &r);

	record_free(r);
	return rc == RC_OK;
}

char *jf_path(const struct jf *f, const char *name)
{
	return mem_printf("%s/%s", f->dir, name);
}

void jf_put_group(struct jf *f, const char *gid, uint64_t seq, enum txn_state state,
		  uint64_t parent)
{
	struct record *r = jf_record(gid, seq, state, "bank-a", "bank-b", (char *)NULL);

	r->parent_seq = parent;
	r->parent = mem_dup("s");
	r->parent_step = 2;
	f->port.put(f->port.self, r);
	record_free(r);
}

void jf_put_events(struct jf *f, uint64_t seq, uint64_t from, uint64_t to)
{
	char json[40];

	for (uint64_t n = from; n <= to; n++) {
		snprintf(json, sizeof json, "{\"line\":%" PRIu64 "}", n);
		f->port.put_event(f->port.self, seq, n, 1000000 + n, json);
	}
	jf_commit(f);
}

/* ---- the file ---- */

static sqlite3 *open_file(struct jf *f)
{
	char *path = jf_path(f, "settle.db");
	struct err err;
	sqlite3 *db;

	NEED(db_open(path, &db, &err) == RC_OK, "%s", err.text);
	free(path);
	return db;
}

void jf_sql(struct jf *f, const char *sql)
{
	sqlite3 *db = open_file(f);
	struct err err;

	NEED(db_exec(db, sql, &err) == RC_OK, "%s", err.text);
	db_close(db);
}

off_t jf_log_end(struct jf *f)
{
	char *path = jf_path(f, "settle.db-wal");
	const int fd = open(path, O_RDONLY);
	struct wal_facts facts;

	NEED(fd >= 0 && wal_scan(fd, lseek(fd, 0, SEEK_END), 0, &facts) == 0, "%s", path);
	close(fd);
	free(path);
	return WAL_HEADER + (off_t)facts.frames * WAL_FRAME;
}

void jf_foreign_sql(struct jf *f, const char *sql)
{
	char *path = jf_path(f, "settle.db"), *problem = NULL;
	sqlite3 *db;

	mkdir(f->dir, 0700);
	NEED(sqlite3_open(path, &db) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	NEED(sqlite3_exec(db, sql, NULL, NULL, &problem) == SQLITE_OK, "%s", problem);
	NEED(sqlite3_close(db) == SQLITE_OK, "%s is not closed", path);
	free(path);
}

int64_t jf_count(struct jf *f, const char *sql)
{
	sqlite3 *db = open_file(f);
	struct err err;
	int64_t n;

	NEED(db_number(db, sql, &n, &err) == RC_OK, "%s", err.text);
	db_close(db);
	return n;
}

/* ---- processes ---- */

static char *read_all(int fd)
{
	size_t size = 0, room = 4096;
	char *text = mem_new(room, 1);
	ssize_t n;

	while ((n = read(fd, text + size, room - size - 1)) > 0) {
		size += (size_t)n;
		if (size + 1 == room) {
			room *= 2;
			text = mem_grow(text, room, 1);
		}
	}
	text[size] = '\0';
	return text;
}

int jf_fork(struct jf *f, void (*child)(struct jf *f, void *arg), void *arg, char **said)
{
	int pipes[2], status;
	char *text;
	pid_t pid;

	NEED(pipe(pipes) == 0, "no pipe");
	pid = fork();
	NEED(pid >= 0, "no fork");
	if (pid == 0) {
		struct jf mine;

		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		jf_init_on(&mine, f->dir);
		child(&mine, arg);
		_exit(99);
	}
	close(pipes[1]);
	text = read_all(pipes[0]);
	close(pipes[0]);
	NEED(waitpid(pid, &status, 0) == pid, "no child");
	if (said != NULL)
		*said = text;
	else
		free(text);
	return status;
}
