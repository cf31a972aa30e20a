/* plugin_verdict.c - what the answer of a plugin's function means: plugin_impl.h.
 *
 * Rule: what a plugin has not said clearly is never taken for done, nor for refused. */
#include "adapters/plugin_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What each result is to the agent; 0 is UNKNOWN, which is never wrong. */
static const unsigned char meanings[PLUGIN_KINDS][SETTLE_GONE + 1] = {
	[PLUGIN_DO] = {[SETTLE_DONE] = RESULT_DONE,
		       [SETTLE_REFUSED] = RESULT_REFUSED,
		       [SETTLE_RETRY] = RESULT_RETRY,
		       [SETTLE_PENDING] = RESULT_PENDING},
	[PLUGIN_UNDO] = {[SETTLE_DONE] = RESULT_DONE,
			 [SETTLE_REFUSED] = RESULT_REFUSED,
			 [SETTLE_RETRY] = RESULT_RETRY,
			 [SETTLE_PENDING] = RESULT_PENDING,
			 [SETTLE_GONE] = RESULT_DONE},
	[PLUGIN_PREPARE] = {[SETTLE_DONE] = RESULT_PREPARED,
			    [SETTLE_REFUSED] = RESULT_REFUSED,
			    [SETTLE_RETRY] = RESULT_RETRY},
	[PLUGIN_COMMIT] = {[SETTLE_DONE] = RESULT_COMMITTED, [SETTLE_GONE] = RESULT_HAZARD},
	[PLUGIN_ROLLBACK] =
		{[SETTLE_DONE] = RESULT_ROLLED_BACK, [SETTLE_GONE] = RESULT_ROLLED_BACK},
};

static const char *const words[] = {
	[SETTLE_UNKNOWN] = "unknown", [SETTLE_DONE] = "done",       [SETTLE_REFUSED] = "refused",
	[SETTLE_RETRY] = "retry",     [SETTLE_PENDING] = "pending", [SETTLE_GONE] = "gone",
};

static enum result_kind meaning(const struct plugin_call *c, enum settle_result said)
{
	enum result_kind kind = RESULT_NONE;

	if ((unsigned)said <= SETTLE_GONE)
		kind = (enum result_kind)meanings[c->kind][said];
	if (kind == RESULT_HAZARD && c->repeat)
		return RESULT_COMMITTED; /* an earlier commit worked */
	if (kind == RESULT_PREPARED && c->job->read_only)
		return RESULT_READ_ONLY;
	return kind == RESULT_NONE ? RESULT_UNKNOWN : kind;
}

static bool wants_output(enum result_kind kind)
{
	return kind == RESULT_DONE || kind == RESULT_PREPARED || kind == RESULT_READ_ONLY;
}

static void judge_function(struct plugin_call *c, struct plugin_said *said)
{
	const char *word = (unsigned)said->result <= SETTLE_GONE ? words[said->result]
								 : "something that is no result";
	enum result_kind kind = meaning(c, said->result);
	char text[REASON_MAX];

	if (wants_output(kind) && said->fault != NULL) {
		plugin_call_answer(c, RESULT_UNKNOWN, "the plugin says %s, but %s", word,
				   said->fault);
		return;
	}
	if (wants_output(kind)) {
		c->output = said->output;
		c->output_size = said->output_size;
		said->output = NULL;
	}
	if (kind == RESULT_RETRY)
		c->retry_after_ms = said->retry_after_ms;
	if (said->reason != NULL && said->reason[0] != '\0')
		snprintf(text, sizeof text, "%s", said->reason);
	else
		snprintf(text, sizeof text, "the plugin's %s says %s", plugin_kind_name(c->kind),
			 word);
	if (kind == RESULT_HAZARD)
		plugin_call_answer(c, kind, "it was gone before its first commit: %s", text);
	else if (wants_output(kind) || kind == RESULT_COMMITTED || kind == RESULT_ROLLED_BACK)
		plugin_call_answer(c, kind, NULL);
	else
		plugin_call_answer(c, kind, "%s", text);
}

/* ---- lists ---- */

/* `settle:<cluster>:<epoch>:<gid>:<branch>`; none of these has a colon in it. */
static bool read_key(char *key, const char **cluster, struct branch_id *id)
{
	char *parts[5], *end;
	size_t n = 0;

	for (char *at = key; at != NULL && n < 5; n++) {
		parts[n] = at;
		at = strchr(at, ':');
		if (at != NULL && n < 4)
			*at++ = '\0';
	}
	if (n != 5 || strcmp(parts[0], "settle") != 0 || parts[2][0] < '0' || parts[2][0] > '9')
		return false;
	*cluster = parts[1];
	id->epoch = strtoull(parts[2], &end, 10);
	id->gid = parts[3];
	id->branch = parts[4];
	return *end == '\0' && branch_id_valid(id);
}

static bool take_key(struct plugin_call *c, const char *key)
{
	char *copy = mem_dup(key);
	struct branch_id id = {.resource = c->p->resource};
	const char *cluster;
	const bool good = read_key(copy, &cluster, &id);

	if (good && strcmp(cluster, c->p->host.cluster) == 0) {
		char **names = &c->names[2 * c->n_found];

		id.gid = names[0] = mem_dup(id.gid);
		id.branch = names[1] = mem_dup(id.branch);
		c->found[c->n_found++] = id;
	}
	free(copy);
	return good;
}

static void judge_list(struct plugin_call *c, const struct plugin_said *said)
{
	const char *fault = said->fault;

	c->found = mem_new(said->n_keys, sizeof *c->found);
	c->names = mem_new(2 * said->n_keys, sizeof *c->names);
	for (size_t i = 0; i < said->n_keys && fault == NULL; i++)
		if (!take_key(c, said->keys[i]))
			fault = "its `list` names something that is not the key of a branch";
	if (fault == NULL && said->result != SETTLE_DONE)
		fault = "its `list` failed";
	if (fault == NULL) {
		plugin_call_answer(c, RESULT_DONE, NULL);
		return;
	}
	log_event(LOG_WARN, "plugin-list-failed", "resource=%s %s", c->p->resource, fault);
	plugin_call_answer(c, RESULT_UNKNOWN, NULL);
}

static void judge_check(struct plugin_call *c, const struct plugin_said *said)
{
	const bool serves = said->result == SETTLE_DONE;

	plugin_ready_checked(c->p, serves                    ? NULL
				   : said->reason[0] != '\0' ? said->reason
							     : "the plugin does not say why");
	plugin_call_answer(c, RESULT_DONE, NULL);
}

void plugin_verdict(struct plugin_call *c, struct plugin_said *said)
{
	switch (c->kind) {
	case PLUGIN_DO:
	case PLUGIN_UNDO:
	case PLUGIN_PREPARE:
	case PLUGIN_COMMIT:
	case PLUGIN_ROLLBACK: judge_function(c, said); break;
	case PLUGIN_LIST: judge_list(c, said); break;
	case PLUGIN_CHECK: judge_check(c, said); break;
	case PLUGIN_CLOSE: plugin_call_answer(c, RESULT_DONE, NULL); break;
	case PLUGIN_KINDS: abort();
	}
}
