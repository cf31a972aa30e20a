/* saga_file.h - an example workflow, rewritten so that its effects can be counted.
 *
 * The file is read as it is; then each call gets a resource of its own (a SQLite file,
 * so that one step can be held up and no other), each group keeps its banks, and each
 * operation is given `gid`, `step` and `way` (do or undo), and what the file itself gives as
 * `given`.  Graph, expressions, compensations, pivot and conditions stay the file's.
 * Rule: a *unit* is what leaves one countable effect: a call, or one branch of a group.
 * Thread: the test's main thread. */
#ifndef TESTS_LIB_SAGA_FILE_H
#define TESTS_LIB_SAGA_FILE_H

#include "saga/workflow.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { SAGA_UNITS = 64, SAGA_PLACES = 64 };

/* Where effects are: a SQLite file of one step, or a bank. */
struct saga_place {
	char *resource;
	char *operations[8]; /* asked for by this file */
	size_t n_operations;
	int bank; /* -1: a file */
};

struct saga_unit {
	size_t step;
	bool undo;
	bool group;
	char *label; /* in the effect: `step` or `step.branch` */
	size_t place;
};

struct saga_file {
	char *path, *name;
	struct workflow *w; /* of the file as it is */
	json_t *as_it_is;   /* the file's tree */
	json_t *definition; /* rewritten */
	struct saga_unit units[SAGA_UNITS];
	size_t n_units;
	struct saga_place places[SAGA_PLACES];
	size_t n_places;
	bool banks; /* it has groups */
};

/* How one direction of one step is to be tried; the others have room and time. */
struct saga_pace {
	size_t step;
	bool undo;
	int attempts, timeout_ms; /* 0: plenty */
};

/* The paths of all workflow files under examples/ that are sagas, ended by NULL. */
char **saga_examples(void);

/* Reads and rewrites, or fails the test. */
struct saga_file *saga_file_open(const char *path);
void saga_file_close(struct saga_file *f);

/* The definition to submit; for json_decref. */
json_t *saga_file_paced(const struct saga_file *f, const struct saga_pace *pace);

/* What to give it, so that every step has its turn. For json_decref. */
json_t *saga_file_input(const struct saga_file *f);

/* Whether `step` comes after `other`, directly or not. */
bool saga_after(const struct workflow *w, size_t step, size_t other);
bool saga_past_pivot(const struct workflow *w, size_t step);

#endif
