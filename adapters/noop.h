/* noop.h - a resource that does nothing, for benchmarks and trials: docs/adapters/noop.md. */
#ifndef ADAPTERS_NOOP_H
#define ADAPTERS_NOOP_H

#include "participant/adapter.h"

extern const struct adapter adapter_noop;

#endif
