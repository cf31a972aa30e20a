/* order.h - which steps of a file come before which.
 *
 * Made of what the steps say they come `after`.  Circles are problems; each is cut
 * at one place, so that the rest can still be looked at.  What a mistake makes
 * unsure is marked, so that one mistake is not reported again and again.
 * Thread: the owner's.  Pure. */
#ifndef SAGA_ORDER_H
#define SAGA_ORDER_H

#include "saga/definition.h"
#include "saga/problems.h"

/* The steps of a file as its tree has them. */
struct step_nodes {
	const struct yaml_node *map;   /* the step; may be no map */
	const struct yaml_node *after; /* or NULL */
	bool unsure;                   /* its `after` has mistakes */
};

struct order;

/* Fills every step's `before` from its `after`. `nodes` are as many as the steps. */
struct order *order_new(struct problems *p, struct workflow *w, struct step_nodes *nodes);
void order_free(struct order *o);

/* True if `first` is done before `then` begins, by `after`, directly or not. */
bool order_before(const struct order *o, size_t first, size_t then);

/* True if mistakes in the file leave it open what comes before `step`. */
bool order_unsure(const struct order *o, size_t step);

#endif
