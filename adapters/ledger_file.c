/* ledger_file.c - see ledger_file.h. */
#include "adapters/ledger_file.h"

#include "base/mem.h"
#include "base/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Arguments may be private, so nobody else may read them: SQLite itself would make
 * the file readable for all.  A file that is there is left as it is (and not even
 * opened here: closing it would drop SQLite's own locks on it). */
enum rc ledger_file_make(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL   ? mem_dup(".")
		       : slash == path ? mem_dup("/")
				       : mem_dup_bytes(path, (size_t)(slash - path));
	const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	enum rc rc = RC_OK;
	int dir = -1;

	if (fd < 0 && errno != EEXIST)
		rc = err_set(err, RC_IO, "state file %s: %s", path, strerror(errno));
	if (fd >= 0) { /* its name must survive as well as what it holds */
		dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || fsync(fd) != 0 || fsync(dir) != 0)
			rc = err_set(err, RC_IO, "state file %s: %s", path, strerror(errno));
	}
	if (dir >= 0)
		close(dir);
	if (fd >= 0)
		close(fd);
	free(folder);
	return rc;
}

bool ledger_file_look(const char *path, char *damage, size_t room)
{
	struct wal_facts facts;

	damage[0] = '\0';
	if (wal_scan_of(path, 0, &facts) != 0)
		snprintf(damage, room, "its log: %s", strerror(errno));
	else if (facts.damage[0] != '\0')
		snprintf(damage, room, "%s", facts.damage);
	else if (facts.n_fixes == 0)
		return false;
	else if (wal_fix_of(path, &facts) == 0)
		return true;
	else
		snprintf(damage, room, "its log cannot be put right: %s", strerror(errno));
	return false;
}
