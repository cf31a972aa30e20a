/* settings.c - see settings.h. */
#include "coordinator/settings.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 24 * 3600 * 1000, TOKEN_MIN = 16, TOKEN_MAX = 1024 };

#define AT(field) offsetof(struct settings, field)

const struct conf_row settings_rows[] = {
	{"data", CONF_TEXT, AT(data), NULL, 1, 4000,
	 "directory of the journal; made if it is missing. One coordinator at a time has it"},
	{"cluster", CONF_TEXT, AT(cluster), "settle", 1, CLUSTER_MAX,
	 "name that coordinator and agents share; part of every branch's name, so it never "
	 "changes while transactions are open"},
	{"listen", CONF_TEXT, AT(listen), "127.0.0.1:7480", 1, 255,
	 "address and port of the REST interface; other than loopback needs token_file"},
	{"agents", CONF_TEXT, AT(agents), "tcp://127.0.0.1:7481", 1, 255,
	 "where agents dial in: tcp://host:port or ipc:///path (on one machine, this costs a tenth "
	 "less). Who reaches it can vote and "
	 "answer as an agent: keep it on a network that you trust"},
	{"token_file", CONF_TEXT, AT(token_file), "", 0, 4000,
	 "file with the token that REST calls must carry (16 to 1024 characters); empty: none"},
	{"timeout", CONF_MS, AT(timeout_ms), "10s", 1, DAY_MS,
	 "how long the branches may take to prepare, where the workflow names no time-out"},
	{"call_timeout", CONF_MS, AT(call_ms), "30s", 1, DAY_MS,
	 "how long one attempt of a saga's call may take, where the workflow names no timeout"},
	{"saga_deadline", CONF_MS, AT(deadline_ms), "7d", 0, INT64_C(366) * DAY_MS,
	 "how long a saga may run before it is rolled back, where the workflow names no deadline; "
	 "0s: for ever"},
	{"retention", CONF_MS, AT(retention_ms), "7d", 0, INT64_C(3650) * DAY_MS,
	 "how long finished transactions are kept and their gids remembered; 0s: for ever"},
	{"max_in_flight", CONF_INT, AT(max_in_flight), "10000", 1, 1000000,
	 "transactions that may be unfinished at once; beyond it a submission gets 429"},
	{"max_connections", CONF_INT, AT(max_connections), "4096", 1, 100000,
	 "REST connections at once; further ones wait until one closes"},
	{"idle", CONF_MS, AT(idle_ms), "30s", 100, 3600 * 1000,
	 "a REST connection that asks nothing for so long is closed"},
	{"drain", CONF_MS, AT(drain_ms), "10s", 0, 600 * 1000,
	 "how long SIGTERM lets open transactions and calls come to their end"},
	{"log_level", CONF_TEXT, AT(log_level_word), "info", 1, 8, "debug, info, warn or error"},
	{NULL, CONF_TEXT, 0, NULL, 0, 0, NULL},
};

/* ---- key=value from the command line, laid over the file's map ---- */

struct overlay {
	struct yaml_node map;
	struct yaml_node *values;
	char **texts;
	size_t n;
};

static void overlay_fini(struct overlay *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->texts[i]);
	free(o->texts);
	free(o->values);
	free(o->map.keys);
	free(o->map.items);
}

static void overlay_put(struct overlay *o, const struct yaml_node *key,
			const struct yaml_node *value)
{
	for (size_t i = 0; i < o->map.count; i++) {
		if (strcmp(o->map.keys[i]->text, key->text) == 0) {
			o->map.items[i] = value;
			return;
		}
	}
	o->map.keys[o->map.count] = key;
	o->map.items[o->map.count++] = value;
}

static enum rc overlay_make(struct overlay *o, const struct yaml_node *file,
			    const char *const *overrides, size_t n, struct err *err)
{
	const size_t from_file = file != NULL ? file->count : 0;

	o->values = mem_new(2 * n + 1, sizeof *o->values);
	o->texts = mem_new(n + 1, sizeof *o->texts);
	o->map.kind = YAML_MAP;
	o->map.line = file != NULL ? file->line : 0;
	o->map.column = file != NULL ? file->column : 0;
	o->map.keys = mem_new(from_file + n + 1, sizeof(void *));
	o->map.items = mem_new(from_file + n + 1, sizeof(void *));
	for (size_t i = 0; i < from_file; i++)
		overlay_put(o, file->keys[i], file->items[i]);
	for (size_t i = 0; i < n; i++) {
		char *text = mem_dup(overrides[i]);
		char *equals = strchr(text, '=');
		struct yaml_node *pair = &o->values[2 * i];

		o->texts[o->n++] = text;
		if (equals == NULL || equals == text)
			return err_set(err, RC_INVALID, "--set takes key=value, not \"%.80s\"",
				       overrides[i]);
		*equals = '\0';
		pair[0] = (struct yaml_node){.kind = YAML_SCALAR, .text = text, .plain = true};
		pair[1] =
			(struct yaml_node){.kind = YAML_SCALAR, .text = equals + 1, .plain = true};
		overlay_put(o, &pair[0], &pair[1]);
	}
	return RC_OK;
}

/* ---- what the table alone cannot check ---- */

static enum rc read_token(struct settings *s, struct err *err)
{
	char text[TOKEN_MAX + 3];
	FILE *file = fopen(s->token_file, "re");
	size_t size;

	if (file == NULL)
		return err_set(err, RC_INVALID, "token_file: cannot open %s: %s", s->token_file,
			       strerror(errno));
	size = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	while (size > 0 && isspace((unsigned char)text[size - 1]))
		size--;
	text[size] = '\0';
	if (size < TOKEN_MIN || size > TOKEN_MAX || strlen(text) != size)
		return err_set(err, RC_INVALID, "token_file: %s must hold %d to %d characters",
			       s->token_file, TOKEN_MIN, TOKEN_MAX);
	for (size_t i = 0; i < size; i++)
		if (!isgraph((unsigned char)text[i]))
			return err_set(err, RC_INVALID,
				       "token_file: %s must hold one word of printable characters",
				       s->token_file);
	s->token = mem_dup(text);
	return RC_OK;
}

static enum rc check(struct settings *s, struct err *err)
{
	if (s->data[0] == '\0')
		return err_set(err, RC_INVALID, "data: must name a directory");
	if (!id_valid_plain(s->cluster, CLUSTER_MAX))
		return err_set(err, RC_INVALID, "cluster: must be 1 to %d of A-Z a-z 0-9 _ -",
			       CLUSTER_MAX);
	if (log_level_parse(s->log_level_word, &s->log_level) != RC_OK)
		return err_set(err, RC_INVALID,
			       "log_level: must be debug, info, warn or error, not \"%s\"",
			       s->log_level_word);
	return s->token_file[0] != '\0' ? read_token(s, err) : RC_OK;
}

enum rc settings_load(struct settings *s, const char *path, const char *const *overrides,
		      size_t n_overrides, struct err *err)
{
	const struct yaml_node *root = NULL;
	struct overlay overlay = {0};
	enum rc rc = RC_OK;

	memset(s, 0, sizeof *s);
	if (path != NULL) {
		rc = yaml_parse_file(path, &s->file, err);
		if (rc != RC_OK)
			return rc;
		root = yaml_root(s->file);
		if (root->kind != YAML_MAP)
			return err_set_at(err, RC_INVALID, root->line, root->column,
					  "expected settings, one `name: value` a line");
	}
	rc = overlay_make(&overlay, root, overrides, n_overrides, err);
	if (rc == RC_OK) {
		rc = conf_read(settings_rows, &overlay.map, s, err);
		if (rc != RC_OK && err->line > 0)
			err_wrap(err, "%s", path);
	}
	if (rc == RC_OK)
		rc = check(s, err);
	overlay_fini(&overlay);
	return rc;
}

void settings_fini(struct settings *s)
{
	conf_fini(settings_rows, s);
	if (s->token != NULL)
		explicit_bzero(s->token, strlen(s->token));
	free(s->token);
	yaml_doc_free(s->file);
	memset(s, 0, sizeof *s);
}
