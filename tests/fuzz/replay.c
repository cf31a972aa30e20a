/* replay.c - runs one target over the files of its corpus, without a fuzzer: for `make
 * test`, and to look at one finding in a debugger.
 *
 *	replay-TARGET [FILE or FOLDER …]     without any: tests/fuzz/corpus/TARGET
 *
 * Ends with the line that Check prints, so that tests/run.sh counts each file as a check. */
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 1 << 20 };

static int replayed;

static void replay_file(FILE *file, const char *path)
{
	/* Of the file's size exactly, so that ASan sees a read beyond its end. */
	char *room = mem_new(FILE_MAX, 1), *bytes;
	const size_t size = fread(room, 1, FILE_MAX, file);

	bytes = mem_new(size, 1);
	memcpy(bytes, room, size);
	free(room);
	/* If it fails, this is the last line. */
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput((const uint8_t *)bytes, size);
	free(bytes);
	replayed++;
}

static void replay(const char *path)
{
	struct dirent **all;
	const int n = scandir(path, &all, NULL, alphasort);
	FILE *file;

	for (int i = 0; i < n; i++) {
		char *inner = mem_printf("%s/%s", path, all[i]->d_name);

		if (all[i]->d_name[0] != '.')
			replay(inner);
		free(inner);
		free(all[i]);
	}
	if (n >= 0) {
		free(all);
		return;
	}
	file = fopen(path, "rb");
	if (file == NULL) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(EXIT_FAILURE);
	}
	replay_file(file, path);
	fclose(file);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
	char *folder = mem_printf("tests/fuzz/corpus/%s",
				  strchr(name, '-') != NULL ? strchr(name, '-') + 1 : name);

	if (argc == 1)
		replay(folder);
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	free(folder);
	printf("100%%: Checks: %d, Failures: 0, Errors: 0\n", replayed);
	return EXIT_SUCCESS;
}
