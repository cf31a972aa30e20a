/* fuzz_agent_conf.c - the bytes are an agent's configuration, with the settings of every kind of
 * resource; then arguments and an id for the templates of its http operations.
 *
 * Whatever is refused is refused with words.  What a template renders is what its place
 * allows: a path without dot segments, a header on one line, a body that is JSON. */
#include "adapters/exec_config.h"
#include "adapters/http_config.h"
#include "adapters/http_template.h"
#include "adapters/pg_config.h"
#include "adapters/plugin_config.h"
#include "adapters/sqlite_config.h"
#include "participant/agent_conf.h"
#include "tests/fuzz/fuzz.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

static const char *the_args; /* JSON, from the input */
static size_t the_args_size;

/* ---- rendering ---- */

static void render_spec(const struct http_spec *spec, const struct http_values *v)
{
	struct http_text out = {.max = PAYLOAD_MAX};
	struct err err = {0};

	if (http_template_path(&spec->path, v, &out, &err) == RC_OK && out.size > 0)
		MUST_SAY(out.data[0] == '/' && strpbrk(out.data, " \r\n\t") == NULL &&
				 http_path_sound(out.data),
			 "a path is sound, not: %s", out.data);
	http_text_fini(&out);
	for (size_t i = 0; i < spec->headers.n; i++) {
		out = (struct http_text){.max = 8192};
		if (http_template_header(&spec->headers.all[i].value, v, &out, &err) == RC_OK &&
		    out.size > 0)
			for (size_t k = 0; k < out.size; k++)
				MUST((unsigned char)out.data[k] >= ' ' || out.data[k] == '\t');
		http_text_fini(&out);
	}
	out = (struct http_text){.max = PAYLOAD_MAX};
	if (spec->has_body && http_template_body(&spec->body, v, &out, &err) == RC_OK)
		MUST_SAY(is_json(out.data, out.size), "a body is JSON, not: %s", out.data);
	http_text_fini(&out);
}

static void render_operation(const struct http_operation *op)
{
	struct http_args args;
	struct err err = {0};
	const struct bytes json = {the_args, the_args_size};
	struct http_values v = {"g", "s.b", "g/s.b", &args, false, 1};

	if (http_args_read(op->args, op->n_args, json, &args, &err) == RC_OK)
		for (int i = 0; i < HTTP_PHASES; i++)
			if (op->phases[i].method != NULL)
				render_spec(&op->phases[i], &v);
	http_args_fini(&args);
}

/* ---- reading ---- */

static void read_http(const struct yaml_node *node)
{
	struct http_config c = {0};
	struct err err = {0};

	if (http_config_read(node, &c, &err) == RC_OK)
		for (size_t i = 0; i < c.n_operations; i++)
			render_operation(&c.operations[i]);
	else
		MUST(err.text[0] != '\0');
	http_config_fini(&c);
}

static void read_postgres(const struct yaml_node *node)
{
	struct pg_config c = {0};
	struct err err = {0};

	if (pg_config_read(node, &c, &err) == RC_OK)
		for (size_t i = 0; i < c.n_operations; i++)
			MUST(pg_sql_forbidden(c.operations[i].sql) == NULL);
	else
		MUST(err.text[0] != '\0');
	pg_config_fini(&c);
}

#define READER(kind)                                                                 \
	static void read_##kind(const struct yaml_node *node)                        \
	{                                                                            \
		struct kind##_config c = {0};                                        \
		struct err err = {0};                                                \
                                                                                     \
		if (kind##_config_read(node, &c, &err) != RC_OK)                     \
			MUST(err.text[0] != '\0');                                   \
		else                                                                 \
			for (size_t i = 0; i < c.n_operations; i++)                  \
				MUST(kind##_config_find(&c, c.operations[i].name) == \
				     &c.operations[i]);                              \
		kind##_config_fini(&c);                                              \
	}
READER(exec)
READER(sqlite)
READER(plugin)

static void read_resource(const struct yaml_node *node)
{
	static const struct {
		const char *adapter;
		void (*read)(const struct yaml_node *node);
	} kinds[] = {{"postgres", read_postgres},
		     {"sqlite", read_sqlite},
		     {"http", read_http},
		     {"exec", read_exec},
		     {"plugin", read_plugin}};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(yaml_get(node, "adapter")->text, kinds[i].adapter) == 0)
			kinds[i].read(node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};
	const struct feed file = feed_until(&f, "--");
	struct agent_conf c;
	struct err err = {0};

	the_args = (const char *)f.at;
	the_args_size = f.left;
	if (agent_conf_load(&c, fuzz_file(file.at, file.left), &err) == RC_OK) {
		for (size_t i = 0; i < c.resources->count; i++)
			read_resource(c.resources->items[i]);
	} else {
		MUST(err.text[0] != '\0');
	}
	agent_conf_fini(&c);
	return 0;
}
