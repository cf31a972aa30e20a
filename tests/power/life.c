/* life.c - see life.h. */
#include "tests/power/life.h"

#include "base/mem.h"
#include "base/wal.h"
#include "coordinator/journal_db.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"
#include "tests/power/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACTS = 8, UNFINISHED = 64, FIRST_SEQ = 1000 };
/* Histories that are not pruned. */
#define MARK_SEQ ((uint64_t)1 << 50)
#define LAST                                                                          \
	"SELECT max(1000, (SELECT coalesce(max(seq), 0) FROM txn),"                   \
	" (SELECT coalesce(max(published_us), 0) FROM workflow),"                     \
	" (SELECT coalesce(max(seq), 0) FROM event WHERE seq < 1125899906842624),"    \
	" (SELECT coalesce(max(seq), 1125899906842624) - 1125899906842624 FROM event" \
	"  WHERE seq > 1125899906842624))"

enum act_kind { ACT_PUT, ACT_END, ACT_SAGA, ACT_STEP, ACT_EVENT, ACT_WORKFLOW, ACT_PRUNE, ACT_BIG };

struct act {
	enum act_kind kind;
	uint64_t seq;
	size_t size;
	enum txn_state state;
};

struct batch {
	struct act acts[ACTS];
	size_t n;
	bool wait;     /* until it is durable, before the next is given */
	bool copy_log; /* after it */
};

struct script {
	struct batch batches[LIFE_BATCHES];
	size_t n;
	uint64_t mark;
	bool close;
	bool big;
};

/* ---- what a journal holds ---- */

static uint64_t add_bytes(uint64_t h, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		h = (h ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3;
	return h;
}

static uint64_t add_rows(uint64_t h, sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	struct err err;
	int step;

	NEED(db_prepare(db, sql, &stmt, &err) == RC_OK, "%s", err.text);
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const int type = sqlite3_column_type(stmt, i);

			h = add_bytes(h, &type, sizeof type);
			h = add_bytes(h, sqlite3_column_blob(stmt, i),
				      (size_t)sqlite3_column_bytes(stmt, i));
		}
	}
	NEED(step == SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	return h;
}

static char *look_path(const char *dir)
{
	return textf("%s/settle.db", dir);
}

static sqlite3 *look_into(const char *dir)
{
	char *path = look_path(dir);
	struct err err;
	sqlite3 *db;

	NEED(db_open(path, &db, &err) == RC_OK, "%s", err.text);
	free(path);
	return db;
}

uint64_t life_hash(const char *dir)
{
	static const char *const all[] = {
		"SELECT * FROM txn ORDER BY seq",
		"SELECT gid, seq FROM txn ORDER BY gid",
		"SELECT state, seq FROM txn INDEXED BY txn_state WHERE state <> 6 ORDER BY 1, 2",
		"SELECT * FROM step ORDER BY key",
		"SELECT * FROM event ORDER BY seq, n",
		"SELECT * FROM workflow ORDER BY name, version",
		"SELECT * FROM resource ORDER BY name",
	};
	sqlite3 *db = look_into(dir);
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		h = add_rows(h, db, all[i]);
	db_close(db);
	return h;
}

/* ---- what it does ---- */

static size_t unfinished(const char *dir, uint64_t *seqs, uint64_t *next)
{
	sqlite3 *db = look_into(dir);
	sqlite3_stmt *stmt;
	struct err err;
	size_t n = 0;
	int64_t last = 0;

	NEED(db_prepare(db,
			"SELECT seq FROM txn WHERE state NOT IN (6, 7)"
			" AND gid LIKE 't%' ORDER BY seq LIMIT 64",
			&stmt, &err) == RC_OK,
	     "%s", err.text);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		seqs[n++] = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	NEED(db_number(db, LAST, &last, &err) == RC_OK, "%s", err.text);
	db_close(db);
	*next = (uint64_t)last + 1;
	return n;
}

struct draft {
	uint64_t open[UNFINISHED], next;
	size_t n;
};

static struct act draw_act(struct draft *d, uint64_t *state)
{
	static const enum txn_state states[] = {TXN_COMMITTING, TXN_ACCEPTED, TXN_ABORTING,
						TXN_COMMIT_HAZARD};
	struct act a = {.kind = (enum act_kind)dice_below(state, ACT_BIG)};

	a.size = dice_one_in(state, 4) ? dice_below(state, 9000) : dice_below(state, 200);
	a.state = states[dice_below(state, 4)];
	if (a.kind == ACT_END && d->n > 0) {
		const size_t k = dice_below(state, d->n);

		a.seq = d->open[k];
		d->open[k] = d->open[--d->n];
		a.state = dice_one_in(state, 2) ? TXN_COMMITTED : TXN_ABORTED;
		return a;
	}
	if (a.kind == ACT_END || (a.kind == ACT_PUT && d->n == UNFINISHED))
		a.kind = ACT_EVENT;
	if (a.kind == ACT_PRUNE && dice_one_in(state, 2))
		a.kind = ACT_SAGA;
	a.seq = d->next++;
	if (a.kind == ACT_PUT)
		d->open[d->n++] = a.seq;
	return a;
}

static void draw_script(const char *dir, uint64_t *state, struct script *p)
{
	struct draft d = {0};

	d.n = unfinished(dir, d.open, &d.next);
	memset(p, 0, sizeof *p);
	p->mark = d.next;
	d.next += LIFE_BATCHES;
	p->n = dice_below(state, dice_one_in(state, 8) ? LIFE_BATCHES : 12);
	p->close = dice_one_in(state, 2);
	p->big = p->n > 0 && dice_one_in(state, 40);
	for (size_t i = 0; i < p->n; i++) {
		struct batch *b = &p->batches[i];

		b->n = 1 + dice_below(state, ACTS - 1);
		for (size_t k = 0; k < b->n; k++)
			b->acts[k] = draw_act(&d, state);
		b->wait = i + 1 == p->n || !dice_one_in(state, 5);
		b->copy_log = b->wait && dice_one_in(state, 6);
	}
	if (p->big) {
		struct batch *b = &p->batches[dice_below(state, p->n)];

		b->acts[b->n++] = (struct act){.kind = ACT_BIG, .seq = d.next};
	}
}

static void put(struct jf *f, const struct act *a, uint64_t seq, size_t size)
{
	char *gid = textf("t%llu", (unsigned long long)seq), *x = mem_new(size + 1, 1);
	struct record *r = jf_record(gid, seq, a->state, "bank-a", "bank-b", (char *)NULL);

	memset(x, 'a' + (int)(seq % 26), size);
	r->input = textf("{\"x\":\"%s\"}", x);
	f->port.put(f->port.self, r);
	record_free(r);
	free(gid);
	free(x);
}

static void end(struct jf *f, const struct act *a)
{
	char *gid = textf("t%llu", (unsigned long long)a->seq);
	struct record *r = jf_record(gid, a->seq, a->state, "bank-a", (char *)NULL);

	f->port.end(f->port.self, r);
	record_free(r);
	free(gid);
}

static void step(struct jf *f, const struct act *a)
{
	struct record *r = jf_saga("s", MARK_SEQ + a->seq % 7, SAGA_RUNNING, 4);

	r->saga->steps[a->size % 4].attempts = (uint32_t)a->size;
	f->port.put_step(f->port.self, r, a->size % 4);
	record_free(r);
}

static void publish(struct jf *f, const struct act *a)
{
	char *name = textf("w%llu", (unsigned long long)a->seq), *text = mem_new(a->size + 1, 1);
	const struct workflow_row row = {
		.name = name, .version = 1, .published_us = a->seq, .text = text};
	const struct resource_info bank = {
		.name = name + a->seq % 2, .adapter = "postgres", .problem = ""};

	memset(text, 'w', a->size);
	f->port.put_workflow(f->port.self, &row);
	f->port.put_resource(f->port.self, &bank);
	free(name);
	free(text);
}

static void act(struct jf *f, const struct act *a)
{
	char gid[24];

	switch (a->kind) {
	case ACT_PUT: put(f, a, a->seq, a->size); break;
	case ACT_END: end(f, a); break;
	case ACT_SAGA:
		snprintf(gid, sizeof gid, "s%llu", (unsigned long long)a->seq);
		jf_put_saga(f, gid, a->seq, SAGA_RUNNING, 1 + a->size % 6);
		break;
	case ACT_STEP: step(f, a); break;
	case ACT_EVENT: f->port.put_event(f->port.self, a->seq, 1, a->size, "{\"line\":1}"); break;
	case ACT_WORKFLOW: publish(f, a); break;
	case ACT_PRUNE: f->port.prune(f->port.self, a->seq); break;
	case ACT_BIG:
		for (uint64_t i = 0; i < 250; i++)
			put(f, &(struct act){.state = TXN_COMMITTED}, a->seq + i, 17000);
		break;
	}
}

static void give(struct jf *f, const struct script *p, size_t i)
{
	for (size_t k = 0; k < p->batches[i].n; k++)
		act(f, &p->batches[i].acts[k]);
	/* So that no two states are the same. */
	f->port.put_event(f->port.self, MARK_SEQ + p->mark + i, 1, i, "{}");
	f->port.commit(f->port.self, i + 1, i % 2 == 0);
}

static void copy_log(const char *dir)
{
	sqlite3 *db = look_into(dir);
	struct err err;

	NEED(db_exec(db, "PRAGMA wal_checkpoint(PASSIVE)", &err) == RC_OK, "%s", err.text);
	db_close(db);
}

/* ---- a life ---- */

/* On the copy: what it holds after each batch. */
static void rehearse(const char *dir, uint64_t seed, struct script *p, struct life_facts *facts)
{
	struct jf f;

	jf_init_on(&f, dir);
	jf_open(&f);
	draw_script(dir, &seed, p);
	facts->n = p->n;
	facts->big = p->big;
	facts->held[0] = life_hash(dir);
	for (size_t i = 0; i < p->n; i++) {
		give(&f, p, i);
		jf_wait(&f, i + 1);
		facts->held[i + 1] = life_hash(dir);
	}
	jf_fini(&f);
}

static void live(const char *dir, const struct script *p)
{
	struct jf f;

	jf_init_on(&f, dir);
	jf_open_only(&f);
	disk_tell(TOLD_OPEN, journal_epoch(f.j));
	jf_start(&f);
	for (size_t i = 0; i < p->n; i++) {
		disk_tell(TOLD_GIVEN, i + 1);
		give(&f, p, i);
		if (!p->batches[i].wait)
			continue;
		jf_wait(&f, i + 1);
		disk_tell(TOLD_DURABLE, i + 1);
		if (p->batches[i].copy_log)
			copy_log(dir);
	}
	if (p->close)
		jf_fini(&f);
}

static void in_child(void (*run)(const char *dir, void *arg), const char *dir, void *arg)
{
	const pid_t pid = fork();
	int status;

	NEED(pid >= 0, "no fork");
	if (pid == 0) {
		run(dir, arg);
		_exit(0);
	}
	NEED(waitpid(pid, &status, 0) == pid && status == 0, "a life failed: status %d", status);
}

struct to_live {
	const char *copy;
	uint64_t seed;
	struct life_facts *facts;
};

static void both(const char *dir, void *arg)
{
	const struct to_live *l = arg;
	static struct script plan;

	rehearse(l->copy, l->seed, &plan, l->facts);
	live(dir, &plan);
}

void life_live(struct disk_story *story, const char *dir, uint64_t seed, struct life_facts *facts)
{
	struct life_facts *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *copy = textf("%s-copy", dir);
	struct to_live l = {copy, seed, shared};

	NEED(shared != MAP_FAILED, "no memory");
	disk_note(dir);
	image_make(story, 0, CRASH_KILL, &seed, copy);
	in_child(both, dir, &l);
	disk_note_no_more();
	*facts = *shared;
	munmap(shared, sizeof *shared);
	image_remove(copy);
	free(copy);
}

/* ---- where it begins ---- */

static const char version_1[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE txn(seq INTEGER PRIMARY KEY, state INTEGER NOT NULL,"
	" finished_us INTEGER NOT NULL, epoch INTEGER NOT NULL, gid TEXT NOT NULL,"
	" workflow TEXT NOT NULL, reason TEXT, hash BLOB NOT NULL, detail BLOB NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX txn_gid ON txn(gid);"
	"CREATE INDEX txn_state ON txn(state) WHERE state <> 6;"
	"CREATE TABLE resource(name TEXT PRIMARY KEY, adapter TEXT NOT NULL,"
	" one_phase INTEGER NOT NULL, operations TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	"INSERT INTO meta VALUES('epoch', 41), ('cluster', 'test');"
	"PRAGMA application_id=1584864769; PRAGMA user_version=1;";

/* An older program was killed: its log is there. */
static void old_and_killed(const char *dir, void *arg)
{
	char *path = textf("%s/settle.db", dir);
	sqlite3 *db;

	(void)arg;
	NEED(sqlite3_open(path, &db) == SQLITE_OK &&
		     sqlite3_exec(db, version_1, NULL, NULL, NULL) == SQLITE_OK &&
		     sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL) == SQLITE_OK &&
		     sqlite3_exec(db,
				  "INSERT INTO txn VALUES(5, 6, 9, 41, 'old', 'w', NULL,"
				  " zeroblob(32), zeroblob(6000))",
				  NULL, NULL, NULL) == SQLITE_OK,
	     "%s", sqlite3_errmsg(db));
	free(path);
}

static void ours(const char *dir, void *arg)
{
	struct jf f;

	(void)arg;
	jf_init_on(&f, dir);
	jf_open(&f);
	jf_put(&f, "t1000", FIRST_SEQ, TXN_COMMITTING);
	jf_commit(&f);
}

/* Version 3 lost its power in the middle of a batch: of the torn one there is the end. */
static void version_3_and_torn(const char *dir, void *arg)
{
	static const char torn[] = "what another sector held";
	char *path = look_path(dir), *log = textf("%s-wal", path);
	struct wal_facts facts;
	struct err err;
	sqlite3 *db;
	FILE *file;

	ours(dir, arg);
	db = look_into(dir);
	NEED(db_exec(db,
		     "ALTER TABLE event DROP COLUMN steps; ALTER TABLE step DROP COLUMN written;"
		     "PRAGMA user_version=3",
		     &err) == RC_OK,
	     "%s", err.text);
	NEED(wal_scan_of(path, 0, &facts) == 0, "no log");
	NEED(db_exec(db,
		     "INSERT INTO txn VALUES(5, 6, 9, 1, 'old', 'w', NULL, zeroblob(32),"
		     " zeroblob(60000), 0)",
		     &err) == RC_OK,
	     "%s", err.text);
	file = fopen(log, "r+");
	NEED(file != NULL &&
		     fseek(file, WAL_HEADER + (long)(facts.whole + 1) * WAL_FRAME + 1000,
			   SEEK_SET) == 0 &&
		     fwrite(torn, sizeof torn, 1, file) == 1 && fclose(file) == 0,
	     "cannot tear %s", log);
	free(log);
	free(path);
}

void life_base(const char *dir, uint64_t *state)
{
	struct jf f;

	NEED(mkdir(dir, 0700) == 0, "cannot make %s", dir);
	jf_init_on(&f, dir);
	switch (dice_below(state, 8)) {
	case 0: jf_foreign_sql(&f, version_1); break;
	case 1: in_child(old_and_killed, dir, NULL); break;
	case 2:
		in_child(ours, dir, NULL);
		jf_foreign_sql(&f, "PRAGMA user_version=1004");
		break;
	case 3: in_child(version_3_and_torn, dir, NULL); break;
	default: break;
	}
	jf_fini(&f);
}
