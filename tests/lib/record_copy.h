/* record_copy.h - a record as the journal would give it back: packed and unpacked.
 * Thread: any. */
#ifndef TESTS_LIB_RECORD_COPY_H
#define TESTS_LIB_RECORD_COPY_H

#include "coordinator/record.h"

/* A new record; give to record_free. */
struct record *record_copy(const struct record *r);

#endif
