#include "tests/lib/ledger_desk.h"

#include "base/seal_vfs.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct desk desk;

static void on_ready(void *arg, const char *problem)
{
	struct desk *d = arg;

	NEED(!d->inside, "called back from inside a call");
	d->told = true;
	d->ready = problem == NULL;
	snprintf(d->problem, sizeof d->problem, "%s", problem != NULL ? problem : "");
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

void desk_turn(struct desk *d)
{
	uv_timer_t wake;

	uv_timer_init(&d->loop, &wake);
	uv_timer_start(&wake, on_wake, 20, 20);
	uv_run(&d->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&wake, NULL);
	uv_run(&d->loop, UV_RUN_NOWAIT);
}

void desk_open_as(struct desk *d, const char *path, const char *resource)
{
	*d = (struct desk){.path = textf("%s", path)};
	uv_loop_init(&d->loop);
	d->ledger = ledger_open(&(struct ledger_settings){.loop = &d->loop,
							  .path = path,
							  .cluster = "test",
							  .resource = resource,
							  .ready = on_ready,
							  .arg = d});
}

void desk_open(const char *path)
{
	desk_open_as(&desk, path, "seats");
	RUN_UNTIL(&desk, 10, desk.told);
	NEED(desk.ready, "not ready: %s", desk.problem);
}

static void on_closed(void *arg)
{
	((struct desk *)arg)->closed = true;
}

void desk_close(struct desk *d)
{
	ledger_close(d->ledger, on_closed, d);
	RUN_UNTIL(d, 10, d->closed);
	uv_run(&d->loop, UV_RUN_NOWAIT);
	NEED(uv_loop_close(&d->loop) == 0, "the ledger left a handle open");
	free(d->path);
}

void desk_reopen(void)
{
	char *path = textf("%s", desk.path);

	desk_close(&desk);
	desk_open(path);
	free(path);
}

static void on_done(enum rc rc, const struct ledger_row *row, const char *problem, void *arg)
{
	struct desk *d = arg;

	NEED(!d->inside && !d->done, "called back from inside a call, or twice");
	NEED((rc == RC_IO) == (problem != NULL), "a problem goes with RC_IO");
	d->done = true;
	d->rc = rc;
	d->phase = row->phase;
	snprintf(d->operation, sizeof d->operation, "%s", row->operation);
	snprintf(d->args, sizeof d->args, "%.*s", (int)row->args.size, row->args.data);
	snprintf(d->output, sizeof d->output, "%.*s", (int)row->output.size, row->output.data);
	snprintf(d->why, sizeof d->why, "%s", problem != NULL ? problem : "");
}

struct bytes desk_text(const char *s)
{
	return (struct bytes){s, strlen(s)};
}

/* Each is begun with names that are overwritten at once, and waited for. */
static char gid_buffer[65], branch_buffer[65];

struct branch_id desk_id(const char *gid)
{
	snprintf(gid_buffer, sizeof gid_buffer, "%s", gid);
	snprintf(branch_buffer, sizeof branch_buffer, "s.b");
	return (struct branch_id){"seats", gid_buffer, 7, branch_buffer};
}

static const char *finish(void)
{
	static char words[100];

	memset(gid_buffer, 'x', sizeof gid_buffer - 1);
	memset(branch_buffer, 'x', sizeof branch_buffer - 1);
	desk.inside = false;
	RUN_UNTIL(&desk, 10, desk.done);
	snprintf(words, sizeof words, "%s %s", rc_name(desk.rc), ledger_phase_name(desk.phase));
	return words;
}

static void start(void)
{
	desk.done = false;
	desk.inside = true;
}

const char *desk_try(const char *gid)
{
	const struct branch_id id = desk_id(gid);
	char args[] = "{\"n\":1}";

	start();
	ledger_try(desk.ledger, &id, "reserve", desk_text(args), on_done, &desk);
	memset(args, 'x', strlen(args));
	return finish();
}

const char *desk_try_id(const struct branch_id *id)
{
	start();
	ledger_try(desk.ledger, id, "reserve", desk_text("{}"), on_done, &desk);
	return finish();
}

const char *desk_prepared(const char *gid)
{
	const struct branch_id id = desk_id(gid);

	start();
	ledger_prepared(desk.ledger, &id, desk_text("{\"r\":2}"), on_done, &desk);
	return finish();
}

const char *desk_commit(const char *gid)
{
	const struct branch_id id = desk_id(gid);

	start();
	ledger_commit(desk.ledger, &id, on_done, &desk);
	return finish();
}

const char *desk_rollback(const char *gid)
{
	const struct branch_id id = desk_id(gid);

	start();
	ledger_rollback(desk.ledger, &id, on_done, &desk);
	return finish();
}

const char *desk_end(const char *gid, enum ledger_phase over)
{
	const struct branch_id id = desk_id(gid);

	start();
	ledger_end(desk.ledger, &id, over, on_done, &desk);
	return finish();
}

static void on_list(enum rc rc, const struct ledger_row *rows, size_t n, void *arg)
{
	struct desk *d = arg;
	size_t at = 0;

	d->done = true;
	d->rc = rc;
	d->n_list = n;
	d->list[0] = '\0';
	for (size_t i = 0; i < n && at + 200 < sizeof d->list; i++)
		at += (size_t)snprintf(d->list + at, sizeof d->list - at, "%s%llu/%s/%s %s",
				       i > 0 ? ", " : "", (unsigned long long)rows[i].id.epoch,
				       rows[i].id.gid, rows[i].id.branch,
				       ledger_phase_name(rows[i].phase));
}

const char *desk_list(void)
{
	start();
	ledger_list(desk.ledger, on_list, &desk);
	finish();
	ck_assert_int_eq(desk.rc, RC_OK);
	return desk.list;
}

void desk_alter(const char *file, const char *sql)
{
	const bool there = access(file, F_OK) == 0;
	sqlite3 *db;
	char *message = NULL;

	NEED((there ? seal_vfs_open(file, SEAL_AS_FOUND, &db) : sqlite3_open(file, &db)) ==
		     SQLITE_OK,
	     "cannot open %s", file);
	NEED(sqlite3_exec(db, sql, NULL, NULL, &message) == SQLITE_OK, "%s", message);
	sqlite3_close(db);
}
