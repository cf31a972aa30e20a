/* graph.h - a workflow drawn: the steps, their order, what undoes each, the pivot,
 * and the branches of groups, as text for Mermaid or for Graphviz.
 * Thread: no shared state; any.  Pure. */
#ifndef SAGA_GRAPH_H
#define SAGA_GRAPH_H

#include "saga/definition.h"

/* Each gives a text for free(), with a line feed at its end.  Whatever the file holds,
 * labels cannot break out of their quotes. */
char *graph_mermaid(const struct workflow *w);
char *graph_dot(const struct workflow *w);

#endif
