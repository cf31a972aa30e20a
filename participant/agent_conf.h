/* agent_conf.h - the agent's configuration file.
 * Thread: before the loop starts. */
#ifndef PARTICIPANT_AGENT_CONF_H
#define PARTICIPANT_AGENT_CONF_H

#include "base/conf.h"
#include "base/log.h"

struct agent_conf {
	char *agent;
	char *cluster;
	char *coordinator;
	char *log_level_word;
	int64_t window;
	uint64_t sweep_ms;
	const struct yaml_node *resources; /* a map: name → map with at least `adapter` */
	enum log_level log_level;
	struct yaml_doc *file; /* owns the nodes */
};

extern const struct conf_row agent_conf_rows[];

/* Reads and checks the file, all but the insides of the resources.  RC_INVALID
 * with path, line and column.  On failure too the caller calls agent_conf_fini. */
enum rc agent_conf_load(struct agent_conf *c, const char *path, struct err *err);
void agent_conf_fini(struct agent_conf *c);

#endif
