/* journal_lock.c - see journal_lock.h. */
#include "coordinator/journal_lock.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rc make_dir(const char *dir, struct err *err)
{
	struct stat st;
	char *copy;
	enum rc rc;

	if (mkdir(dir, 0700) != 0) {
		if (errno != EEXIST)
			return err_set(err, RC_IO, "%s: cannot be made: %s", dir, strerror(errno));
		if (stat(dir, &st) != 0)
			return err_set(err, RC_IO, "%s: %s", dir, strerror(errno));
		return S_ISDIR(st.st_mode) ? RC_OK
					   : err_set(err, RC_IO, "%s: is not a directory", dir);
	}
	copy = mem_dup(dir);
	rc = dir_sync(dirname(copy), err);
	free(copy);
	return rc;
}

static enum rc refuse(int fd, const char *dir, struct err *err)
{
	char pid[24] = "";
	ssize_t size = pread(fd, pid, sizeof pid - 1, 0);

	if (size < 0)
		size = 0;
	pid[size] = '\0';
	pid[strspn(pid, "0123456789")] = '\0';
	return err_set(
		err, RC_FULL,
		"%s: in use by another coordinator (process %s): one data directory serves one "
		"coordinator; stop that one, or give this one a directory of its own",
		dir, pid[0] != '\0' ? pid : "unknown");
}

static enum rc take(int fd, const char *dir, struct err *err)
{
	/* A lock of the open file, not of the process: another close in this process
	 * cannot drop it, and a fork cannot open the door for a second coordinator. */
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char pid[24];
	int size;

	if (fcntl(fd, F_OFD_SETLK, &whole) != 0) {
		if (errno == EAGAIN || errno == EACCES)
			return refuse(fd, dir, err);
		return err_set(err, RC_IO, "%s: cannot be locked: %s", dir, strerror(errno));
	}
	size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size)
		return err_set(err, RC_IO, "%s: the lock file cannot be written: %s", dir,
			       strerror(errno));
	return RC_OK;
}

enum rc journal_lock(const char *dir, int *fd, struct err *err)
{
	char *path;
	enum rc rc = make_dir(dir, err);

	*fd = -1;
	if (rc != RC_OK)
		return rc;
	path = mem_printf("%s/settle.lock", dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	rc = *fd < 0 ? err_set(err, RC_IO, "%s: cannot be opened: %s", path, strerror(errno))
		     : take(*fd, dir, err);
	free(path);
	if (rc != RC_OK) {
		journal_unlock(*fd);
		*fd = -1;
	}
	return rc;
}

void journal_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}
