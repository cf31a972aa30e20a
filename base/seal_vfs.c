/* seal_vfs.c - see seal_vfs.h.
 *
 * Only databases and their logs have files of ours, with the system's behind; the others
 * (rollback journals, temporary files) are the system's. */
#include "base/seal_vfs.h"
#include "base/gather.h"
#include "base/mem.h"
#include "base/seal.h"
#include "base/wal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NOTE_FLAG = 1,
	FILE_HEADER = 100,
	RESERVED_AT = 20, /* in it */
};

/* One for each default VFS there was; never unregistered. */
struct layer {
	sqlite3_vfs vfs; /* first */
	sqlite3_vfs *system;
	char name[64];
};

struct file {
	sqlite3_file base; /* first; the system's file follows the struct */
	bool pages;        /* of a database: sealed */
	bool log;
	uint64_t note;
	sqlite3_int64 room;     /* a log's: its size, if a multiple of WAL_PIECE; else 0 */
	struct gather gathered; /* a log's: written by SQLite, not yet by us */
	_Alignas(8) unsigned char scratch[2 * WAL_FRAME];
};

static _Thread_local char problem[120];

static sqlite3_file *system_of(sqlite3_file *f)
{
	return (sqlite3_file *)(void *)((char *)f + sizeof(struct file));
}

static struct file *ours(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static int inner_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	return system_of(f)->pMethods->xRead(system_of(f), to, n, at);
}

static int damaged(const char *what, sqlite3_int64 number)
{
	snprintf(problem, sizeof problem, "%s %lld: its checksum is wrong", what,
		 (long long)number);
	return SQLITE_IOERR_DATA;
}

const char *seal_vfs_problem(void)
{
	return problem;
}

/* ---- a database ---- */

/* What page 1 says in its note is not of the other pages, nor of the log's. */
static uint64_t note_for_cache(const struct file *f, uint32_t number)
{
	return number == 1 ? 0 : f->note & ~(uint64_t)NOTE_FLAG;
}

/* A whole page. */
static int read_page(sqlite3_file *base, unsigned char *to, sqlite3_int64 at)
{
	struct file *f = ours(base);
	const uint32_t number = (uint32_t)(at / SEAL_PAGE + 1);
	const int rc = inner_read(base, to, SEAL_PAGE, at);

	if (rc == SQLITE_IOERR_SHORT_READ && number > 1)
		return damaged("page", number);
	if (rc != SQLITE_OK)
		return rc;
	if (!seal_check(to, number))
		return damaged("page", number);
	seal_strip(to, note_for_cache(f, number));
	return SQLITE_OK;
}

static int read_pages(sqlite3_file *base, void *to, int n, sqlite3_int64 at)
{
	struct file *f = ours(base);
	const sqlite3_int64 in_page = at % SEAL_PAGE;
	int rc;

	if (n == SEAL_PAGE && in_page == 0)
		return read_page(base, to, at);
	/* SQLite looks at the file's header before it has a lock; then at page 1 again. */
	if (at + n <= FILE_HEADER)
		return inner_read(base, to, n, at);
	if (in_page + n > SEAL_PAGE)
		return SQLITE_IOERR_READ;
	rc = read_page(base, f->scratch, at - in_page);
	if (rc == SQLITE_OK)
		memcpy(to, f->scratch + in_page, (size_t)n);
	return rc;
}

static int write_page(sqlite3_file *base, const void *data, int n, sqlite3_int64 at)
{
	struct file *f = ours(base);
	const uint32_t number = (uint32_t)(at / SEAL_PAGE + 1);

	/* Pages of another size, or with no place for it, cannot be sealed. */
	if (n != SEAL_PAGE || at % SEAL_PAGE != 0 ||
	    (number == 1 && ((const unsigned char *)data)[RESERVED_AT] != SEAL_RESERVED))
		return SQLITE_IOERR_WRITE;
	memcpy(f->scratch, data, SEAL_PAGE);
	seal_put(f->scratch, number, number == 1 ? f->note : note_for_cache(f, number));
	return system_of(base)->pMethods->xWrite(system_of(base), f->scratch, n, at);
}

/* ---- a log ---- */

/* The page of a frame, if its checksum follows from that of the frame before it: which is read
 * as well, since that is cheaper than to read its head alone. */
static int read_frame(sqlite3_file *base, void *to, sqlite3_int64 at)
{
	struct file *f = ours(base);
	const sqlite3_int64 head = at - WAL_HEAD, number = (head - WAL_HEADER) / WAL_FRAME + 1;
	const int before = number == 1 ? WAL_HEADER : WAL_FRAME;
	const unsigned char *sums = f->scratch + (number == 1 ? WAL_HEADER : WAL_HEAD) - 8;
	int rc = inner_read(base, f->scratch, before + WAL_FRAME, head - before);

	if (rc == SQLITE_OK && !wal_frame_follows(sums, f->scratch + before, wal_here_big_endian()))
		rc = damaged("frame of the log", number);
	if (rc == SQLITE_OK)
		memcpy(to, f->scratch + before + WAL_HEAD, SEAL_PAGE);
	return rc;
}

static sqlite3_int64 whole_pieces(sqlite3_int64 size)
{
	return (size + WAL_PIECE - 1) / WAL_PIECE * WAL_PIECE;
}

/* Nobody reads frames of the log before SQLite has synced it, and then told of them in the shared
 * memory (synchronous=FULL); until then they are gathered. */
static int written(sqlite3_file *f)
{
	return gather_flush(&ours(f)->gathered, system_of(f));
}

static int make_room(sqlite3_file *base, int n, sqlite3_int64 at)
{
	struct file *f = ours(base);
	sqlite3_file *system = system_of(base);
	sqlite3_int64 size = 0;
	int rc = system->pMethods->xFileSize(system, &size);

	if (rc != SQLITE_OK)
		return rc;
	if (size < at + n)
		size = at + n;
	f->room = whole_pieces(size);
	return system->pMethods->xTruncate(system, f->room);
}

/* When the log is begun anew, somebody else may have cut it. */
static int write_log(sqlite3_file *base, const void *data, int n, sqlite3_int64 at)
{
	int rc = SQLITE_OK;

	if (at == 0 || at + n > ours(base)->room)
		rc = make_room(base, n, at);
	return rc == SQLITE_OK ? gather_write(&ours(base)->gathered, system_of(base), data, n, at)
			       : rc;
}

/* ---- a file ---- */

static int on_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	const int rc = written(f);

	if (rc != SQLITE_OK)
		return rc;
	if (ours(f)->pages)
		return read_pages(f, to, n, at);
	if (ours(f)->log && n == SEAL_PAGE && at % WAL_FRAME == (WAL_HEADER + WAL_HEAD) % WAL_FRAME)
		return read_frame(f, to, at);
	return inner_read(f, to, n, at);
}

static int on_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	if (ours(f)->pages)
		return write_page(f, data, n, at);
	if (ours(f)->log)
		return write_log(f, data, n, at);
	return system_of(f)->pMethods->xWrite(system_of(f), data, n, at);
}

/* SQLite cuts a log to what is in it when that alone is above journal_size_limit. */
static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	const int rc = written(f);

	ours(f)->room = 0;
	if (ours(f)->log)
		size = whole_pieces(size);
	return rc != SQLITE_OK ? rc : system_of(f)->pMethods->xTruncate(system_of(f), size);
}

static int on_close(sqlite3_file *f)
{
	const int rc = written(f), closed = system_of(f)->pMethods->xClose(system_of(f));

	gather_fini(&ours(f)->gathered);
	return rc != SQLITE_OK ? rc : closed;
}

static int on_sync(sqlite3_file *f, int flags)
{
	const int rc = written(f);

	return rc != SQLITE_OK ? rc : system_of(f)->pMethods->xSync(system_of(f), flags);
}

static int on_size(sqlite3_file *f, sqlite3_int64 *size)
{
	const int rc = written(f);

	return rc != SQLITE_OK ? rc : system_of(f)->pMethods->xFileSize(system_of(f), size);
}

static int on_lock(sqlite3_file *f, int how)
{
	return system_of(f)->pMethods->xLock(system_of(f), how);
}

static int on_unlock(sqlite3_file *f, int how)
{
	return system_of(f)->pMethods->xUnlock(system_of(f), how);
}

static int on_reserved(sqlite3_file *f, int *out)
{
	return system_of(f)->pMethods->xCheckReservedLock(system_of(f), out);
}

static int on_control(sqlite3_file *f, int op, void *arg)
{
	return system_of(f)->pMethods->xFileControl(system_of(f), op, arg);
}

static int on_sector(sqlite3_file *f)
{
	return system_of(f)->pMethods->xSectorSize(system_of(f));
}

static int on_traits(sqlite3_file *f)
{
	return system_of(f)->pMethods->xDeviceCharacteristics(system_of(f));
}

static int on_shm_map(sqlite3_file *f, int n, int size, int extend, void volatile **out)
{
	return system_of(f)->pMethods->xShmMap(system_of(f), n, size, extend, out);
}

static int on_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return system_of(f)->pMethods->xShmLock(system_of(f), offset, n, flags);
}

static void on_shm_barrier(sqlite3_file *f)
{
	system_of(f)->pMethods->xShmBarrier(system_of(f));
}

static int on_shm_unmap(sqlite3_file *f, int delete_it)
{
	return system_of(f)->pMethods->xShmUnmap(system_of(f), delete_it);
}

/* Version 2 has no mapped reads, which we could not check. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_reserved,
	.xFileControl = on_control,
	.xSectorSize = on_sector,
	.xDeviceCharacteristics = on_traits,
	.xShmMap = on_shm_map,
	.xShmLock = on_shm_lock,
	.xShmBarrier = on_shm_barrier,
	.xShmUnmap = on_shm_unmap,
};

/* How the URI wants the file to be taken; what page 1 says in its note.  (That page 1 is not
 * right is told when SQLite reads it.) */
static int look_at(sqlite3_file *base, sqlite3_filename name)
{
	struct file *f = ours(base);
	const int how = (int)sqlite3_uri_int64(name, "seal", SEAL_YES);
	sqlite3_int64 size = 0;
	int rc = on_size(base, &size);

	f->pages = size == 0 || how != SEAL_NO;
	if (rc != SQLITE_OK || size == 0)
		return rc;
	rc = inner_read(base, f->scratch, SEAL_PAGE, 0);
	if (rc == SQLITE_OK && seal_check(f->scratch, 1))
		f->note = seal_note(f->scratch);
	if (how == SEAL_AS_FOUND)
		f->pages = f->scratch[RESERVED_AT] == SEAL_RESERVED;
	return rc == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : rc;
}

static int on_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *base, int flags, int *out)
{
	sqlite3_vfs *system = ((struct layer *)(void *)vfs)->system;
	struct file *f = ours(base);
	int rc;

	if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
		return system->xOpen(system, name, base, flags, out);
	memset(f, 0, sizeof *f);
	rc = system->xOpen(system, name, system_of(base), flags, out);
	if (rc != SQLITE_OK)
		return rc;
	base->pMethods = &methods;
	f->log = (flags & SQLITE_OPEN_WAL) != 0;
	if (f->log)
		return SQLITE_OK;
	rc = look_at(base, name);
	if (rc != SQLITE_OK) {
		on_close(base);
		base->pMethods = NULL;
	}
	return rc;
}

/* ---- the layer ---- */

static struct layer *layer_over(sqlite3_vfs *system, const char *name)
{
	struct layer *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->vfs = *system;
	l->system = system;
	snprintf(l->name, sizeof l->name, "%s", name);
	l->vfs.zName = l->name;
	l->vfs.pNext = NULL;
	l->vfs.szOsFile = (int)sizeof(struct file) + system->szOsFile;
	l->vfs.xOpen = on_open;
	if (sqlite3_vfs_register(&l->vfs, 0) != SQLITE_OK) {
		free(l);
		return NULL;
	}
	return l;
}

/* The one over the VFS that is the default now; NULL for want of memory. */
static const char *layer_name(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	sqlite3_vfs *system = sqlite3_vfs_find(NULL), *vfs;
	char name[64];

	if (system == NULL)
		return NULL;
	snprintf(name, sizeof name, "sealed-%s", system->zName);
	pthread_mutex_lock(&lock);
	vfs = sqlite3_vfs_find(name);
	if (vfs == NULL) {
		struct layer *l = layer_over(system, name);

		vfs = l != NULL ? &l->vfs : NULL;
	}
	pthread_mutex_unlock(&lock);
	return vfs != NULL ? vfs->zName : NULL;
}

/* ---- connections ---- */

/* A path as SQLite's URIs have it. */
static char *uri_of(const char *path, enum seal_how how)
{
	char *uri = mem_new(strlen(path) * 3 + 32, 1), *to = uri;

	to += sprintf(to, "file:");
	for (; *path != '\0'; path++) {
		if (strchr("%?#", *path) != NULL)
			to += sprintf(to, "%%%02x", (unsigned)(unsigned char)*path);
		else
			*to++ = *path;
	}
	sprintf(to, "?seal=%d", (int)how);
	return uri;
}

int seal_vfs_open(const char *path, enum seal_how how, sqlite3 **db)
{
	const char *layer = layer_name();
	char *uri;
	int rc, bytes = SEAL_RESERVED;

	*db = NULL;
	if (layer == NULL)
		return SQLITE_NOMEM;
	uri = uri_of(path, how);
	rc = sqlite3_open_v2(uri, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI,
			     layer);
	free(uri);
	if (rc == SQLITE_OK) /* says no where there are pages already */
		sqlite3_file_control(*db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
	return rc;
}

static struct file *file_of(sqlite3 *db)
{
	sqlite3_file *f = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK ||
	    f == NULL || f->pMethods != &methods)
		return NULL;
	return ours(f);
}

bool seal_vfs_sealed(sqlite3 *db)
{
	const struct file *f = file_of(db);

	return f != NULL && f->pages;
}

uint64_t seal_vfs_note(sqlite3 *db)
{
	const struct file *f = file_of(db);

	return f != NULL ? f->note : 0;
}

void seal_vfs_set_note(sqlite3 *db, uint64_t note)
{
	struct file *f = file_of(db);

	if (f != NULL)
		f->note = note;
}
