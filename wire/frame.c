/* frame.c - see frame.h; frame_decode.c has the other half.
 *
 * Encoding is packer.h's affair: no tree is built. */
#include "wire/frame.h"
#include "base/id.h"
#include "base/mem.h"
#include "wire/packer.h"
#include "wire/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- encoding: the numbers are those of settle.proto ---- */

static void pack_branch(struct packer *p, uint32_t field, const struct branch_id *id)
{
	const size_t at = pack_open(p, field);

	pack_text(p, 1, id->resource);
	pack_text(p, 2, id->gid);
	pack_number(p, 3, id->epoch);
	pack_text(p, 4, id->branch);
	pack_close(p, at);
}

static void pack_operation(struct packer *p, const struct operation_info *op)
{
	const size_t at = pack_open(p, 5);

	pack_text(p, 1, op->name);
	for (size_t i = 0; i < op->n_args; i++)
		pack_item(p, 2, op->args[i]);
	pack_close(p, at);
}

static void pack_resource(struct packer *p, const struct resource_info *info)
{
	const size_t at = pack_open(p, 9);

	pack_text(p, 1, info->name);
	pack_text(p, 2, info->adapter);
	pack_number(p, 3, info->ready);
	pack_text(p, 4, info->problem);
	for (size_t i = 0; i < info->n_operations; i++)
		pack_operation(p, &info->operations[i]);
	pack_number(p, 6, info->one_phase);
	pack_number(p, 7, info->calls);
	pack_number(p, 8, info->exact);
	pack_number(p, 9, info->groups);
	pack_close(p, at);
}

static void pack_result(struct packer *p, const struct result *res)
{
	const size_t at = pack_open(p, 10);

	pack_branch(p, 1, &res->id);
	pack_number(p, 2, (uint64_t)res->kind);
	pack_bytes(p, 3, res->output.data, res->output.size);
	pack_text(p, 4, res->reason);
	pack_number(p, 5, (uint64_t)res->call);
	pack_number(p, 6, res->attempt);
	pack_number(p, 7, res->retry_after_ms);
	pack_close(p, at);
}

static void pack_command(struct packer *p, const struct command *cmd)
{
	const size_t at = pack_open(p, 6);

	pack_number(p, 1, (uint64_t)cmd->kind);
	pack_branch(p, 2, &cmd->id);
	pack_text(p, 3, cmd->operation);
	pack_bytes(p, 4, cmd->args.data, cmd->args.size);
	pack_number(p, 5, cmd->timeout_ms);
	pack_number(p, 6, cmd->read_only);
	pack_number(p, 7, cmd->repeat);
	pack_number(p, 8, cmd->attempt);
	pack_number(p, 9, cmd->elsewhere);
	pack_close(p, at);
}

static void pack_answer(struct packer *p, const struct answer *ans)
{
	const size_t at = pack_open(p, 7);

	pack_branch(p, 1, &ans->id);
	pack_number(p, 2, (uint64_t)ans->verdict);
	pack_close(p, at);
}

static void *packed(struct packer *p, size_t *size)
{
	*size = p->size;
	return p->bytes;
}

void *poll_pack(const struct poll *poll, size_t *size)
{
	struct packer p = {0};

	pack_number(&p, 1, FRAME_VERSION);
	pack_text(&p, 2, poll->cluster);
	pack_text(&p, 3, poll->agent);
	pack_number(&p, 4, poll->incarnation);
	pack_number(&p, 5, poll->seq);
	pack_number(&p, 6, poll->epoch);
	pack_number(&p, 7, poll->window);
	pack_number(&p, 8, poll->hello);
	for (size_t i = 0; i < poll->n_resources; i++)
		pack_resource(&p, &poll->resources[i]);
	for (size_t i = 0; i < poll->n_results; i++)
		pack_result(&p, &poll->results[i]);
	for (size_t i = 0; i < poll->n_inquiries; i++)
		pack_branch(&p, 11, &poll->inquiries[i]);
	return packed(&p, size);
}

void *reply_pack(const struct reply *r, size_t *size)
{
	struct packer p = {0};

	pack_number(&p, 1, FRAME_VERSION);
	pack_text(&p, 2, r->cluster);
	pack_number(&p, 3, r->epoch);
	pack_text(&p, 4, r->error);
	pack_number(&p, 5, r->want_hello);
	for (size_t i = 0; i < r->n_commands; i++)
		pack_command(&p, &r->commands[i]);
	for (size_t i = 0; i < r->n_answers; i++)
		pack_answer(&p, &r->answers[i]);
	return packed(&p, size);
}

size_t poll_size(const struct poll *p)
{
	size_t size;

	free(poll_pack(p, &size));
	return size;
}

void poll_encode(const struct poll *p, void *out)
{
	size_t size;
	void *bytes = poll_pack(p, &size);

	memcpy(out, bytes, size);
	free(bytes);
}

size_t reply_size(const struct reply *r)
{
	size_t size;

	free(reply_pack(r, &size));
	return size;
}

void reply_encode(const struct reply *r, void *out)
{
	size_t size;
	void *bytes = reply_pack(r, &size);

	memcpy(out, bytes, size);
	free(bytes);
}
