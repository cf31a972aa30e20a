/* call.c - see call.h. */
#include "participant/call.h"
#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TO(s) (1u << CALL_##s)

enum { KEY_MAX = (NAME_MAX_LEN + 1) + (GID_MAX + 1) + (NAME_MAX_LEN + 1) };

/* One answer, with its output and reason in one block behind it. */
struct call_memory {
	struct call *call;
	bool undo;
	struct adapter_answer answer;
	size_t bytes;
	struct call_memory *prev, *next;
	char text[];
};

/* Where a stage may go. */
static const unsigned moves[] = {
	[CALL_DOING] = TO(STOPPING) | TO(OVER),
	[CALL_STOPPING] = TO(UNDOING) | TO(OVER),
	[CALL_UNDOING] = TO(OVER),
	[CALL_OVER] = TO(DOING) | TO(UNDOING) | TO(OVER),
};

/* ---- the table ---- */

/* The key is the three names with their NULs: no two calls share one. */
static unsigned make_key(const struct branch_id *id, char key[KEY_MAX])
{
	char *at = key;

	assert(branch_id_valid(id));
	at = mem_put(at, id->resource);
	at = mem_put(at, id->gid);
	at = mem_put(at, id->branch);
	return (unsigned)(at - key);
}

struct call *calls_find(const struct calls *t, const struct branch_id *id)
{
	char key[KEY_MAX];
	const unsigned size = make_key(id, key);
	struct call *c;

	HASH_FIND(hh, t->all, key, size, c);
	return c;
}

static void enlist(struct calls *t, struct call *c)
{
	if (c->stage == CALL_OVER) {
		DL_APPEND(t->over, c);
	} else {
		DL_APPEND(t->live, c);
		t->n_live++;
	}
}

static void unlist(struct calls *t, struct call *c)
{
	if (c->stage == CALL_OVER) {
		DL_DELETE(t->over, c);
	} else {
		DL_DELETE(t->live, c);
		t->n_live--;
	}
}

struct call *calls_add(struct calls *t, const struct branch_id *id, struct served *served,
		       uint64_t now_us)
{
	char key[KEY_MAX];
	const unsigned size = make_key(id, key);
	struct call *c;

	if (HASH_COUNT(t->all) >= CALLS_MAX)
		return NULL;
	c = mem_new(1, sizeof *c + size);
	memcpy(c->key, key, size);
	c->gid = c->key + strlen(c->key) + 1;
	c->step = c->gid + strlen(c->gid) + 1;
	c->served = served;
	c->stage = CALL_OVER;
	c->since_us = now_us;
	HASH_ADD_KEYPTR(hh, t->all, c->key, size, c);
	enlist(t, c);
	return c;
}

void call_move(struct calls *t, struct call *c, enum call_stage to, uint64_t now_us)
{
	assert((moves[c->stage] & (1u << to)) != 0);
	assert((to == CALL_STOPPING) == (c->parked != NULL));
	unlist(t, c);
	c->stage = to;
	c->since_us = now_us;
	enlist(t, c);
}

static void drop(struct calls *t, struct call *c)
{
	call_forget(t, c, false);
	call_forget(t, c, true);
	call_parked_free(c->parked);
	unlist(t, c);
	HASH_DEL(t->all, c);
	free(c);
}

uint64_t calls_due(const struct calls *t)
{
	return t->over == NULL ? UINT64_MAX : t->over->since_us + CALL_LIFE_US;
}

void calls_expire(struct calls *t, uint64_t now_us)
{
	while (calls_due(t) <= now_us)
		drop(t, t->over);
}

void calls_fini(struct calls *t)
{
	struct call *c, *tmp;

	HASH_ITER (hh, t->all, c, tmp)
		drop(t, c);
}

/* ---- what waits ---- */

void call_park(struct call *c, const struct command *cmd, uint64_t now_us)
{
	struct call_parked *w = mem_new(1, sizeof *w);

	w->operation = mem_dup(cmd->operation);
	w->args = mem_dup_bytes(cmd->args.data, cmd->args.size);
	w->args_size = cmd->args.size;
	w->elsewhere = cmd->elsewhere;
	w->until_us = now_us + (uint64_t)cmd->timeout_ms * 1000;
	call_parked_free(c->parked);
	c->parked = w;
}

struct call_parked *call_unpark(struct call *c)
{
	struct call_parked *w = c->parked;

	c->parked = NULL;
	return w;
}

void call_parked_free(struct call_parked *w)
{
	if (w == NULL)
		return;
	free(w->operation);
	free(w->args);
	free(w);
}

/* ---- answers ---- */

void call_forget(struct calls *t, struct call *c, bool undo)
{
	struct call_memory *m = c->sides[undo].memory;

	if (m == NULL)
		return;
	c->sides[undo].memory = NULL;
	DL_DELETE(t->memories, m);
	t->n_memories--;
	t->memory_bytes -= m->bytes;
	free(m);
}

/* A call without answers and tombstone says nothing to anybody. */
static void forget_oldest(struct calls *t)
{
	struct call *c = t->memories->call;

	call_forget(t, c, t->memories->undo);
	if (c->stage == CALL_OVER && !c->undone && c->sides[0].memory == NULL &&
	    c->sides[1].memory == NULL)
		drop(t, c);
}

void call_remember(struct calls *t, struct call *c, bool undo, const struct adapter_answer *answer)
{
	const size_t reason_size = answer->reason != NULL ? strlen(answer->reason) + 1 : 0;
	const size_t bytes = answer->output.size + reason_size;
	struct call_memory *m = mem_new(1, sizeof *m + bytes);

	m->call = c;
	m->undo = undo;
	m->bytes = bytes;
	m->answer = *answer;
	if (answer->output.size > 0)
		memcpy(m->text, answer->output.data, answer->output.size);
	m->answer.output.data = m->text;
	if (reason_size > 0)
		m->answer.reason =
			memcpy(m->text + answer->output.size, answer->reason, reason_size);
	call_forget(t, c, undo);
	c->sides[undo].memory = m;
	DL_APPEND(t->memories, m);
	t->n_memories++;
	t->memory_bytes += bytes;
	while (t->memories != m &&
	       (t->n_memories > CALL_ANSWERS_MAX || t->memory_bytes > CALL_OUTPUTS_MAX))
		forget_oldest(t);
}

bool call_recall(const struct call *c, bool undo, struct adapter_answer *answer)
{
	if (c->sides[undo].memory == NULL)
		return false;
	*answer = c->sides[undo].memory->answer;
	return true;
}
