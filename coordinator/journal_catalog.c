/* journal_catalog.c - see journal_catalog.h. */
#include "coordinator/journal_catalog.h"
#include "base/id.h"
#include "base/mem.h"

#include <assert.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

/* Names were checked when the frame was decoded, so they are plain ASCII. */
char *catalog_operations(const struct resource_info *info)
{
	json_t *all = json_array();
	char *text;

	for (size_t i = 0; i < info->n_operations; i++) {
		const struct operation_info *op = &info->operations[i];
		json_t *args = json_array();

		for (size_t k = 0; k < op->n_args; k++)
			json_array_append_new(args, json_string(op->args[k]));
		json_array_append_new(all, json_pack("{s:s, s:o}", "name", op->name, "args", args));
	}
	text = json_dumps(all, JSON_COMPACT);
	assert(text != NULL);
	json_decref(all);
	return text;
}

/* Fills `op` from JSON, whose strings it borrows; false if it is not as we wrote it. */
static bool read_operation(struct operation_info *op, const json_t *json)
{
	const json_t *args = json_object_get(json, "args");

	op->name = json_string_value(json_object_get(json, "name"));
	op->n_args = json_array_size(args);
	op->args = mem_new(op->n_args, sizeof *op->args);
	for (size_t i = 0; i < op->n_args; i++) {
		op->args[i] = json_string_value(json_array_get(args, i));
		if (op->args[i] == NULL)
			return false;
	}
	return op->name != NULL && json_is_array(args);
}

bool catalog_read(sqlite3_stmt *stmt, resource_fn each, void *arg)
{
	json_t *json = json_loads((const char *)sqlite3_column_text(stmt, 3), 0, NULL);
	struct resource_info info = {
		.name = (const char *)sqlite3_column_text(stmt, 0),
		.adapter = (const char *)sqlite3_column_text(stmt, 1),
		.problem = "no agent has declared it since the coordinator's start",
		.one_phase = sqlite3_column_int(stmt, 2) != 0,
		.calls = sqlite3_column_int(stmt, 4) != 0,
		.exact = sqlite3_column_int(stmt, 5) != 0,
		.groups = sqlite3_column_int(stmt, 6) != 0,
		.n_operations = json_array_size(json),
	};
	bool good = json_is_array(json) && id_valid(info.name, NAME_MAX_LEN);

	info.operations = mem_new(info.n_operations, sizeof *info.operations);
	for (size_t i = 0; i < info.n_operations; i++)
		good = read_operation(&info.operations[i], json_array_get(json, i)) && good;
	if (good)
		each(&info, arg);
	for (size_t i = 0; i < info.n_operations; i++)
		free(info.operations[i].args);
	free(info.operations);
	json_decref(json);
	return good;
}

bool catalog_read_workflow(sqlite3_stmt *stmt, workflow_fn each, void *arg)
{
	const sqlite3_int64 version = sqlite3_column_int64(stmt, 1);
	const struct workflow_row row = {
		.name = (const char *)sqlite3_column_text(stmt, 0),
		.version = (uint32_t)version,
		.active = sqlite3_column_int(stmt, 2) != 0,
		.published_us = (uint64_t)sqlite3_column_int64(stmt, 3),
	};

	if (!id_valid(row.name, NAME_MAX_LEN) || version < 1 || version > UINT32_MAX)
		return false;
	each(&row, arg);
	return true;
}
