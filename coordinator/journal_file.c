/* journal_file.c - see journal_file.h. */
#include "coordinator/journal_file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/wal.h"
#include "coordinator/journal_db.h"
#include "coordinator/journal_mark.h"
#include "coordinator/journal_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_SIZE = 100 };

/* The file's header: sqlite.org/fileformat2.html, 1.3. */
enum {
	PAGE_SIZE_AT = 16,
	RESERVED_AT = 20,
	CHANGES_AT = 24,
	PAGES_AT = 28,
	VERSION_AT = 60,
	APPLICATION_AT = 68,
	COUNTED_AT = 92,
};

struct look {
	const char *path;
	int fd;
	off_t size, log, rollback; /* of the file, and of what stands beside it */
	unsigned char page[SEAL_PAGE];
	bool sealed;   /* page 1 is as it was written */
	uint64_t note; /* then */
	bool tail;     /* what was found of it: see struct file_facts */
};

static uint32_t big_endian(const unsigned char *p, int bytes)
{
	uint32_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | p[i];
	return n;
}

/* The size of `path` with `suffix`; 0 if there is none. */
static off_t size_of(const char *path, const char *suffix)
{
	char *name = mem_printf("%s%s", path, suffix);
	struct stat st;
	const off_t size = stat(name, &st) == 0 ? st.st_size : 0;

	free(name);
	return size;
}

/* ---- the log ---- */

static enum rc scan_log(const struct look *l, struct wal_facts *facts, struct err *err)
{
	const uint64_t number = l->sealed ? l->note & ~(uint64_t)MARK_OPEN : 0;

	if (wal_scan_of(l->path, number, facts) != 0)
		return err_set(err, RC_IO, "%s-wal: cannot be read: %s", l->path, strerror(errno));
	return RC_OK;
}

/* When all else is well: what SQLite would take for the log's end. */
static enum rc fix_log(const struct look *l, const struct wal_facts *facts, struct err *err)
{
	for (size_t i = 0; i < facts->n_fixes; i++)
		log_event(LOG_WARN, "journal-log-fixed",
			  "frame=%llu its checksum tells what was written where something else "
			  "is: a power failure can do that, and so can a failing disk",
			  (unsigned long long)facts->fixes[i].frame);
	if (facts->n_fixes > 0 && wal_fix_of(l->path, facts) != 0)
		return err_set(err, RC_IO, "%s-wal: cannot be written: %s", l->path,
			       strerror(errno));
	return RC_OK;
}

/* While the journal is open its log has a header, which is written and synced before all that
 * counts, and ends where a piece ends. */
static enum rc check_open_log(const struct look *l, const struct wal_facts *facts, struct err *err)
{
	if (!facts->header)
		return db_damaged(err, l->path, "the header of its log (-wal) is wrong");
	if (l->log % WAL_PIECE != 0)
		return db_damaged(err, l->path,
				  "its log (-wal) has been cut, or written by another program: it "
				  "is %lld bytes long",
				  (long long)l->log);
	return RC_OK;
}

/* Page 1 is torn if the system failed while the log was copied; then the log has it. */
static enum rc check_log(struct look *l, struct err *err)
{
	const bool torn = !l->sealed, is_open = l->sealed && (l->note & MARK_OPEN) != 0;
	struct wal_facts facts = {0};
	enum rc rc = RC_OK;

	if (l->log > 0)
		rc = scan_log(l, &facts, err);
	else if (is_open)
		return db_damaged(err, l->path,
				  "its log (-wal) is missing or empty, but no coordinator has "
				  "closed it in order");
	if (rc == RC_OK && facts.damage[0] != '\0')
		rc = db_damaged(err, l->path, "%s", facts.damage);
	if (rc == RC_OK && is_open)
		rc = check_open_log(l, &facts, err);
	if (rc == RC_OK && torn && l->rollback == 0 && !facts.page_1)
		rc = db_damaged(err, l->path,
				"page 1: its checksum is wrong; if sqlite3 has made or changed "
				"this file, see \"Taking a journal over\"");
	l->tail = facts.tail;
	return rc == RC_OK ? fix_log(l, &facts, err) : rc;
}

/* ---- the file ---- */

/* The header's count is good if it was written with the file's last change. */
static enum rc check_size(const struct look *l, struct err *err)
{
	const unsigned char *h = l->page;
	const uint32_t bytes = big_endian(h + PAGE_SIZE_AT, 2), pages = big_endian(h + PAGES_AT, 4);
	const off_t want = (off_t)(bytes == 1 ? 65536 : bytes) * (off_t)pages;

	if (l->log > WAL_HEADER || l->rollback > 0 ||
	    memcmp(h + CHANGES_AT, h + COUNTED_AT, 4) != 0 || l->size >= want)
		return RC_OK;
	return db_damaged(err, l->path, "%lld bytes long where it says %lld", (long long)l->size,
			  (long long)want);
}

static enum rc not_ours(const struct look *l, struct err *err)
{
	return err_set(err, RC_INVALID,
		       "%s: is a SQLite database, but not a journal of Settle: give the "
		       "coordinator a data directory of its own",
		       l->path);
}

static enum rc check_sealed(struct look *l, struct err *err)
{
	enum rc rc = RC_OK;

	if (l->page[RESERVED_AT] != SEAL_RESERVED && l->rollback == 0)
		rc = db_damaged(err, l->path, "its header");
	if (rc == RC_OK)
		rc = check_size(l, err);
	return rc == RC_OK ? check_log(l, err) : rc;
}

static enum rc check_unsealed(const struct look *l, struct err *err)
{
	struct wal_facts facts = {0};
	enum rc rc = check_size(l, err);

	if (rc == RC_OK && l->log > 0)
		rc = scan_log(l, &facts, err);
	if (rc == RC_OK && facts.damage[0] != '\0')
		rc = db_damaged(err, l->path, "%s", facts.damage);
	return rc == RC_OK ? fix_log(l, &facts, err) : rc;
}

/* By the header: its version decides how the pages are to be read. */
static enum rc check_kind(struct look *l, enum file_kind *kind, struct err *err)
{
	const uint32_t version = big_endian(l->page + VERSION_AT, 4);
	const bool room = l->page[RESERVED_AT] == SEAL_RESERVED;

	*kind = FILE_SEALED;
	/* The making was interrupted, or the switch to a log: the rollback journal knows. */
	if (l->rollback > 0 && (room || version == 0))
		return check_sealed(l, err);
	if (big_endian(l->page + APPLICATION_AT, 4) != JOURNAL_APPLICATION_ID)
		return room ? db_damaged(err, l->path, "its header") : not_ours(l, err);
	/* An earlier version with room: the making was interrupted between two of its steps. */
	if (version == JOURNAL_VERSION || (room && version > 0 && version < JOURNAL_VERSION))
		return check_sealed(l, err);
	if (version > 0 &&
	    (version < JOURNAL_SEALED || (version >= JOURNAL_TAKE_OVER + JOURNAL_SEALED &&
					  version <= JOURNAL_TAKE_OVER + JOURNAL_VERSION))) {
		*kind = FILE_UNSEALED;
		return check_unsealed(l, err);
	}
	if (version > JOURNAL_VERSION && !l->sealed && room && l->log == 0)
		return err_set(
			err, RC_CONFLICT,
			"%s: a newer Settle wrote it (schema version %lu, this program knows "
			"up to %d), or its header is damaged: use that version or a later one; "
			"if there is none, see \"A damaged journal\" in docs/journal.md",
			l->path, (unsigned long)version, JOURNAL_VERSION);
	if (version > JOURNAL_VERSION)
		return err_set(
			err, RC_CONFLICT,
			"%s: a newer Settle wrote it (schema version %lu, this program knows "
			"up to %d): use that version or a later one",
			l->path, (unsigned long)version, JOURNAL_VERSION);
	return db_damaged(err, l->path, "its header");
}

static enum rc check_open_file(struct look *l, enum file_kind *kind, struct err *err)
{
	static const char magic[16] = "SQLite format 3";
	ssize_t got;

	*kind = FILE_NEW;
	/* We make the schema before there is a log, so this is no crash of ours; and
	 * SQLite would throw the log away and begin anew. */
	if (l->size == 0)
		return l->log > 0
			       ? db_damaged(err, l->path,
					    "it is empty or missing, but its log (-wal) is there")
			       : RC_OK;
	got = pread(l->fd, l->page, SEAL_PAGE, 0);
	if (got < 0)
		return err_set(err, RC_IO, "%s: cannot be read: %s", l->path, strerror(errno));
	/* The making was interrupted before page 1 was on the disk: SQLite empties the file. */
	if (l->rollback > 0 && got >= 0 && memcmp(l->page, magic, sizeof magic) != 0) {
		*kind = FILE_SEALED;
		return RC_OK;
	}
	if (got < HEADER_SIZE || memcmp(l->page, magic, sizeof magic) != 0) {
		if (l->log > WAL_HEADER || (got == SEAL_PAGE && seal_note(l->page) != 0 &&
					    l->page[RESERVED_AT] == SEAL_RESERVED))
			return db_damaged(err, l->path, "its header");
		return err_set(
			err, RC_INVALID,
			"%s: is not a SQLite database: the data directory must be empty or hold a "
			"journal of Settle",
			l->path);
	}
	l->sealed =
		got == SEAL_PAGE && l->page[RESERVED_AT] == SEAL_RESERVED && seal_check(l->page, 1);
	l->note = l->sealed ? seal_note(l->page) : 0;
	return check_kind(l, kind, err);
}

enum rc file_check(const char *path, struct file_facts *facts, struct err *err)
{
	struct look l = {.path = path,
			 .fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
			 .log = size_of(path, "-wal"),
			 .rollback = size_of(path, "-journal")};
	struct stat st;
	enum rc rc = RC_OK;

	if (l.fd < 0)
		return err_set(err, RC_IO, "%s: cannot be opened: %s", path, strerror(errno));
	if (fstat(l.fd, &st) != 0)
		rc = err_set(err, RC_IO, "%s: %s", path, strerror(errno));
	l.size = st.st_size;
	if (rc == RC_OK)
		rc = check_open_file(&l, &facts->kind, err);
	facts->tail = l.tail;
	close(l.fd);
	return rc;
}
