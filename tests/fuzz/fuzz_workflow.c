/* fuzz_workflow.c - the bytes are a workflow file, and then choices of how a world treats it.
 *
 * It is either read, or has problems with places, the first of which is what reading says.
 * What is read is drawn, and is read the same from its own text again.  Then it is submitted,
 * resources answer as the choices say, it may be cancelled, the coordinator crashes; and with
 * a world that heals it ends, by the rules of world.h. */
#include "base/mem.h"
#include "saga/graph.h"
#include "saga/input.h"
#include "saga/workflow.h"
#include "tests/fuzz/world.h"

#include <stdlib.h>
#include <string.h>

static struct err first;
static size_t problems;

static void on_problem(const struct err *problem, void *arg)
{
	(void)arg;
	MUST(problem->text[0] != '\0');
	if (problems++ == 0)
		first = *problem;
}

static void check_drawn(const struct workflow *w)
{
	char *mermaid = graph_mermaid(w), *dot = graph_dot(w);

	MUST(mermaid[0] != '\0' && mermaid[strlen(mermaid) - 1] == '\n');
	MUST(dot[0] != '\0' && dot[strlen(dot) - 1] == '\n');
	free(mermaid);
	free(dot);
}

/* The facts of definition.h. */
static void check_facts(const struct workflow *w)
{
	size_t pivots = 0;

	MUST((w->n_steps >= 1 || w->saga) && w->n_steps <= WORKFLOW_STEPS_MAX);
	MUST(id_valid(w->name, NAME_MAX_LEN));
	for (size_t i = 0; i < w->n_steps; i++) {
		const struct def_step *s = &w->steps[i];

		pivots += s->pivot;
		MUST(id_valid_plain(s->name, STEP_MAX));
		MUST(s->action.kind != WORK_NONE);
		MUST(!s->pivot || (w->pivot == i && s->undo.kind == WORK_NONE));
		for (size_t k = 0; k < s->n_after; k++)
			MUST(s->after[k] < w->n_steps && s->after[k] != i);
	}
	MUST(pivots == (w->pivot != SIZE_MAX) && pivots <= 1);
}

/* Something for every input that must be given; NULL if that is not easily found. */
static json_t *an_input(const struct workflow *w, struct feed *f)
{
	static const char *const tries[] = {"1", "\"x\"", "true", "[1, \"a\"]", "{\"id\": 7}"};
	json_t *given = json_object(), *full;

	for (int i = 0; i < 20; i++) {
		struct err err = {0};

		if (workflow_input(w, given, &full, &err) == RC_OK) {
			json_decref(full);
			return given;
		}
		for (const char *const *n = inputs_names(w->inputs); *n != NULL; n++)
			json_object_set_new(given, *n,
					    json_loads(tries[(feed_choice(f, 5) + (size_t)i) % 5],
						       JSON_DECODE_ANY, NULL));
	}
	json_decref(given);
	return NULL;
}

static void play(struct feed *f)
{
	for (int n = 0; n < 40; n++) {
		const struct sent *s = world_command(feed_choice(f, 8));

		world_sync(0);
		for (unsigned i = 0; i < WORLD_AGENTS; i++)
			world_poll(i, 100, NULL, 0);
		if (s != NULL) {
			const size_t kind = feed_choice(f, RESULT_PENDING + 1);
			struct result r = world_result(s, (enum result_kind)kind);

			world_poll(s->agent, 100, &r, 1);
		}
		if (feed_choice(f, 16) == 15)
			engine_cancel(fw.e, world_client("g"), "g", "no more");
		if (feed_choice(f, 16) == 15)
			world_crash();
		world_pass(feed_choice(f, 4) == 3 ? 6000 : 100);
		if (f->left == 0)
			return;
	}
}

static void run(const struct workflow *w, struct feed text, struct feed *f)
{
	json_t *input = an_input(w, f);

	world_open(feed_bool(f), feed_bool(f));
	fw.mute = fw.one_phase;
	world_serve_text((const char *)text.at, text.left);
	world_serve_all();
	world_submit("g", (const char *)text.at, text.left, input, WAIT_FINISHED);
	play(f);
	world_heal();
	world_close();
	json_decref(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	const struct feed text = feed_until(&f, "--");
	struct workflow *w = NULL;
	struct err err = {0};
	enum rc rc;

	problems = 0;
	MUST(workflow_validate((const char *)text.at, text.left, on_problem, NULL) == problems);
	rc = workflow_parse((const char *)text.at, text.left, &w, &err);
	MUST_SAY((rc == RC_OK) == (problems == 0), "reading and validating agree: %s", err.text);
	MUST(problems <= WORKFLOW_PROBLEMS_MAX + 1);
	if (rc != RC_OK) {
		MUST(w == NULL && strcmp(err.text, first.text) == 0 && err.line == first.line);
		return 0;
	}
	check_facts(w);
	check_drawn(w);
	run(w, text, &f);
	workflow_free(w);
	return 0;
}
