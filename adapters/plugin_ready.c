/* plugin_ready.c - whether a plugin resource may serve: see plugin_impl.h. */
#include "adapters/plugin_impl.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_check_due(struct adapter_timer *t)
{
	struct plugin *p = (struct plugin *)((char *)t - offsetof(struct plugin, check_due));
	struct plugin_call *c;

	if (p->closing)
		return;
	c = plugin_call_new(p, PLUGIN_CHECK, "check", NULL);
	if (c->job != NULL)
		plugin_call_queue(c, p->config.timeout_ms);
}

void plugin_ready_init(struct plugin *p)
{
	p->check_due.fn = on_check_due;
	if (p->api->check != NULL) {
		p->unchecked = mem_dup("it has not been asked yet whether it serves");
		adapter_timer_set(&p->loop, &p->check_due, 0);
	}
	adapter_loop_soon(&p->loop);
}

void plugin_ready_checked(struct plugin *p, const char *problem)
{
	free(p->unchecked);
	p->unchecked = problem != NULL ? frame_cut_reason(problem) : NULL;
	plugin_ready_again(p);
}

void plugin_ready_again(struct plugin *p)
{
	if (!p->closing)
		adapter_timer_set(&p->loop, &p->check_due, p->config.check_ms);
}

const char *plugin_ready_problem(const struct plugin *p, char *out)
{
	if (p->lost == p->config.threads)
		snprintf(out, REASON_MAX + 1,
			 "all %" PRId64 " threads are in functions of the plugin that do not "
			 "return; it serves again when one does, or when the agent is restarted",
			 p->config.threads);
	else if (p->unchecked != NULL)
		snprintf(out, REASON_MAX + 1, "%s", p->unchecked);
	else
		return NULL;
	return out;
}

void plugin_ready_tell(struct plugin *p)
{
	char text[REASON_MAX + 1];
	const char *problem = plugin_ready_problem(p, text);
	const bool same = p->told && (problem == NULL) == (p->told_problem == NULL) &&
			  (problem == NULL || strcmp(problem, p->told_problem) == 0);

	if (same || p->closing)
		return;
	p->told = true;
	free(p->told_problem);
	p->told_problem = mem_dup(problem);
	p->host.ready(p->host.arg, problem);
}

void plugin_ready_fini(struct plugin *p)
{
	free(p->unchecked);
	free(p->told_problem);
}
