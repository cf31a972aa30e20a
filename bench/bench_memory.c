/* bench_memory.c - what a transaction in flight takes of the coordinator's memory.
 *
 * Engine and journal in this process (bench/inproc.h): what a transaction leaves in them is all
 * that it leaves in `settled` once its client was told that it is accepted.  Each has two
 * branches without arguments: one has voted yes, the other was sent its PREPARE and is
 * waited for.  The resident size is read when the journal's thread has given back what a burst
 * leaves behind, which it does after five seconds of quiet. */
#include "base/log.h"
#include "bench/goal.h"
#include "bench/inproc.h"
#include "bench/run.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { QUIET_MS = 5500 };

static const char slow[] = "workflow: slow\n"
			   "steps:\n"
			   "  - name: pay\n"
			   "    timeout: 1h\n"
			   "    atomic:\n"
			   "      - {name: debit, resource: nothing, operation: step}\n"
			   "      - {name: credit, resource: nothing, operation: step}\n";

struct size {
	double resident, allocated; /* bytes */
};

static struct size look(struct inproc *p)
{
	struct mallinfo2 info;
	struct size s;
	long pages = 0;
	FILE *f;

	inproc_idle(p, QUIET_MS);
	info = mallinfo2();
	s.allocated = (double)(info.uordblks + info.hblkhd);
	f = fopen("/proc/self/statm", "re");
	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		bench_die("/proc/self/statm cannot be read");
	fclose(f);
	s.resident = (double)pages * (double)sysconf(_SC_PAGESIZE);
	return s;
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
		{"data", required_argument, NULL, 'd'},
		{"transactions", required_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	const char *data = NULL;
	int n = 100000, o;
	struct inproc *p;
	struct size idle, full;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (o) {
		case 'd': data = optarg; break;
		case 't': n = bench_number(optarg, 1, 1000000); break;
		default: data = NULL; optind = argc;
		}
	}
	if (data == NULL || optind < argc) {
		fputs("usage: bench_memory --data DIR [--transactions 100000]\n", stderr);
		exit(2);
	}
	log_set_level(LOG_WARN);
	p = inproc_open(data, "slow", slow);
	inproc_pile_up(p, 1, "pay.credit");
	idle = look(p);
	inproc_pile_up(p, (size_t)n + 1, "pay.credit");
	full = look(p);
	printf("memory transactions=%d idle=%.1f full=%.1f MiB resident; allocated: %.0f bytes a "
	       "transaction\n",
	       n, idle.resident / 1048576, full.resident / 1048576,
	       (full.allocated - idle.allocated) / n);
	goal_at_most("memory_per_txn", (full.resident - idle.resident) / n, "bytes", 1024);
	fflush(stdout);
	_exit(0); /* they are never to end */
}
