/* refs.c - see refs.h. */
#include "saga/refs.h"
#include "base/mem.h"
#include "saga/lexer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names that every expression knows; sandbox_lib.c serves the functions. */
static const char *const roots[] = {"input",  "steps",  "gid",      "null",     "default",
				    "ipairs", "list",   "tonumber", "tostring", "type",
				    "math",   "string", NULL};
enum { ROOTS_TAKEN = 4 /* the first may not be names of variables */, LOCALS_MAX = 200 };

static const char *const math_words[] = {"abs", "ceil", "floor", "max", "min", NULL};
static const char *const string_words[] = {"len", "lower", "sub", "upper", NULL};
static const char *const step_words[] = {"output", "status", NULL};

struct walk {
	struct scope *scope;
	const struct yaml_node *at;
	struct expr *e;
	struct token *tokens;
	size_t n;
	size_t *locals; /* tokens that name a variable of the expression's own */
	size_t n_locals;
	size_t skip; /* a token that was looked at already */
	bool bad;
};

/* ---- names that the file declares ---- */

static const char *shown_size(const char *name, size_t size, char out[64])
{
	snprintf(out, 64, "%.*s", size > 60 ? 60 : (int)size, name);
	return out;
}

bool refs_input(struct scope *scope, const struct yaml_node *at, const char *shown,
		const char *name, size_t size)
{
	const char *near;
	char text[64];

	if (names_find(scope->inputs, name, size) != SIZE_MAX)
		return true;
	near = scope->problems->more ? NULL : names_nearest(scope->inputs, name, size);
	problem_add(scope->problems, RC_INVALID, at,
		    "${%s}: the workflow declares no input \"%s\"%s%s%s", shown,
		    shown_size(name, size, text), near != NULL ? "; did you mean \"" : "",
		    near != NULL ? near : "", near != NULL ? "\"?" : "");
	return false;
}

bool refs_step(struct scope *scope, const struct yaml_node *at, const char *shown, const char *name,
	       size_t size, size_t *step)
{
	struct problems *p = scope->problems;
	const char *near;
	char text[64];

	*step = names_find(scope->steps, name, size);
	shown_size(name, size, text);
	if (*step == SIZE_MAX) {
		near = p->more ? NULL : names_nearest(scope->steps, name, size);
		problem_add(p, RC_INVALID, at, "${%s}: there is no step \"%s\"%s%s%s", shown, text,
			    near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
			    near != NULL ? "\"?" : "");
		return false;
	}
	if (*step == scope->step && scope->undo)
		return true;
	if (*step == scope->step) {
		problem_add(p, RC_INVALID, at,
			    "${%s}: the step \"%s\" has no result yet; only its own `compensate` "
			    "and steps after it can use that",
			    shown, text);
		return false;
	}
	if (order_before(scope->order, *step, scope->step) ||
	    order_unsure(scope->order, scope->step))
		return true;
	problem_add(
		p, RC_INVALID, at, "${%s}: the step \"%s\" may not have run yet: %s", shown, text,
		order_before(scope->order, scope->step, *step) ? "it comes after this one"
							       : "name it in this step's `after`");
	return false;
}

/* ---- a script's tokens ---- */

static bool is(const struct walk *w, size_t i, const char *text)
{
	return i < w->n && token_is(&w->tokens[i], text);
}

static bool is_name(const struct walk *w, size_t i)
{
	return i < w->n && w->tokens[i].kind == TOK_NAME;
}

static void wrong(struct walk *w, const char *text)
{
	problem_add(w->scope->problems, RC_INVALID, w->at, "${%s}: %s", w->e->shown, text);
	w->bad = true;
}

static bool cut_tokens(struct walk *w)
{
	const char *p = w->e->source, *why = NULL;
	size_t open = 0;

	w->tokens = mem_new(w->e->size + 1, sizeof *w->tokens);
	w->locals = mem_new(w->e->size + 1, sizeof *w->locals);
	for (;;) {
		struct token *t = &w->tokens[w->n];

		if (!lexer_next(&p, t, &why))
			break;
		if (t->kind == TOK_END)
			return true;
		if (token_is(t, "("))
			open++;
		if (token_is(t, ")") && open-- == 0) {
			why = "a `)` has no `(`";
			break;
		}
		w->n++;
	}
	wrong(w, why);
	return false;
}

static void add_local(struct walk *w, size_t i)
{
	char text[160], name[64];

	for (size_t k = 0; k < ROOTS_TAKEN; k++) {
		if (is(w, i, roots[k])) {
			snprintf(text, sizeof text, "\"%s\" cannot be the name of a variable",
				 shown_size(w->tokens[i].at, w->tokens[i].size, name));
			wrong(w, text);
		}
	}
	if (w->n_locals == LOCALS_MAX)
		wrong(w, "it has more than 200 variables");
	if (w->n_locals <= LOCALS_MAX)
		w->locals[w->n_locals++] = i;
}

/* Names one after the other, `a, b`, from token `i`. */
static void add_locals(struct walk *w, size_t i)
{
	while (is_name(w, i)) {
		add_local(w, i);
		if (is(w, i + 1, "<")) /* local a <const> */
			i += 3;
		if (!is(w, i + 1, ","))
			return;
		i += 2;
	}
}

static void find_locals(struct walk *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (is(w, i, "local") || is(w, i, "for")) {
			add_locals(w, is(w, i + 1, "function") ? i + 2 : i + 1);
		} else if (is(w, i, "function")) {
			while (i + 1 < w->n && !is(w, i + 1, "("))
				i++;
			add_locals(w, i + 2);
		}
	}
}

static bool is_local(const struct walk *w, size_t i)
{
	const struct token *t = &w->tokens[i];

	for (size_t k = 0; k < w->n_locals; k++) {
		const struct token *l = &w->tokens[w->locals[k]];

		if (l->size == t->size && memcmp(l->at, t->at, t->size) == 0)
			return true;
	}
	return false;
}

/* The field that is read of what ends at token `i`, `.name` or `["name"]`, as a
 * token, and how many tokens that took; NULL if it cannot be told. */
static const struct token *field_after(const struct walk *w, size_t i, size_t *used)
{
	const struct token *t = w->tokens;

	if (is(w, i + 1, ".") && i + 2 < w->n &&
	    (t[i + 2].kind == TOK_NAME || t[i + 2].kind == TOK_KEYWORD)) {
		*used = 2;
		return &t[i + 2];
	}
	if (is(w, i + 1, "[") && is(w, i + 3, "]") && t[i + 2].kind == TOK_STRING &&
	    !t[i + 2].escaped) {
		*used = 3;
		return &t[i + 2];
	}
	return NULL;
}

static bool among(const struct token *t, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == t->size && memcmp(*words, t->at, t->size) == 0)
			return true;
	return false;
}

static void unknown(struct walk *w, const struct token *t, const char *of, const char *const *known)
{
	char text[200], name[64], *word = mem_dup_bytes(t->at, t->size);
	const char *near = nearest_word(word, known);

	snprintf(text, sizeof text, "%s \"%s\"%s%s%s", of, shown_size(t->at, t->size, name),
		 near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
		 near != NULL ? "\"?" : "");
	wrong(w, text);
	free(word);
}

static void add_input(struct walk *w, const struct token *t)
{
	struct expr *e = w->e;

	if (!refs_input(w->scope, w->at, e->shown, t->at, t->size)) {
		w->bad = true;
		return;
	}
	for (size_t i = 0; i < e->n_inputs; i++)
		if (strlen(e->inputs[i]) == t->size && memcmp(e->inputs[i], t->at, t->size) == 0)
			return;
	e->inputs = mem_grow(e->inputs, e->n_inputs + 1, sizeof *e->inputs);
	e->inputs[e->n_inputs++] = mem_dup_bytes(t->at, t->size);
}

/* `steps` at token `i`: which, and what of it. */
static void add_step(struct walk *w, size_t i)
{
	size_t used = 0, more = 0, step;
	const struct token *name = field_after(w, i, &used);
	const struct token *part = name != NULL ? field_after(w, i + used, &more) : NULL;
	struct expr *e = w->e;

	if (name == NULL) {
		wrong(w, "after `steps` a name must stand: steps.NAME.output, or "
			 "steps[\"NAME\"].output");
		return;
	}
	if (is(w, i + used + 1, "-") && is_name(w, i + used + 2) &&
	    names_find(w->scope->steps, name->at, name->size) == SIZE_MAX &&
	    w->tokens[i + used + 2].at == name->at + name->size + 1) {
		const struct token *rest = &w->tokens[i + used + 2];
		const size_t size = (size_t)(rest->at + rest->size - name->at);
		char text[200], full[64];

		if (names_find(w->scope->steps, name->at, size) != SIZE_MAX) {
			snprintf(text, sizeof text,
				 "a name with - in it is written steps[\"%s\"] in an expression",
				 shown_size(name->at, size, full));
			wrong(w, text);
			w->skip = i + used + 2;
			return;
		}
	}
	if (!refs_step(w->scope, w->at, e->shown, name->at, name->size, &step)) {
		w->bad = true;
		return;
	}
	if (part == NULL)
		wrong(w, "a step has `output` and `status`: say which");
	else if (!among(part, step_words))
		unknown(w, part, "a step has `output` and `status`, not", step_words);
	for (size_t k = 0; k < e->n_steps; k++)
		if (e->steps[k] == step)
			return;
	e->steps = mem_grow(e->steps, e->n_steps + 1, sizeof *e->steps);
	e->steps[e->n_steps++] = step;
}

/* True if the name at `i` is no variable: a field, a label, a key of a table. */
static bool is_no_variable(const struct walk *w, size_t i, const char *open)
{
	if (i > 0 &&
	    (is(w, i - 1, ".") || is(w, i - 1, ":") || is(w, i - 1, "::") || is(w, i - 1, "goto")))
		return true;
	if (i > 0 && is(w, i - 1, "<") && is(w, i, "const") && is(w, i + 1, ">"))
		return true; /* local a <const> */
	return *open == '{' && is(w, i + 1, "=") &&
	       (is(w, i - 1, "{") || is(w, i - 1, ",") || is(w, i - 1, ";"));
}

static void add_name(struct walk *w, size_t i)
{
	const struct token *t = &w->tokens[i], *field;
	const bool math = is(w, i, "math");
	size_t used;

	if (is(w, i, "input")) {
		field = field_after(w, i, &used);
		if (field != NULL)
			add_input(w, field);
		else
			w->e->whole_input = true;
	} else if (is(w, i, "steps")) {
		add_step(w, i);
	} else if (math || is(w, i, "string")) {
		field = field_after(w, i, &used);
		if (field != NULL && !among(field, math ? math_words : string_words))
			unknown(w, field, math ? "math has no" : "string has no",
				math ? math_words : string_words);
	} else if (!among(t, roots)) {
		unknown(w, t, "there is nothing called", roots);
	}
}

bool refs_find(struct scope *scope, const struct yaml_node *at, struct expr *e)
{
	struct walk w = {.scope = scope, .at = at, .e = e, .skip = SIZE_MAX};
	char *open;
	size_t depth = 0;

	if (cut_tokens(&w)) {
		find_locals(&w);
		open = mem_new(w.n + 2, 1); /* the brackets around */
		for (size_t i = 0; i < w.n; i++) {
			if (w.tokens[i].kind == TOK_SYMBOL && w.tokens[i].size == 1 &&
			    strchr("({[", *w.tokens[i].at) != NULL)
				open[++depth] = *w.tokens[i].at;
			else if (w.tokens[i].kind == TOK_SYMBOL && w.tokens[i].size == 1 &&
				 strchr(")}]", *w.tokens[i].at) != NULL)
				depth -= depth > 0;
			else if (w.tokens[i].kind == TOK_NAME && i != w.skip &&
				 !is_no_variable(&w, i, &open[depth]) && !is_local(&w, i))
				add_name(&w, i);
		}
		free(open);
	}
	free(w.tokens);
	free(w.locals);
	return !w.bad;
}
