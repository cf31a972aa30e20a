/* settings.h - what `settled` can be told: one table for the file, the command
 * line, `--help` and docs/configuration.md.
 * Thread: before threads start. */
#ifndef COORDINATOR_SETTINGS_H
#define COORDINATOR_SETTINGS_H

#include "base/conf.h"
#include "base/log.h"

struct settings {
	char *data;
	char *cluster;
	char *listen;
	char *agents;
	char *token_file;
	uint64_t timeout_ms;
	uint64_t call_ms;
	uint64_t deadline_ms;
	uint64_t retention_ms;
	uint64_t idle_ms;
	uint64_t drain_ms;
	int64_t max_in_flight;
	int64_t max_connections;
	char *log_level_word;

	/* From the above. */
	enum log_level log_level;
	char *token; /* NULL: none */
	struct yaml_doc *file;
};

extern const struct conf_row settings_rows[];

/* Reads `path` (NULL: no file), then `overrides`, each "key=value".  RC_INVALID
 * says which setting is wrong, and where.  settings_fini in any case. */
enum rc settings_load(struct settings *s, const char *path, const char *const *overrides,
		      size_t n_overrides, struct err *err);
void settings_fini(struct settings *s);

#endif
