/* bench_fill.c - fills a journal with transactions, for the benchmarks of its size.
 *
 * The schema is the journal's own (it is opened, and closed in order, before and after), the
 * rows are what an engine would have left behind (bench/rows.h), ten microseconds apart and an
 * hour old.  They are inserted in large transactions, without a log and without a sync
 * but one at the end: nobody waits for them. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/plain.h"
#include "bench/rows.h"
#include "bench/run.h"
#include "coordinator/journal.h"
#include "coordinator/journal_db.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	CHUNK = 20000, /* rows a transaction */
	APART_US = 10,
	ROW_BYTES = 350, /* that one takes on the disk, at the most */
	SPARE = 256 << 20,
};

static const uint64_t age_us = UINT64_C(3600) * 1000 * 1000;

static void check_disk(const char *dir, uint64_t rows)
{
	const uint64_t need = rows * ROW_BYTES + SPARE;
	struct statvfs fs;

	if (statvfs(dir, &fs) != 0)
		bench_die("%s: %s", dir, strerror(errno));
	if ((uint64_t)fs.f_bavail * fs.f_frsize < need)
		bench_die(
			"%s: %llu MiB are free, %llu rows need %llu: set TMPDIR to a larger disk, "
			"or FILL=1000000",
			dir, (unsigned long long)((uint64_t)fs.f_bavail * fs.f_frsize >> 20),
			(unsigned long long)rows, (unsigned long long)(need >> 20));
}

/* Made if it is not there; closed in order in any case. */
static void make_journal(const char *dir)
{
	struct journal *j;
	struct err err;

	if (journal_open(dir, "bench", &j, &err) != RC_OK)
		bench_die("%s", err.text);
	journal_close(j);
}

static void insert(struct plain *p, struct rows *rows, uint64_t n, bool finished)
{
	void *detail;
	size_t size;

	rows_renew(rows);
	record_pack(&rows->of[0], &detail, &size);
	if (finished)
		rows_end(rows);
	plain_begin(p);
	for (size_t i = 0; i < rows->n && i < n; i++)
		plain_put(p, &rows->of[i], detail, size);
	plain_commit(p);
	free(detail);
}

static bool own_gids;

static void fill(sqlite3 *db, uint64_t n, bool finished)
{
	const uint64_t now = clock_wall_us() - age_us;
	struct plain *p = plain_on(db);
	struct rows rows;

	rows_init(&rows, CHUNK, finished ? now - n * APART_US : now);
	rows.apart_us = APART_US;
	rows.own_gids = own_gids;
	for (uint64_t done = 0; done < n; done += CHUNK)
		insert(p, &rows, n - done, finished);
	rows_fini(&rows);
	plain_close(p);
}

static void must(enum rc rc, const struct err *err)
{
	if (rc != RC_OK)
		bench_die("%s", err->text);
}

/* Without a log; the journal makes one again when it is opened. */
static void fill_file(const char *path, uint64_t n, bool finished)
{
	char *mode = NULL;
	sqlite3 *db;
	struct err err;

	must(db_open(path, &db, &err), &err);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, (int *)NULL);
	must(db_exec(db, "PRAGMA synchronous=OFF; PRAGMA cache_size=-65536", &err), &err);
	must(db_text(db, "PRAGMA journal_mode=MEMORY", &mode, &err), &err);
	if (strcmp(mode, "memory") != 0)
		bench_die("%s: journal_mode=%s", path, mode);
	free(mode);
	fill(db, n, finished);
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
		{"data", required_argument, NULL, 'd'},
		{"finished", required_argument, NULL, 'f'},
		{"unfinished", required_argument, NULL, 'u'},
		{"own-gids", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	const uint64_t began = clock_mono_us();
	const char *data = NULL;
	int finished = 0, unfinished = 0, o;
	struct stat st;
	char *path;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (o) {
		case 'd': data = optarg; break;
		case 'f': finished = bench_number(optarg, 0, 100000000); break;
		case 'o': own_gids = true; break;
		case 'u': unfinished = bench_number(optarg, 0, 1000000); break;
		default: data = NULL; optind = argc;
		}
	}
	if (data == NULL || optind < argc) {
		fputs("usage: bench_fill --data DIR [--finished N] [--unfinished N] [--own-gids]\n",
		      stderr);
		exit(2);
	}
	log_set_level(LOG_WARN);
	make_journal(data);
	check_disk(data, (uint64_t)finished + (uint64_t)unfinished);
	path = mem_printf("%s/settle.db", data);
	if (finished > 0)
		fill_file(path, (uint64_t)finished, true);
	if (unfinished > 0)
		fill_file(path, (uint64_t)unfinished, false);
	sync();
	make_journal(data);
	if (stat(path, &st) != 0)
		bench_die("%s: %s", path, strerror(errno));
	printf("filled: finished=%d unfinished=%d size=%lld MiB seconds=%.1f\n", finished,
	       unfinished, (long long)st.st_size >> 20, (double)(clock_mono_us() - began) / 1e6);
	free(path);
	return 0;
}
