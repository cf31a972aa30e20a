/* crash_points.h - the registry of crash points: where tests make a program die or fail.
 *
 * X(name, who, what): `who` passes it (COORDINATOR, AGENT or both), `what` may happen there.
 * A point that can only be passed may KILL or ABORT; one that asks CRASH_ERROR can also be
 * given an error of the system (EIO, FULL).  Names read as `where_when`.
 * tests/crash generates its cases from this list; a point that no workload reaches
 * fails there.  See docs/testing.md. */
#ifndef BASE_CRASH_POINTS_H
#define BASE_CRASH_POINTS_H

#define CRASH_DIES (CRASH_KILL | CRASH_ABORT)

/* clang-format off */
#define CRASH_POINTS(X)                                                                            \
	/* SQLite's files: the journal; an agent's ledger and its SQLite resources. */            \
	X(disk_write,   CRASH_COORDINATOR | CRASH_AGENT, CRASH_DIES | CRASH_EIO | CRASH_FULL)      \
	X(disk_written, CRASH_COORDINATOR | CRASH_AGENT, CRASH_DIES)                               \
	X(disk_sync,    CRASH_COORDINATOR | CRASH_AGENT, CRASH_DIES | CRASH_EIO)                   \
	X(disk_synced,  CRASH_COORDINATOR | CRASH_AGENT, CRASH_DIES)
/* clang-format on */

#endif
