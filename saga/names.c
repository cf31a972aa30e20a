/* names.c - see names.h. */
#include "saga/names.h"
#include "base/mem.h"
#include "base/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b, void *list)
{
	const char *const *names = list;

	return strcmp(names[*(const size_t *)a], names[*(const size_t *)b]);
}

void names_init(struct names *n, const char *const *list)
{
	*n = (struct names){.list = list};
	while (list[n->count] != NULL)
		n->count++;
	n->sorted = mem_new(n->count, sizeof *n->sorted);
	for (size_t i = 0; i < n->count; i++)
		n->sorted[i] = i;
	qsort_r(n->sorted, n->count, sizeof *n->sorted, by_name, (void *)list);
}

void names_fini(struct names *n)
{
	free(n->sorted);
	*n = (struct names){0};
}

size_t names_find(const struct names *n, const char *name, size_t size)
{
	size_t from = 0, to = n->count;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		const char *there = n->list[n->sorted[middle]];
		int order = strncmp(name, there, size);

		if (order == 0 && there[size] != '\0')
			order = -1;
		if (order == 0)
			return n->sorted[middle];
		if (order < 0)
			to = middle;
		else
			from = middle + 1;
	}
	return SIZE_MAX;
}

const char *names_nearest(const struct names *n, const char *name, size_t size)
{
	char *word = mem_dup_bytes(name, size);
	const char *near = nearest_word(word, n->list);

	free(word);
	return near;
}
