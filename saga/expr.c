/* expr.c - see expr.h. */
#include "saga/expr.h"
#include "base/mem.h"
#include "saga/refs.h"
#include "saga/sandbox.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* One line of at most EXPR_SHOWN_MAX bytes, not cut inside a character. */
static void show(struct expr *e)
{
	size_t n = e->size < EXPR_SHOWN_MAX ? e->size : EXPR_SHOWN_MAX;

	while (n < e->size && n > 0 && ((unsigned char)e->source[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		e->shown[i] = (unsigned char)e->source[i] < 0x20 ? ' ' : e->source[i];
	if (n < e->size)
		memcpy(e->shown + n, "...", 4);
}

/* ---- plain paths ---- */

/* a.b-c.d: a path by its letters; the first must not be a digit. */
static bool looks_like_path(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const bool inner = i > 0 && i + 1 < size && p[i - 1] != '.' && p[i + 1] != '-';

		if (!isalnum((unsigned char)p[i]) && p[i] != '_' &&
		    !((p[i] == '.' || p[i] == '-') && inner && p[i - 1] != '-'))
			return false;
	}
	return size > 0 && !isdigit((unsigned char)p[0]);
}

struct part {
	const char *at;
	size_t size;
};

/* The next part of a path, up to a dot; false at its end. */
static bool next_part(const char **p, const char *end, struct part *out)
{
	const char *dot;

	if (*p >= end)
		return false;
	dot = memchr(*p, '.', (size_t)(end - *p));
	out->at = *p;
	out->size = (size_t)((dot != NULL ? dot : end) - *p);
	*p += out->size + 1;
	return true;
}

static bool part_is(struct part part, const char *text)
{
	return strlen(text) == part.size && memcmp(part.at, text, part.size) == 0;
}

/* `a-b` in a path might as well be a minus b: it is, if b is a number or one of the
 * names that every expression knows. */
static bool is_difference(struct part part)
{
	static const char *const known[] = {"input", "steps", "gid", "null"};
	const char *end = part.at + part.size, *minus = part.at;

	while ((minus = memchr(minus, '-', (size_t)(end - minus))) != NULL) {
		const char *next = ++minus;
		size_t size = 0;

		while (next + size < end && next[size] != '-')
			size++;
		if (isdigit((unsigned char)*next))
			return true;
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
			if (part_is((struct part){next, size}, known[i]))
				return true;
	}
	return false;
}

static void add_field(struct expr *e, size_t *used, struct part part)
{
	memcpy(e->fields + *used, part.at, part.size);
	*used += part.size + 1; /* zeroed: a NUL */
	e->n_fields++;
}

/* A name of the file with a hyphen in it that is not declared is no path, unless one
 * that is declared is near. */
static bool is_declared(const struct names *names, struct part name)
{
	if (memchr(name.at, '-', name.size) == NULL)
		return true; /* whoever checks it says if it is not */
	if (names_find(names, name.at, name.size) != SIZE_MAX)
		return true;
	return !is_difference(name) && names_nearest(names, name.at, name.size) != NULL;
}

/* Reads what may be a plain path; false if it is none.  `*name` is the input or the
 * step in it. */
static bool read_path(const struct scope *scope, struct expr *e, struct part *name)
{
	const char *p = e->source, *end = p + e->size;
	struct part part;
	size_t used = 0;

	if (!looks_like_path(p, e->size))
		return false;
	next_part(&p, end, &part);
	e->fields = mem_new(e->size + 2, 1);
	if (part_is(part, "input")) {
		e->root = ROOT_INPUT;
		if (!next_part(&p, end, name))
			return true;
		add_field(e, &used, *name);
		if (!is_declared(scope->inputs, *name))
			return false;
	} else if (part_is(part, "steps")) {
		if (!next_part(&p, end, name) || !is_declared(scope->steps, *name) ||
		    !next_part(&p, end, &part))
			return false;
		e->root = part_is(part, "status") ? ROOT_STATUS : ROOT_OUTPUT;
		if (e->root == ROOT_OUTPUT && !part_is(part, "output"))
			return false;
	} else if (part_is(part, "gid") || part_is(part, "null")) {
		e->root = part_is(part, "gid") ? ROOT_GID : ROOT_NULL;
	} else {
		return false;
	}
	while (next_part(&p, end, &part)) {
		if (is_difference(part))
			return false;
		add_field(e, &used, part);
	}
	return true;
}

static bool check_path(struct scope *scope, const struct yaml_node *at, struct expr *e,
		       struct part name)
{
	if (e->root == ROOT_INPUT && name.at != NULL)
		return refs_input(scope, at, e->shown, name.at, name.size);
	if (e->root == ROOT_OUTPUT || e->root == ROOT_STATUS)
		return refs_step(scope, at, e->shown, name.at, name.size, &e->step);
	return true;
}

/* ---- scripts ---- */

static bool parse_script(struct scope *scope, const struct yaml_node *at, struct expr *e)
{
	struct err err;

	free(e->fields);
	e->fields = NULL;
	e->n_fields = 0;
	e->root = ROOT_SCRIPT;
	scope->script_bytes += e->size;
	if (++scope->scripts > EXPR_SCRIPTS_MAX || scope->script_bytes > EXPR_SCRIPT_BYTES_MAX) {
		if (!scope->scripts_over)
			problem_add(scope->problems, RC_TOO_BIG, at,
				    "the file has more than %d expressions that are not plain "
				    "paths, or "
				    "more than %d bytes of them",
				    EXPR_SCRIPTS_MAX, EXPR_SCRIPT_BYTES_MAX);
		scope->scripts_over = true;
		return false;
	}
	if (!refs_find(scope, at, e))
		return false;
	if (scope->checker == NULL)
		scope->checker = sandbox_new();
	if (sandbox_check(scope->checker, e->source, e->size, &err) == RC_OK)
		return true;
	problem_add(scope->problems, RC_INVALID, at, "${%s}: %s", e->shown, err.text);
	return false;
}

struct expr *expr_parse(struct scope *scope, const struct yaml_node *at, const char *source,
			size_t size)
{
	struct part name = {NULL, 0};
	struct expr *e;
	bool good;

	while (size > 0 && isspace((unsigned char)*source)) {
		source++;
		size--;
	}
	while (size > 0 && isspace((unsigned char)source[size - 1]))
		size--;
	if (size == 0) {
		problem_add(scope->problems, RC_INVALID, at,
			    "${} is empty; a literal ${ is written $${");
		return NULL;
	}
	if (size > EXPR_SOURCE_MAX) {
		problem_add(scope->problems, RC_TOO_BIG, at,
			    "an expression has %zu bytes; at most %d are allowed", size,
			    EXPR_SOURCE_MAX);
		return NULL;
	}
	e = mem_new(1, sizeof *e);
	e->source = mem_dup_bytes(source, size);
	e->size = size;
	show(e);
	if (scope->constant) {
		problem_add(scope->problems, RC_INVALID, at,
			    "${%s}: a default cannot refer to anything; a literal ${ is written "
			    "$${",
			    e->shown);
		good = false;
	} else if (read_path(scope, e, &name)) {
		good = check_path(scope, at, e, name);
	} else {
		good = parse_script(scope, at, e);
	}
	if (good)
		return e;
	expr_free(e);
	return NULL;
}

void expr_free(struct expr *e)
{
	if (e == NULL)
		return;
	for (size_t i = 0; i < e->n_inputs; i++)
		free(e->inputs[i]);
	free(e->inputs);
	free(e->steps);
	free(e->fields);
	free(e->source);
	free(e);
}

const char *expr_source(const struct expr *e)
{
	return e->source;
}
