/* fuzz_expr.c - the bytes are one expression, for a value, a text and a `when`.
 *
 * What is read computes, the same twice, or fails with words.  What it gives is JSON within the
 * cap, or true or false.  It ends soon: the fuzzer's limits on time and memory are far below
 * those that the sandbox has if it does not count (make fuzz sets them). */
#include "base/mem.h"
#include "saga/saga.h"
#include "saga/workflow.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file with the expression in it; NULL if it cannot be put into JSON. */
static char *file_of(const char *source, size_t size)
{
	json_t *text = json_stringn(source, size);
	json_t *whole, *part;
	char *file, *a, *b;

	if (text == NULL)
		return NULL;
	whole = json_sprintf("${%s}", json_string_value(text));
	part = json_sprintf("x ${%s} y", json_string_value(text));
	json_decref(text);
	a = json_dumps(whole, JSON_ENCODE_ANY);
	b = json_dumps(part, JSON_ENCODE_ANY);
	file = mem_printf("{workflow: w, input: [n, list, text], steps: ["
			  "{name: a, resource: r, operation: o, compensate: none}, "
			  "{name: b, after: [a], when: %s, resource: r, operation: o, "
			  "args: {value: %s, text: %s}, compensate: none}]}",
			  a, a, b);
	free(a);
	free(b);
	json_decref(whole);
	json_decref(part);
	return file;
}

static void compute(const struct workflow *w)
{
	struct saga *saga = saga_new(w);
	json_t *input = json_loads("{\"n\": 9007199254740993, \"text\": \"h\\u00e9 llo\", "
				   "\"list\": [1, 2.5, null, {\"a\": []}]}",
				   0, NULL);
	const struct workflow_data data = {"g", input, saga};
	char *once = NULL, *twice = NULL;
	struct err err = {0}, again = {0};
	bool run = false;
	enum rc rc;

	saga->steps[0].state = STEP_DONE;
	saga->steps[0].output =
		mem_dup("{\"id\": 7, \"names\": [\"ann\", \"bob\"], \"none\": null}");
	rc = workflow_args(w, 1, false, &data, &once, &err);
	MUST_SAY(workflow_args(w, 1, false, &data, &twice, &again) == rc, "twice the same: %s",
		 again.text);
	if (rc == RC_OK) {
		MUST(strlen(once) <= WORKFLOW_ARGS_MAX && is_json(once, strlen(once)));
		MUST_SAY(strcmp(once, twice) == 0, "twice the same: %s and %s", once, twice);
	} else {
		MUST((rc == RC_INVALID || rc == RC_TOO_BIG) && err.text[0] != '\0');
	}
	if (workflow_when(w, 1, &data, &run, &err) != RC_OK)
		MUST(err.text[0] != '\0');
	free(once);
	free(twice);
	json_decref(input);
	saga_free(saga);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *file = file_of((const char *)data, size);
	struct workflow *w = NULL;
	struct err err = {0};

	if (file == NULL)
		return 0;
	if (workflow_parse(file, strlen(file), &w, &err) == RC_OK)
		compute(w);
	else
		MUST(err.text[0] != '\0' && w == NULL);
	workflow_free(w);
	free(file);
	return 0;
}
