/* crash.c - see crash.h. */
#include "base/crash.h"

#ifdef SETTLE_CRASH_POINTS
#include "base/crash_vfs.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct plan {
	bool trace;
	int at; /* -1: nothing happens */
	unsigned nth;
	enum crash_what what;
};

#define X(name, who, what) #name,
static const char *const names[] = {CRASH_POINTS(X)};
#undef X
#define X(name, who, what) (what),
static const int may[] = {CRASH_POINTS(X)};
#undef X

static const struct {
	const char *word;
	enum crash_what what;
} actions[] = {
	{"kill", CRASH_KILL}, {"abort", CRASH_ABORT}, {"eio", CRASH_EIO}, {"full", CRASH_FULL}};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct plan plan = {.at = -1};
static atomic_uint passes[CRASH_AT_COUNT];

static _Noreturn void refuse(const char *text)
{
	fprintf(stderr,
		"SETTLE_CRASH=%s: expected trace, or POINT:NTH:ACTION of base/crash_points.h\n",
		text);
	_exit(2);
}

static int find_point(const char *name)
{
	for (int i = 0; i < CRASH_AT_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

static int find_action(const char *word)
{
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (strcmp(actions[i].word, word) == 0)
			return (int)actions[i].what;
	return 0;
}

static const char *action_word(enum crash_what what)
{
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
		if (actions[i].what == what)
			return actions[i].word;
	return "?";
}

static void read_plan(void)
{
	const char *text = getenv("SETTLE_CRASH");
	char point[64], action[8];

	if (text == NULL || text[0] == '\0')
		return;
	if (strcmp(text, "trace") == 0) {
		plan.trace = true;
		return;
	}
	if (sscanf(text, "%63[a-z0-9_]:%u:%7[a-z]", point, &plan.nth, action) != 3)
		refuse(text);
	plan.at = find_point(point);
	plan.what = (enum crash_what)find_action(action);
	if (plan.at < 0 || plan.nth == 0 || (may[plan.at] & (int)plan.what) == 0)
		refuse(text);
}

static int happen(enum crash_at at, unsigned pass)
{
	if (plan.what != CRASH_FULL || pass == plan.nth)
		log_event(LOG_WARN, "crash-point", "at=%s pass=%u action=%s", names[at], pass,
			  action_word(plan.what));
	if (plan.what == CRASH_KILL)
		kill(getpid(), SIGKILL);
	if (plan.what == CRASH_ABORT)
		abort();
	return plan.what == CRASH_FULL ? ENOSPC : EIO;
}

void crash_begin(void)
{
	pthread_once(&once, read_plan);
	crash_vfs_install();
}

int crash_pass(enum crash_at at)
{
	unsigned pass;

	pthread_once(&once, read_plan);
	pass = atomic_fetch_add(&passes[at], 1) + 1;
	if (plan.trace)
		log_event(LOG_INFO, "crash-pass", "at=%s pass=%u", names[at], pass);
	if ((int)at != plan.at || pass < plan.nth || (pass > plan.nth && plan.what != CRASH_FULL))
		return 0;
	return happen(at, pass);
}
#else
typedef int crash_points_are_off; /* a file must declare something */
#endif
