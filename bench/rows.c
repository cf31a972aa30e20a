/* rows.c - see rows.h. */
#include "bench/rows.h"

#include "base/mem.h"
#include "base/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct record_branch branch(const char *name, const char *bank, const char *operation,
				   const char *agent)
{
	return (struct record_branch){
		.name = word_hold(name),
		.resource = word_hold(bank),
		.operation = word_hold(operation),
		.agent = word_hold(agent),
		.state = BR_COMMITTING,
	};
}

static void fill(struct record *r, size_t i)
{
	memset(r->hash, (int)(i + 1), sizeof r->hash);
	r->epoch = 1;
	r->timeout_ms = 10 * 1000;
	r->workflow = mem_dup("transfer");
	r->input = mem_dup("{\"from\":1234,\"to\":5678,\"amount\":17}");
	r->n_branches = 2;
	r->branches = mem_new(2, sizeof *r->branches);
	r->branches[0] = branch("pay.debit", "bank-a", "debit", "agent-a");
	r->branches[1] = branch("pay.credit", "bank-b", "credit", "agent-b");
}

void rows_init(struct rows *rows, size_t n, uint64_t first_seq)
{
	rows->of = mem_new(n, sizeof *rows->of);
	rows->n = n;
	rows->last_seq = first_seq;
	rows->apart_us = 1;
	for (size_t i = 0; i < n; i++)
		fill(&rows->of[i], i);
}

void rows_gid(uint64_t seq, bool own, char out[GID_MAX + 1])
{
	char made[GID_MAX + 1];

	id_make_gid(seq, made);
	if (own) /* without the time in front */
		snprintf(out, GID_MAX + 1, "%s-mine", strchr(made, '-') + 1);
	else
		memcpy(out, made, sizeof made);
}

void rows_renew(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct record *r = &rows->of[i];

		r->seq = rows->last_seq += rows->apart_us;
		rows_gid(r->seq, rows->own_gids, r->gid);
		r->state = TXN_COMMITTING;
		r->finished_us = 0;
	}
}

void rows_end(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		rows->of[i].state = TXN_COMMITTED;
		rows->of[i].finished_us = rows->of[i].seq + 1000;
	}
}

void rows_fini(struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		record_fini(&rows->of[i]);
	free(rows->of);
	memset(rows, 0, sizeof *rows);
}
