/* file.c - see file.h. */
#include "cli/file.h"

#include "base/mem.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20 };

char *file_read(const char *path, size_t *size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *text;

	if (file == NULL) {
		cli_fail("cannot open %s: %s", path, strerror(errno));
		return NULL;
	}
	text = mem_new(FILE_MAX + 2, 1);
	*size = fread(text, 1, FILE_MAX + 1, file);
	if (ferror(file) || *size > FILE_MAX) {
		if (*size > FILE_MAX)
			cli_fail("%s is over %d MiB", path, FILE_MAX >> 20);
		else
			cli_fail("cannot read %s: %s", path, strerror(errno));
		free(text);
		text = NULL;
	}
	if (file != stdin)
		fclose(file);
	return text;
}

bool file_is_meant(const char *operand)
{
	static const char *const endings[] = {".yaml", ".yml", ".json"};
	const size_t size = strlen(operand);

	if (strcmp(operand, "-") == 0 || strchr(operand, '/') != NULL || access(operand, F_OK) == 0)
		return true;
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		const size_t its = strlen(endings[i]);

		if (size > its && strcmp(operand + size - its, endings[i]) == 0)
			return true;
	}
	return false;
}
