/* cpu.c - see cpu.h. */
#include "bench/cpu.h"

#include "bench/run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cpu_add(struct cpu *cpu, const char *name, pid_t pid)
{
	if (cpu->n == CPU_NAMES_MAX)
		bench_die("more than %d processes to watch", CPU_NAMES_MAX);
	cpu->name[cpu->n] = name;
	cpu->pid[cpu->n++] = pid;
}

void cpu_add_named(struct cpu *cpu, char *text)
{
	char *equals = strchr(text, '=');

	if (equals == NULL)
		bench_die("--process wants NAME=PID");
	*equals = '\0';
	cpu_add(cpu, text, bench_number(equals + 1, 1, 1 << 30));
}

/* The time that a process's threads have run; 0 once it is gone. */
static double seconds_of(pid_t pid)
{
	char path[400];
	double sum = 0;
	const struct dirent *task;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir != NULL && (task = readdir(dir)) != NULL) {
		unsigned long long ns;
		FILE *f;

		if (task->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, task->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += (double)ns / 1e9;
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

static double seconds_of_children(pid_t pid)
{
	char path[64];
	double sum = 0;
	int child;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	while (fscanf(f, "%d", &child) == 1)
		sum += seconds_of(child);
	fclose(f);
	return sum;
}

static void read_machine(struct cpu_use *now)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, FIELDS };
	unsigned long long t[FIELDS] = {0};
	const double hz = (double)sysconf(_SC_CLK_TCK);
	FILE *f = fopen("/proc/stat", "re");

	if (f == NULL || fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu", &t[USER], &t[NICE],
				&t[SYSTEM], &t[IDLE], &t[IOWAIT], &t[IRQ], &t[SOFTIRQ]) != FIELDS)
		bench_die("/proc/stat cannot be read");
	fclose(f);
	now->busy = (double)(t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ]) / hz;
	now->wait = (double)t[IOWAIT] / hz;
	now->whole = now->busy + now->wait + (double)t[IDLE] / hz;
}

void cpu_begin(const struct cpu *cpu, struct cpu_use *use)
{
	read_machine(use);
	for (int i = 0; i < cpu->n; i++)
		use->of[i] = seconds_of(cpu->pid[i]) + seconds_of_children(cpu->pid[i]);
}

void cpu_end(const struct cpu *cpu, struct cpu_use *use)
{
	struct cpu_use now;

	cpu_begin(cpu, &now);
	for (int i = 0; i < cpu->n; i++)
		use->of[i] = now.of[i] - use->of[i];
	use->busy = now.busy - use->busy;
	use->whole = now.whole - use->whole;
	use->wait = now.wait - use->wait;
}
