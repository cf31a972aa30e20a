/* disk.c - see disk.h. */
#include "tests/power/disk.h"

#include "tests/lib/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS = 1024, NOT_OURS = 0, THE_DIR = -1 };
#define ROOM ((size_t)400 << 20)

const char *const disk_names[DISK_NAMES] = {
	"settle.db",     "settle.db-wal",     "settle.db-journal",
	"settle.db.new", "settle.db.new-wal", "settle.db.new-journal",
};

static struct disk_story *story;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows */
static char noted[400];                                  /* the directory; "": none */
static int of_fd[FDS];                                   /* a file's number + 1 */
static int of_name[DISK_NAMES];                          /* the file that has it, or -1 */

/* ---- notes ---- */

static size_t keep(const void *data, size_t size)
{
	const size_t at = story->n_bytes;

	NEED(at + size <= ROOM, "the story is too long");
	memcpy(story->bytes + at, data, size);
	story->n_bytes += size;
	return at;
}

static void note(struct disk_op op)
{
	NEED(story->n_ops < DISK_OPS, "too many calls for a story");
	story->ops[story->n_ops++] = op;
}

static int name_of(const char *path)
{
	const size_t n = strlen(noted);

	if (n == 0 || strncmp(path, noted, n) != 0 || path[n] != '/')
		return -1;
	for (int i = 0; i < DISK_NAMES; i++)
		if (strcmp(path + n + 1, disk_names[i]) == 0)
			return i;
	return -1;
}

static int new_file(void)
{
	NEED(story->n_files < DISK_FILES, "too many files for a story");
	return (int)story->n_files++;
}

static void note_open(const char *path, int fd, int flags)
{
	const int name = name_of(path);

	if (fd < 0 || fd >= FDS)
		return;
	of_fd[fd] = noted[0] != '\0' && strcmp(path, noted) == 0 ? THE_DIR : NOT_OURS;
	if (name < 0)
		return;
	if (of_name[name] < 0) {
		of_name[name] = new_file();
		note((struct disk_op){
			.kind = DISK_CREATE, .file = of_name[name], .a = (enum disk_name)name});
	} else if ((flags & O_TRUNC) != 0) {
		note((struct disk_op){.kind = DISK_TRUNCATE, .file = of_name[name]});
	}
	of_fd[fd] = of_name[name] + 1;
}

static int file_at(int fd)
{
	return fd >= 0 && fd < FDS ? of_fd[fd] : NOT_OURS;
}

/* ---- the system's calls ---- */

static int open_and_note(const char *path, int flags, int mode)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
	note_open(path, fd, flags);
	pthread_mutex_unlock(&lock);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	return open_and_note(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(ap, int) : 0;
	va_end(ap);
	return open_and_note(path, flags, mode);
}

int close(int fd)
{
	int rc;

	pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < FDS)
		of_fd[fd] = NOT_OURS;
	rc = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&lock);
	return rc;
}

static ssize_t write_and_note(int fd, const void *data, size_t size, off64_t at)
{
	ssize_t n;

	pthread_mutex_lock(&lock);
	n = (ssize_t)syscall(SYS_pwrite64, fd, data, size, at);
	if (n > 0 && file_at(fd) > 0)
		note((struct disk_op){.kind = DISK_WRITE,
				      .file = file_at(fd) - 1,
				      .at = (size_t)at,
				      .size = (size_t)n,
				      .data = keep(data, (size_t)n)});
	pthread_mutex_unlock(&lock);
	return n;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
	return write_and_note(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
	return write_and_note(fd, data, size, at);
}

static int cut_and_note(int fd, off64_t size)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_ftruncate, fd, size);
	if (rc == 0 && file_at(fd) > 0)
		note((struct disk_op){
			.kind = DISK_TRUNCATE, .file = file_at(fd) - 1, .size = (size_t)size});
	pthread_mutex_unlock(&lock);
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return cut_and_note(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
	return cut_and_note(fd, size);
}

/* What is in memory is as good as on a disk here: nothing is synced. */
static int sync_and_note(int fd)
{
	pthread_mutex_lock(&lock);
	if (file_at(fd) > 0)
		note((struct disk_op){.kind = DISK_SYNC, .file = file_at(fd) - 1});
	else if (file_at(fd) == THE_DIR)
		note((struct disk_op){.kind = DISK_DIR_SYNC});
	pthread_mutex_unlock(&lock);
	return 0;
}

int fsync(int fd)
{
	return sync_and_note(fd);
}

int fdatasync(int fd)
{
	return sync_and_note(fd);
}

int rename(const char *from, const char *to)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_rename, from, to);
	if (rc == 0 && name_of(from) >= 0 && name_of(to) >= 0) {
		note((struct disk_op){.kind = DISK_RENAME,
				      .file = of_name[name_of(from)],
				      .a = (enum disk_name)name_of(from),
				      .b = (enum disk_name)name_of(to)});
		of_name[name_of(to)] = of_name[name_of(from)];
		of_name[name_of(from)] = -1;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int unlink(const char *path)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = (int)syscall(SYS_unlink, path);
	if (rc == 0 && name_of(path) >= 0) {
		note((struct disk_op){.kind = DISK_UNLINK, .a = (enum disk_name)name_of(path)});
		of_name[name_of(path)] = -1;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

/* ---- stories ---- */

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	NEED(p != MAP_FAILED, "no memory");
	return p;
}

struct disk_story *disk_story_new(void)
{
	story = shared(sizeof *story);
	story->bytes = shared(ROOM);
	return story;
}

static void note_first(int name)
{
	char *path = textf("%s/%s", noted, disk_names[name]);
	const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0);
	const off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;

	story->first[name] = of_name[name] = fd >= 0 ? new_file() : -1;
	story->first_size[name] = (size_t)size;
	story->first_data[name] = story->n_bytes;
	NEED(story->n_bytes + (size_t)size <= ROOM, "the files are too long");
	NEED(fd < 0 || pread(fd, story->bytes + story->n_bytes, (size_t)size, 0) == size,
	     "cannot read %s", path);
	story->n_bytes += (size_t)size;
	if (fd >= 0)
		close(fd);
	free(path);
}

void disk_note(const char *dir)
{
	disk_note_no_more();
	story->n_ops = story->n_bytes = story->n_files = 0;
	NEED(strlen(dir) < sizeof noted, "%s is too long", dir);
	snprintf(noted, sizeof noted, "%s", dir);
	for (int i = 0; i < DISK_NAMES; i++)
		note_first(i);
}

void disk_note_no_more(void)
{
	noted[0] = '\0';
	memset(of_fd, 0, sizeof of_fd);
}

void disk_tell(uint64_t what, uint64_t n)
{
	pthread_mutex_lock(&lock);
	if (noted[0] != '\0')
		note((struct disk_op){.kind = DISK_TOLD, .what = what, .n = n});
	pthread_mutex_unlock(&lock);
}
