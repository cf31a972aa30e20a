/* stats.c - settle stats: the coordinator's counts. */
#include "base/mem.h"
#include "cli/http.h"
#include "cli/text.h"

#include <stdlib.h>

/* Counts may be nested; each is printed as `a.b  n`. */
static void put_counts(const json_t *object, const char *prefix)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		char *full = mem_printf("%s%s", prefix, name);

		if (json_is_object(value)) {
			char *longer = mem_printf("%s.", full);

			put_counts(value, longer);
			free(longer);
		} else {
			char *text = json_is_string(value)
					     ? mem_dup(json_string_value(value))
					     : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

			printf("%-28s", full);
			text_put(stdout, text);
			printf("\n");
			free(text);
		}
		free(full);
	}
}

static enum cli_exit run_stats(struct cli *cli, const struct args *args)
{
	struct http_answer answer = {0};
	enum cli_exit status = CLI_FAILED;

	(void)args;
	if (http_ask(cli, "GET", "/v1/stats", NULL, HTTP_TIMEOUT_MS, NULL, &answer)) {
		status = CLI_DONE;
		if (!cli->json)
			put_counts(answer.json, "");
	}
	http_fini(&answer);
	return status;
}

const struct cli_command command_stats = {
	"stats", "", 0, "Prints the coordinator's counts", NULL, NULL, run_stats,
};
