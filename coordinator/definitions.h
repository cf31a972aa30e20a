/* definitions.h - parsed workflows, shared by all transactions of the same text.
 *
 * Programs send the same text thousands of times a second: each is parsed once.
 * What nobody uses any more is kept for a while, the least recently used goes first.
 * Thread: the loop's. */
#ifndef COORDINATOR_DEFINITIONS_H
#define COORDINATOR_DEFINITIONS_H

#include "saga/workflow.h"

struct definitions;
struct definition;

struct definitions *definitions_new(void);
/* Every definition was released before. NULL is ignored. */
void definitions_free(struct definitions *d);

/* The workflow of `text`, held until definition_release; NULL with `err` filled
 * (workflow_parse) if it is not one. */
struct definition *definitions_get(struct definitions *d, const char *text, size_t size,
				   struct err *err);
/* Holds it once more. */
struct definition *definition_hold(struct definition *def);
/* NULL is ignored. */
void definition_release(struct definitions *d, struct definition *def);

const struct workflow *definition_workflow(const struct definition *def);
/* NUL-terminated; as long as it is held. */
const char *definition_text(const struct definition *def);

#endif
