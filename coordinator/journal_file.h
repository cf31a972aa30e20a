/* journal_file.h - the journal's files as bytes, before SQLite opens them.  Private to the
 * journal.
 *
 * SQLite opens what it can: it begins an empty file anew, passes over the rest of a log at the
 * first frame that is not right, and does without a log that is not there.  For a journal each
 * of these means forgotten promises; so they are refused here.
 * Thread: any, before others use the file. */
#ifndef COORDINATOR_JOURNAL_FILE_H
#define COORDINATOR_JOURNAL_FILE_H

#include "base/err.h"

#include <stdbool.h>

enum file_kind {
	FILE_NEW,      /* empty: to be made */
	FILE_SEALED,   /* every page has a checksum, and page 1 is right, or will be by the log */
	FILE_UNSEALED, /* of an older version, or to be taken over as it is */
};

struct file_facts {
	enum file_kind kind;
	bool tail; /* a torn transaction stands at its log's end */
};

/* Makes an empty file, mode 0600, if there is none.
 *   RC_INVALID   not a journal, or damaged
 *   RC_CONFLICT  a newer program wrote it
 *   RC_IO */
enum rc file_check(const char *path, struct file_facts *facts, struct err *err);

#endif
