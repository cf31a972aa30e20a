/* saga_machine.h - sagas made by hand, and events for them, for the tests of the machine. */
#ifndef TESTS_UNIT_SAGA_MACHINE_H
#define TESTS_UNIT_SAGA_MACHINE_H

#include "tests/lib/harness.h"

#include "base/mem.h"
#include "saga/saga.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 8 };

/* ---- definitions by hand ---- */

static struct workflow def;
static struct def_step steps[STEPS_MAX];
static uint32_t after[STEPS_MAX][STEPS_MAX], before[STEPS_MAX][STEPS_MAX];
static struct saga *saga;
static char names[STEPS_MAX][4];

__attribute__((unused)) static void add_step(enum work_kind undo)
{
	const size_t i = def.n_steps++;

	snprintf(names[i], sizeof names[i], "s%zu", i);
	steps[i] = (struct def_step){
		.name = names[i],
		.action = {.kind = WORK_CALL, .retry = {3, 100, 1000}},
		.undo = {.kind = undo, .retry = {2, 100, 1000}},
		.after = after[i],
		.before = before[i],
	};
}

__attribute__((unused)) static void order(uint32_t first, uint32_t then)
{
	steps[then].after[steps[then].n_after++] = first;
	steps[first].before[steps[first].n_before++] = then;
}

__attribute__((unused)) static void nothing(void)
{
	memset(&def, 0, sizeof def);
	def.steps = steps;
	def.pivot = SIZE_MAX;
}

__attribute__((unused)) static void make_pivot(size_t i)
{
	steps[i].pivot = true;
	steps[i].undo.kind = WORK_NONE;
	def.pivot = i;
}

/* a → b → c, all with a compensation. */
__attribute__((unused)) static void chain(void)
{
	nothing();
	for (int i = 0; i < 3; i++)
		add_step(WORK_CALL);
	order(0, 1);
	order(1, 2);
}

__attribute__((unused)) static void start(void)
{
	saga_free(saga);
	saga = saga_new(&def);
}

__attribute__((unused)) static void finish(void)
{
	saga_free(saga);
	saga = NULL;
}

/* ---- events ---- */

__attribute__((unused)) static bool happen(enum saga_event ev, size_t step)
{
	const struct saga_news news = {ev, step, "why", false};

	return saga_step(saga, &news);
}

#endif
