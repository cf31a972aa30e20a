#include "tests/lib/journal_damage.h"

#include "base/mem.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BASE_TXNS = 40, SAGA_SEQ = 5000 };

/* ---- files ---- */

struct damage_file damage_read(const char *path)
{
	struct damage_file f = {0};
	const int fd = open(path, O_RDONLY);
	struct stat st;

	NEED(fd >= 0 && fstat(fd, &st) == 0, "cannot open %s", path);
	f.size = (size_t)st.st_size;
	f.bytes = mem_new(f.size + 1, 1);
	NEED(read(fd, f.bytes, f.size) == st.st_size, "cannot read %s", path);
	close(fd);
	return f;
}

static void write_bytes(const char *dir, const char *name, const struct damage_file *f)
{
	char *path = textf("%s/%s", dir, name);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	size_t size = f->size;

	while (size > 0 && f->bytes[size - 1] == 0)
		size--; /* the room at a log's end is a hole */
	NEED(fd >= 0 && write(fd, f->bytes, size) == (ssize_t)size &&
		     ftruncate(fd, (off_t)f->size) == 0,
	     "cannot write %s", path);
	close(fd);
	free(path);
}

char *damage_put(const struct damage_file *file, const struct damage_file *log)
{
	static int number;
	char *dir = temp_path("damaged-%d-%d", (int)getpid(), number++);

	NEED(mkdir(dir, 0700) == 0, "cannot make %s", dir);
	write_bytes(dir, "settle.db", file);
	if (log != NULL)
		write_bytes(dir, "settle.db-wal", log);
	return dir;
}

static void remove_journal(const char *dir)
{
	static const char *const names[] = {"settle.db", "settle.db-wal", "settle.db-shm",
					    "settle.db-journal", "settle.lock"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char *path = textf("%s/%s", dir, names[i]);

		unlink(path);
		free(path);
	}
	NEED(rmdir(dir) == 0, "%s is not empty", dir);
}

/* ---- what a journal says ---- */

struct asked {
	struct journal_port port;
	FILE *to;
	uint64_t seqs[200];
	size_t n;
};

static void print_bytes(FILE *to, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(to, "%02x", ((const unsigned char *)bytes)[i]);
	fputc('\n', to);
}

static void print_record(const struct record *r, FILE *to)
{
	void *bytes;
	size_t size;

	fprintf(to, "%s %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %s %s %" PRIu64 " ", r->gid, r->seq,
		(int)r->state, r->epoch, r->finished_us, r->workflow,
		r->reason != NULL ? r->reason : "-", r->events);
	record_pack(r, &bytes, &size);
	print_bytes(to, bytes, size);
	free(bytes);
	for (size_t i = 0; r->saga != NULL && i < r->saga->n_steps; i++) {
		record_pack_step(&r->saga->steps[i], &bytes, &size);
		print_bytes(to, bytes, size);
		free(bytes);
	}
}

static void on_workflow(const struct workflow_row *row, void *arg)
{
	struct asked *a = arg;

	fprintf(a->to, "workflow %s %u %d\n", row->name, (unsigned)row->version, row->active);
}

static void on_resource(const struct resource_info *info, void *arg)
{
	struct asked *a = arg;

	fprintf(a->to, "resource %s %s %d\n", info->name, info->adapter, info->one_phase);
}

static void on_unfinished(struct record *r, void *arg)
{
	struct asked *a = arg;

	fprintf(a->to, "unfinished ");
	print_record(r, a->to);
	record_free(r);
}

static void on_row(const struct record *r, void *arg)
{
	struct asked *a = arg;

	fprintf(a->to, "listed %s %d\n", r->gid, (int)r->state);
	NEED(a->n < sizeof a->seqs / sizeof a->seqs[0], "more rows than there can be");
	a->seqs[a->n++] = r->seq;
}

static void on_event(uint64_t n, uint64_t wall_us, const char *json, void *arg)
{
	struct asked *a = arg;

	fprintf(a->to, "line %" PRIu64 " %" PRIu64 " %s\n", n, wall_us, json);
}

/* By its gid: through the index that says what was decided. */
static enum rc ask_for(struct asked *a, const char *gid, struct err *err)
{
	struct record *r;
	enum rc rc = a->port.find(a->port.self, gid, &r, err);

	if (rc == RC_OK)
		print_record(r, a->to);
	else
		fprintf(a->to, "%s is not there\n", gid);
	record_free(r);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc ask_port(struct asked *a, struct err *err)
{
	const struct list_query all = {.limit = 200};
	char gid[20], *text = NULL;
	enum rc rc = a->port.list(a->port.self, &all, on_row, a, err);

	for (size_t i = 0; i < a->n && rc == RC_OK; i++)
		rc = a->port.events(a->port.self, a->seqs[i], 0, 1000, on_event, a, err);
	for (int i = 0; i < BASE_TXNS && rc == RC_OK; i++) {
		snprintf(gid, sizeof gid, "old-%d", i);
		rc = ask_for(a, gid, err);
	}
	for (int i = 1; i <= DAMAGE_BATCHES && rc == RC_OK; i++) {
		snprintf(gid, sizeof gid, "new-%d", i);
		rc = ask_for(a, gid, err);
	}
	if (rc == RC_OK)
		rc = ask_for(a, "trip-1", err);
	if (rc == RC_OK)
		rc = a->port.workflow(a->port.self, "trip", 1, &text, err);
	fprintf(a->to, "text %s\n", text != NULL ? text : "-");
	free(text);
	return rc;
}

/* The text of all reads through `j`; NULL if one failed. */
static char *ask_journal(struct journal *j, bool replay, struct err *err)
{
	struct asked a = {.port = journal_port(j)};
	char *text = NULL;
	size_t size;
	enum rc rc = RC_OK;

	a.to = open_memstream(&text, &size);
	NEED(a.to != NULL, "no memory");
	if (replay)
		rc = journal_replay(j, on_workflow, on_resource, on_unfinished, &a, err);
	if (rc == RC_OK)
		rc = ask_port(&a, err);
	fclose(a.to);
	if (rc != RC_OK) {
		free(text);
		text = NULL;
	}
	return text;
}

char *damage_ask(const char *dir, struct err *err)
{
	struct jf f;
	char *text = NULL;

	jf_init_on(&f, dir);
	if (journal_open(dir, "test", &f.j, err) == RC_OK)
		text = ask_journal(f.j, true, err);
	jf_fini(&f);
	return text;
}

/* ---- the two journals ---- */

static void put_old(struct jf *f)
{
	static const enum txn_state states[] = {TXN_COMMITTED, TXN_COMMITTING,   TXN_ABORTED,
						TXN_COMMITTED, TXN_ABORT_HAZARD, TXN_ACCEPTED};
	const struct resource_info bank = {.name = "bank-a", .adapter = "postgres", .problem = ""};
	struct workflow_row trip = {.name = "trip", .version = 1, .published_us = 7};
	char gid[20], *long_text = mem_new(9001, 1);

	memset(long_text, 'x', 9000);
	trip.text = long_text;
	f->port.put_resource(f->port.self, &bank);
	f->port.put_workflow(f->port.self, &trip);
	for (int i = 0; i < BASE_TXNS; i++) {
		struct record *r;

		snprintf(gid, sizeof gid, "old-%d", i);
		r = jf_record(gid, 100 + (uint64_t)i, states[i % 6], "bank-a", "bank-b",
			      (char *)NULL);
		r->input = textf("{\"note\":\"%.*s\"}", i * 20, long_text);
		f->port.put(f->port.self, r);
		record_free(r);
	}
	jf_put_saga(f, "trip-1", SAGA_SEQ, SAGA_RUNNING, 4);
	jf_put_events(f, SAGA_SEQ, 1, 20);
	free(long_text);
}

/* Each batch decides one transaction, ends the one before, and moves the saga. */
static void put_new(struct jf *f, int i)
{
	struct record *saga = jf_saga("trip-1", SAGA_SEQ, SAGA_RUNNING, 4);
	char gid[20];

	snprintf(gid, sizeof gid, "new-%d", i);
	jf_put(f, gid, 1000 + (uint64_t)i, TXN_COMMITTING);
	if (i > 1) {
		struct record *r;

		snprintf(gid, sizeof gid, "new-%d", i - 1);
		r = jf_find(f, gid);
		r->state = TXN_COMMITTED;
		r->finished_us = 2000 + (uint64_t)i;
		f->port.end(f->port.self, r);
		record_free(r);
	}
	saga->saga->steps[i % 4].attempts = (uint32_t)i;
	f->port.put_step(f->port.self, saga, (size_t)i % 4);
	record_free(saga);
	jf_commit(f);
}

static void crash_child(struct jf *f, void *arg)
{
	jf_open(f);
	for (int i = 1; i <= *(int *)arg; i++)
		put_new(f, i);
	kill(getpid(), SIGKILL);
}

/* Each state from a run of its own: what a start reads after so many batches. */
static void note_states(struct damage *d)
{
	for (int n = 0; n <= DAMAGE_BATCHES; n++) {
		char *dir = damage_put(&d->closed, NULL), *path;
		struct err err = {0};
		struct jf f;

		jf_init_on(&f, dir);
		jf_fork(&f, crash_child, &n, NULL);
		jf_fini(&f);
		if (n == DAMAGE_BATCHES) {
			path = textf("%s/settle.db", dir);
			d->file = damage_read(path);
			free(path);
			path = textf("%s/settle.db-wal", dir);
			d->log = damage_read(path);
			free(path);
		}
		d->said[n] = damage_ask(dir, &err);
		NEED(d->said[n] != NULL, "%s", err.text);
		remove_journal(dir);
		free(dir);
	}
}

const struct damage *damage_make(void)
{
	static struct damage d;
	struct jf f;
	char *path;

	if (d.closed.bytes != NULL)
		return &d;
	jf_init(&f);
	jf_open(&f);
	put_old(&f);
	jf_close(&f);
	path = jf_path(&f, "settle.db");
	d.closed = damage_read(path);
	free(path);
	jf_fini(&f);
	note_states(&d);
	return &d;
}

/* ---- the judge ---- */

static bool says_what_to_do(const struct err *err, const char *dir)
{
	static const char *const advice[] = {"docs/journal.md", "data directory",
					     "use that version or a later one"};

	for (size_t i = 0; i < sizeof advice / sizeof advice[0]; i++)
		if (strstr(err->text, advice[i]) != NULL)
			return strstr(err->text, dir) != NULL;
	return false;
}

bool damage_try(const char *dir, bool closed, int may_lack, const char *what)
{
	const struct damage *d = damage_make();
	const int last = closed ? 0 : DAMAGE_BATCHES;
	struct err err = {0};
	char *said = damage_ask(dir, &err);
	bool right = false;

	remove_journal(dir);
	if (said == NULL) {
		NEED(err.code == RC_INVALID || err.code == RC_CONFLICT, "%s: %s: %s", what,
		     rc_name(err.code), err.text);
		NEED(says_what_to_do(&err, dir), "%s: does not say what to do: %s", what, err.text);
		return true;
	}
	for (int n = last - may_lack; n <= last && !right; n++)
		right = strcmp(said, d->said[n]) == 0;
	NEED(right, "%s: was read as something that was never durable, or is not any more:\n%s",
	     what, said);
	free(said);
	return false;
}
