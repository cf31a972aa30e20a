/* sagas.c - clients of sagas, persons who say a word about them, and what they hear;
 * see sim.h.
 *
 * Persons cancel and try again at any time.  About some sagas they say more than they
 * know: that a step is to be skipped, is done or failed, that all is over.  Once
 * nothing fails any more they see to what is stuck, by what the databases did. */
#include "tests/sim/sagas.h"

#include <stdio.h>
#include <string.h>

enum { LOOK_AFTER_US = 60 * 1000 * 1000, TELLS_MAX = 60 };

struct sim_saga sim_sagas[SIM_SAGAS];

static size_t number(const struct sim_saga *s)
{
	return (size_t)(s - sim_sagas);
}

static uint64_t ask(const struct sim_saga *s)
{
	return people_ask(SIM_TXNS + number(s));
}

/* ---- what is heard ---- */

static void hear_steps(const struct sim_saga *s, const json_t *steps)
{
	size_t i;
	const json_t *step;

	json_array_foreach(steps, i, step)
	{
		const char *status = json_string_value(json_object_get(step, "status"));
		const struct sim_step *st = &s->steps[i];

		if (s->resolved || st->worded)
			continue;
		if (strcmp(status, "done") == 0 && st->acts == 0)
			sim_fail("%s: step s%zu is said to be done", s->gid, i);
		if (strcmp(status, "undone") == 0 && !st->undone)
			sim_fail("%s: step s%zu is said to be undone", s->gid, i);
		if ((strcmp(status, "failed") == 0 || strcmp(status, "not_run") == 0) &&
		    st->acts > 0)
			sim_fail("%s: step s%zu is said not to be done", s->gid, i);
	}
}

void sagas_hear(size_t i, enum answer_code code, const json_t *j, const char *text)
{
	struct sim_saga *s = &sim_sagas[i];
	const char *status = json_string_value(json_object_get(j, "status"));

	sim_note("client: %s is answered %d %s", s->gid, (int)code, status != NULL ? status : text);
	if (code == ANSWER_NOT_FOUND && s->told != TOLD_NOTHING)
		sim_fail("%s: the client was told of it, now it is unknown", s->gid);
	if (code == ANSWER_INVALID || code == ANSWER_FAILED)
		sim_fail("%s: %s", s->gid, text);
	if (code == ANSWER_CONFLICT && strstr(text, "another definition") != NULL)
		sim_fail("%s: its own body is said to differ", s->gid);
	if (code == ANSWER_CONFLICT && !s->resolved)
		people_told(s->gid, &s->told, people_refused(text));
	if (status == NULL)
		return;
	people_told(s->gid, &s->told, status);
	if (s->told == TOLD_NOTHING)
		s->told = TOLD_ACCEPTED;
	s->stuck = strcmp(status, "stuck") == 0;
	/* An old coordinator may tell later how it was before. */
	if (strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0)
		s->ended = true;
	hear_steps(s, json_object_get(j, "steps"));
}

/* ---- what is asked ---- */

static void submit(struct sim_saga *s)
{
	unsigned char hash[BODY_HASH_SIZE] = {'g', (unsigned char)number(s)};
	json_t *input = json_pack("{s:i}", "n", s->input);
	char text[4096];
	struct submit given = {.gid = s->gid,
			       .hash = hash,
			       .definition = text,
			       .input = input,
			       .wait = s->wait,
			       .wait_ms = sim_rand(20000)};

	given.definition_size = plot_text(s, text, sizeof text);
	if (!s->submitted)
		s->epoch = sim_epoch;
	if (!s->submitted)
		sim_note("client: submits %s: %s", s->gid, text);
	s->submitted = true;
	engine_submit(sim_engine, ask(s), &given);
	json_decref(input);
}

static void complete(struct sim_saga *s, size_t step, bool done)
{
	char name[8], output[32];

	snprintf(name, sizeof name, "s%u", (unsigned)(step & 0xff));
	snprintf(output, sizeof output, "{\"id\": %d}", plot_output(s, step));
	sim_note("person: %s of %s is %s", name, s->gid, done ? "done" : "failed");
	if (done)
		engine_complete(sim_engine, ask(s), s->gid, name, output);
	else
		engine_fail(sim_engine, ask(s), s->gid, name, "it failed");
}

static void retry(struct sim_saga *s)
{
	s->retried++;
	engine_retry(sim_engine, ask(s), s->gid, NULL, "perhaps it works now");
}

/* An agent that stands still may hold a call that it will make when it goes on: who wants to
 * know what was done must look at the agents, too (docs/operations.md). */
static bool all_agents_go(void)
{
	for (size_t i = 0; i < SIM_AGENTS; i++)
		if (sim_agents[i].still_until_us > sim_now_us())
			return false;
	return true;
}

/* A person looks at the databases and says what became of the pivot. */
static void say_the_truth(struct sim_saga *s)
{
	const struct record *r = store_find(s->gid);
	const struct sim_step *p = &s->steps[s->pivot < 0 ? 0 : s->pivot];

	if (r != NULL && r->state == TXN_SAGA_RUN_STUCK && s->pivot >= 0 && p->later != LATER_OPEN)
		complete(s, (size_t)s->pivot, p->acts > 0);
	else
		retry(s);
}

/* More than the person knows. */
static void meddle(struct sim_saga *s)
{
	const size_t step = sim_rand(s->n_steps);
	const bool all = sim_rand(2) == 0;
	char name[8];

	snprintf(name, sizeof name, "s%u", (unsigned)(step & 0xff));
	switch (sim_rand(5)) {
	case 0:
	case 1:
		s->steps[step].worded = true;
		complete(s, step, sim_rand(2) == 0);
		return;
	case 2:
	case 3:
		for (size_t i = 0; i < s->n_steps; i++)
			s->steps[i].worded = s->steps[i].worded || all || i == step;
		sim_note("person: skips %s of %s", all ? "what is stuck" : name, s->gid);
		engine_resolve(sim_engine, ask(s), s->gid, RESOLVE_SKIP, all ? NULL : name,
			       "not needed");
		return;
	default:
		s->resolved = true;
		sim_note("person: ends %s", s->gid);
		engine_resolve(sim_engine, ask(s), s->gid,
			       all ? RESOLVE_COMMITTED : RESOLVE_ROLLED_BACK, NULL, "enough");
	}
}

static void say_a_word(struct sim_saga *s)
{
	if (sim_healing && s->stuck && sim_healing_since_us() > LOOK_AFTER_US && all_agents_go())
		say_the_truth(s);
	else if ((sim_healing && s->stuck) || sim_chance_ever(333))
		retry(s);
	else if (sim_healing)
		engine_get(sim_engine, ask(s), s->gid, 0);
	else if (s->meddled && sim_chance(1000))
		meddle(s);
	else if (!s->meddled && sim_chance(333))
		engine_cancel(sim_engine, ask(s), s->gid, "a whim");
}

static void acts(void *arg, uint64_t i)
{
	struct sim_saga *s = &sim_sagas[i];
	const uint64_t dice = sim_rand(100);

	(void)arg;
	if (!s->ended && (sim_healing || sim_chance(1000)) && sim_speak()) {
		if (!s->submitted || dice < 30)
			submit(s);
		else if (dice < 75)
			engine_get(sim_engine, ask(s), s->gid, sim_rand(5000));
		else
			say_a_word(s);
		sim_spoken();
	}
	if (!s->ended)
		sim_in(200000 + sim_rand(6000000), acts, NULL, i);
}

/* ---- what was pending ---- */

/* Whoever sees the end of what was pending tells it until it was taken, and sometimes
 * once more. `n` is the step, and above it how often somebody heard. */
static void tell(void *saga, uint64_t n)
{
	struct sim_saga *s = saga;
	const size_t step = n & 0xff;
	const struct record *r = store_find(s->gid);

	if (r == NULL || n >> 8 > TELLS_MAX ||
	    (r->saga->steps[step].state != STEP_DOING &&
	     r->saga->steps[step].state != STEP_PENDING && sim_rand(3) != 0))
		return;
	if (sim_speak()) {
		complete(s, step, s->steps[step].later == LATER_DONE);
		sim_spoken();
		n += 0x100;
	}
	sim_in(sim_rand(3000000), tell, s, n);
}

void sagas_tell_later(struct sim_saga *s, size_t step)
{
	SIM_AS(SIM_SAGA, number(s));

	sim_in(sim_rand(2) * sim_delay_us(), tell, s, step);
}

/* ---- life ---- */

void sagas_init(void)
{
	for (size_t i = 0; i < SIM_SAGAS; i++) {
		SIM_AS(SIM_SAGA, i);

		plot_draw(&sim_sagas[i], i);
		sim_sagas[i].ended = !sim_left_in(SIM_SAGA, i);
		if (!sim_sagas[i].ended)
			sim_in(sim_rand(25000000), acts, NULL, i);
	}
}

size_t sagas_open(void)
{
	size_t n = 0;

	for (size_t i = 0; i < SIM_SAGAS; i++)
		n += !sim_sagas[i].ended;
	return n;
}

void sagas_check(void)
{
	for (size_t i = 0; i < SIM_SAGAS; i++)
		if (sim_left_in(SIM_SAGA, i))
			ledger_check(&sim_sagas[i]);
}
