/* names.h - the declared names of a file, found fast: a megabyte of references to
 * a thousand steps must not keep the coordinator's thread busy.
 * Thread: the owner's. */
#ifndef SAGA_NAMES_H
#define SAGA_NAMES_H

#include <stddef.h>

struct names {
	const char *const *list; /* borrowed; NULL-terminated, in the file's order */
	size_t *sorted;          /* places in `list`, by name */
	size_t count;
};

/* `list` is borrowed until names_fini. Of equal names one is found. */
void names_init(struct names *n, const char *const *list);
void names_fini(struct names *n);

/* The place in the list of the name of `size` bytes; SIZE_MAX: there is none. */
size_t names_find(const struct names *n, const char *name, size_t size);

/* The nearest name to a text of `size` bytes, or NULL. */
const char *names_nearest(const struct names *n, const char *name, size_t size);

#endif
