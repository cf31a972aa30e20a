/* agent_side.c - see agent_side.h. */
#include "tests/fuzz/agent_side.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct agent_side side;

enum what { PREPARE, COMMIT, ROLLBACK, ONCE, SETTLE, DO, UNDO, LIST };

static struct call {
	bool open;
	enum what what;
	struct branch *of;
	adapter_done_fn done;
	adapter_list_fn listed;
	void *arg;
} calls[SIDE_CALLS];

/* A branch or a step that the adapter was called for. */
struct branch {
	char key[240];
	char resource[64], gid[65], name[64];
	uint64_t epoch;
	size_t open;
	uint64_t undone_us; /* when its rollback or undo began; 0: never */
	UT_hash_handle hh;
};
static struct branch *branches;
static bool can_once;
static char self[2]; /* r0, r1 */

/* ---- the adapter ---- */

static struct branch *branch_of(const char *key)
{
	struct branch *b;

	HASH_FIND_STR(branches, key, b);
	if (b == NULL) {
		b = mem_new(1, sizeof *b);
		snprintf(b->key, sizeof b->key, "%s", key);
		HASH_ADD_STR(branches, key, b);
	}
	return b;
}

static struct call *begin(enum what what, struct branch *of, void *arg)
{
	size_t i = 0;

	while (i < SIDE_CALLS && calls[i].open)
		i++;
	MUST_SAY(i < SIDE_CALLS, "no more calls at once than the window and its reserve");
	calls[i] = (struct call){.open = true, .what = what, .of = of, .arg = arg};
	side.begun++;
	side.open++;
	if (of == NULL)
		return &calls[i];
	MUST_SAY(of->open == 0, "%s: one call at a time", of->key);
	of->open++;
	if (what == ROLLBACK || what == UNDO || what == SETTLE)
		of->undone_us = side.now_us;
	if (what == PREPARE || what == ONCE || what == DO)
		MUST_SAY(of->undone_us == 0 ||
				 of->undone_us + (uint64_t)POLL_LIFE_MS * 1000 < side.now_us,
			 "%s: begun after it was undone", of->key);
	return &calls[i];
}

static void branch_call(enum what what, const struct branch_id *id, adapter_done_fn done, void *arg)
{
	char key[240];
	struct branch *b;

	MUST(branch_id_valid(id));
	snprintf(key, sizeof key, "%s %s %s %" PRIu64, id->resource, id->gid, id->branch,
		 id->epoch);
	b = branch_of(key);
	snprintf(b->resource, sizeof b->resource, "%s", id->resource);
	snprintf(b->gid, sizeof b->gid, "%s", id->gid);
	snprintf(b->name, sizeof b->name, "%s", id->branch);
	b->epoch = id->epoch;
	begin(what, b, arg)->done = done;
}

static enum rc on_open(const struct adapter_host *host, const char *resource,
		       const struct yaml_node *config, void **out, struct err *err)
{
	(void)host, (void)resource, (void)config, (void)out;
	return err_set(err, RC_INVALID, "it is attached");
}

static void on_describe(void *arg, struct resource_info *info)
{
	static struct operation_info op = {"op", NULL, 0};

	(void)arg;
	info->operations = &op;
	info->n_operations = 1;
	info->one_phase = can_once;
	info->groups = info->calls = true;
}

static void on_prepare(void *arg, const struct adapter_work *work, adapter_done_fn done, void *d)
{
	(void)arg;
	branch_call(PREPARE, &work->id, done, d);
}

static void on_commit(void *arg, const struct branch_id *id, bool repeat, adapter_done_fn done,
		      void *d)
{
	(void)arg, (void)repeat;
	branch_call(COMMIT, id, done, d);
}

static void on_rollback(void *arg, const struct branch_id *id, adapter_done_fn done, void *d)
{
	(void)arg;
	branch_call(ROLLBACK, id, done, d);
}

static void on_cancel(void *arg, const struct branch_id *id)
{
	(void)arg;
	MUST(branch_id_valid(id));
}

static void on_once(void *arg, const struct adapter_work *work, adapter_done_fn done, void *d)
{
	(void)arg;
	branch_call(ONCE, &work->id, done, d);
}

static void on_settle(void *arg, const struct branch_id *id, adapter_done_fn done, void *d)
{
	(void)arg;
	branch_call(SETTLE, id, done, d);
}

static void on_call(void *arg, const struct adapter_call *call, adapter_done_fn done, void *d)
{
	char key[240];

	snprintf(key, sizeof key, "call r%d %s/%s", (int)((char *)arg - self), call->gid,
		 call->step);
	MUST(call->attempt > 0);
	begin(call->undo ? UNDO : DO, branch_of(key), d)->done = done;
}

static void on_cancel_call(void *arg, const char *gid, const char *step, bool undo)
{
	(void)arg, (void)gid, (void)step, (void)undo;
}

static void on_list(void *arg, adapter_list_fn done, void *d)
{
	(void)arg;
	begin(LIST, NULL, d)->listed = done;
}

static void on_close(void *arg, adapter_closed_fn closed, void *d)
{
	(void)arg;
	closed(d);
}

static const struct adapter adapter = {.name = "fake",
				       .open = on_open,
				       .describe = on_describe,
				       .prepare = on_prepare,
				       .commit = on_commit,
				       .rollback = on_rollback,
				       .cancel = on_cancel,
				       .once = on_once,
				       .settle_once = on_settle,
				       .call = on_call,
				       .cancel_call = on_cancel_call,
				       .list = on_list,
				       .close = on_close};

/* What each call may be answered. */
static const unsigned fits[] = {
#define A(k) (1u << RESULT_##k)
	[PREPARE] = A(PREPARED) | A(READ_ONLY) | A(REFUSED) | A(UNKNOWN),
	[COMMIT] = A(COMMITTED) | A(HAZARD) | A(UNKNOWN),
	[ROLLBACK] = A(ROLLED_BACK) | A(UNKNOWN),
	[ONCE] = A(COMMITTED) | A(REFUSED) | A(UNKNOWN),
	[SETTLE] = A(COMMITTED) | A(ROLLED_BACK) | A(UNKNOWN),
	[DO] = A(DONE) | A(REFUSED) | A(RETRY) | A(PENDING) | A(UNKNOWN),
	[UNDO] = A(DONE) | A(REFUSED) | A(RETRY) | A(UNKNOWN),
#undef A
};

/* A sweep finds everything that is not under way: more than there can be. */
static void answer_list(struct call *c, bool well)
{
	struct branch_id ids[32];
	struct branch *b, *next;
	size_t n = 0;

	HASH_ITER (hh, branches, b, next)
		if (n < 32 && b->resource[0] != '\0' && b->open == 0)
			ids[n++] = (struct branch_id){b->resource, b->gid, b->epoch, b->name};
	c->listed(well ? RC_OK : RC_IO, ids, well ? n : 0, c->arg);
}

void side_answer(size_t n, enum result_kind kind)
{
	struct call c = {.open = false};

	if (side.open == 0)
		return;
	n %= side.open;
	for (size_t i = 0; i < SIDE_CALLS; i++) {
		if (calls[i].open && n-- == 0) {
			c = calls[i];
			calls[i].open = false;
			break;
		}
	}
	side.open--;
	if (c.what == LIST) {
		answer_list(&c, kind != RESULT_UNKNOWN);
	} else {
		struct adapter_answer a = {.reason = "so it is"};

		while (kind > RESULT_PENDING || (fits[c.what] >> kind & 1) == 0)
			kind = kind >= RESULT_PENDING ? RESULT_NONE : kind + 1;
		a.kind = kind;
		c.of->open--;
		if (kind == RESULT_DONE || kind == RESULT_PREPARED)
			a = (struct adapter_answer){.kind = kind, .output = {"[1]", 3}};
		c.done(&a, c.arg);
	}
	agent_turn(side.agent);
}

/* ---- the coordinator's side ---- */

static uint64_t on_now(void *arg)
{
	(void)arg;
	return side.now_us;
}

static void on_send(void *arg, const struct poll *p)
{
	const size_t size = poll_size(p);
	void *bytes = mem_new(size, 1);
	struct err err = {0};
	struct poll again;

	(void)arg;
	MUST(side.n_seqs < sizeof side.seqs / sizeof side.seqs[0]);
	side.seqs[side.n_seqs++] = p->seq;
	poll_encode(p, bytes);
	MUST_SAY(poll_decode(&again, bytes, size, &err) == RC_OK, "what goes up is a frame: %s",
		 err.text);
	for (size_t i = 0; i < p->n_results; i++)
		MUST(result_fits(p->results[i].kind, p->results[i].call != COMMAND_NONE));
	poll_free(&again);
	free(bytes);
}

static void on_superseded(void *arg, const char *why)
{
	(void)arg;
	MUST(why[0] != '\0');
}

static uint64_t oldest(void)
{
	const uint64_t seq = side.seqs[0];

	memmove(side.seqs, side.seqs + 1, --side.n_seqs * sizeof side.seqs[0]);
	return seq;
}

void side_reply(const struct reply *r)
{
	const bool stale = r->epoch < side.epoch;
	const size_t before = side.begun;

	if (side.n_seqs == 0)
		return;
	agent_reply(side.agent, oldest(), r);
	MUST_SAY(!stale || side.begun == before, "an older coordinator begins nothing");
	if (r->error[0] == '\0' && strcmp(r->cluster, "settle") == 0 && r->epoch > side.epoch)
		side.epoch = r->epoch;
	agent_turn(side.agent);
}

void side_lose(void)
{
	if (side.n_seqs > 0)
		agent_poll_lost(side.agent, oldest());
	agent_turn(side.agent);
}

void side_pass(uint64_t ms)
{
	side.now_us += ms * 1000;
	agent_turn(side.agent);
}

/* ---- life ---- */

void side_open(bool one_phase)
{
	static const struct agent_settings settings = {.cluster = "settle",
						       .agent = "a",
						       .incarnation = 1,
						       .window = SIDE_WINDOW,
						       .sweep_ms = 5000};
	const struct agent_world world = {on_now, on_send, on_superseded, NULL};

	memset(&side, 0, sizeof side);
	memset(calls, 0, sizeof calls);
	can_once = one_phase;
	side.now_us = 1000000;
	side.agent = agent_new(&settings, &world);
	for (int i = 0; i < 2; i++) {
		struct served *s = agent_serve(side.agent, i == 0 ? "r0" : "r1", &adapter);

		served_attach(s, &self[i]);
		agent_ready(s, NULL);
	}
	agent_connected(side.agent, true);
	agent_turn(side.agent);
}

void side_close(void)
{
	struct reply empty = {.cluster = "settle", .epoch = side.epoch, .error = ""};
	struct branch *b, *next;

	agent_stop(side.agent);
	for (int i = 0; i < 1000 && !agent_idle(side.agent); i++) {
		while (side.open > 0)
			side_answer(0, RESULT_NONE);
		for (size_t n = side.n_seqs; n > 0; n--)
			side_reply(&empty);
		side_pass(100);
	}
	MUST_SAY(agent_idle(side.agent), "an agent that was stopped becomes idle");
	agent_free(side.agent);
	HASH_ITER (hh, branches, b, next) {
		HASH_DEL(branches, b);
		free(b);
	}
}
