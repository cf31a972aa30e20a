/* test_journal.c - what is reported durable is there after any end; what cannot be
 * written ends the process. */
#include "base/mem.h"
#include "coordinator/journal_writer.h"
#include "tests/lib/harness.h"
#include "tests/lib/journal_fixture.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct jf f;

static void setup(void)
{
	jf_init(&f);
}

static void teardown(void)
{
	jf_fini(&f);
}

/* ---- durable ---- */

START_TEST(record_is_found_as_it_was_put)
{
	struct record *r = jf_record("g1", 1000, TXN_COMMITTING, "bank-a", "bank-b", (char *)NULL),
		      *c;

	jf_open(&f);
	r->input = mem_dup("{\"to\":\"Zoë 猫\"}");
	r->reason = mem_dup("because");
	r->epoch = 42;
	r->branches[1].output = mem_dup("[1]");
	r->branches[0].state = r->branches[1].state = BR_COMMITTING;
	f.port.put(f.port.self, r);
	jf_commit(&f);
	c = jf_find(&f, "g1");
	ck_assert_uint_eq(c->seq, 1000);
	ck_assert_uint_eq(c->epoch, 42);
	ck_assert_uint_eq(c->finished_us, 0);
	ck_assert_int_eq(c->state, TXN_COMMITTING);
	ck_assert_mem_eq(c->hash, r->hash, BODY_HASH_SIZE);
	ck_assert_str_eq(c->workflow, "transfer");
	ck_assert_str_eq(c->reason, "because");
	ck_assert_str_eq(c->input, r->input);
	ck_assert_uint_eq(c->n_branches, 2);
	ck_assert_str_eq(c->branches[1].resource, "bank-b");
	ck_assert_str_eq(c->branches[1].output, "[1]");
	ck_assert(!jf_has(&f, "g2"));
	record_free(c);
	record_free(r);
}
END_TEST

START_TEST(end_changes_state_and_time_only)
{
	struct record *r = jf_record("g1", 1000, TXN_COMMITTING, "bank-a", (char *)NULL), *c;

	jf_open(&f);
	r->branches[0].state = BR_COMMITTING;
	f.port.put(f.port.self, r);
	jf_commit(&f);
	r->state = TXN_COMMITTED;
	r->finished_us = 2000;
	f.port.end(f.port.self, r);
	jf_commit(&f);
	c = jf_find(&f, "g1");
	ck_assert_int_eq(c->state, TXN_COMMITTED);
	ck_assert_uint_eq(c->finished_us, 2000);
	ck_assert_int_eq(c->branches[0].state, BR_COMMITTED);
	record_free(c);
	record_free(r);
}
END_TEST

START_TEST(put_again_replaces)
{
	struct record *r;

	jf_open(&f);
	jf_put(&f, "g1", 1000, TXN_ACCEPTED);
	jf_commit(&f);
	jf_put(&f, "g1", 1000, TXN_ABORTED);
	jf_commit(&f);
	r = jf_find(&f, "g1");
	ck_assert_int_eq(r->state, TXN_ABORTED);
	record_free(r);
}
END_TEST

static void commit_and_die(struct jf *mine, void *arg)
{
	(void)arg;
	jf_open(mine);
	jf_put(mine, "g1", 1000, TXN_COMMITTING);
	jf_commit(mine);
	jf_put(mine, "staged", 1001, TXN_COMMITTING);
	kill(getpid(), SIGKILL);
}

START_TEST(decision_survives_kill)
{
	const int status = jf_fork(&f, commit_and_die, NULL, NULL);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 2);
	ck_assert(jf_has(&f, "g1"));
	ck_assert(!jf_has(&f, "staged"));
}
END_TEST

/* SQLite drops a transaction whose end did not reach the log. */
START_TEST(torn_log_loses_only_its_last_transaction)
{
	char *log = jf_path(&f, "settle.db-wal"), junk[512];
	int fd;

	jf_fork(&f, commit_and_die, NULL, NULL);
	fd = open(log, O_WRONLY);
	memset(junk, 0x5a, sizeof junk);
	ck_assert_int_eq(pwrite(fd, junk, sizeof junk, jf_log_end(&f) - (off_t)sizeof junk),
			 sizeof junk);
	close(fd);
	jf_open(&f);
	ck_assert_uint_eq(journal_epoch(f.j), 2);
	ck_assert(!jf_has(&f, "g1"));
	free(log);
}
END_TEST

START_TEST(close_commits_what_is_staged_and_queued)
{
	jf_open(&f);
	jf_put(&f, "queued", 1000, TXN_COMMITTING);
	f.port.commit(f.port.self, 1, false);
	jf_put(&f, "staged", 1001, TXN_COMMITTING);
	jf_close(&f);
	ck_assert_uint_eq(f.reported, 0); /* not from inside, and not after */
	jf_open_only(&f);
	ck_assert(jf_has(&f, "queued") && jf_has(&f, "staged"));
	jf_put(&f, "before-start", 1002, TXN_COMMITTING);
	jf_close(&f);
	jf_open_only(&f);
	ck_assert(jf_has(&f, "before-start"));
}
END_TEST

START_TEST(empty_batch_is_reported_too)
{
	jf_open(&f);
	jf_commit(&f);
	jf_commit(&f);
	ck_assert_uint_eq(f.reported, 2);
}
END_TEST

static off_t log_size(void)
{
	char *log = jf_path(&f, "settle.db-wal");
	struct stat st;

	ck_assert_int_eq(stat(log, &st), 0);
	free(log);
	return st.st_size;
}

START_TEST(batches_that_piled_up_share_one_transaction)
{
	enum { BATCHES = 200 };
	off_t before;
	char gid[16];

	jf_open_only(&f);
	before = jf_log_end(&f);
	for (uint64_t i = 1; i <= BATCHES; i++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, i);
		jf_put(&f, gid, i, TXN_COMMITTING);
		f.port.commit(f.port.self, i, i % 3 == 0);
	}
	jf_start(&f);
	jf_wait(&f, BATCHES);
	ck_assert_uint_eq(f.reported, BATCHES); /* each of them, in order: see on_durable */
	/* By itself, each would write one page of the table at least. */
	ck_assert_int_lt(jf_log_end(&f) - before, BATCHES * 4096 / 2);
	ck_assert(jf_has(&f, "g1") && jf_has(&f, "g200"));
}
END_TEST

/* On which thread it is written is not to be seen, and depends on the disk. */
START_TEST(batches_alone_are_told_later_and_in_order)
{
	enum { BATCHES = 900 }; /* more than one checkpoint's worth */
	char gid[16];

	jf_open(&f);
	for (uint64_t i = 1; i <= BATCHES; i++) {
		const uint64_t told = f.reported;

		snprintf(gid, sizeof gid, "g%" PRIu64, i);
		jf_put(&f, gid, i, TXN_COMMITTING);
		f.port.commit(f.port.self, i, i % 10 != 0);
		ck_assert_uint_eq(f.reported, told); /* not from inside */
		if (i % 3 != 0) /* else one that is alone comes behind one that may be queued */
			jf_wait(&f, i);
	}
	jf_wait(&f, BATCHES);
	ck_assert_uint_eq(f.reported, BATCHES);
	ck_assert_int_lt(log_size(), 8 << 20);
	jf_close(&f);
	jf_open_only(&f);
	ck_assert(jf_has(&f, "g1") && jf_has(&f, "g899") && jf_has(&f, "g900"));
}
END_TEST

/* The loop's own thread, which would never let the lock go if it waited for it here. */
START_TEST(loop_waits_for_nobody_elses_lock)
{
	char *path = jf_path(&f, "settle.db");
	sqlite3 *other;

	jf_open(&f);
	jf_put(&f, "before", 10, TXN_COMMITTING);
	jf_commit(&f);
	ck_assert_int_eq(sqlite3_open(path, &other), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	jf_put(&f, "meanwhile", 20, TXN_COMMITTING);
	f.port.commit(f.port.self, 2, true);
	ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	jf_wait(&f, 2);
	ck_assert(jf_has(&f, "before") && jf_has(&f, "meanwhile"));
	ck_assert_int_eq(sqlite3_close(other), SQLITE_OK);
	free(path);
}
END_TEST

START_TEST(log_stays_bounded)
{
	struct record *r = jf_record("g", 1, TXN_COMMITTING, "bank-a", (char *)NULL);
	off_t most = 0;

	r->input = mem_new(20001, 1);
	memset(r->input, '7', 20000);
	jf_open(&f);
	for (int batch = 0; batch < 40; batch++) {
		for (int i = 0; i < 20; i++) {
			r->seq++;
			snprintf(r->gid, sizeof r->gid, "g%" PRIu64, r->seq);
			f.port.put(f.port.self, r);
		}
		jf_commit(&f);
		most = log_size() > most ? log_size() : most;
	}
	ck_assert_int_lt(most, 8 << 20); /* of 16 MB written, and more of index */
	record_free(r);
}
END_TEST

START_TEST(huge_detail_survives)
{
	struct record *r = jf_record("g1", 1, TXN_COMMITTING, "bank-a", (char *)NULL), *c;

	r->branches[0].output = mem_new((20 << 20) + 1, 1);
	memset(r->branches[0].output, '7', 20 << 20);
	jf_open(&f);
	f.port.put(f.port.self, r);
	jf_commit(&f);
	jf_close(&f);
	jf_open(&f);
	c = jf_find(&f, "g1");
	ck_assert_str_eq(c->branches[0].output, r->branches[0].output);
	record_free(c);
	record_free(r);
}
END_TEST

/* ---- what cannot be written ---- */

static void say_batch(uint64_t batch)
{
	dprintf(STDERR_FILENO, "durable=%" PRIu64 "\n", batch);
}

/* A full disk, as seen from here: no file may grow beyond the limit. */
static void write_until_full(struct jf *mine, void *arg)
{
	struct record *r = jf_record("g", 1, TXN_COMMITTING, "bank-a", (char *)NULL);
	const struct rlimit limit = {1 << 20, 1 << 20};

	(void)arg;
	r->input = mem_new(50001, 1);
	memset(r->input, '7', 50000);
	jf_open(mine);
	mine->on_durable = say_batch;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	for (int batch = 1; batch < 1000; batch++) {
		r->seq++;
		snprintf(r->gid, sizeof r->gid, "g%d", batch);
		mine->port.put(mine->port.self, r);
		jf_commit(mine);
	}
	_exit(98);
}

START_TEST(failed_write_ends_the_process)
{
	int durable = 0;
	char gid[16], *said;
	const int status = jf_fork(&f, write_until_full, NULL, &said);

	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == JOURNAL_FAILED_STATUS,
		      "status %x: %s", (unsigned)status, said);
	ck_assert_ptr_nonnull(strstr(said, " error journal-failed "));
	for (const char *p = said; (p = strstr(p, "durable=")) != NULL; p++)
		durable = atoi(p + strlen("durable="));
	ck_assert_int_gt(durable, 3);
	ck_assert_int_lt(durable, 30);
	jf_open(&f);
	for (int i = 1; i <= durable; i++) {
		snprintf(gid, sizeof gid, "g%d", i);
		ck_assert_msg(jf_has(&f, gid), "%s was durable and is gone", gid);
	}
	snprintf(gid, sizeof gid, "g%d", durable + 2);
	ck_assert(!jf_has(&f, gid));
	free(said);
}
END_TEST

static void same_gid_twice(struct jf *mine, void *arg)
{
	(void)arg;
	jf_open(mine);
	jf_put(mine, "g1", 1, TXN_COMMITTING);
	jf_put(mine, "g1", 2, TXN_COMMITTING);
	jf_commit(mine);
}

static void same_seq_twice(struct jf *mine, void *arg)
{
	(void)arg;
	jf_open(mine);
	jf_put(mine, "g1", 1, TXN_COMMITTING);
	jf_put(mine, "g2", 1, TXN_COMMITTING);
	jf_commit(mine);
}

static void end_without_put(struct jf *mine, void *arg)
{
	struct record *r = jf_record("g1", 1, TXN_COMMITTED, "bank-a", (char *)NULL);

	(void)arg;
	jf_open(mine);
	mine->port.end(mine->port.self, r);
	jf_commit(mine);
}

START_TEST(contradicting_writes_end_the_process)
{
	static const struct {
		void (*child)(struct jf *, void *);
		const char *says;
	} wrong[] = {
		{same_gid_twice, "transaction g1 (seq 2): "},
		{same_seq_twice, "put of g2 (seq 1): "},
		{end_without_put, "end of g1 (seq 1): "},
	};

	for (size_t i = 0; i < 3; i++) {
		char *said;
		const int status = jf_fork(&f, wrong[i].child, NULL, &said);

		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == JOURNAL_FAILED_STATUS,
			      "%zu: status %x: %s", i, (unsigned)status, said);
		ck_assert_msg(strstr(said, wrong[i].says) != NULL, "%s", said);
		free(said);
	}
	jf_open(&f);
	ck_assert(!jf_has(&f, "g1") && !jf_has(&f, "g2"));
}
END_TEST

/* ---- forgetting ---- */

START_TEST(prune_forgets_old_finished_ones_a_thousand_at_a_time)
{
	char gid[16];

	jf_open(&f);
	for (uint64_t seq = 1; seq <= 2100; seq++) {
		snprintf(gid, sizeof gid, "g%" PRIu64, seq);
		jf_put(&f, gid, seq,
		       seq == 7  ? TXN_COMMIT_HAZARD
		       : seq % 2 ? TXN_COMMITTED
				 : TXN_ABORTED);
	}
	jf_commit(&f);
	f.port.prune(f.port.self, 2050);
	jf_commit(&f);
	ck_assert(!jf_has(&f, "g1") && !jf_has(&f, "g1001") && jf_has(&f, "g1002"));
	f.port.prune(f.port.self, 2050);
	f.port.prune(f.port.self, 2050);
	jf_commit(&f);
	ck_assert(!jf_has(&f, "g2049") && jf_has(&f, "g2050") && jf_has(&f, "g2100"));
	ck_assert(jf_has(&f, "g7"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tc = tcase_create("journal");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, record_is_found_as_it_was_put);
	tcase_add_test(tc, end_changes_state_and_time_only);
	tcase_add_test(tc, put_again_replaces);
	tcase_add_test(tc, decision_survives_kill);
	tcase_add_test(tc, torn_log_loses_only_its_last_transaction);
	tcase_add_test(tc, close_commits_what_is_staged_and_queued);
	tcase_add_test(tc, empty_batch_is_reported_too);
	tcase_add_test(tc, batches_that_piled_up_share_one_transaction);
	tcase_add_test(tc, batches_alone_are_told_later_and_in_order);
	tcase_add_test(tc, loop_waits_for_nobody_elses_lock);
	tcase_add_test(tc, log_stays_bounded);
	tcase_add_test(tc, huge_detail_survives);
	tcase_add_test(tc, failed_write_ends_the_process);
	tcase_add_test(tc, contradicting_writes_end_the_process);
	tcase_add_test(tc, prune_forgets_old_finished_ones_a_thousand_at_a_time);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
