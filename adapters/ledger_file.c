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

/* SQLite itself would make it readable for all.  A file that is there is not even opened here:
 * closing it would drop SQLite's own locks on it. */
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

/* -1, with errno. */
static int put_right(const char *path, const struct wal_facts *facts)
{
	if (facts->n_fixes > 0)
		return wal_fix_of(path, facts);
	return facts->tail ? wal_forget_tail(path) : 0;
}

bool ledger_file_log(sqlite3 *db, const char *path, bool *mended, char damage[LEDGER_DAMAGE_SIZE])
{
	struct wal_facts facts = {0};
	const bool read = wal_scan_of(path, 0, &facts) == 0, whole = facts.damage[0] == '\0';
	const bool good = read && whole && put_right(path, &facts) == 0;

	*mended = good && facts.n_fixes > 0;
	if (!whole)
		snprintf(damage, LEDGER_DAMAGE_SIZE, "%s", facts.damage);
	else if (!good)
		snprintf(damage, LEDGER_DAMAGE_SIZE, "its log: %s", strerror(errno));
	if (!good || *mended) /* its own reading of the log must not become the file */
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	return good;
}
