/* bad_disk.h - makes SQLite's writes and syncs fail, for tests of what comes of it.
 *
 * Holds for every file that SQLite opens in this process after bad_disk_install.
 * Thread: install on the main thread before SQLite is used; the rest: any. */
#ifndef TESTS_LIB_BAD_DISK_H
#define TESTS_LIB_BAD_DISK_H

#include <stdbool.h>

enum bad_disk { DISK_FULL, DISK_WRITE_FAILS, DISK_SYNC_FAILS };

void bad_disk_install(void);
/* The `nth` write (sync) from now on fails, and with `stays` all after it. */
void bad_disk_break(enum bad_disk how, int nth, bool stays);
/* Nothing fails any more; true if anything did since bad_disk_break. */
bool bad_disk_mend(void);

#endif
