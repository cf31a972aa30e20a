/* journal_seal.h - a journal whose pages have no checksums becomes one whose pages have.
 * Private to the journal.
 *
 * Such a file is of an older version, or a person has asked for it to be taken over as it is
 * (docs/journal.md).
 * Thread: the caller's, before others use the file. */
#ifndef COORDINATOR_JOURNAL_SEAL_H
#define COORDINATOR_JOURNAL_SEAL_H

#include "base/err.h"

/* Checks the whole file at `path`, in `dir`, writes it anew beside it with checksums and in
 * our version, and puts that in its place.  A crash leaves the old file or the new one.
 * Needs as much space again, and time for each row.  RC_INVALID: damaged; RC_IO. */
enum rc file_seal(const char *dir, const char *path, struct err *err);

#endif
