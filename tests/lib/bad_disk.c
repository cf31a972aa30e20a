#include "tests/lib/bad_disk.h"

#include "tests/lib/harness.h"

#include <pthread.h>
#include <sqlite3.h>

static sqlite3_vfs *system_vfs, vfs;

/* SQLite has a table of functions for each way of locking; ours stand for them. */
static struct kind {
	const sqlite3_io_methods *system;
	sqlite3_io_methods ours;
} kinds[4];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static enum bad_disk how;
static int countdown; /* 0: nothing fails */
static bool stays, hit;

static bool fails(bool sync)
{
	bool now = false;

	pthread_mutex_lock(&lock);
	if (countdown > 0 && sync == (how == DISK_SYNC_FAILS)) {
		now = countdown == 1;
		if (!now || !stays)
			countdown--;
		hit = hit || now;
	}
	pthread_mutex_unlock(&lock);
	return now;
}

static const sqlite3_io_methods *system_of(const sqlite3_file *f)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (f->pMethods == &kinds[i].ours)
			return kinds[i].system;
	FAIL("a file that was not opened here");
}

static int on_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	if (fails(false))
		return how == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	return system_of(f)->xWrite(f, data, n, at);
}

/* The worst kind: the data are on the disk, and the system says they are not. */
static int on_sync(sqlite3_file *f, int flags)
{
	const int rc = system_of(f)->xSync(f, flags);

	return fails(true) ? SQLITE_IOERR_FSYNC : rc;
}

static const sqlite3_io_methods *ours_for(const sqlite3_io_methods *system)
{
	struct kind *k = kinds;

	while (k->system != NULL && k->system != system)
		NEED(++k < kinds + sizeof kinds / sizeof kinds[0], "too many kinds of files");
	if (k->system == NULL) {
		k->ours = *system;
		k->ours.xWrite = on_write;
		k->ours.xSync = on_sync;
		k->system = system;
	}
	return &k->ours;
}

static int on_open(sqlite3_vfs *self, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
	const int rc = system_vfs->xOpen(system_vfs, name, f, flags, out);

	(void)self;
	if (rc != SQLITE_OK || f->pMethods == NULL)
		return rc;
	pthread_mutex_lock(&lock);
	f->pMethods = ours_for(f->pMethods);
	pthread_mutex_unlock(&lock);
	return SQLITE_OK;
}

void bad_disk_install(void)
{
	system_vfs = sqlite3_vfs_find(NULL);
	NEED(system_vfs != NULL, "SQLite has no VFS");
	vfs = *system_vfs;
	vfs.zName = "bad-disk";
	vfs.pNext = NULL;
	vfs.xOpen = on_open;
	NEED(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK, "cannot register a VFS");
}

void bad_disk_break(enum bad_disk new_how, int nth, bool new_stays)
{
	pthread_mutex_lock(&lock);
	how = new_how;
	countdown = nth;
	stays = new_stays;
	hit = false;
	pthread_mutex_unlock(&lock);
}

bool bad_disk_mend(void)
{
	bool was;

	pthread_mutex_lock(&lock);
	was = hit;
	countdown = 0;
	pthread_mutex_unlock(&lock);
	return was;
}
