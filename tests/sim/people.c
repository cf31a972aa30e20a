/* people.c - clients that submit, ask, cancel, and remember; see sim.h.
 *
 * A client does not know what becomes of a request whose answer never comes, so it
 * asks again, by GET or by the same submit.  What it was told once it holds the
 * coordinator to. */
#include "base/mem.h"
#include "tests/sim/sim.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct deal {
	char gid[16];
	size_t n_branches;
	size_t db[SIM_BRANCHES];
	bool read_only[SIM_BRANCHES];
	int amount[SIM_BRANCHES]; /* they add up to nothing */
	bool sequential;
	enum wait_for wait;
	enum told told;
	bool submitted, ended, stuck, forgotten;
} deals[SIM_TXNS];

static struct asking {
	uint64_t client;
	size_t deal; /* + 1; 0: free */
	const struct sim_coord *asked;
} askings[(SIM_TXNS + SIM_SAGAS) * 64];

static uint64_t last_client, empty_asked;
static bool empty;

const char *people_gid(size_t i)
{
	return deals[i].gid;
}

size_t people_branches(size_t i)
{
	return deals[i].n_branches;
}

size_t people_db(size_t i, size_t branch)
{
	return deals[i].db[branch];
}

uint64_t people_ask(size_t deal)
{
	for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
		if (askings[i].deal == 0) {
			askings[i] = (struct asking){++last_client, deal + 1, sim_speaking};
			return last_client;
		}
	}
	return ++last_client; /* nobody listens */
}

void people_told(const char *gid, enum told *told, const char *status)
{
	if (strcmp(status, "committed") == 0 || strcmp(status, "committing") == 0) {
		if (*told == TOLD_ROLLBACK)
			sim_fail("%s: the client was told of a rollback, now of a commit", gid);
		*told = TOLD_COMMIT;
	} else if (strcmp(status, "rolled_back") == 0 || strcmp(status, "rolling_back") == 0) {
		if (*told == TOLD_COMMIT)
			sim_fail("%s: the client was told of a commit, now of a rollback", gid);
		*told = TOLD_ROLLBACK;
	}
}

const char *people_refused(const char *text)
{
	return strstr(text, "too late") != NULL ? "committing" : "";
}

static void hear(struct deal *d, enum answer_code code, const char *status, const char *text)
{
	sim_note("client: %s is answered %d %s", d->gid, (int)code, status);
	if (code == ANSWER_NOT_FOUND && d->told != TOLD_NOTHING)
		sim_fail("%s: the client was told of it, now it is unknown", d->gid);
	if (code == ANSWER_CONFLICT && strstr(text, "too late") == NULL &&
	    strstr(text, "another definition") != NULL)
		sim_fail("%s: its own body is said to differ", d->gid);
	if (code == ANSWER_INVALID || code == ANSWER_FAILED)
		sim_fail("%s: %s", d->gid, text);
	d->stuck = strcmp(status, "stuck") == 0;
	if (d->stuck && !hands_touched(d->gid))
		sim_fail("%s: a hazard, though no person touched anything", d->gid);
	if ((strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0) &&
	    !d->forgotten && hands_seen(d->gid))
		sim_fail("%s: a hazard was seen, and it is said to be %s", d->gid, status);
	if (strcmp(status, "rolled_back") == 0 && db_left_of(d->gid) > 0)
		sim_fail("%s is said to be rolled back, and a branch is prepared", d->gid);
	people_told(d->gid, &d->told, code == ANSWER_CONFLICT ? people_refused(text) : status);
	if (d->told == TOLD_NOTHING && code == ANSWER_UNFINISHED && d->wait == WAIT_ACCEPTED)
		d->told = TOLD_ACCEPTED;
	/* An old coordinator may tell later how it was before. */
	if (strcmp(status, "committed") == 0 || strcmp(status, "rolled_back") == 0)
		d->ended = true;
}

/* No agent has anything open, nothing is unfinished. */
static void hear_emptiness(const json_t *j)
{
	const json_t *now = json_object_get(j, "now"), *agents = json_object_get(j, "agents");
	const json_t *one;
	const char *key;
	size_t i;

	json_object_foreach((json_t *)now, key, one) empty = empty && json_integer_value(one) == 0;
	json_array_foreach(agents, i, one) empty =
		empty && json_integer_value(json_object_get(one, "open")) == 0;
}

static void answer(void *self, uint64_t client, enum answer_code code, char *json, const char *text)
{
	json_t *j = json != NULL ? json_loads(json, 0, NULL) : NULL;
	const char *status = json_string_value(json_object_get(j, "status"));

	(void)self;
	if (client >= empty_asked)
		hear_emptiness(j);
	for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++) {
		if (askings[i].deal != 0 && askings[i].client == client) {
			const size_t n = askings[i].deal - 1;

			askings[i].deal = 0;
			if (n >= SIM_TXNS)
				sagas_hear(n - SIM_TXNS, code, j, text != NULL ? text : "");
			else
				hear(&deals[n], code, status != NULL ? status : "",
				     text != NULL ? text : "");
			break;
		}
	}
	json_decref(j);
	free(json);
}

bool people_engine_is_empty(void)
{
	if (!sim_speak())
		return false;
	empty = true;
	empty_asked = last_client + 1;
	engine_agents(sim_engine, ++last_client);
	engine_stats(sim_engine, ++last_client);
	sim_spoken(); /* nothing is waited for: they are answered now */
	empty_asked = UINT64_MAX;
	return empty;
}

struct client_port people_port(void)
{
	return (struct client_port){.answer = answer};
}

void people_coordinator_down(const struct sim_coord *c)
{
	for (size_t i = 0; i < sizeof askings / sizeof askings[0]; i++)
		if (askings[i].asked == c)
			askings[i] = (struct asking){0};
}

static void submit(size_t i)
{
	struct deal *d = &deals[i];
	unsigned char hash[BODY_HASH_SIZE] = {(unsigned char)i};
	char text[1024];
	struct submit s = {.gid = d->gid,
			   .hash = hash,
			   .definition = text,
			   .wait = d->wait,
			   .wait_ms = sim_rand(20000)};
	int n = snprintf(text, sizeof text,
			 "{workflow: w, steps: [{name: s, timeout: 3s, %satomic: [",
			 d->sequential ? "order: sequential, " : "");

	for (size_t b = 0; b < d->n_branches; b++)
		n += snprintf(text + n, sizeof text - (size_t)n,
			      "{name: b%zu, resource: db%zu, operation: op, args: {x: %d}%s}, ", b,
			      d->db[b], d->amount[b], d->read_only[b] ? ", read_only: true" : "");
	n += snprintf(text + n, sizeof text - (size_t)n, "]}]}");
	s.definition_size = (size_t)n;
	sim_note("client: submits %s, %zu branches", d->gid, d->n_branches);
	d->submitted = true;
	engine_submit(sim_engine, people_ask(i), &s);
}

/* A person has looked into the databases. */
static void forget(size_t i)
{
	deals[i].forgotten = true;
	sim_note("person: forgets the hazard of %s", deals[i].gid);
	engine_resolve(sim_engine, people_ask(i), deals[i].gid, RESOLVE_FORGET, NULL, "seen to");
}

static bool is_open(const struct deal *d)
{
	return d->submitted && !d->ended;
}

/* A word at a bad moment. */
void people_meddle(void *arg, uint64_t n)
{
	size_t i = n;

	(void)arg;
	for (size_t k = 0; k < SIM_TXNS && !is_open(&deals[i]); k++)
		i = (i + 1) % SIM_TXNS;
	if (!is_open(&deals[i]) || !sim_speak())
		return;
	if (sim_rand(4) == 0)
		forget(i);
	else
		engine_cancel(sim_engine, people_ask(i), deals[i].gid, "a whim");
	sim_spoken();
}

static void draw_amounts(struct deal *d)
{
	int sum = 0, last = -1;

	for (size_t b = 0; b < d->n_branches; b++) {
		if (d->read_only[b])
			continue;
		d->amount[b] = 1 + (int)sim_rand(100);
		sum += d->amount[b];
		last = (int)b;
	}
	if (last >= 0)
		d->amount[last] -= sum;
}

static void act(void *arg, uint64_t i)
{
	struct deal *d = &deals[i];
	const uint64_t dice = sim_rand(100);

	(void)arg;
	if (!d->ended && (sim_healing || sim_chance(1000)) && sim_speak()) {
		if (d->stuck && dice < 50)
			forget(i);
		else if (dice < 60)
			submit(i);
		else if (dice < 95 || !sim_chance(1000))
			engine_get(sim_engine, people_ask(i), d->gid, sim_rand(5000));
		else
			engine_cancel(sim_engine, people_ask(i), d->gid, "a whim");
		sim_spoken();
	}
	if (!d->ended)
		sim_in(200000 + sim_rand(6000000), act, NULL, i);
}

void people_init(void)
{
	memset(deals, 0, sizeof deals);
	memset(askings, 0, sizeof askings);
	empty_asked = UINT64_MAX;
	for (size_t i = 0; i < SIM_TXNS; i++) {
		SIM_AS(SIM_CLIENT, i);
		struct deal *d = &deals[i];
		const size_t first = sim_rand(SIM_DBS);

		snprintf(d->gid, sizeof d->gid, "t%zu", i);
		d->n_branches = 1 + sim_rand(SIM_BRANCHES);
		d->sequential = sim_rand(4) == 0;
		d->wait = (enum wait_for)sim_rand(3);
		for (size_t b = 0; b < d->n_branches; b++) {
			d->db[b] = (first + b) % SIM_DBS;
			d->read_only[b] = sim_rand(6) == 0;
		}
		draw_amounts(d);
		d->ended = !sim_left_in(SIM_CLIENT, i);
		if (!d->ended)
			sim_in(sim_rand(25000000), act, NULL, i);
	}
}

size_t people_open(void)
{
	size_t n = 0;

	for (size_t i = 0; i < SIM_TXNS; i++)
		n += !deals[i].ended;
	return n;
}

/* At the end: what each was told is what the databases did. */
void people_check(void)
{
	for (size_t i = 0; i < SIM_TXNS; i++) {
		struct deal *d = &deals[i];

		for (size_t b = 0; b < d->n_branches; b++) {
			const size_t n = db_commits(d->db[b], d->gid);
			const size_t want = d->told == TOLD_COMMIT && !d->read_only[b] ? 1 : 0;

			if (n != want && !hands_touched(d->gid))
				sim_fail("%s: told %s, but committed %zu times at db %zu", d->gid,
					 d->told == TOLD_COMMIT ? "committed" : "rolled back", n,
					 d->db[b]);
		}
	}
}
