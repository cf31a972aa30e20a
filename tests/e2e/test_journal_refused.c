/* test_journal_refused.c - settled says why it does not take a damaged journal, and ends with
 * status 1; the journal put right again, it goes on with what it had promised. */
#include "tests/lib/harness.h"
#include "tests/lib/journal_damage.h"
#include "tests/lib/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { START_S = 20 };

static const struct damage *d;

static void make(void)
{
	d = damage_make();
}

static struct proc *settled_on(const char *dir)
{
	char *conf = textf("%s.yaml", dir), *path = program_path("settled");
	char *text = textf("data: %s\ncluster: test\nlisten: 127.0.0.1:%d\n"
			   "agents: tcp://127.0.0.1:%d\n",
			   dir, port_free(), port_free());
	const char *argv[] = {path, "--config", conf, NULL};
	struct proc *p = proc_new("settled", argv);

	file_write(conf, text);
	free(text);
	free(path);
	free(conf);
	return p;
}

/* Starts on such files; it ends with status 1 and says `part`. */
static void refused(const struct damage_file *file, const struct damage_file *log, const char *part)
{
	char *dir = damage_put(file, log);
	struct proc *p = settled_on(dir);

	proc_start(p);
	ck_assert_int_eq(proc_wait(p, START_S), 1);
	ck_assert_msg(proc_logged(p, part), "no \"%s\" in %s", part, p->log_path);
	ck_assert_msg(proc_logged(p, dir), "no path in %s", p->log_path);
	proc_free(p);
	free(dir);
}

static struct damage_file spoilt(const struct damage_file *f, size_t at)
{
	struct damage_file copy = {malloc(f->size), f->size};

	memcpy(copy.bytes, f->bytes, f->size);
	copy.bytes[at] = (char)(copy.bytes[at] ^ 4);
	return copy;
}

START_TEST(refusals_tell_what_is_wrong_and_where_to_read_on)
{
	struct damage_file page = spoilt(&d->closed, 2000), frame = spoilt(&d->log, 6000);
	const struct damage_file foreign = {(char *)(size_t) "somebody's notes", 16};

	frame.bytes[7000] = (char)(frame.bytes[7000] ^ 8); /* one bit alone would be put right */
	refused(&page, NULL, "page 1: its checksum is wrong");
	refused(&page, NULL, "A damaged journal");
	refused(&d->file, &frame, "frame 2 of its log (-wal) is wrong");
	refused(&d->file, NULL, "its log (-wal) is missing or empty");
	refused(&foreign, NULL, "is not a SQLite database");
	free(page.bytes);
	free(frame.bytes);
}
END_TEST

START_TEST(log_that_was_put_back_lets_it_start)
{
	char *dir = temp_path("data"), *log = textf("%s/settle.db-wal", dir);
	char *aside = textf("%s.aside", dir);
	struct proc *p = settled_on(dir);

	proc_start(p);
	free(proc_await(p, "settled-started", START_S));
	proc_kill(p);
	ck_assert_int_eq(rename(log, aside), 0);
	proc_start(p);
	ck_assert_int_eq(proc_wait(p, START_S), 1);
	ck_assert(proc_logged(p, "its log (-wal) is missing or empty"));
	ck_assert_int_eq(rename(aside, log), 0);
	proc_start(p);
	free(proc_await(p, "settled-started", START_S));
	ck_assert_int_eq(proc_end(p, START_S), 0);
	ck_assert_int_ne(access(log, F_OK), 0); /* closed in order */
	proc_free(p);
	free(aside);
	free(log);
	free(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal_refused");
	TCase *tc = tcase_create("journal_refused");

	tcase_set_timeout(tc, (double)harness_patience_ms(60) / 1000);
	tcase_add_test(tc, refusals_tell_what_is_wrong_and_where_to_read_on);
	tcase_add_test(tc, log_that_was_put_back_lets_it_start);
	suite_add_tcase(suite, tc);
	return suite_run(suite, make, NULL);
}
