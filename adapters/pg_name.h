/* pg_name.h - the names by which the server knows us: of prepared transactions
 * (`settle:<cluster>:<epoch>:<gid>:<branch>`) and of sessions (application_name).
 *
 * Rule: names are made of ids only (base/id.h), which hold neither quote nor
 * colon, so a name can be put in quotes as it is and taken apart again.
 * Thread: no shared state. */
#ifndef ADAPTERS_PG_NAME_H
#define ADAPTERS_PG_NAME_H

#include "base/id.h"
#include "wire/frame.h"

enum {
	PG_NAME_SIZE = 200, /* the server's GIDSIZE, with the NUL */
	PG_APP_SIZE = 64,   /* the server's NAMEDATALEN, with the NUL: it cuts the rest */
};

struct pg_branch {
	char gid[GID_MAX + 1];
	char branch[NAME_MAX_LEN + 1];
	uint64_t epoch;
	char name[PG_NAME_SIZE];
};

/* Fills `b` from `id`, whose ids were checked where they came in (asserted). */
void pg_branch_init(struct pg_branch *b, const char *cluster, const struct branch_id *id);

/* The same for the calls of a saga's step, both directions: `<gid>/<step>`, which is
 * no branch's name, and epoch 0. */
void pg_branch_of_step(struct pg_branch *b, const char *gid, const char *step);

/* Takes a prepared transaction's name apart; false if this cluster never made it. */
bool pg_branch_parse(struct pg_branch *b, const char *cluster, const char *name);

/* `settle:<cluster>:`, by which the server's list is filtered. */
void pg_name_prefix(char out[PG_NAME_SIZE], const char *cluster);

/* `settle:<cluster>:<agent>:<incarnation>`, or with a hash for cluster and agent
 * where that would be cut.  Returns the length of what all incarnations share. */
size_t pg_app_name(char out[PG_APP_SIZE], const char *cluster, const char *agent,
		   uint64_t incarnation);

#endif
