/* exec_env.c - see exec_env.h. */
#include "adapters/exec_env.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLES_MAX = 1000, FILE_SIZE_MAX = 65536, N_OURS = 11 };

static const char standard_path[] = "/usr/local/bin:/usr/bin:/bin";

static bool name_valid(const char *name, size_t size)
{
	if (size == 0 || isdigit((unsigned char)name[0]) || strncmp(name, "SETTLE_", 7) == 0)
		return false;
	for (size_t i = 0; i < size; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return true;
}

/* Adds NAME=value, or replaces the one of that name. Takes `text`. */
static void put(struct exec_config *config, char *text)
{
	const size_t size = (size_t)(strchr(text, '=') - text) + 1;

	for (size_t i = 0; i < config->n_env; i++) {
		if (strncmp(config->env[i], text, size) == 0) {
			free(config->env[i]);
			config->env[i] = text;
			return;
		}
	}
	config->env[config->n_env++] = text;
}

static enum rc read_names(const struct yaml_node *list, struct exec_config *config, struct err *err)
{
	if (list->kind != YAML_LIST || list->count > VARIABLES_MAX)
		return err_set_at(err, RC_INVALID, list->line, list->column,
				  "env must be a list of at most %d names of variables",
				  (int)VARIABLES_MAX);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml_node *item = list->items[i];
		const char *value;

		if (item->kind != YAML_SCALAR || !name_valid(item->text, strlen(item->text)))
			return err_set_at(err, RC_INVALID, item->line, item->column,
					  "expected the name of a variable (values are not written "
					  "here, but in the agent's environment or in the file of "
					  "env_from); names with SETTLE_ are the adapter's");
		value = getenv(item->text);
		if (value == NULL)
			return err_set_at(err, RC_INVALID, item->line, item->column,
					  "the agent's environment has no %s", item->text);
		put(config, mem_printf("%s=%s", item->text, value));
	}
	return RC_OK;
}

/* One line of the file; its number, never its text, is in an error. */
static bool read_line(char *line, size_t *room, struct exec_config *config)
{
	const char *equals;

	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return true;
	equals = strchr(line, '=');
	if (equals == NULL || !name_valid(line, (size_t)(equals - line)) || *room == 0)
		return false;
	(*room)--;
	put(config, mem_dup(line));
	return true;
}

static enum rc read_file(const struct yaml_node *node, struct exec_config *config, struct err *err)
{
	FILE *file = fopen(config->env_from, "re");
	size_t room = VARIABLES_MAX;
	char *line = mem_new(FILE_SIZE_MAX, 1);
	enum rc rc = RC_OK;
	int number = 0;

	if (file == NULL)
		rc = err_set_at(err, RC_INVALID, node->line, node->column, "cannot read %s: %s",
				config->env_from, strerror(errno));
	while (rc == RC_OK && fgets(line, FILE_SIZE_MAX, file) != NULL) {
		number++;
		if (!read_line(line, &room, config))
			rc = err_set_at(err, RC_INVALID, node->line, node->column,
					"%s, line %d: expected NAME=value, at most %d times",
					config->env_from, number, (int)VARIABLES_MAX);
	}
	if (file != NULL)
		fclose(file);
	free(line);
	return rc;
}

enum rc exec_env_read(const struct yaml_node *map, struct exec_config *config, struct err *err)
{
	enum rc rc = RC_OK;

	config->env = mem_new(2 * VARIABLES_MAX + 1, sizeof *config->env);
	put(config, mem_printf("PATH=%s", standard_path));
	if (config->env_from[0] != '\0')
		rc = read_file(yaml_get(map, "env_from"), config, err);
	if (rc == RC_OK && config->env_node != NULL)
		rc = read_names(config->env_node, config, err);
	for (size_t i = 0; i < config->n_env; i++)
		if (strncmp(config->env[i], "PATH=", 5) == 0)
			config->path = config->env[i] + 5;
	return rc;
}

/* SETTLE_STATE is by what a later start of the agent finds those that it left
 * running: exec_orphans.h. */
static char **put_call(char **at, const struct exec_task *task)
{
	*at++ = mem_printf("SETTLE_STEP=%s", task->id.branch);
	*at++ = mem_printf("SETTLE_DIRECTION=%s", task->undo ? "undo" : "do");
	*at++ = mem_printf("SETTLE_ATTEMPT=%" PRIu32, task->attempt);
	if (task->state != NULL)
		*at++ = mem_printf("SETTLE_STATE=%s", task->state);
	return at;
}

char **exec_env_make(const struct exec_config *config, const struct exec_task *task)
{
	char **env = mem_new(N_OURS + config->n_env + 1, sizeof *env);
	char **at = env;

	*at++ = mem_printf("SETTLE_KEY=%s", task->key);
	*at++ = mem_printf("SETTLE_GID=%s", task->id.gid);
	if (task->phase == EXEC_CALL)
		at = put_call(at, task);
	else
		*at++ = mem_printf("SETTLE_BRANCH=%s", task->id.branch);
	*at++ = mem_printf("SETTLE_PHASE=%s", exec_phase_name(task->phase));
	*at++ = mem_printf("SETTLE_OPERATION=%s", task->operation->name);
	*at++ = mem_printf("SETTLE_RESOURCE=%s", task->resource);
	*at++ = mem_printf("SETTLE_AGENT=%s", task->agent);
	*at++ = mem_printf("SETTLE_CLUSTER=%s", task->cluster);
	for (size_t i = 0; i < config->n_env; i++)
		*at++ = mem_dup(config->env[i]);
	return env;
}

void exec_env_free(char **env)
{
	for (char **at = env; at != NULL && *at != NULL; at++)
		free(*at);
	free(env);
}

static char *branch_input(const struct exec_task *task, struct bytes args)
{
	const struct bytes *prepared = &task->prepared;

	return mem_printf(
		"{\"key\":\"%s\",\"gid\":\"%s\",\"branch\":\"%s\",\"epoch\":%" PRIu64
		",\"resource\":\"%s\",\"operation\":\"%s\",\"phase\":\"%s\",\"args\":%.*s,"
		"\"prepared\":%.*s}\n",
		task->key, task->id.gid, task->id.branch, task->id.epoch, task->resource,
		task->operation->name, exec_phase_name(task->phase), (int)args.size, args.data,
		prepared->size > 0 ? (int)prepared->size : 4,
		prepared->size > 0 ? prepared->data : "null");
}

static char *call_input(const struct exec_task *task, struct bytes args)
{
	return mem_printf("{\"key\":\"%s\",\"gid\":\"%s\",\"step\":\"%s\",\"direction\":\"%s\","
			  "\"attempt\":%" PRIu32 ",\"resource\":\"%s\",\"operation\":\"%s\","
			  "\"phase\":\"call\",\"args\":%.*s}\n",
			  task->key, task->id.gid, task->id.branch, task->undo ? "undo" : "do",
			  task->attempt, task->resource, task->operation->name, (int)args.size,
			  args.data);
}

/* The ids need no escapes: base/id.h.  Arguments and output are written as they
 * came, so that numbers stay as they were written. */
char *exec_input_make(const struct exec_task *task, size_t *size)
{
	const struct bytes args = task->args.size > 0 ? task->args : (struct bytes){"{}", 2};
	char *text = task->phase == EXEC_CALL ? call_input(task, args) : branch_input(task, args);

	*size = strlen(text);
	return text;
}
