/* trial.c - a history in a process of its own; see sim.h. */
#include "tests/sim/trial.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

void *trial_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("sim: no memory to share with its processes");
		exit(2);
	}
	return at;
}

void trial_guard(unsigned seconds)
{
	const struct itimerval most = {.it_value.tv_sec = (time_t)seconds};

	signal(SIGABRT, sim_aborted);
	signal(SIGPROF, sim_overdue);
	setitimer(ITIMER_PROF, &most, NULL);
}

/* What the programs say on stderr belongs to a history that is shown. */
static void hush(void)
{
	const int fd = open("/dev/null", O_WRONLY);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
}

void trial_died(struct sim_verdict *v, int status)
{
	if (v->broken || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return;
	v->broken = true;
	if (WIFSIGNALED(status))
		snprintf(v->how, sizeof v->how, "it died of signal %d", WTERMSIG(status));
	else
		snprintf(v->how, sizeof v->how, "it ended with status %d", WEXITSTATUS(status));
}

void trial_run(struct trial *t, uint64_t seed, const struct sim_only *only, enum sim_show show)
{
	int status = 0;
	pid_t pid;

	memset(&t->v, 0, sizeof t->v);
	t->v.show = show;
	t->points.n = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("sim: cannot start a process");
		exit(2);
	}
	if (pid == 0) {
		if (show < SHOW_SHORT)
			hush();
		trial_guard(show == SHOW_LINES ? TRIAL_SECONDS_SHRINKING : TRIAL_SECONDS);
		sim_history(seed, only, &t->points, &t->v);
		fflush(stdout);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	trial_died(&t->v, status);
}
