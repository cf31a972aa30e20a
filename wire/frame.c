/* frame.c - see frame.h; frame_decode.c has the other half.
 *
 * Encoding builds protobuf-c's structs around the caller's strings (in an arena
 * that lives for the call) and packs them straight into `out`. */
#include "wire/frame.h"
#include "base/id.h"
#include "base/mem.h"
#include "wire/arena.h"
#include "wire/scan.h"
#include "wire/settle.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Settle__Wire__Branch pb_branch;

static const char *const result_names[] = {
	[RESULT_NONE] = "none",           [RESULT_PREPARED] = "prepared",
	[RESULT_READ_ONLY] = "read_only", [RESULT_REFUSED] = "refused",
	[RESULT_COMMITTED] = "committed", [RESULT_ROLLED_BACK] = "rolled_back",
	[RESULT_HAZARD] = "hazard",       [RESULT_UNKNOWN] = "unknown",
	[RESULT_DONE] = "done",           [RESULT_RETRY] = "retry",
	[RESULT_PENDING] = "pending",
};
static const char *const command_names[] = {
	[COMMAND_NONE] = "none",     [COMMAND_PREPARE] = "prepare",
	[COMMAND_COMMIT] = "commit", [COMMAND_ROLLBACK] = "rollback",
	[COMMAND_ONCE] = "once",     [COMMAND_SETTLE_ONCE] = "settle_once",
	[COMMAND_DO] = "do",         [COMMAND_UNDO] = "undo",
};
static const char *const verdict_names[] = {"wait", "commit", "abort"};

const char *result_kind_name(enum result_kind kind)
{
	return result_names[kind];
}

const char *command_kind_name(enum command_kind kind)
{
	return command_names[kind];
}

void call_key(const char *gid, const char *step, bool undo, char out[CALL_KEY_SIZE])
{
	snprintf(out, CALL_KEY_SIZE, "%s/%s/%s", gid, step, undo ? "undo" : "do");
}

bool command_is_call(enum command_kind kind)
{
	return kind == COMMAND_DO || kind == COMMAND_UNDO;
}

bool result_fits(enum result_kind kind, bool call)
{
	switch (kind) {
	case RESULT_NONE: return false;
	case RESULT_REFUSED:
	case RESULT_RETRY:
	case RESULT_UNKNOWN: return true;
	case RESULT_DONE:
	case RESULT_PENDING: return call;
	case RESULT_PREPARED:
	case RESULT_READ_ONLY:
	case RESULT_COMMITTED:
	case RESULT_ROLLED_BACK:
	case RESULT_HAZARD: return !call;
	}
	return false; /* a number of no kind */
}

const char *verdict_name(enum verdict verdict)
{
	return verdict_names[verdict];
}

bool branch_id_valid(const struct branch_id *id)
{
	return id->resource != NULL && id_valid(id->resource, NAME_MAX_LEN) && id->gid != NULL &&
	       id_valid(id->gid, GID_MAX) && id->branch != NULL &&
	       id_valid(id->branch, NAME_MAX_LEN);
}

char *frame_cut_reason(const char *text)
{
	const unsigned char *s = (const unsigned char *)(text != NULL ? text : "");
	size_t left = strlen((const char *)s), used = 0;
	char *out = mem_new((left < REASON_MAX ? left : REASON_MAX) + 1, 1);

	while (left > 0) {
		const size_t n = scan_utf8(s, left);
		const size_t step = n > 0 ? n : 1;

		if (used + step > REASON_MAX)
			break;
		if (n == 0 || *s < 0x20 || *s == 0x7f)
			out[used] = *s == '\n' || *s == '\t' ? ' ' : '?';
		else
			memcpy(out + used, s, n);
		used += step;
		s += step;
		left -= step;
	}
	return out;
}

/* ---- encoding ---- */

static pb_branch *pack_branch(struct arena *a, const struct branch_id *id)
{
	pb_branch *b = arena_raw(a, sizeof *b);

	settle__wire__branch__init(b);
	b->resource = (char *)id->resource;
	b->gid = (char *)id->gid;
	b->epoch = id->epoch;
	b->branch = (char *)id->branch;
	return b;
}

static Settle__Wire__Operation *pack_operation(struct arena *a, const struct operation_info *op)
{
	Settle__Wire__Operation *o = arena_raw(a, sizeof *o);

	settle__wire__operation__init(o);
	o->name = (char *)op->name;
	o->n_args = op->n_args;
	o->args = (char **)op->args;
	return o;
}

static Settle__Wire__Resource *pack_resource(struct arena *a, const struct resource_info *info)
{
	Settle__Wire__Resource *r = arena_raw(a, sizeof *r);

	settle__wire__resource__init(r);
	r->name = (char *)info->name;
	r->adapter = (char *)info->adapter;
	r->ready = info->ready;
	r->problem = (char *)info->problem;
	r->one_phase = info->one_phase;
	r->calls = info->calls;
	r->exact = info->exact;
	r->groups = info->groups;
	r->n_operations = info->n_operations;
	r->operations = arena_get(a, info->n_operations, sizeof *r->operations);
	for (size_t i = 0; i < info->n_operations; i++)
		r->operations[i] = pack_operation(a, &info->operations[i]);
	return r;
}

static Settle__Wire__Result *pack_result(struct arena *a, const struct result *res)
{
	Settle__Wire__Result *r = arena_raw(a, sizeof *r);

	settle__wire__result__init(r);
	r->branch = pack_branch(a, &res->id);
	r->kind = (Settle__Wire__ResultKind)res->kind;
	r->output = (ProtobufCBinaryData){res->output.size, (uint8_t *)res->output.data};
	r->reason = (char *)res->reason;
	r->call = (Settle__Wire__CommandKind)res->call;
	r->attempt = res->attempt;
	r->retry_after_ms = res->retry_after_ms;
	return r;
}

static Settle__Wire__Command *pack_command(struct arena *a, const struct command *cmd)
{
	Settle__Wire__Command *c = arena_raw(a, sizeof *c);

	settle__wire__command__init(c);
	c->kind = (Settle__Wire__CommandKind)cmd->kind;
	c->branch = pack_branch(a, &cmd->id);
	c->operation = (char *)cmd->operation;
	c->args = (ProtobufCBinaryData){cmd->args.size, (uint8_t *)cmd->args.data};
	c->timeout_ms = cmd->timeout_ms;
	c->read_only = cmd->read_only;
	c->repeat = cmd->repeat;
	c->attempt = cmd->attempt;
	c->elsewhere = cmd->elsewhere;
	return c;
}

static Settle__Wire__Answer *pack_answer(struct arena *a, const struct answer *ans)
{
	Settle__Wire__Answer *m = arena_raw(a, sizeof *m);

	settle__wire__answer__init(m);
	m->branch = pack_branch(a, &ans->id);
	m->verdict = (Settle__Wire__Verdict)ans->verdict;
	return m;
}

static void pack_poll(struct arena *a, const struct poll *p, Settle__Wire__Poll *m)
{
	settle__wire__poll__init(m);
	m->version = FRAME_VERSION;
	m->cluster = (char *)p->cluster;
	m->agent = (char *)p->agent;
	m->incarnation = p->incarnation;
	m->seq = p->seq;
	m->epoch = p->epoch;
	m->window = p->window;
	m->hello = p->hello;
	m->n_resources = p->n_resources;
	m->resources = arena_get(a, p->n_resources, sizeof *m->resources);
	for (size_t i = 0; i < p->n_resources; i++)
		m->resources[i] = pack_resource(a, &p->resources[i]);
	m->n_results = p->n_results;
	m->results = arena_get(a, p->n_results, sizeof *m->results);
	for (size_t i = 0; i < p->n_results; i++)
		m->results[i] = pack_result(a, &p->results[i]);
	m->n_inquiries = p->n_inquiries;
	m->inquiries = arena_get(a, p->n_inquiries, sizeof *m->inquiries);
	for (size_t i = 0; i < p->n_inquiries; i++)
		m->inquiries[i] = pack_branch(a, &p->inquiries[i]);
}

static void pack_reply(struct arena *a, const struct reply *r, Settle__Wire__Reply *m)
{
	settle__wire__reply__init(m);
	m->version = FRAME_VERSION;
	m->cluster = (char *)r->cluster;
	m->epoch = r->epoch;
	m->error = (char *)r->error;
	m->want_hello = r->want_hello;
	m->n_commands = r->n_commands;
	m->commands = arena_get(a, r->n_commands, sizeof *m->commands);
	for (size_t i = 0; i < r->n_commands; i++)
		m->commands[i] = pack_command(a, &r->commands[i]);
	m->n_answers = r->n_answers;
	m->answers = arena_get(a, r->n_answers, sizeof *m->answers);
	for (size_t i = 0; i < r->n_answers; i++)
		m->answers[i] = pack_answer(a, &r->answers[i]);
}

/* Packs into `out`, or only measures when it is NULL. */
static size_t poll_pack(const struct poll *p, void *out)
{
	struct arena *a = arena_new(256 * (p->n_results + p->n_inquiries + p->n_resources));
	Settle__Wire__Poll m;
	size_t size;

	pack_poll(a, p, &m);
	size = out != NULL ? settle__wire__poll__pack(&m, out)
			   : settle__wire__poll__get_packed_size(&m);
	arena_free(a);
	return size;
}

static size_t reply_pack(const struct reply *r, void *out)
{
	struct arena *a = arena_new(256 * (r->n_commands + r->n_answers));
	Settle__Wire__Reply m;
	size_t size;

	pack_reply(a, r, &m);
	size = out != NULL ? settle__wire__reply__pack(&m, out)
			   : settle__wire__reply__get_packed_size(&m);
	arena_free(a);
	return size;
}

size_t poll_size(const struct poll *p)
{
	return poll_pack(p, NULL);
}

void poll_encode(const struct poll *p, void *out)
{
	poll_pack(p, out);
}

size_t reply_size(const struct reply *r)
{
	return reply_pack(r, NULL);
}

void reply_encode(const struct reply *r, void *out)
{
	reply_pack(r, out);
}
