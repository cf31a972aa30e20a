/* frame_decode.c - see frame.h.
 *
 * Decoding scans the bytes, unpacks them into an arena, and then checks each field
 * while it fills the plain structs; these point into the arena, so nothing is
 * copied twice. */
#include "wire/frame.h"
#include "base/id.h"
#include "wire/arena.h"
#include "wire/scan.h"
#include "wire/settle.pb-c.h"

#include <string.h>

typedef Settle__Wire__Branch pb_branch;

static void *pb_get(void *arena, size_t size)
{
	return arena_raw(arena, size);
}

static void pb_free(void *arena, void *p)
{
	(void)arena, (void)p;
}

static enum rc check_id(const char *id, size_t max, const char *field, struct err *err)
{
	if (id_valid(id, max))
		return RC_OK;
	return err_set(err, RC_INVALID, "`%s` must be 1 to %zu of A-Z a-z 0-9 . _ -", field, max);
}

static enum rc check_text(const char *text, const char *field, struct err *err)
{
	if (strlen(text) <= REASON_MAX)
		return RC_OK;
	return err_set(err, RC_TOO_BIG, "`%s` is over %d bytes", field, REASON_MAX);
}

static enum rc check_head(uint32_t version, const char *cluster, struct err *err)
{
	if (version != FRAME_VERSION)
		return err_set(err, RC_INVALID, "frame version %u is not spoken here, only %d",
			       version, FRAME_VERSION);
	if (!id_valid_plain(cluster, CLUSTER_MAX))
		return err_set(err, RC_INVALID, "`cluster` must be 1 to %d of A-Z a-z 0-9 _ -",
			       CLUSTER_MAX);
	return RC_OK;
}

static enum rc check_count(size_t n, const char *field, struct err *err)
{
	if (n <= FRAME_ITEMS_MAX)
		return RC_OK;
	return err_set(err, RC_TOO_BIG, "`%s` has more than %d entries", field, FRAME_ITEMS_MAX);
}

static enum rc take_payload(const ProtobufCBinaryData *data, const char *field, struct bytes *out,
			    struct err *err)
{
	if (data->len > PAYLOAD_MAX)
		return err_set(err, RC_TOO_BIG, "`%s` is over %d bytes", field, PAYLOAD_MAX);
	*out = (struct bytes){(const char *)data->data, data->len};
	return RC_OK;
}

static enum rc take_branch(const pb_branch *b, struct branch_id *id, struct err *err)
{
	enum rc rc;

	if (b == NULL)
		return err_set(err, RC_INVALID, "`branch` is missing");
	if ((rc = check_id(b->resource, NAME_MAX_LEN, "resource", err)) != RC_OK ||
	    (rc = check_id(b->gid, GID_MAX, "gid", err)) != RC_OK ||
	    (rc = check_id(b->branch, NAME_MAX_LEN, "branch", err)) != RC_OK)
		return rc;
	*id = (struct branch_id){b->resource, b->gid, b->epoch, b->branch};
	return RC_OK;
}

static enum rc take_operation(const Settle__Wire__Operation *o, struct operation_info *op,
			      struct err *err)
{
	enum rc rc = check_id(o->name, NAME_MAX_LEN, "operation", err);

	for (size_t i = 0; rc == RC_OK && i < o->n_args; i++)
		rc = check_id(o->args[i], NAME_MAX_LEN, "args", err);
	*op = (struct operation_info){o->name, (const char **)o->args, o->n_args};
	return rc;
}

static enum rc take_resource(struct arena *a, const Settle__Wire__Resource *r,
			     struct resource_info *info, struct err *err)
{
	enum rc rc;

	if ((rc = check_id(r->name, NAME_MAX_LEN, "name", err)) != RC_OK ||
	    (rc = check_id(r->adapter, NAME_MAX_LEN, "adapter", err)) != RC_OK ||
	    (rc = check_text(r->problem, "problem", err)) != RC_OK)
		return rc;
	info->name = r->name;
	info->adapter = r->adapter;
	info->ready = r->ready != 0;
	info->problem = r->problem;
	info->one_phase = r->one_phase != 0;
	info->calls = r->calls != 0;
	info->exact = r->exact != 0;
	info->groups = r->groups != 0;
	info->n_operations = r->n_operations;
	info->operations = arena_get(a, r->n_operations, sizeof *info->operations);
	for (size_t i = 0; rc == RC_OK && i < r->n_operations; i++)
		rc = take_operation(r->operations[i], &info->operations[i], err);
	return rc == RC_OK ? rc : err_wrap(err, "resource %s", r->name);
}

/* Whether the result answers a saga call, and which attempt of it. */
static enum rc take_call(const Settle__Wire__Result *r, struct result *res, struct err *err)
{
	const bool call = (int)r->call != COMMAND_NONE;

	if (call && !command_is_call((enum command_kind)r->call))
		return err_set(err, RC_INVALID, "`call` must be DO or UNDO, not %d", (int)r->call);
	if (!result_fits(res->kind, call))
		return err_set(err, RC_INVALID, "a result %s cannot be about a %s",
			       result_kind_name(res->kind), call ? "call" : "branch");
	if (!call)
		return RC_OK;
	if (r->attempt == 0)
		return err_set(err, RC_INVALID, "`attempt` of a call's answer counts from 1");
	res->call = (enum command_kind)r->call;
	res->attempt = r->attempt;
	if (res->kind == RESULT_RETRY)
		res->retry_after_ms = r->retry_after_ms < RETRY_AFTER_MAX_MS ? r->retry_after_ms
									     : RETRY_AFTER_MAX_MS;
	return RC_OK;
}

static enum rc take_result(const Settle__Wire__Result *r, struct result *res, struct err *err)
{
	enum rc rc;

	if ((rc = take_branch(r->branch, &res->id, err)) != RC_OK ||
	    (rc = take_payload(&r->output, "output", &res->output, err)) != RC_OK ||
	    (rc = check_text(r->reason, "reason", err)) != RC_OK)
		return rc;
	if ((int)r->kind <= RESULT_NONE || (int)r->kind > RESULT_PENDING)
		return err_set(err, RC_INVALID, "%d is no kind of result", (int)r->kind);
	res->kind = (enum result_kind)r->kind;
	res->reason = r->reason;
	return take_call(r, res, err);
}

static enum rc take_command(const Settle__Wire__Command *c, struct command *cmd, struct err *err)
{
	const bool call = command_is_call((enum command_kind)c->kind);
	const bool work = call || (int)c->kind == COMMAND_PREPARE || (int)c->kind == COMMAND_ONCE;
	enum rc rc;

	if ((rc = take_branch(c->branch, &cmd->id, err)) != RC_OK ||
	    (rc = take_payload(&c->args, "args", &cmd->args, err)) != RC_OK)
		return rc;
	if ((int)c->kind <= COMMAND_NONE || (int)c->kind > COMMAND_UNDO)
		return err_set(err, RC_INVALID, "%d is no kind of command", (int)c->kind);
	if ((work || c->operation[0] != '\0') &&
	    (rc = check_id(c->operation, NAME_MAX_LEN, "operation", err)) != RC_OK)
		return rc;
	if (call && c->args.len == 0)
		return err_set(err, RC_INVALID, "`args` of a call must be a JSON object");
	if (call && c->attempt == 0)
		return err_set(err, RC_INVALID, "`attempt` of a call counts from 1");
	cmd->kind = (enum command_kind)c->kind;
	cmd->operation = c->operation;
	cmd->timeout_ms = c->timeout_ms;
	cmd->read_only = c->read_only != 0;
	cmd->repeat = c->repeat != 0;
	cmd->attempt = call ? c->attempt : 0;
	cmd->elsewhere = c->kind == SETTLE__WIRE__COMMAND_KIND__COMMAND_UNDO && c->elsewhere != 0;
	return RC_OK;
}

static enum rc take_answer(const Settle__Wire__Answer *m, struct answer *ans, struct err *err)
{
	if ((int)m->verdict < VERDICT_WAIT || (int)m->verdict > VERDICT_ABORT)
		return err_set(err, RC_INVALID, "%d is no verdict", (int)m->verdict);
	ans->verdict = (enum verdict)m->verdict;
	return take_branch(m->branch, &ans->id, err);
}

static enum rc take_poll(struct arena *a, const Settle__Wire__Poll *m, struct poll *p,
			 struct err *err)
{
	enum rc rc;

	if ((rc = check_head(m->version, m->cluster, err)) != RC_OK ||
	    (rc = check_id(m->agent, NAME_MAX_LEN, "agent", err)) != RC_OK ||
	    (rc = check_count(m->n_resources, "resources", err)) != RC_OK ||
	    (rc = check_count(m->n_results, "results", err)) != RC_OK ||
	    (rc = check_count(m->n_inquiries, "inquiries", err)) != RC_OK)
		return rc;
	p->cluster = m->cluster;
	p->agent = m->agent;
	p->incarnation = m->incarnation;
	p->seq = m->seq;
	p->epoch = m->epoch;
	p->window = m->window;
	p->hello = m->hello != 0;
	p->n_resources = m->n_resources;
	p->resources = arena_get(a, m->n_resources, sizeof *p->resources);
	p->n_results = m->n_results;
	p->results = arena_get(a, m->n_results, sizeof *p->results);
	p->n_inquiries = m->n_inquiries;
	p->inquiries = arena_get(a, m->n_inquiries, sizeof *p->inquiries);
	for (size_t i = 0; i < m->n_resources; i++)
		if (take_resource(a, m->resources[i], &p->resources[i], err) != RC_OK)
			return err_wrap(err, "resources[%zu]", i);
	for (size_t i = 0; i < m->n_results; i++)
		if (take_result(m->results[i], &p->results[i], err) != RC_OK)
			return err_wrap(err, "results[%zu]", i);
	for (size_t i = 0; i < m->n_inquiries; i++)
		if (take_branch(m->inquiries[i], &p->inquiries[i], err) != RC_OK)
			return err_wrap(err, "inquiries[%zu]", i);
	return RC_OK;
}

/* An error may come from someone who does not know his cluster yet, and says
 * nothing but the error. */
static enum rc take_reply(struct arena *a, const Settle__Wire__Reply *m, struct reply *r,
			  struct err *err)
{
	const bool anonymous = m->error[0] != '\0' && m->cluster[0] == '\0';
	enum rc rc;

	if ((rc = check_head(m->version, anonymous ? "-" : m->cluster, err)) != RC_OK ||
	    (rc = check_text(m->error, "error", err)) != RC_OK ||
	    (rc = check_count(m->n_commands, "commands", err)) != RC_OK ||
	    (rc = check_count(m->n_answers, "answers", err)) != RC_OK)
		return rc;
	r->cluster = m->cluster;
	r->epoch = m->epoch;
	r->error = m->error;
	r->want_hello = m->want_hello != 0;
	r->n_commands = m->n_commands;
	r->commands = arena_get(a, m->n_commands, sizeof *r->commands);
	r->n_answers = m->n_answers;
	r->answers = arena_get(a, m->n_answers, sizeof *r->answers);
	for (size_t i = 0; i < m->n_commands; i++)
		if (take_command(m->commands[i], &r->commands[i], err) != RC_OK)
			return err_wrap(err, "commands[%zu]", i);
	for (size_t i = 0; i < m->n_answers; i++)
		if (take_answer(m->answers[i], &r->answers[i], err) != RC_OK)
			return err_wrap(err, "answers[%zu]", i);
	return RC_OK;
}

/* Unpacks into a new arena; NULL with `err` filled when it cannot be. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, const void *bytes,
				size_t size, struct arena **arena, struct err *err)
{
	ProtobufCAllocator allocator = {.alloc = pb_get, .free = pb_free};
	ProtobufCMessage *m;

	if (scan_message(type, bytes, size, err) != RC_OK)
		return NULL;
	*arena = allocator.allocator_data = arena_new(4 * size);
	m = protobuf_c_message_unpack(type, &allocator, size, bytes);
	if (m == NULL)
		err_set(err, RC_INVALID, "the bytes are not a frame");
	return m;
}

enum rc poll_decode(struct poll *p, const void *bytes, size_t size, struct err *err)
{
	struct err local;
	struct err *e = err != NULL ? err : &local;
	struct arena *a = NULL;
	const ProtobufCMessage *m = unpack(&settle__wire__poll__descriptor, bytes, size, &a, e);

	*p = (struct poll){.owned = a};
	if (m != NULL && take_poll(a, (const Settle__Wire__Poll *)m, p, e) == RC_OK)
		return RC_OK;
	poll_free(p);
	return e->code;
}

enum rc reply_decode(struct reply *r, const void *bytes, size_t size, struct err *err)
{
	struct err local;
	struct err *e = err != NULL ? err : &local;
	struct arena *a = NULL;
	const ProtobufCMessage *m = unpack(&settle__wire__reply__descriptor, bytes, size, &a, e);

	*r = (struct reply){.owned = a};
	if (m != NULL && take_reply(a, (const Settle__Wire__Reply *)m, r, e) == RC_OK)
		return RC_OK;
	reply_free(r);
	return e->code;
}

void poll_free(struct poll *p)
{
	arena_free(p->owned);
	*p = (struct poll){0};
}

void reply_free(struct reply *r)
{
	arena_free(r->owned);
	*r = (struct reply){0};
}
