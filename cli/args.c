/* args.c - see args.h. */
#include "cli/args.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct option_row args_common[] = {
	{"server", "URL", "where settled listens (SETTLE_SERVER; http://127.0.0.1:7480)"},
	{"token", "TOKEN", "the server's token (better given as SETTLE_TOKEN)"},
	{"json", NULL, "print the server's JSON unchanged"},
	{"help", NULL, "print this"},
	{NULL, NULL, NULL},
};

const char *args_value(const struct args *a, const char *name)
{
	for (size_t i = a->n_options; i-- > 0;)
		if (strcmp(a->rows[i]->name, name) == 0)
			return a->values[i] != NULL ? a->values[i] : "";
	return NULL;
}

static const struct option_row *find(const struct option_row *rows, const char *name, size_t size)
{
	for (; rows != NULL && rows->name != NULL; rows++)
		if (strlen(rows->name) == size && strncmp(rows->name, name, size) == 0)
			return rows;
	return NULL;
}

/* Takes the option at argv[0]; the number of words used, or -1. */
static int take(const struct option_row *row, int argc, char **argv, struct args *a)
{
	const char *equals = strchr(argv[0], '=');
	const char *value = NULL;
	int used = 1;

	if (row->metavar == NULL) {
		if (equals != NULL) {
			cli_fail("--%s takes no value", row->name);
			return -1;
		}
	} else if (equals != NULL) {
		value = equals + 1;
	} else if (argc > 1) {
		value = argv[1];
		used = 2;
	} else {
		cli_fail("--%s needs a value: --%s %s", row->name, row->name, row->metavar);
		return -1;
	}
	a->rows = mem_grow((void *)a->rows, a->n_options + 1, sizeof *a->rows);
	a->values = mem_grow((void *)a->values, a->n_options + 1, sizeof *a->values);
	a->rows[a->n_options] = row;
	a->values[a->n_options++] = value;
	return used;
}

static size_t name_size(const char *word)
{
	return strcspn(word + 2, "=");
}

int args_take_common(int argc, char **argv, struct args *a)
{
	const struct option_row *row;

	if (strncmp(argv[0], "--", 2) != 0)
		return 0;
	row = find(args_common, argv[0] + 2, name_size(argv[0]));
	return row != NULL ? take(row, argc, argv, a) : 0;
}

bool args_parse(const struct cli_command *command, int argc, char **argv, struct args *a)
{
	bool options = true;

	a->operands = mem_new((size_t)argc + 1, sizeof *a->operands);
	for (int i = 0; i < argc;) {
		const struct option_row *row;
		int used;

		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			i++;
			continue;
		}
		if (!options || strncmp(argv[i], "--", 2) != 0) {
			a->operands[a->n_operands++] = argv[i++];
			continue;
		}
		row = find(command->options, argv[i] + 2, name_size(argv[i]));
		if (row == NULL)
			row = find(args_common, argv[i] + 2, name_size(argv[i]));
		if (row == NULL) {
			cli_fail("%s has no option %.*s; see settle help %s", command->name,
				 (int)name_size(argv[i]) + 2, argv[i], command->name);
			return false;
		}
		used = take(row, argc - i, argv + i, a);
		if (used < 0)
			return false;
		i += used;
	}
	if (a->n_operands == command->n_operands || args_value(a, "help") != NULL)
		return true;
	if (a->n_operands > command->n_operands && strstr(command->operands, "...") != NULL)
		return true;
	if (a->n_operands < command->n_operands)
		cli_fail("%s needs %s; see settle help %s", command->name, command->operands,
			 command->name);
	else
		cli_fail("%s: unexpected \"%s\"; see settle help %s", command->name,
			 a->operands[command->n_operands], command->name);
	return false;
}

void args_fini(struct args *a)
{
	free((void *)a->operands);
	free((void *)a->rows);
	free((void *)a->values);
}

static void print_rows(const struct option_row *rows)
{
	for (; rows != NULL && rows->name != NULL; rows++) {
		char left[64];

		snprintf(left, sizeof left, "--%s%s%s", rows->name,
			 rows->metavar != NULL ? " " : "",
			 rows->metavar != NULL ? rows->metavar : "");
		printf("  %-22s %s\n", left, rows->help);
	}
}

void args_help(const struct cli_command *command)
{
	printf("usage: settle %s%s%s [options]\n%s.\n", command->name,
	       command->operands[0] != '\0' ? " " : "", command->operands, command->summary);
	if (command->more != NULL)
		printf("\n%s\n", command->more);
	printf("\n");
	print_rows(command->options);
	print_rows(args_common);
}
