/* read.h - typed reads of a workflow file's tree that note what is wrong and go on.
 * Thread: the owner's. */
#ifndef SAGA_READ_H
#define SAGA_READ_H

#include "saga/problems.h"

/* What a name may be. */
struct name_rule {
	size_t max;
	bool dots;
};
extern const struct name_rule name_dotted, name_plain;

/* True if `map` is one; every key that is not among `known` is a problem. */
bool read_keys(struct problems *p, const struct yaml_node *map, const char *const *known,
	       const char *what);

/* True if `map` seems to have `key`, misspelt: which is a problem already. */
bool read_misspelt(const struct yaml_node *map, const char *key);

/* The name at `key` of `map`, which is `what` ("a branch"), for free(); NULL if it is
 * missing or no name, which is a problem. */
char *read_name(struct problems *p, const struct yaml_node *map, const char *key, const char *what,
		struct name_rule rule);

/* The same; left out it is no problem, and NULL. */
char *read_optional_name(struct problems *p, const struct yaml_node *map, const char *key,
			 struct name_rule rule);

/* Of `map`'s value at `key`, if there is one: else `*out` stays as it is. */
void read_bool(struct problems *p, const struct yaml_node *map, const char *key, bool *out);
void read_ms(struct problems *p, const struct yaml_node *map, const char *key, uint64_t min_ms,
	     uint64_t max_ms, uint64_t *out);

#endif
