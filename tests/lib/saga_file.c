#include "tests/lib/saga_file.h"

#include "base/yaml.h"
#include "saga/scalar.h"
#include "tests/lib/harness.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ten tries in the time of one in the files: nobody shall wait for a pause. */
enum { ATTEMPTS = 200, TIMEOUT_MS = 30000 };

/* ---- what to give ---- */

/* Where it must be more than something of the right type. */
static const struct {
	const char *name, *input;
} inputs[] = {
	{"book-trip", "{\"customer\": \"ann\", \"from\": 1, \"to\": 2, \"amount\": 500}"},
	{"evening", "{\"early\": \"hamlet\", \"late\": \"lear\", \"seats\": 2}"},
	{"invoice", "{\"customer\": {\"name\": \"Ann\", \"address\": {\"city\": \"Oslo\"}},"
		    " \"lines\": [{\"sku\": \"a\", \"count\": 2, \"price\": 5},"
		    " {\"sku\": \"b\", \"count\": 1, \"price\": 7}]}"},
	{"journey", "{\"customer\": \"ann\", \"out\": \"12A\", \"back\": \"3C\"}"},
	{"optional",
	 "{\"customer\": \"ann\", \"amount\": 9, \"coupon\": \"c\", \"express\": true}"},
	{"stay", "{\"guest\": \"ann\", \"room\": 2, \"price\": 120}"},
};

/* Something of the type that is declared: "text" for text, else a small number. */
static json_t *anything(const json_t *declared)
{
	const char *type = json_string_value(json_object_get(declared, "type"));
	if (type && strcmp(type, "string") == 0)
		return json_string("text");
	if (type && strcmp(type, "boolean") == 0)
		return json_true();
	if (type && strcmp(type, "array") == 0)
		return json_array();
	if (type && strcmp(type, "object") == 0)
		return json_object();
	return json_integer(2);
}

json_t *saga_file_input(const struct saga_file *f)
{
	json_t *input = json_object(), *declared = json_object_get(f->as_it_is, "input"), *one;
	const char *name;
	size_t i;

	for (i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
		if (strcmp(inputs[i].name, f->name) == 0)
			json_object_update_new(input, json_loads(inputs[i].input, 0, NULL));
	if (json_object_size(input) > 0)
		return input;
	json_array_foreach(declared, i, one)
		json_object_set_new(input, json_string_value(one), anything(NULL));
	json_object_foreach(declared, name, one) json_object_set_new(input, name, anything(one));
	return input;
}

/* ---- the files ---- */

static char *slurp(const char *path)
{
	char *text = file_read(path);
	NEED(text, "%s cannot be read", path);
	return text;
}

static bool is_saga(const char *path)
{
	struct workflow *w = NULL;
	struct err err;
	char *text = slurp(path);
	bool saga = strstr(text, "\nworkflow:") || strncmp(text, "workflow:", 9) == 0;
	if (saga) {
		NEED(workflow_parse(text, strlen(text), &w, &err) == RC_OK, "%s: %s", path,
		     err.text);
		saga = w->saga;
		workflow_free(w);
	}
	free(text);
	return saga;
}

char **saga_examples(void)
{
	glob_t found;
	NEED(glob("examples/*/*.yaml", 0, NULL, &found) == 0, "no examples: run from the top");
	char **paths = calloc(found.gl_pathc + 1, sizeof *paths);
	size_t n = 0;
	for (size_t i = 0; paths && i < found.gl_pathc; i++)
		if (is_saga(found.gl_pathv[i]))
			paths[n++] = textf("%s", found.gl_pathv[i]);
	globfree(&found);
	NEED(n > 0, "no sagas among the examples");
	return paths;
}

static json_t *to_json(const struct yaml_node *node)
{
	json_t *out;
	struct err err;
	char *text;

	switch (node->kind) {
	case YAML_LIST:
		out = json_array();
		for (size_t i = 0; i < node->count; i++)
			json_array_append_new(out, to_json(node->items[i]));
		return out;
	case YAML_MAP:
		out = json_object();
		for (size_t i = 0; i < node->count; i++)
			json_object_set_new(out, node->keys[i]->text, to_json(node->items[i]));
		return out;
	case YAML_SCALAR: break;
	}
	NEED(scalar_json(node, &text, &err) == RC_OK, "%s", err.text);
	out = json_loads(text, JSON_DECODE_ANY, NULL);
	free(text);
	return out;
}

/* ---- rewriting ---- */

/* SQLite and PostgreSQL answer a list of rows, where the examples' own services
 * answer an object: `output.id` becomes `output[1].id`. */
static char *rows(const char *text)
{
	char *out = textf("%s", text);
	for (char *at; (at = strstr(out, ".output.")) != NULL;) {
		char *longer =
			textf("%.*s.output[1].%s", (int)(at - out), out, at + strlen(".output."));
		free(out);
		out = longer;
	}
	return out;
}

static void rows_of_all(json_t *node)
{
	const char *key;
	json_t *one;
	size_t i;
	void *tmp;

	if (json_is_string(node)) {
		char *text = rows(json_string_value(node));
		json_string_set(node, text);
		free(text);
	}
	json_object_foreach_safe(node, tmp, key, one) rows_of_all(one);
	json_array_foreach(node, i, one) rows_of_all(one);
}

static size_t place_of(struct saga_file *f, const char *resource, bool bank)
{
	int banks = 0;
	for (size_t i = 0; i < f->n_places; i++) {
		if (strcmp(f->places[i].resource, resource) == 0)
			return i;
		banks += f->places[i].bank >= 0;
	}
	NEED(f->n_places < SAGA_PLACES, "%s has too many resources", f->path);
	f->places[f->n_places] = (struct saga_place){.resource = textf("%s", resource),
						     .bank = bank ? banks % 2 : -1};
	f->banks = f->banks || bank;
	return f->n_places++;
}

static void asks_for(struct saga_place *p, const char *operation)
{
	for (size_t i = 0; i < p->n_operations; i++)
		if (strcmp(p->operations[i], operation) == 0)
			return;
	NEED(p->n_operations < 8, "%s has too many operations", p->resource);
	p->operations[p->n_operations++] = textf("%s", operation);
}

static void give(json_t *work, const char *label, bool undo)
{
	json_t *given = json_object_get(work, "args");
	given = given ? json_incref(given) : json_object();
	json_object_set_new(work, "args",
			    json_pack("{s:s, s:s, s:s, s:o}", "gid", "${gid}", "step", label, "way",
				      undo ? "undo" : "do", "given", given));
}

static void add_unit(struct saga_file *f, json_t *work, const struct saga_unit *like,
		     const char *label, const char *resource)
{
	const char *operation = json_string_value(json_object_get(work, "operation"));
	NEED(f->n_units < SAGA_UNITS && operation, "%s: too many steps", f->path);
	struct saga_unit *u = &f->units[f->n_units++];
	*u = *like;
	u->label = textf("%s", label);
	u->place = place_of(f, resource, like->group);
	asks_for(&f->places[u->place], operation);
	give(work, label, like->undo);
}

/* `resource` is the one of the action, for a compensation that names none. */
static void rewrite_work(struct saga_file *f, size_t step, bool undo, json_t *work,
			 const char *resource)
{
	const char *name = f->w->steps[step].name;
	json_t *group = json_object_get(work, "atomic");
	struct saga_unit unit = {.step = step, .undo = undo, .group = group != NULL};
	size_t i;
	json_t *branch;

	json_array_foreach(group, i, branch)
	{
		char *label =
			textf("%s.%s", name, json_string_value(json_object_get(branch, "name")));
		add_unit(f, branch, &unit, label,
			 json_string_value(json_object_get(branch, "resource")));
		free(label);
	}
	if (group)
		return;
	const char *own = json_string_value(json_object_get(work, "resource"));
	char *mine = textf("%s.%s", own ? own : resource, name);
	if (own)
		json_object_set_new(work, "resource", json_string(mine));
	add_unit(f, work, &unit, name, mine);
	free(mine);
}

static void rewrite_step(struct saga_file *f, size_t step, json_t *node)
{
	json_t *undo = json_object_get(node, "compensate");
	const char *named = json_string_value(json_object_get(node, "resource"));
	char *resource = named ? textf("%s", named) : NULL;

	rewrite_work(f, step, false, node, resource);
	if (json_is_object(undo))
		rewrite_work(f, step, true, undo, resource);
	free(resource);
}

struct saga_file *saga_file_open(const char *path)
{
	struct saga_file *f = calloc(1, sizeof *f);
	struct yaml_doc *doc;
	struct err err;
	size_t i;
	json_t *step;

	NEED(f, "out of memory");
	char *text = slurp(path);
	NEED(workflow_parse(text, strlen(text), &f->w, &err) == RC_OK &&
		     yaml_parse(text, strlen(text), &doc, &err) == RC_OK,
	     "%s: %s", path, err.text);
	free(text);
	f->path = textf("%s", path);
	f->name = textf("%s", f->w->name);
	f->as_it_is = to_json(yaml_root(doc));
	f->definition = json_deep_copy(f->as_it_is);
	yaml_doc_free(doc);
	rows_of_all(f->definition);
	json_array_foreach(json_object_get(f->definition, "steps"), i, step)
		rewrite_step(f, i, step);
	return f;
}

void saga_file_close(struct saga_file *f)
{
	for (size_t i = 0; i < f->n_units; i++)
		free(f->units[i].label);
	for (size_t i = 0; i < f->n_places; i++) {
		for (size_t k = 0; k < f->places[i].n_operations; k++)
			free(f->places[i].operations[k]);
		free(f->places[i].resource);
	}
	workflow_free(f->w);
	json_decref(f->as_it_is);
	json_decref(f->definition);
	free(f->path);
	free(f->name);
	free(f);
}

/* ---- pace ---- */

static void pace_work(json_t *work, int attempts, int timeout_ms)
{
	char *timeout = textf("%dms", timeout_ms ? timeout_ms : TIMEOUT_MS);
	json_object_set_new(work, "retry",
			    json_pack("{s:i, s:s, s:s}", "attempts", attempts ? attempts : ATTEMPTS,
				      "first", "5ms", "max", "40ms"));
	json_object_set_new(work, "timeout", json_string(timeout));
	free(timeout);
}

json_t *saga_file_paced(const struct saga_file *f, const struct saga_pace *pace)
{
	json_t *all = json_deep_copy(f->definition);
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(all, "steps"), i, step)
	{
		json_t *undo = json_object_get(step, "compensate");
		const bool mine = i == pace->step;
		pace_work(step, mine && !pace->undo ? pace->attempts : 0,
			  mine && !pace->undo ? pace->timeout_ms : 0);
		if (json_is_object(undo))
			pace_work(undo, mine && pace->undo ? pace->attempts : 0,
				  mine && pace->undo ? pace->timeout_ms : 0);
	}
	return all;
}

/* ---- the graph ---- */

bool saga_after(const struct workflow *w, size_t step, size_t other)
{
	const struct def_step *d = &w->steps[step];
	for (size_t i = 0; i < d->n_after; i++)
		if (d->after[i] == other || saga_after(w, d->after[i], other))
			return true;
	return false;
}

bool saga_past_pivot(const struct workflow *w, size_t step)
{
	return w->pivot != SIZE_MAX && saga_after(w, step, w->pivot);
}
