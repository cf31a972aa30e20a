/* metrics.c - see metrics.h. */
#include "coordinator/metrics.h"

#include "saga/jsonbuf.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* One row per sample.  Rows of one name stand together, the first with its help. */
static const struct sample {
	const char *group, *member; /* where the count is; no group: at the top */
	const char *name, *label;   /* label: inside the braces, or NULL */
	const char *kind, *help;    /* NULL: as the row before */
} samples[] = {
	{"now", "running", "settle_transactions", "status=\"running\"", "gauge",
	 "Transactions that are not finished, by their status."},
	{"now", "committing", "settle_transactions", "status=\"committing\"", NULL, NULL},
	{"now", "rolling_back", "settle_transactions", "status=\"rolling_back\"", NULL, NULL},
	{"now", "stuck", "settle_transactions", "status=\"stuck\"", NULL, NULL},
	{"since_start", "begun", "settle_transactions_begun_total", NULL, "counter",
	 "Transactions that began, since the start of the coordinator."},
	{"since_start", "committed", "settle_transactions_finished_total", "status=\"committed\"",
	 "counter", "Transactions that finished, since the start, by their outcome."},
	{"since_start", "rolled_back", "settle_transactions_finished_total",
	 "status=\"rolled_back\"", NULL, NULL},
	{"since_start", "hazards", "settle_hazards_total", NULL, "counter",
	 "Branches that contradicted their decision, since the start."},
	{"steps", "attempts", "settle_step_attempts_total", NULL, "counter",
	 "Attempts of saga steps that began, actions and compensations, since the start."},
	{"steps", "retried", "settle_step_retries_total", NULL, "counter",
	 "Attempts that were not the first of their step, since the start."},
	{"steps", "undone", "settle_steps_undone_total", NULL, "counter",
	 "Saga steps that were compensated, since the start."},
	{NULL, "agents_connected", "settle_agents_connected", NULL, "gauge",
	 "Agents that are connected."},
	{NULL, "epoch", "settle_epoch", NULL, "gauge",
	 "The epoch: how often a coordinator has started on this journal."},
};
enum { N_SAMPLES = sizeof samples / sizeof samples[0] };

static const json_t *count_of(const json_t *stats, const struct sample *s)
{
	return json_object_get(s->group != NULL ? json_object_get(stats, s->group) : stats,
			       s->member);
}

static void put_head(struct jsonbuf *b, const struct sample *s)
{
	char line[256];

	snprintf(line, sizeof line, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help, s->name,
		 s->kind);
	jsonbuf_text(b, line);
}

/* Bytes that a label's value may hold as they are: others become `_`. */
static void put_label(struct jsonbuf *b, const char *text)
{
	for (; *text != '\0'; text++)
		jsonbuf_raw(b,
			    *text >= 0x20 && *text < 0x7f && *text != '"' && *text != '\\' ? text
											   : "_",
			    1);
}

static void put_info(struct jsonbuf *b, const json_t *stats)
{
	const char *cluster = json_string_value(json_object_get(stats, "cluster"));

	jsonbuf_text(b, "# HELP settle_info What runs here.\n# TYPE settle_info gauge\n"
			"settle_info{version=\"" SETTLE_VERSION "\",cluster=\"");
	put_label(b, cluster != NULL ? cluster : "");
	jsonbuf_text(b, "\"} 1\n");
}

char *metrics_text(const json_t *stats)
{
	struct jsonbuf b = {.max = SIZE_MAX};
	const char *headed = "";

	put_info(&b, stats);
	for (size_t i = 0; i < N_SAMPLES; i++) {
		const struct sample *s = &samples[i];
		const json_t *count = count_of(stats, s);
		char line[160];

		if (!json_is_integer(count))
			continue;
		if (s->kind != NULL && strcmp(headed, s->name) != 0)
			put_head(&b, s);
		headed = s->name;
		snprintf(line, sizeof line, "%s%s%s%s %" JSON_INTEGER_FORMAT "\n", s->name,
			 s->label != NULL ? "{" : "", s->label != NULL ? s->label : "",
			 s->label != NULL ? "}" : "", json_integer_value(count));
		jsonbuf_text(&b, line);
	}
	return jsonbuf_take(&b);
}
