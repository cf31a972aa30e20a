/* id.h - the names that travel: gids, resources, steps, clusters.
 * Thread: any. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GID_MAX = 64,      /* bytes, without the NUL, as are all of these */
	CLUSTER_MAX = 31,  /* see branch names in adapters/postgres: their sum stays under 200 */
	NAME_MAX_LEN = 63, /* a resource, operation, agent or branch (`step.branch`) */
	STEP_MAX = 31,     /* a step, or a branch within its step */
};

/* True for 1 to `max` bytes of [A-Za-z0-9._-]. */
bool id_valid(const char *id, size_t max);

/* The same without the dot: for steps and branches, which a dot joins, and clusters. */
bool id_valid_plain(const char *id, size_t max);

/* A new gid: the time in hex, then 80 random bits, so that gids made later sort
 * later (the journal's index appends) and nobody guesses the next.
 * `wall_us` is the time, `out` has room for GID_MAX + 1. */
void id_make_gid(uint64_t wall_us, char out[GID_MAX + 1]);

#endif
