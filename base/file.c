/* file.c - see file.h. */
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum rc dir_sync(const char *dir, struct err *err)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed;

	if (fd < 0)
		return err_set(err, RC_IO, "%s: cannot be opened: %s", dir, strerror(errno));
	failed = fsync(fd) != 0 ? errno : 0;
	close(fd);
	if (failed != 0)
		return err_set(err, RC_IO, "%s: cannot be synced: %s", dir, strerror(failed));
	return RC_OK;
}

enum rc file_make(const char *path, struct err *err)
{
	const int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	int failed;
	char *copy;
	enum rc rc;

	if (fd < 0 && errno == EEXIST)
		return RC_OK;
	if (fd < 0)
		return err_set(err, RC_IO, "file %s cannot be made: %s", path, strerror(errno));
	failed = fsync(fd) != 0 ? errno : 0;
	close(fd);
	if (failed != 0)
		return err_set(err, RC_IO, "file %s cannot be synced: %s", path, strerror(failed));
	copy = mem_dup(path);
	rc = dir_sync(dirname(copy), err);
	free(copy);
	return rc;
}
