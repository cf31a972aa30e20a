#include "tests/chaos/faults.h"

#include "tests/chaos/pulse.h"
#include "tests/chaos/site.h"
#include "tests/lib/harness.h"
#include "tests/lib/team.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum ill { ILL_NOT, ILL_DEAD, ILL_FROZEN, ILL_LINE };

enum {
	VICTIMS = 1 + AGENTS + BANKS + 2 * AGENTS + 1,
	PAUSE_MS = 1800, /* between two strikes, at most */
	LONG_MS = 5000,  /* a long illness: past every deadline of ours */
	SHORT_MS = 1500,
	FULL_STOP_ONE_IN = 40, /* strikes */
};

struct victim {
	enum victim_kind kind;
	int i;
	enum ill ill;
	bool silent; /* bytes were lost: its connections stay silent until cut */
	int64_t until_ms;
};

struct fault_counts fault_counts;

static struct victim victims[VICTIMS];
static uint64_t die;

/* Of a hundred strikes. */
static const unsigned char shares[VICTIM_KINDS] = {
	[VICTIM_COORDINATOR] = 14, [VICTIM_AGENT] = 30, [VICTIM_SERVER] = 14,
	[VICTIM_LINK] = 18,        [VICTIM_DB] = 18,    [VICTIM_FRONT] = 6,
};

static void gather(void)
{
	static const int n[VICTIM_KINDS] = {1, AGENTS, BANKS, AGENTS, AGENTS, 1};
	struct victim *v = victims;

	for (int kind = 0; kind < VICTIM_KINDS; kind++)
		for (int i = 0; i < n[kind]; i++)
			*v++ = (struct victim){.kind = (enum victim_kind)kind, .i = i};
}

static struct proc *program_of(const struct victim *v)
{
	return v->kind == VICTIM_COORDINATOR ? site.coordinator
	       : v->kind == VICTIM_AGENT     ? site.agent[v->i]
					     : NULL;
}

static struct proxy *line_of(const struct victim *v)
{
	return v->kind == VICTIM_LINK ? site.link[v->i]
	       : v->kind == VICTIM_DB ? site.db[v->i]
				      : site.front;
}

static void note_memory(void)
{
	const long kib = rss_peak_kib(site.coordinator);

	if (kib > fault_counts.rss_peak_kib)
		fault_counts.rss_peak_kib = kib;
}

/* ---- falling ill ---- */

static void be_killed(struct victim *v)
{
	if (v->kind == VICTIM_COORDINATOR)
		note_memory();
	if (v->kind == VICTIM_SERVER)
		server_crash(v->i);
	else
		proc_kill(program_of(v));
	fault_counts.kills[v->kind]++;
	v->ill = ILL_DEAD;
}

static void be_frozen(struct victim *v)
{
	if (v->kind == VICTIM_SERVER)
		server_freeze(v->i);
	else
		proc_freeze(program_of(v));
	fault_counts.freezes[v->kind]++;
	v->ill = ILL_FROZEN;
}

/* Cut at once, or held or silenced for a while in one way or both. */
static void be_disturbed(struct victim *v)
{
	const unsigned what = dice(&die, 3);
	const unsigned ways = 1 + dice(&die, 3);

	if (what == 0) {
		proxy_cut(line_of(v));
		fault_counts.cuts[v->kind]++;
		return;
	}
	for (int way = 0; way < 2; way++)
		if (ways & (1U << way))
			proxy_set(line_of(v), (enum proxy_way)way,
				  what == 1 ? PROXY_HOLD : PROXY_DROP);
	if (what == 1)
		fault_counts.held[v->kind]++;
	else
		fault_counts.silenced[v->kind]++;
	v->silent = v->silent || what == 2;
	v->ill = ILL_LINE;
}

static void strike(struct victim *v)
{
	const int64_t now = clock_ms();

	v->until_ms = now + 50 + dice(&die, dice(&die, 4) ? SHORT_MS : LONG_MS);
	if (v->kind >= VICTIM_LINK)
		be_disturbed(v);
	else if (dice(&die, 100) < 65)
		be_killed(v);
	else
		be_frozen(v);
}

/* ---- getting well ---- */

static void get_well(struct victim *v, bool cut)
{
	const enum ill was = v->ill;

	v->ill = ILL_NOT;
	if (was == ILL_LINE) {
		proxy_set(line_of(v), PROXY_UP, PROXY_PASS);
		proxy_set(line_of(v), PROXY_DOWN, PROXY_PASS);
	} else if (was == ILL_FROZEN && v->kind == VICTIM_SERVER) {
		server_thaw(v->i);
	} else if (was == ILL_FROZEN) {
		proc_thaw(program_of(v));
	} else if (was == ILL_DEAD) {
		fault_counts.starts++;
		if (v->kind == VICTIM_SERVER)
			pg_server_start(bank[v->i]);
		else
			proc_start(program_of(v));
	}
	if (v->silent && cut) {
		proxy_cut(line_of(v));
		v->silent = false;
	}
}

void faults_look(void)
{
	for (struct victim *v = victims; v < victims + VICTIMS; v++) {
		struct proc *p = program_of(v);
		int status = 0;

		if (!p || !p->pid || v->ill != ILL_NOT ||
		    waitpid(p->pid, &status, WNOHANG) != p->pid)
			continue;
		p->pid = 0;
		pulse_wrong("%s ended by itself, wait status %#x: see %s", p->name,
			    (unsigned)status, p->log_path);
	}
}

/* ---- the plan ---- */

static struct victim *throw_victim(void)
{
	unsigned share = dice(&die, 100);
	int kind = 0, n = 0;

	while (share >= shares[kind])
		share -= shares[kind++];
	for (struct victim *v = victims; v < victims + VICTIMS; v++)
		n += (int)v->kind == kind;
	int pick = (int)dice(&die, (unsigned)n);
	for (struct victim *v = victims; v < victims + VICTIMS; v++)
		if ((int)v->kind == kind && pick-- == 0)
			return v;
	return victims;
}

/* Everything dies at one moment. */
static void full_stop(void)
{
	fault_counts.full_stops++;
	for (struct victim *v = victims; v < victims + VICTIMS; v++) {
		if (v->kind > VICTIM_SERVER)
			continue;
		if (v->ill == ILL_FROZEN)
			get_well(v, false);
		if (v->ill == ILL_NOT)
			be_killed(v);
		v->until_ms = clock_ms() + 50 + dice(&die, SHORT_MS);
	}
}

static void strike_some(bool full)
{
	static const unsigned char together[] = {1, 1, 1, 1, 2, 2, 3, 4};

	if (full || dice(&die, FULL_STOP_ONE_IN) == 0) {
		full_stop();
		return;
	}
	for (unsigned n = together[dice(&die, sizeof together)]; n > 0; n--) {
		struct victim *v = throw_victim();
		if (v->ill == ILL_NOT)
			strike(v);
	}
}

void faults_run(uint64_t seed, int64_t end_ms)
{
	int64_t strike_ms = clock_ms() + 500;
	/* Even a short run has one full stop. */
	int64_t stop_ms = clock_ms() + (end_ms - clock_ms()) * 2 / 3;

	die = seed;
	gather();
	for (;;) {
		int64_t next = strike_ms < end_ms ? strike_ms : end_ms;

		for (struct victim *v = victims; v < victims + VICTIMS; v++)
			if (v->ill != ILL_NOT && v->until_ms < next)
				next = v->until_ms;
		if (!pulse_until(next))
			return;
		const int64_t now = clock_ms();
		if (now >= end_ms)
			return;
		for (struct victim *v = victims; v < victims + VICTIMS; v++)
			if (v->ill != ILL_NOT && v->until_ms <= now)
				get_well(v, dice(&die, 4) != 0);
		faults_look();
		if (now < strike_ms)
			continue;
		strike_some(now >= stop_ms);
		if (now >= stop_ms)
			stop_ms = INT64_MAX;
		strike_ms = clock_ms() + 100 + dice(&die, PAUSE_MS);
	}
}

void faults_heal(void)
{
	for (struct victim *v = victims; v < victims + VICTIMS; v++)
		get_well(v, true);
	note_memory();
}
