/* workflow.c - see workflow.h: the file.  Filling in the data is in fill.c. */
#include "saga/workflow.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "saga/input.h"
#include "saga/read.h"
#include "saga/steps.h"

#include <stdlib.h>

_Static_assert((int)WORKFLOW_PROBLEMS_MAX == (int)PROBLEMS_MAX, "one cap, two names");

static void read_root(struct problems *p, const struct yaml_node *root, struct workflow *w)
{
	static const char *const known[] = {"workflow", "input", "deadline", "steps", NULL};
	const struct yaml_node *steps = yaml_get(root, "steps");
	const struct yaml_node *input = yaml_get(root, "input");

	if (input == NULL) /* the key is a problem, but its names are not unknown as well */
		input = yaml_get(root, "inputs");
	if (!read_keys(p, root, known, "a workflow"))
		return;
	w->name = read_name(p, root, "workflow", "a workflow file", name_dotted);
	w->inputs = inputs_parse(p, input);
	read_ms(p, root, "deadline", 1, (uint64_t)WORKFLOW_DEADLINE_MAX_DAYS * 24 * 3600 * 1000,
		&w->deadline_ms);
	if (steps != NULL)
		steps_read(p, steps, w);
	else if (!read_misspelt(root, "steps"))
		problem_add(p, RC_INVALID, root, "a workflow needs \"steps\": a list of steps");
}

/* Reads a text as far as it can be read; the workflow is of use only if there are no
 * problems, but is to be freed. */
static struct workflow *read_text(struct problems *p, const char *text, size_t size)
{
	struct workflow *w = mem_new(1, sizeof *w);
	struct yaml_doc *doc;
	struct err err = {0};

	w->pivot = SIZE_MAX;
	if (size > WORKFLOW_TEXT_MAX) {
		err_set(&err, RC_TOO_BIG, "the workflow has %zu bytes; at most %d are allowed",
			size, WORKFLOW_TEXT_MAX);
		problem_take(p, &err);
	} else if (yaml_parse(text, size, &doc, &err) != RC_OK) {
		problem_take(p, &err);
	} else {
		read_root(p, yaml_root(doc), w);
		yaml_doc_free(doc);
	}
	problems_sort(p);
	return w;
}

enum rc workflow_parse(const char *text, size_t size, struct workflow **out, struct err *err)
{
	struct problems p = {0};
	enum rc rc = RC_OK;

	*out = read_text(&p, text, size);
	if (p.count > 0) {
		rc = p.all[0].code;
		if (err != NULL)
			*err = p.all[0];
		workflow_free(*out);
		*out = NULL;
	}
	problems_fini(&p);
	return rc;
}

size_t workflow_validate(const char *text, size_t size,
			 void (*each)(const struct err *problem, void *arg), void *arg)
{
	struct problems p = {0};
	size_t count;

	workflow_free(read_text(&p, text, size));
	for (size_t i = 0; i < p.count; i++)
		each(&p.all[i], arg);
	count = p.count;
	problems_fini(&p);
	return count;
}

void workflow_free(struct workflow *w)
{
	if (w == NULL)
		return;
	steps_free(w);
	inputs_free(w->inputs);
	free(w->name);
	free(w);
}
