/* conformance.h - the adapters that serve saga calls, each with a resource to try it on.
 *
 * Every row's resource keeps *effects*: things with a name that can be counted from
 * outside, behind the adapter's back.  It offers these operations, each with the one
 * argument `name` (letters and digits):
 *
 *   add     makes one effect of that name; its output is JSON and differs each time
 *   remove  takes one away; refused if there is none
 *   refuse  begins to make one and then says no
 *   slow    makes one, but only after an hour
 *
 * A new adapter is a new row in conformance.c; the facts are in test_conformance.c.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_CONFORMANCE_H
#define TESTS_LIB_CONFORMANCE_H

#include "tests/lib/calls_rig.h"

struct conformer {
	const char *name;
	const struct adapter *adapter;
	/* A fresh resource, of which `world` tells the rest; ended by `end`. */
	void *(*begin)(void);
	void (*end)(void *world);
	/* The resource's map in the agent's configuration; for free(). */
	char *(*config)(void *world);
	/* How many effects of that name there are; of any name if NULL. */
	int (*effects)(void *world, const char *name);
};

/* Around the whole suite: the servers that rows share. */
void conformance_open(void);
void conformance_close(void);

extern const struct conformer conformers[];
extern const int n_conformers;

#endif
