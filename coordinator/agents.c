/* agents.c - the agents: their polls, what they serve, what is sent to them.
 *
 * An agent's polls are held until there is something to say.  A frame takes
 * everything that is in the outbox at the end of a turn; so a turn's messages to
 * one agent cost one frame.  An answer to a connection that has gone is lost
 * without a word, so a lost pipe puts what was sent on it back in the outbox. */
#include "base/log.h"
#include "base/mem.h"
#include "base/word.h"
#include "coordinator/core.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void mark_dirty(struct engine *e, struct agent *a)
{
	if (a->dirty)
		return;
	a->dirty = true;
	LL_PREPEND2(e->dirty, a, next_dirty);
}

struct agent *agent_need(struct engine *e, const char *name)
{
	struct agent *a;

	HASH_FIND_STR(e->agents, name, a);
	if (a != NULL || HASH_COUNT(e->agents) >= AGENTS_MAX)
		return a;
	a = mem_new(1, sizeof *a);
	a->name = mem_dup(name);
	HASH_ADD_KEYPTR(hh, e->agents, a->name, strlen(a->name), a);
	return a;
}

struct agent_resource *agent_serves(struct agent *a, const struct resource *res)
{
	for (size_t i = 0; i < a->n_resources; i++)
		if (a->resources[i].resource == res)
			return &a->resources[i];
	return NULL;
}

void agent_give(struct engine *e, struct agent *a, struct job *job)
{
	job->shared = job->shared || (job->sends > 0 && job->agent != a);
	job->agent = a;
	job->place = JOB_OUTBOX;
	DL_APPEND(a->outbox, job);
	if (command_is_work(job->command) && job->counted == NULL) {
		job->counted = a;
		a->open++;
	}
	mark_dirty(e, a);
}

static void feed_all(struct engine *e, struct agent *a)
{
	for (size_t i = 0; i < a->n_resources; i++)
		if (a->resources[i].ready)
			resource_feed(e, a->resources[i].resource);
}

void agent_branch_over(struct engine *e, struct job *job)
{
	struct agent *a = job->counted;

	if (a == NULL)
		return;
	job->counted = NULL;
	a->open--;
	feed_all(e, a);
}

/* ---- coming and going ---- */

static void set_timer(struct engine *e, struct agent *a)
{
	if (a->n_polls > 0)
		heap_set(&e->agent_timers, &a->timer, a->polls[0].until_us);
	else if (a->connected)
		heap_set(&e->agent_timers, &a->timer, a->last_poll_us + AGENT_SILENT_US);
	else
		heap_remove(&e->agent_timers, &a->timer);
}

/* Takes all jobs of a list out of it, into one that the caller walks; each is
 * idle then. */
static struct job *take_all(struct job **list)
{
	struct job *job, *all = *list;

	*list = NULL;
	DL_FOREACH (all, job)
		job->place = JOB_IDLE;
	return all;
}

/* A job that was taken out may be placed anew meanwhile, by what happened to
 * another branch of its transaction: such a one is left alone. */
static void dispatch_again(struct engine *e, struct job *all)
{
	struct job *job, *next;

	DL_FOREACH_SAFE (all, job, next) {
		if (job->place == JOB_IDLE && job->command != COMMAND_NONE)
			job_dispatch(e, job);
	}
}

static void agent_lost(struct engine *e, struct agent *a)
{
	if (!a->connected)
		return;
	log_event(LOG_WARN, "agent-lost", "agent=%s its connection is gone", a->name);
	a->connected = false;
	a->n_polls = 0;
	dispatch_again(e, take_all(&a->sent));
	dispatch_again(e, take_all(&a->outbox));
	set_timer(e, a);
}

void engine_pipe_lost(struct engine *e, uint64_t pipe)
{
	struct agent *a, *tmp;

	HASH_ITER (hh, e->agents, a, tmp) {
		struct job *job, *next, *lost = NULL;
		size_t kept = 0;

		for (size_t i = 0; i < a->n_polls; i++)
			if (a->polls[i].pipe != pipe)
				a->polls[kept++] = a->polls[i];
		a->n_polls = kept;
		DL_FOREACH_SAFE (a->sent, job, next) {
			if (job->pipe == pipe) {
				job_unlist(job);
				DL_APPEND(lost, job);
			}
		}
		if (a->connected && a->pipe == pipe)
			agent_lost(e, a);
		dispatch_again(e, lost);
		set_timer(e, a);
	}
}

static const char superseded[] = "superseded: a newer process runs under this agent's name";

static void refuse_poll(struct engine *e, uint64_t poll, const char *agent, const char *why)
{
	struct reply r = {.cluster = e->settings.cluster, .epoch = e->settings.epoch, .error = why};

	log_event(LOG_WARN, "poll-refused", "agent=%s %s", agent, why);
	e->agents_port.reply(e->agents_port.self, poll, &r);
}

/* An agent that starts has forgotten which epoch it has seen and what it has done.  Should
 * this coordinator have been replaced, then the journal refuses a batch from now on; so
 * nothing is sent to the agent before one is durable. */

/* A new process under this name: what the old one had in hand and has not
 * answered, it never will. */
static void restarted(struct engine *e, struct agent *a, uint64_t incarnation)
{
	struct job *lists[2];

	log_event(LOG_INFO, "agent-started", "agent=%s incarnation=%" PRIu64, a->name, incarnation);
	a->incarnation = incarnation;
	a->greeted = false;
	a->hello_seq = 0;
	for (size_t i = 0; i < a->n_polls; i++)
		refuse_poll(e, a->polls[i].id, a->name, superseded);
	a->n_polls = 0;
	if (!a->vouching)
		e->vouching++;
	a->vouching = true;
	a->vouched = effects_stage_forced(e);
	lists[0] = take_all(&a->sent);
	lists[1] = take_all(&a->outbox);
	for (int i = 0; i < 2; i++) {
		struct job *job, *next;

		DL_FOREACH_SAFE (lists[i], job, next) {
			if (job->place == JOB_IDLE && job->command != COMMAND_NONE)
				job_orphaned(e, job);
		}
	}
}

static void forget_resources(struct agent *a)
{
	for (size_t i = 0; i < a->n_resources; i++) {
		struct agent_resource *ar = &a->resources[i];

		if (ar->listed)
			DL_DELETE(ar->resource->served, ar);
		free(ar->problem);
	}
	free(a->resources);
	a->resources = NULL;
	a->n_resources = 0;
}

static void take_hello(struct engine *e, struct agent *a, const struct poll *p)
{
	const size_t n =
		p->n_resources < AGENT_RESOURCES_MAX ? p->n_resources : AGENT_RESOURCES_MAX;

	forget_resources(a);
	a->resources = mem_new(n, sizeof *a->resources);
	a->n_resources = n;
	a->greeted = true;
	a->hello_seq = p->seq;
	for (size_t i = 0; i < n; i++) {
		const struct resource_info *info = &p->resources[i];
		struct agent_resource *ar = &a->resources[i];

		ar->agent = a;
		ar->resource = resource_need(e, info->name);
		ar->listed = agent_serves(a, ar->resource) == ar;
		if (ar->listed)
			DL_APPEND(ar->resource->served, ar);
		ar->ready = info->ready;
		ar->problem = info->ready ? NULL : mem_dup(info->problem);
		if (resource_learn(ar->resource, info)) {
			e->journal.put_resource(e->journal.self, info);
			effects_stage_lazy(e);
		}
		log_event(info->ready ? LOG_INFO : LOG_WARN,
			  info->ready ? "resource-ready" : "resource-not-ready",
			  "resource=%s agent=%s %s", info->name, a->name, info->problem);
	}
}

static void wake(struct engine *e, struct agent *a)
{
	for (size_t i = 0; i < a->n_resources; i++)
		if (a->resources[i].ready)
			resource_unpark(e, a->resources[i].resource);
}

void agents_durable(struct engine *e)
{
	struct agent *a, *tmp;

	if (e->vouching == 0)
		return;
	HASH_ITER (hh, e->agents, a, tmp) {
		if (!a->vouching || a->vouched > e->durable)
			continue;
		a->vouching = false;
		e->vouching--;
		if (a->connected && a->greeted)
			wake(e, a);
	}
}

/* ---- polls ---- */

/* NULL if the poll is meant for this coordinator, else why it is not. */
static const char *poll_foreign(const struct engine *e, const struct poll *p)
{
	if (strcmp(p->cluster, e->settings.cluster) != 0)
		return "wrong cluster: the agent's `cluster` must be that of the coordinator";
	if (p->epoch > e->settings.epoch)
		return "stale coordinator: the agent has worked for a newer one of this cluster";
	return NULL;
}

/* NULL if the agent may come in, else why not. */
static const char *poll_problem(const struct agent *a, const struct poll *p)
{
	if (a == NULL)
		return "too many agents";
	if (p->incarnation < a->incarnation)
		return superseded;
	return NULL;
}

void engine_poll(struct engine *e, uint64_t poll, uint64_t pipe, const struct poll *p)
{
	struct agent *a;
	const char *problem = poll_foreign(e, p);
	bool came, news;

	a = problem == NULL ? agent_need(e, p->agent) : NULL; /* strangers take no room */
	if (problem == NULL)
		problem = poll_problem(a, p);
	if (problem != NULL) {
		refuse_poll(e, poll, p->agent, problem);
		return;
	}
	if (p->incarnation > a->incarnation)
		restarted(e, a, p->incarnation);
	came = !a->connected;
	news = p->hello && p->seq > a->hello_seq;
	if (came)
		log_event(LOG_INFO, "agent-connected", "agent=%s", a->name);
	a->connected = true;
	a->pipe = pipe;
	a->window = p->window;
	a->last_poll_us = e->now_us;
	a->last_poll_wall_us = e->wall_us;
	if (news)
		take_hello(e, a, p);
	for (size_t i = 0; i < p->n_results; i++) {
		job_result(e, a, &p->results[i]);
		effects_early(e);
	}
	inquiries_answer(e, a, p);
	a->polls[a->n_polls++] =
		(struct held_poll){poll, pipe, e->now_us + (uint64_t)POLL_HOLD_MS * 1000};
	if (came || news)
		wake(e, a);
	if (a->n_polls > POLLS_HELD_MAX || a->n_answers > 0 || a->outbox != NULL || !a->greeted)
		mark_dirty(e, a);
	if (a->n_polls > POLLS_HELD_MAX)
		agents_flush(e); /* makes room; what is in the outbox may leave at any time */
	set_timer(e, a);
}

/* ---- frames ---- */

static uint32_t left_ms(const struct engine *e, const struct txn *t)
{
	const uint64_t left = t->deadline_us > e->now_us ? (t->deadline_us - e->now_us) / 1000 : 0;

	return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static void note_agent(struct record_branch *b, const struct agent *a)
{
	if (b->agent != NULL && strcmp(b->agent, a->name) == 0)
		return;
	word_drop(b->agent);
	b->agent = word_hold(a->name);
}

static void fill_command(struct engine *e, struct job *job, struct command *c)
{
	const struct record *r = job->txn->rec;
	const struct record_branch *b = &r->branches[job->branch];
	const bool work = job->command == COMMAND_PREPARE || job->command == COMMAND_ONCE;

	*c = (struct command){
		.kind = job->command,
		.id = {b->resource, r->gid, r->epoch, b->name},
		.operation = work ? b->operation : "",
		.read_only = b->read_only,
		.repeat = job->sends > 0,
	};
	if (work) {
		c->args = (struct bytes){b->args, strlen(b->args)};
		c->timeout_ms = left_ms(e, job->txn);
	}
}

static void job_sent(struct engine *e, struct agent *a, struct job *job, uint64_t pipe)
{
	struct record_branch *b;

	job->place = JOB_SENT;
	job->pipe = pipe;
	DL_APPEND(a->sent, job);
	job->sends++;
	if (command_is_call(job->command)) {
		call_sent(e, a, job);
		return;
	}
	b = job_branch(job);
	note_agent(b, a);
	if (b->state == BR_WAITING) {
		txn_event(e, job->txn, TXN_EV_SENT, job->branch, NULL);
	} else if (b->state != BR_WORKING) {
		job_retry_in(e, job,
			     job_backoff_us(RESEND_FIRST_US, RESEND_MAX_US, job->sends - 1));
	}
}

enum { FRAME_KEPT = 1024 };

/* The n-th command of the frame that is being filled; the room is kept for the next one. */
static struct command *frame_room(struct engine *e, size_t n)
{
	if (n == e->frame_room) {
		e->frame_room = n > 0 ? 2 * n : 16;
		e->frame = mem_grow(e->frame, e->frame_room, sizeof *e->frame);
	}
	return &e->frame[n];
}

static void frame_done(struct engine *e)
{
	if (e->frame_room <= FRAME_KEPT)
		return;
	free(e->frame);
	e->frame = NULL;
	e->frame_room = 0;
}

/* One frame to the oldest poll, with as much of the outbox as fits. */
static void send_frame(struct engine *e, struct agent *a)
{
	const struct held_poll poll = a->polls[0];
	size_t n = 0, bytes = 0;
	struct reply r = {.cluster = e->settings.cluster, .epoch = e->settings.epoch, .error = ""};

	a->n_polls--;
	memmove(a->polls, a->polls + 1, a->n_polls * sizeof a->polls[0]);
	while (a->outbox != NULL && n < FRAME_ITEMS_MAX && bytes < FRAME_FILL) {
		struct job *job = a->outbox;

		struct command *c = frame_room(e, n++);

		if (command_is_call(job->command))
			call_fill(e, job, c);
		else
			fill_command(e, job, c);
		bytes += 256 + c->args.size;
		job_unlist(job);
		job_sent(e, a, job, poll.pipe);
	}
	r.want_hello = !a->greeted;
	r.commands = e->frame;
	r.n_commands = n;
	r.answers = a->answers;
	r.n_answers = a->n_answers;
	e->agents_port.reply(e->agents_port.self, poll.id, &r);
	frame_done(e);
	inquiries_clear(a);
}

void agents_flush(struct engine *e)
{
	while (e->dirty != NULL) {
		struct agent *a = e->dirty;

		LL_DELETE2(e->dirty, a, next_dirty);
		a->dirty = false;
		while (a->n_polls > 0 && (a->outbox != NULL || a->n_answers > 0 || !a->greeted ||
					  a->n_polls > POLLS_HELD_MAX))
			send_frame(e, a);
		set_timer(e, a);
	}
}

static void timer_due(struct engine *e, struct agent *a)
{
	if (a->n_polls == 0) {
		agent_lost(e, a);
		return;
	}
	while (a->n_polls > 0 && a->polls[0].until_us <= e->now_us)
		send_frame(e, a); /* empty, most likely: the agent polls again */
	set_timer(e, a);
}

void agents_turn(struct engine *e)
{
	struct heap_node *n;

	while ((n = heap_first(&e->agent_timers)) != NULL && n->at <= e->now_us)
		timer_due(e, (struct agent *)((char *)n - offsetof(struct agent, timer)));
}

void agents_fini(struct engine *e)
{
	struct agent *a, *tmp;

	HASH_ITER (hh, e->agents, a, tmp) {
		HASH_DEL(e->agents, a);
		heap_remove(&e->agent_timers, &a->timer);
		inquiries_clear(a);
		free(a->answers);
		forget_resources(a);
		free(a->name);
		free(a);
	}
}
