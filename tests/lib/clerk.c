#include "tests/lib/clerk.h"

#include "tests/lib/bank.h"
#include "tests/lib/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SERVED_MAX = 32 };

/* One operation that the file asks for. */
struct asked {
	const char *resource, *operation;
	json_t *args; /* of which the names count */
	bool group;
};

static struct asked asked[SERVED_MAX];
static size_t n_asked;

static void add(const char *resource, json_t *work, bool group)
{
	const char *operation = json_string_value(json_object_get(work, "operation"));
	for (size_t i = 0; i < n_asked; i++)
		if (strcmp(asked[i].resource, resource) == 0 &&
		    strcmp(asked[i].operation, operation) == 0)
			return;
	NEED(n_asked < SERVED_MAX, "too many operations");
	asked[n_asked++] =
		(struct asked){resource, operation, json_object_get(work, "args"), group};
}

static void add_work(const char *resource, json_t *work)
{
	const char *own = json_string_value(json_object_get(work, "resource"));
	json_t *group = json_object_get(work, "atomic"), *branch;
	size_t i;

	json_array_foreach(group, i, branch)
		add(json_string_value(json_object_get(branch, "resource")), branch, true);
	if (!group)
		add(own ? own : resource, work, false);
}

static void write_operation(FILE *out, const struct asked *a, const char *script)
{
	const char *name;
	json_t *value;
	int n = 0;

	fprintf(out, "      %s:\n        args: [", a->operation);
	json_object_foreach(a->args, name, value) fprintf(out, "%s%s", n++ ? ", " : "", name);
	fprintf(out, "]\n");
	if (!a->group) {
		fprintf(out, "        call: {command: [%s], timeout: 30s}\n", script);
		return;
	}
	fprintf(out, "        sql: INSERT INTO effect (operation, given) VALUES ('%s', concat(''",
		a->operation);
	for (int i = 1; i <= n; i++)
		fprintf(out, ", $%d::text", i);
	fprintf(out, "))\n");
}

/* One resource: the operations that were not written yet and belong to it. */
static void write_resource(FILE *out, size_t first, const char *script)
{
	const struct asked *a = &asked[first];

	for (size_t i = 0; i < first; i++)
		if (strcmp(asked[i].resource, a->resource) == 0)
			return;
	fprintf(out, "  %s:\n", a->resource);
	if (a->group)
		fprintf(out, "    adapter: postgres\n    connection: \"%s\"\n    pool: 2\n",
			bank[strcmp(a->resource, "bank-a") == 0 ? BANK_A : BANK_B]->conninfo);
	else
		fprintf(out, "    adapter: exec\n");
	fprintf(out, "    operations:\n");
	for (size_t i = first; i < n_asked; i++)
		if (strcmp(asked[i].resource, a->resource) == 0)
			write_operation(out, &asked[i], script);
}

static char *book_path(void)
{
	return temp_path("book.%d", (int)getpid());
}

/* The script that serves all calls; steps that may wait are answered `pending`. */
static char *write_script(const struct saga_file *f, const char *book)
{
	char *path = temp_path("clerk.%d.sh", (int)getpid());
	FILE *out = fopen(path, "w");
	NEED(out, "%s cannot be written", path);
	fprintf(out,
		"#!/bin/sh\ncat >/dev/null\n"
		"echo \"$SETTLE_GID $SETTLE_STEP $SETTLE_DIRECTION\" >>'%s'\n"
		"case $SETTLE_STEP in\n",
		book);
	for (size_t i = 0; i < f->w->n_steps; i++)
		if (f->w->steps[i].complete_within_ms)
			fprintf(out, "%s) echo '{\"result\": \"pending\"}'; exit ;;\n",
				f->w->steps[i].name);
	fprintf(out,
		"esac\necho '{\"result\": \"done\", \"output\": {\"id\": 7, \"verdict\": "
		"\"unusual\", \"rating\": \"good\", \"worth\": 2, \"net\": 17, \"tax\": 3}}'\n");
	fclose(out);
	return path;
}

static void add_all(const struct saga_file *f)
{
	size_t i;
	json_t *step;

	n_asked = 0;
	json_array_foreach(json_object_get(f->as_it_is, "steps"), i, step)
	{
		json_t *undo = json_object_get(step, "compensate");
		const char *resource = json_string_value(json_object_get(step, "resource"));
		add_work(resource, step);
		if (json_is_object(undo))
			add_work(resource, undo);
	}
}

static void reset_banks(void)
{
	banks_reset();
	for (int b = 0; b < BANKS; b++) {
		bank_do(b, "DROP TABLE IF EXISTS effect");
		bank_do(b, "CREATE TABLE effect (operation text, given text)");
	}
}

char *clerk_conf(const struct saga_file *f, int port)
{
	char *book = book_path();
	char *script = write_script(f, book);
	char *conf = temp_path("clerk.%d.yaml", (int)getpid());
	FILE *out = fopen(conf, "w");

	NEED(out && chmod(script, 0755) == 0, "%s cannot be written", conf);
	if (f->banks)
		reset_banks();
	add_all(f);
	fprintf(out, "agent: clerk\ncoordinator: tcp://127.0.0.1:%d\nresources:\n", port);
	for (size_t i = 0; i < n_asked; i++)
		write_resource(out, i, script);
	fclose(out);
	free(script);
	free(book);
	return conf;
}

char *clerk_resources(void)
{
	char *all = textf("%s", asked[0].resource);
	for (size_t i = 1; i < n_asked; i++) {
		char *more = textf("%s,%s", all, asked[i].resource);
		free(all);
		all = more;
	}
	return all;
}

/* ---- counting ---- */

static size_t lines_of(const char *text, const char *line)
{
	size_t n = 0;
	for (const char *at = text; at && (at = strstr(at, line)) != NULL; at += strlen(line))
		n += (at == text || at[-1] == '\n') && at[strlen(line)] == '\n';
	return n;
}

void clerk_count(const struct saga_file *f, const char *gid)
{
	char *book = book_path();
	char *text = file_read(book);
	size_t calls = 0, branches = 0;

	for (size_t i = 0; i < f->w->n_steps; i++) {
		const struct def_step *d = &f->w->steps[i];
		char *line = textf("%s %s do", gid, d->name);
		const size_t wanted = d->action.kind == WORK_CALL;
		NEED(lines_of(text, line) == wanted, "%zu times, not %zu: %s; of\n%s",
		     lines_of(text, line), wanted, line, text);
		calls += wanted;
		branches += d->action.n_branches;
		free(line);
	}
	for (const char *at = text; at && *at; at++)
		calls -= *at == '\n';
	NEED(calls == 0, "other lines than one for each step:\n%s", text);
	for (int b = 0; f->banks && b < BANKS; b++)
		branches -= (size_t)bank_number(b, "SELECT count(*) FROM effect");
	NEED(branches == 0, "the banks have not as many effects as there are branches");
	free(text);
	free(book);
}
