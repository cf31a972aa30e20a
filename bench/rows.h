/* rows.h - transactions as the engine would write them: two branches, at bank-a and bank-b.
 *
 * Such a transaction is two writes in its life: the whole row when it is decided, and
 * later, that it ended.
 * Thread: the program's only one. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "coordinator/record.h"

/* So many records, decided to commit; none has a gid or a seq yet. */
struct rows {
	struct record *of;
	size_t n;
	uint64_t last_seq;
	uint64_t apart_us; /* from one seq to the next */
	bool own_gids;     /* as clients give them: in no order */
};

/* `first_seq`: in wall µs; those of the rows come after it. */
void rows_init(struct rows *rows, size_t n, uint64_t first_seq);
/* Makes other transactions of them, just decided: a new gid and seq each. */
void rows_renew(struct rows *rows);
/* A gid as the coordinator makes it, or (`own`) as a client might: in no order. */
void rows_gid(uint64_t seq, bool own, char out[GID_MAX + 1]);
/* The decided ones are over. */
void rows_end(struct rows *rows);
void rows_fini(struct rows *rows);

#endif
