/* plugin.h - a resource served by a shared object: docs/adapters/plugin.md.
 * Thread: the loop's. */
#ifndef ADAPTERS_PLUGIN_H
#define ADAPTERS_PLUGIN_H

#include "participant/adapter.h"

extern const struct adapter adapter_plugin;

#endif
