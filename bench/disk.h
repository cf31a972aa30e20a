/* disk.h - how long a durable write takes here: every latency has to do with it.
 *
 * Thread: the program's only one. */
#ifndef BENCH_DISK_H
#define BENCH_DISK_H

/* Prints the mean of 200 writes of 4 KiB to the new file `path`, each synced, appended
 * and then overwritten (logs are mostly overwritten); removes the file. */
void disk_report(const char *path);

#endif
