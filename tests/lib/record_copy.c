/* record_copy.c - see record_copy.h. */
#include "tests/lib/record_copy.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void copy_steps(struct saga *to, const struct saga *from)
{
	for (size_t i = 0; i < from->n_steps; i++) {
		struct err err;
		void *bytes;
		size_t size;
		enum rc rc;

		record_pack_step(&from->steps[i], &bytes, &size);
		rc = record_unpack_step(&to->steps[i], bytes, size, &err);
		assert(rc == RC_OK);
		free(bytes);
	}
}

struct record *record_copy(const struct record *r)
{
	struct record *c = mem_new(1, sizeof *c);
	struct err err;
	void *bytes;
	size_t size;
	enum rc rc;

	c->seq = r->seq;
	memcpy(c->gid, r->gid, sizeof c->gid);
	memcpy(c->hash, r->hash, sizeof c->hash);
	c->state = r->state;
	c->epoch = r->epoch;
	c->finished_us = r->finished_us;
	c->events = r->events;
	c->workflow = mem_dup(r->workflow);
	c->reason = mem_dup(r->reason);
	record_pack(r, &bytes, &size);
	rc = record_unpack(c, bytes, size, &err);
	assert(rc == RC_OK);
	free(bytes);
	if (r->saga != NULL)
		copy_steps(c->saga, r->saga);
	return c;
}
