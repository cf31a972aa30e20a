/* cpu.h - whose CPU time a run took: the kernel's account of each process, and of
 * the machine, before and after.
 *
 * The counters are those of the scheduler (ns), not the clock ticks of
 * /proc/PID/stat: with a hundred server processes the ticks' rounding would be a
 * tenth of the whole.
 * Thread: the program's only one. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <sys/types.h>

enum { CPU_NAMES_MAX = 8 };

/* The processes that are watched; the first is this program. */
struct cpu {
	int n;
	const char *name[CPU_NAMES_MAX];
	pid_t pid[CPU_NAMES_MAX]; /* its children are counted with it */
};

/* In seconds of one core. */
struct cpu_use {
	double of[CPU_NAMES_MAX];
	double busy;  /* the whole machine, whoever it was */
	double whole; /* what there was: cores times time */
	double wait;  /* idle while a disk was at work */
};

void cpu_add(struct cpu *cpu, const char *name, pid_t pid);
/* The same from NAME=PID, an option's text, which it keeps and changes. */
void cpu_add_named(struct cpu *cpu, char *text);

/* Begin, and end with the difference.  A child that came or went in between is
 * not counted. */
void cpu_begin(const struct cpu *cpu, struct cpu_use *use);
void cpu_end(const struct cpu *cpu, struct cpu_use *use);

#endif
