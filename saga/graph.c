/* graph.c - see graph.h.
 *
 * One walk draws both: a language is a table of how it writes each thing. */
#include "saga/graph.h"
#include "base/mem.h"
#include "saga/expr.h"
#include "saga/jsonbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The formats take, in this order: a number or two that name the node, and a label. */
struct language {
	const char *begin, *end;
	const char *call, *pivot_call;        /* step; label */
	const char *group_begin, *group_end;  /* step; label */
	const char *pivot_begin, *pivot_end;  /* the same, of a group that is the pivot */
	const char *branch;                   /* step, branch; label */
	const char *undo;                     /* step; label */
	const char *undo_begin, *undo_branch; /* as those of a group */
	const char *edges[2][2];              /* from a call or a group, to a call or a group */
	const char *undo_edges[2][2];
	const char *line; /* between the lines of a label */
	const char *(*escape)(char c);
};

static const char *escape_mermaid(char c)
{
	switch (c) {
	case '"': return "#quot;";
	case '#': return "#35;";
	case '<': return "#lt;";
	case '>': return "#gt;";
	case '&': return "#amp;";
	case '`': return "#96;";
	case '\\': return "#92;";
	default: return (unsigned char)c < 0x20 ? " " : NULL;
	}
}

static const char *escape_dot(char c)
{
	switch (c) {
	case '"': return "\\\"";
	case '\\': return "\\\\";
	default: return (unsigned char)c < 0x20 ? " " : NULL;
	}
}

static const struct language mermaid = {
	.begin = "flowchart TD\n",
	.end = "    classDef pivot stroke-width:4px\n    classDef undo stroke-dasharray:4\n",
	.call = "    s%zu[\"%s\"]\n",
	.pivot_call = "    s%zu{{\"%s\"}}:::pivot\n",
	.group_begin = "    subgraph s%zu[\"%s\"]\n",
	.pivot_begin = "    subgraph s%zu[\"%s\"]\n",
	.group_end = "    end\n",
	.pivot_end = "    end\n    style s%zu stroke-width:4px\n",
	.branch = "        b%zu_%zu[\"%s\"]\n",
	.undo = "    u%zu([\"%s\"]):::undo\n",
	.undo_begin = "    subgraph u%zu[\"%s\"]\n",
	.undo_branch = "        c%zu_%zu([\"%s\"]):::undo\n",
	.edges = {{"    s%zu --> s%zu\n", "    s%zu --> s%zu\n"},
		  {"    s%zu --> s%zu\n", "    s%zu --> s%zu\n"}},
	.undo_edges = {{"    s%zu -. undo .-> u%zu\n", "    s%zu -. undo .-> u%zu\n"},
		       {"    s%zu -. undo .-> u%zu\n", "    s%zu -. undo .-> u%zu\n"}},
	.line = "<br/>",
	.escape = escape_mermaid,
};

/* An edge of Graphviz joins nodes; at a group it is cut at the group's border. */
static const struct language dot = {
	.begin = "digraph workflow {\n    compound=true;\n    node [shape=box];\n",
	.end = "}\n",
	.call = "    s%zu [label=\"%s\"];\n",
	.pivot_call = "    s%zu [shape=hexagon, penwidth=3, label=\"%s\"];\n",
	.group_begin = "    subgraph cluster_s%zu {\n        label=\"%s\";\n",
	.pivot_begin = "    subgraph cluster_s%zu {\n        label=\"%s\";\n        penwidth=3;\n",
	.group_end = "    }\n",
	.pivot_end = "    }\n",
	.branch = "        s%zu_%zu [label=\"%s\"];\n",
	.undo = "    u%zu [shape=oval, style=dashed, label=\"%s\"];\n",
	.undo_begin = "    subgraph cluster_u%zu {\n        label=\"%s\";\n        style=dashed;\n",
	.undo_branch = "        u%zu_%zu [shape=oval, style=dashed, label=\"%s\"];\n",
	.edges = {{"    s%1$zu -> s%2$zu;\n", "    s%1$zu -> s%2$zu_0 [lhead=cluster_s%2$zu];\n"},
		  {"    s%1$zu_0 -> s%2$zu [ltail=cluster_s%1$zu];\n",
		   "    s%1$zu_0 -> s%2$zu_0 [ltail=cluster_s%1$zu, lhead=cluster_s%2$zu];\n"}},
	.undo_edges = {{"    s%1$zu -> u%2$zu [style=dashed, label=\"undo\"];\n",
			"    s%1$zu -> u%2$zu_0 [style=dashed, label=\"undo\", "
			"lhead=cluster_u%2$zu];\n"},
		       {"    s%1$zu_0 -> u%2$zu [style=dashed, label=\"undo\", "
			"ltail=cluster_s%1$zu];\n",
			"    s%1$zu_0 -> u%2$zu_0 [style=dashed, label=\"undo\", "
			"ltail=cluster_s%1$zu, lhead=cluster_u%2$zu];\n"}},
	.line = "\\n",
	.escape = escape_dot,
};

struct drawing {
	const struct language *in;
	struct jsonbuf out;
};

/* The formats are the tables' own, none comes from a file. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void put(struct drawing *d, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* as in mem.h */
	va_end(ap);
	jsonbuf_text(&d->out, text);
	free(text);
}
#pragma GCC diagnostic pop

static void put_escaped(const struct language *in, struct jsonbuf *label, const char *text)
{
	for (; *text != '\0'; text++) {
		const char *instead = in->escape(*text);

		if (instead != NULL)
			jsonbuf_text(label, instead);
		else
			jsonbuf_raw(label, text, 1);
	}
}

/* A label: pieces of text up to a NULL; "\n" begins a new line. */
static char *label(const struct language *in, ...)
{
	struct jsonbuf text = {.max = SIZE_MAX / 2};
	const char *piece;
	va_list ap;

	va_start(ap, in);
	while ((piece = va_arg(ap, const char *)) != NULL) {
		if (strcmp(piece, "\n") == 0)
			jsonbuf_text(&text, in->line);
		else
			put_escaped(in, &text, piece);
	}
	va_end(ap);
	return jsonbuf_take(&text);
}

static void draw_branches(struct drawing *d, const struct work *work, size_t step,
			  const char *format)
{
	for (size_t i = 0; i < work->n_branches; i++) {
		const struct work_branch *b = &work->branches[i];
		char *text = label(d->in, strchr(b->name, '.') + 1, "\n", b->resource, ": ",
				   b->operation, b->read_only ? " (read only)" : "", NULL);

		put(d, format, step, i, text);
		free(text);
	}
}

static void draw_step(struct drawing *d, const struct workflow *w, size_t step)
{
	const struct def_step *s = &w->steps[step];
	const bool group = s->action.kind == WORK_ATOMIC;
	const char *when = s->when != NULL ? expr_source(s->when) : "";
	const char *before = s->when != NULL ? "\n" : "", *word = s->when != NULL ? "when " : "";
	char *text;

	if (group) {
		text = label(d->in, s->name, s->pivot ? " (pivot)" : "", ": all or nothing",
			     s->action.sequential ? ", one after another" : "", before, word, when,
			     NULL);
		put(d, s->pivot ? d->in->pivot_begin : d->in->group_begin, step, text);
		draw_branches(d, &s->action, step, d->in->branch);
		put(d, s->pivot ? d->in->pivot_end : d->in->group_end, step);
	} else {
		text = label(d->in, s->name, s->pivot ? " (pivot)" : "", "\n", s->action.resource,
			     ": ", s->action.operation, before, word, when, NULL);
		put(d, s->pivot ? d->in->pivot_call : d->in->call, step, text);
	}
	free(text);
}

static void draw_undo(struct drawing *d, const struct workflow *w, size_t step)
{
	const struct def_step *s = &w->steps[step];
	const struct work *undo = &s->undo;
	const bool group = undo->kind == WORK_ATOMIC;
	char *text;

	if (undo->kind == WORK_NONE)
		return;
	if (group) {
		text = label(d->in, "undo ", s->name, ": all or nothing", NULL);
		put(d, d->in->undo_begin, step, text);
		draw_branches(d, undo, step, d->in->undo_branch);
		put(d, d->in->group_end, step);
	} else {
		text = label(d->in, undo->resource, ": ", undo->operation, NULL);
		put(d, d->in->undo, step, text);
	}
	put(d, d->in->undo_edges[s->action.kind == WORK_ATOMIC][group], step, step);
	free(text);
}

static char *draw(const struct workflow *w, const struct language *in)
{
	struct drawing d = {.in = in, .out = {.max = SIZE_MAX / 2}};

	put(&d, "%s", in->begin);
	for (size_t i = 0; i < w->n_steps; i++)
		draw_step(&d, w, i);
	for (size_t i = 0; i < w->n_steps; i++)
		for (size_t k = 0; k < w->steps[i].n_after; k++) {
			const size_t first = w->steps[i].after[k];

			put(&d,
			    in->edges[w->steps[first].action.kind == WORK_ATOMIC]
				     [w->steps[i].action.kind == WORK_ATOMIC],
			    first, i);
		}
	for (size_t i = 0; i < w->n_steps; i++)
		draw_undo(&d, w, i);
	put(&d, "%s", in->end);
	return jsonbuf_take(&d.out);
}

char *graph_mermaid(const struct workflow *w)
{
	return draw(w, &mermaid);
}

char *graph_dot(const struct workflow *w)
{
	return draw(w, &dot);
}
