/* disk.c - see disk.h. */
#include "bench/disk.h"

#include "base/clock.h"
#include "bench/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The mean time in ms to write 4 KiB and make it durable, from the file's start on. */
static double sync_ms(int fd)
{
	enum { TRIES = 200 };
	static const char block[4096];
	const uint64_t began = clock_mono_us();

	for (int i = 0; i < TRIES; i++)
		if (pwrite(fd, block, sizeof block, (off_t)i * (off_t)sizeof block) < 0 ||
		    fdatasync(fd) != 0)
			bench_die("the sync file cannot be written: %s", strerror(errno));
	return (double)(clock_mono_us() - began) / 1e3 / TRIES;
}

void disk_report(const char *path)
{
	const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	double append, overwrite;

	if (fd < 0)
		bench_die("%s cannot be written: %s", path, strerror(errno));
	append = sync_ms(fd);
	overwrite = sync_ms(fd);
	printf("disk: 4 KiB are durable after %.3f ms appended, %.3f ms overwritten\n", append,
	       overwrite);
	close(fd);
	unlink(path);
}
