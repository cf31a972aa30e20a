/* ledger_log.c - see ledger_log.h. */
#include "adapters/ledger_log.h"

#include "base/wal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* -1, with errno. */
static int put_right(const char *path, const struct wal_facts *facts)
{
	if (facts->n_fixes > 0)
		return wal_fix_of(path, facts);
	return facts->tail ? wal_forget_tail(path) : 0;
}

bool ledger_log_look(sqlite3 *db, const char *path, bool *mended, char damage[LEDGER_DAMAGE_SIZE])
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
