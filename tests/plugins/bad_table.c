/* Bad plugins: the Makefile builds one for each BAD, which says what is wrong. */
#include <settle_plugin.h>

#include <stdio.h>

static bool open_it(const struct settle_host *host, const char *settings, void **self,
		    char *problem)
{
	(void)host;
	(void)settings;
	(void)self;
	snprintf(problem, SETTLE_PROBLEM_SIZE, "%s", "the till has no key: set `key`");
	return false;
}

static void close_it(void *self)
{
	(void)self;
}

static enum settle_result act(void *self, const struct settle_request *q, struct settle_reply *r)
{
	(void)self;
	(void)q;
	(void)r;
	return SETTLE_DONE;
}

enum { WRONG_ABI = 1, SMALL, NAMELESS, NO_OPEN, HALF_GROUP, IDLE, FLAGS, WONT_OPEN };

const struct settle_plugin settle_plugin = {
	.abi = BAD == WRONG_ABI ? SETTLE_PLUGIN_ABI + 1 : SETTLE_PLUGIN_ABI,
	.size = BAD == SMALL ? 16 : sizeof(struct settle_plugin),
	.name = BAD == NAMELESS ? NULL : "bad",
	.flags = BAD == FLAGS ? 64 : 0,
	.open = BAD == NO_OPEN ? NULL : open_it,
	.close = close_it,
	.call = BAD == IDLE ? NULL : act,
	.prepare = BAD == HALF_GROUP ? act : NULL,
};
