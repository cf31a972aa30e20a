/* crash_vfs.c - see crash_vfs.h.
 *
 * A file of ours is a small head and, behind it, the system's own file: so it does not
 * matter who stands in front of us.  What may fail asks its crash point first; all else
 * is passed on as it is.  A write of more than a sector is made twice, at first only about
 * half of its sectors: between the two lies the moment at which a real crash tears a page.
 * (A sector is written whole or not at all, as SQLite assumes too.) */
#include "base/crash_vfs.h"

#ifdef SETTLE_CRASH_POINTS
#include "base/crash.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { SECTOR = 512 };

struct file {
	sqlite3_file head;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *system_vfs, vfs;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct file *)f)->real;
}

#define REAL(f, call, ...) real_of(f)->pMethods->call(real_of(f), __VA_ARGS__)
#define REAL0(f, call)     real_of(f)->pMethods->call(real_of(f))

/* ---- what has crash points ---- */

static int on_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
	if (CRASH_ERROR(disk_read))
		return SQLITE_IOERR_READ;
	return REAL(f, xRead, to, n, at);
}

static int on_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	const int error = CRASH_ERROR(disk_write);
	int rc;

	if (error != 0)
		return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	if (n > SECTOR) {
		rc = REAL(f, xWrite, data, n / 2 / SECTOR * SECTOR, at);
		if (rc != SQLITE_OK)
			return rc;
		CRASH_POINT(disk_torn);
	}
	rc = REAL(f, xWrite, data, n, at);
	CRASH_POINT(disk_written);
	return rc;
}

static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	int rc;

	if (CRASH_ERROR(disk_truncate))
		return SQLITE_IOERR_TRUNCATE;
	rc = REAL(f, xTruncate, size);
	CRASH_POINT(disk_truncated);
	return rc;
}

static int on_sync(sqlite3_file *f, int flags)
{
	int rc;

	if (CRASH_ERROR(disk_sync))
		return SQLITE_IOERR_FSYNC;
	rc = REAL(f, xSync, flags);
	CRASH_POINT(disk_synced);
	return rc;
}

static int on_delete(sqlite3_vfs *self, const char *name, int sync_dir)
{
	int rc;

	(void)self;
	if (CRASH_ERROR(disk_delete))
		return SQLITE_IOERR_DELETE;
	rc = system_vfs->xDelete(system_vfs, name, sync_dir);
	CRASH_POINT(disk_deleted);
	return rc;
}

/* ---- what is passed on ---- */

static int on_close(sqlite3_file *f)
{
	return REAL0(f, xClose);
}

static int on_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return REAL(f, xFileSize, size);
}

static int on_lock(sqlite3_file *f, int lock)
{
	return REAL(f, xLock, lock);
}

static int on_unlock(sqlite3_file *f, int lock)
{
	return REAL(f, xUnlock, lock);
}

static int on_reserved(sqlite3_file *f, int *out)
{
	return REAL(f, xCheckReservedLock, out);
}

static int on_control(sqlite3_file *f, int what, void *arg)
{
	return REAL(f, xFileControl, what, arg);
}

static int on_sector(sqlite3_file *f)
{
	return REAL0(f, xSectorSize);
}

static int on_traits(sqlite3_file *f)
{
	return REAL0(f, xDeviceCharacteristics);
}

static int on_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
	return REAL(f, xShmMap, page, size, extend, out);
}

static int on_map_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return REAL(f, xShmLock, offset, n, flags);
}

static void on_barrier(sqlite3_file *f)
{
	REAL0(f, xShmBarrier);
}

static int on_unmap(sqlite3_file *f, int delete_it)
{
	return REAL(f, xShmUnmap, delete_it);
}

/* Version 2: without the calls for files that are read through memory, which none of
 * ours is. */
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
	.xShmMap = on_map,
	.xShmLock = on_map_lock,
	.xShmBarrier = on_barrier,
	.xShmUnmap = on_unmap,
};

static int on_open(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	struct file *file = (struct file *)f;
	int rc;

	(void)self;
	f->pMethods = NULL;
	if (CRASH_ERROR(disk_open))
		return SQLITE_CANTOPEN;
	file->real = (sqlite3_file *)(void *)(file + 1);
	rc = system_vfs->xOpen(system_vfs, name, file->real, flags, out);
	if (file->real->pMethods != NULL)
		f->pMethods = &methods;
	return rc;
}

void crash_vfs_install(void)
{
	system_vfs = sqlite3_vfs_find(NULL);
	if (system_vfs != NULL) {
		vfs = *system_vfs;
		vfs.szOsFile += (int)sizeof(struct file);
		vfs.zName = "crash-points";
		vfs.pNext = NULL;
		vfs.xOpen = on_open;
		vfs.xDelete = on_delete;
	}
	if (system_vfs == NULL || sqlite3_vfs_register(&vfs, 1) != SQLITE_OK) {
		fprintf(stderr, "crash points: SQLite takes no VFS\n");
		exit(EXIT_FAILURE);
	}
}
#else
typedef int crash_vfs_is_off; /* a file must declare something */
#endif
