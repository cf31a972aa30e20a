/* agent.c - see agent.h. */
#include "participant/agent.h"
#include "base/log.h"
#include "base/mem.h"
#include "participant/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct agent *agent_new(const struct agent_settings *settings, const struct agent_world *world)
{
	struct agent *a = mem_new(1, sizeof *a);

	a->settings = *settings;
	a->world = *world;
	a->outbox.hello = true;
	return a;
}

void agent_free(struct agent *a)
{
	struct served *s, *tmp;

	if (a == NULL)
		return;
	HASH_ITER (hh, a->served, s, tmp) {
		HASH_DEL(a->served, s);
		free(s->problem);
		free(s->name);
		free(s);
	}
	branches_fini(&a->branches);
	calls_fini(&a->saga);
	outbox_fini(&a->outbox);
	free(a);
}

/* ---- resources ---- */

struct served *agent_serve(struct agent *a, const char *name, const struct adapter *adapter)
{
	struct served *s;

	HASH_FIND_STR(a->served, name, s);
	if (s != NULL)
		return NULL;
	s = mem_new(1, sizeof *s);
	s->agent = a;
	s->adapter = adapter;
	s->name = mem_dup(name);
	s->problem = mem_dup("it is not connected yet");
	HASH_ADD_KEYPTR(hh, a->served, s->name, strlen(s->name), s);
	return s;
}

void served_attach(struct served *s, void *adapter_self)
{
	s->self = adapter_self;
}

void agent_ready(void *served, const char *problem)
{
	struct served *s = served;
	const bool news = (problem == NULL) != (s->problem == NULL) ||
			  (problem != NULL && strcmp(problem, s->problem) != 0);

	if (!news)
		return;
	free(s->problem);
	s->problem = problem == NULL ? NULL : frame_cut_reason(problem);
	s->agent->outbox.hello = true;
	if (problem == NULL) {
		log_event(LOG_INFO, "resource-ready", "resource=%s", s->name);
		sweep_soon(s);
	} else {
		log_event(LOG_WARN, "resource-not-ready", "resource=%s %s", s->name, s->problem);
	}
}

static void describe(struct served *s, struct resource_info *info)
{
	*info = (struct resource_info){0};
	s->adapter->describe(s->self, info);
	info->name = s->name;
	info->adapter = s->adapter->name;
	info->ready = s->problem == NULL;
	info->problem = s->problem == NULL ? "" : s->problem;
	info->one_phase = info->one_phase && s->adapter->once != NULL;
	info->groups = s->groups = info->groups && s->adapter->prepare != NULL;
	info->calls = s->calls = info->calls && s->adapter->call != NULL;
	info->exact = info->exact && info->calls;
}

/* ---- polls ---- */

static void send_poll(struct agent *a)
{
	struct resource_info *infos = NULL;
	struct poll p = {.cluster = a->settings.cluster,
			 .agent = a->settings.agent,
			 .incarnation = a->settings.incarnation,
			 .seq = ++a->seq,
			 .epoch = a->epoch,
			 .window = a->stopping ? 0 : a->settings.window};

	outbox_take(&a->outbox, &p, agent_now(a));
	if (p.hello) {
		struct served *s, *tmp;

		p.resources = infos = mem_new(HASH_COUNT(a->served), sizeof *infos);
		HASH_ITER (hh, a->served, s, tmp)
			describe(s, &infos[p.n_resources++]);
	}
	a->world.send(a->world.self, &p);
	free(infos);
}

/* Without a connection a poll would only grow old: its life begins when it is
 * made.  A stopping agent wants no more work: it sends only what it owes. */
static bool wants_poll(const struct agent *a)
{
	const size_t out = a->outbox.n_parcels;

	if (!a->connected)
		return false;
	return (out < POLLS_MIN && !a->stopping) ||
	       (out < AGENT_POLLS_MAX && outbox_waiting(&a->outbox));
}

void agent_turn(struct agent *a)
{
	branches_expire(&a->branches, agent_now(a));
	calls_expire(&a->saga, agent_now(a));
	sweep_turn(a);
	while (wants_poll(a) && agent_now(a) >= a->pause_us)
		send_poll(a);
}

uint64_t agent_due(const struct agent *a)
{
	uint64_t due = branches_due(&a->branches);
	const uint64_t sweep = sweep_due(a), call = calls_due(&a->saga);

	if (call < due)
		due = call;
	if (sweep < due)
		due = sweep;
	if (wants_poll(a) && a->pause_us < due)
		due = a->pause_us;
	if (a->stopping && a->outbox.n_parcels > 0 && agent_now(a) + LAST_WORDS_US < due)
		due = agent_now(a) + LAST_WORDS_US; /* agent_idle looks at the clock */
	return due;
}

void agent_connected(struct agent *a, bool up)
{
	a->connected = up;
	a->outbox.hello = a->outbox.hello || up; /* it may be another coordinator */
}

/* ---- replies ---- */

/* The poll was not accepted: what it carried goes again, but not at once. */
static void poll_refused(struct agent *a, uint64_t seq, const char *event, const char *why)
{
	const uint64_t now = agent_now(a);

	outbox_lost(&a->outbox, seq);
	a->pause_us = now + REFUSED_PAUSE_US;
	if (a->log_us == 0 || now >= a->log_us + LOG_EVERY_US) {
		log_event(LOG_ERROR, event, "agent=%s cluster=%s epoch=%" PRIu64 " %s",
			  a->settings.agent, a->settings.cluster, a->epoch, why);
		a->log_us = now;
	}
}

static void take_epoch(struct agent *a, uint64_t epoch)
{
	if (epoch == a->epoch)
		return;
	log_event(LOG_INFO, "epoch", "epoch=%" PRIu64 " before=%" PRIu64, epoch, a->epoch);
	a->epoch = epoch;
	a->epoch_us = agent_now(a);
	sweep_epoch_rose(a);
}

void agent_reply(struct agent *a, uint64_t seq, const struct reply *r)
{
	static const char newer_one[] = "superseded";

	if (r->error[0] != '\0') {
		poll_refused(a, seq, "poll-refused", r->error);
		if (strncmp(r->error, newer_one, sizeof newer_one - 1) == 0)
			a->world.superseded(a->world.self, r->error);
		return;
	}
	if (strcmp(r->cluster, a->settings.cluster) != 0) {
		poll_refused(a, seq, "reply-foreign", "the reply is of another cluster");
		return;
	}
	if (r->epoch < a->epoch) {
		poll_refused(a, seq, "reply-stale",
			     "the reply is of a coordinator that has been replaced; ignored");
		return;
	}
	take_epoch(a, r->epoch);
	if (!outbox_acked(&a->outbox, seq))
		return; /* it was given up before: what it brings is too old */
	a->outbox.hello = a->outbox.hello || r->want_hello;
	for (size_t i = 0; i < r->n_commands; i++)
		work_command(a, r->epoch, &r->commands[i]);
	for (size_t i = 0; i < r->n_answers; i++)
		work_answer(a, &r->answers[i]);
}

void agent_poll_lost(struct agent *a, uint64_t seq)
{
	const uint64_t until = agent_now(a) + LOST_PAUSE_US;

	if (outbox_lost(&a->outbox, seq) && a->pause_us < until)
		a->pause_us = until;
}

/* ---- the end ---- */

void agent_stop(struct agent *a)
{
	a->stopping = true;
}

bool agent_idle(const struct agent *a)
{
	const uint64_t now = agent_now(a);
	const uint64_t lately = now > LAST_WORDS_US ? now - LAST_WORDS_US : 0;

	assert(a->stopping);
	return a->calls == 0 && (!a->connected || !outbox_owes_results(&a->outbox, lately));
}
