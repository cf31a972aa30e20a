/* exec.h - commands as a resource: docs/adapters/exec.md.
 * Thread: the loop's. */
#ifndef ADAPTERS_EXEC_H
#define ADAPTERS_EXEC_H

#include "participant/adapter.h"

extern const struct adapter adapter_exec;

#endif
