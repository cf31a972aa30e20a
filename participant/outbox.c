/* outbox.c - see outbox.h. */
#include "participant/outbox.h"
#include "base/crash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

enum {
	/* Of one poll, so that its frame stays well under FRAME_MAX. */
	POLL_RESULTS = 5000,
	POLL_INQUIRIES = 1000,
	POLL_BYTES = 4 << 20,
	NOTE_BYTES = 300, /* a result without output and reason, rounded up */
	/* Waiting or asked; the sweeps find the rest again. */
	INQUIRIES_MAX = 10000,
};

/* A result or an inquiry; its names are in one block with it. */
struct note {
	struct result r; /* an inquiry has only the id */
	struct note *prev, *next;
	UT_hash_handle hh; /* an inquiry: in `asked`, by the id as text */
	char *name;
};

struct parcel {
	uint64_t seq;
	uint64_t sent_us;
	bool hello;
	struct note *results, *inquiries; /* what it carries */
	struct result *result_array;      /* the same for the frame */
	struct branch_id *inquiry_array;
	struct parcel *prev, *next;
};

static struct note *note_new(const struct branch_id *id)
{
	struct note *n = mem_new(1, sizeof *n + strlen(id->resource) + strlen(id->gid) +
					    strlen(id->branch) + 3);
	char *resource = (char *)(n + 1), *gid = mem_put(resource, id->resource);
	char *branch = mem_put(gid, id->gid);

	mem_put(branch, id->branch);
	n->r.id = (struct branch_id){resource, gid, id->epoch, branch};
	return n;
}

static void note_free(struct note *n)
{
	free((char *)n->r.output.data);
	free((char *)n->r.reason);
	free(n->name);
	free(n);
}

static bool same(const struct branch_id *a, const struct branch_id *b)
{
	return a->epoch == b->epoch && strcmp(a->gid, b->gid) == 0 &&
	       strcmp(a->branch, b->branch) == 0 && strcmp(a->resource, b->resource) == 0;
}

/* ---- what goes in ---- */

void outbox_result(struct outbox *o, const struct result *r)
{
	struct note *n = note_new(&r->id);
	const char *reason = r->reason;

	CRASH_POINT(result_put);
	n->r.kind = r->kind;
	n->r.call = r->call;
	n->r.attempt = r->attempt;
	n->r.retry_after_ms = r->retry_after_ms;
	if (r->output.size > PAYLOAD_MAX)
		reason = "the operation's output was too big and is left out";
	else if (r->output.size > 0)
		n->r.output = (struct bytes){mem_dup_bytes(r->output.data, r->output.size),
					     r->output.size};
	n->r.reason = frame_cut_reason(reason);
	DL_APPEND(o->results, n);
	CRASH_POINT(result_kept);
}

static bool has_result(const struct note *list, const struct branch_id *id, enum command_kind call,
		       uint32_t attempt)
{
	const struct note *n;

	DL_FOREACH (list, n)
		if (n->r.call == call && n->r.attempt == attempt && same(&n->r.id, id))
			return true;
	return false;
}

bool outbox_has_answer(const struct outbox *o, const struct branch_id *id, enum command_kind call,
		       uint32_t attempt)
{
	const struct parcel *p;

	DL_FOREACH (o->parcels, p)
		if (has_result(p->results, id, call, attempt))
			return true;
	return has_result(o->results, id, call, attempt);
}

bool outbox_has_result(const struct outbox *o, const struct branch_id *id)
{
	return outbox_has_answer(o, id, COMMAND_NONE, 0);
}

bool outbox_ask(struct outbox *o, const struct branch_id *id)
{
	char *name = mem_printf("%llu/%s/%s/%s", (unsigned long long)id->epoch, id->resource,
				id->gid, id->branch);
	struct note *n;

	HASH_FIND_STR(o->asked, name, n);
	if (n != NULL || HASH_COUNT(o->asked) >= INQUIRIES_MAX) {
		free(name);
		return false;
	}
	n = note_new(id);
	n->name = name;
	HASH_ADD_KEYPTR(hh, o->asked, n->name, strlen(n->name), n);
	DL_APPEND(o->inquiries, n);
	return true;
}

bool outbox_waiting(const struct outbox *o)
{
	return o->results != NULL || o->inquiries != NULL || o->hello;
}

bool outbox_owes_results(const struct outbox *o, uint64_t sent_after_us)
{
	const struct parcel *p;

	DL_FOREACH (o->parcels, p)
		if (p->results != NULL && p->sent_us > sent_after_us)
			return true;
	return o->results != NULL;
}

/* ---- polls ---- */

static size_t take_results(struct outbox *o, struct parcel *p)
{
	size_t n = 0, bytes = 0;

	while (o->results != NULL && n < POLL_RESULTS && bytes < POLL_BYTES) {
		struct note *note = o->results;

		DL_DELETE(o->results, note);
		DL_APPEND(p->results, note);
		bytes += NOTE_BYTES + note->r.output.size + strlen(note->r.reason);
		n++;
	}
	return n;
}

static size_t take_inquiries(struct outbox *o, struct parcel *p)
{
	size_t n = 0;

	while (o->inquiries != NULL && n < POLL_INQUIRIES) {
		struct note *note = o->inquiries;

		DL_DELETE(o->inquiries, note);
		DL_APPEND(p->inquiries, note);
		n++;
	}
	return n;
}

void outbox_take(struct outbox *o, struct poll *p, uint64_t now_us)
{
	struct parcel *parcel = mem_new(1, sizeof *parcel);
	const struct note *n;
	size_t i = 0;

	parcel->seq = p->seq;
	parcel->sent_us = now_us;
	parcel->hello = p->hello = o->hello;
	o->hello = false;
	p->n_results = take_results(o, parcel);
	p->n_inquiries = take_inquiries(o, parcel);
	p->results = parcel->result_array = mem_new(p->n_results, sizeof *p->results);
	p->inquiries = parcel->inquiry_array = mem_new(p->n_inquiries, sizeof *p->inquiries);
	DL_FOREACH (parcel->results, n)
		p->results[i++] = n->r;
	i = 0;
	DL_FOREACH (parcel->inquiries, n)
		p->inquiries[i++] = n->r.id;
	DL_APPEND(o->parcels, parcel);
	o->n_parcels++;
}

static struct parcel *parcel_out(struct outbox *o, uint64_t seq)
{
	struct parcel *p;

	DL_FOREACH (o->parcels, p)
		if (p->seq == seq)
			break;
	if (p != NULL) {
		DL_DELETE(o->parcels, p);
		o->n_parcels--;
	}
	return p;
}

static void parcel_free(struct outbox *o, struct parcel *p)
{
	struct note *n, *tmp;

	DL_FOREACH_SAFE (p->results, n, tmp)
		note_free(n);
	DL_FOREACH_SAFE (p->inquiries, n, tmp) {
		HASH_DEL(o->asked, n);
		note_free(n);
	}
	free(p->result_array);
	free(p->inquiry_array);
	free(p);
}

bool outbox_acked(struct outbox *o, uint64_t seq)
{
	struct parcel *p = parcel_out(o, seq);

	if (p != NULL)
		parcel_free(o, p);
	return p != NULL;
}

bool outbox_lost(struct outbox *o, uint64_t seq)
{
	struct parcel *p = parcel_out(o, seq);

	if (p == NULL)
		return false;
	o->hello = o->hello || p->hello;
	DL_CONCAT(p->results, o->results);
	o->results = p->results;
	DL_CONCAT(p->inquiries, o->inquiries);
	o->inquiries = p->inquiries;
	p->results = p->inquiries = NULL;
	parcel_free(o, p);
	return true;
}

void outbox_fini(struct outbox *o)
{
	while (o->parcels != NULL)
		outbox_lost(o, o->parcels->seq);
	for (struct note *n; (n = o->results) != NULL; note_free(n))
		DL_DELETE(o->results, n);
	for (struct note *n; (n = o->inquiries) != NULL; note_free(n)) {
		DL_DELETE(o->inquiries, n);
		HASH_DEL(o->asked, n);
	}
}
