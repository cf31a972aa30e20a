/* plugin_load.h - a plugin's library: found, checked, mapped, opened.
 *
 * Rules: a file that others than its owner may write is never mapped; of a library
 * nothing is called before its ABI has been found to be ours.
 * Thread: the loop's; all of it blocks, while the agent starts. */
#ifndef ADAPTERS_PLUGIN_LOAD_H
#define ADAPTERS_PLUGIN_LOAD_H

#include "base/err.h"
#include "include/settle_plugin.h"

struct plugin_library {
	char *path; /* the real one */
	void *handle;
	struct settle_plugin api; /* a copy; what an older one does not have is NULL */
};

/* Maps `path`; one that is relative begins at `directory` (NULL: where the agent runs).
 * RC_INVALID: `err` names the file and says what to do; `lib` is empty then. */
enum rc plugin_load(const char *path, const char *directory, struct plugin_library *lib,
		    struct err *err);

/* Unmaps it. No thread may be in it. */
void plugin_unload(struct plugin_library *lib);

/* Calls the plugin's `open` on a thread of its own, and waits for it for at most
 * `timeout_ms`.
 *   RC_OK       `*self` is the plugin's
 *   RC_INVALID  it says no: `err` tells why
 *   RC_TIMEOUT  it has not come back: `host`, `settings` and the library must stay */
enum rc plugin_open(const struct plugin_library *lib, const struct settle_host *host,
		    const char *settings, uint64_t timeout_ms, void **self, struct err *err);

#endif
