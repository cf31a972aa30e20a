/* crash.h - crash points: moments at which a test has the program die or an operation fail.
 *
 * Only in a build with SETTLE_CRASH_POINTS (`make … CRASH=1`); in any other CRASH_POINT and
 * CRASH_ERROR leave nothing behind, not even a call.  The environment says what happens:
 *
 *   SETTLE_CRASH=POINT:NTH:ACTION   at the NTH pass (from 1) of POINT (base/crash_points.h):
 *                kill    SIGKILL to itself        eio   this one operation fails with EIO
 *                abort   abort()                  full  it and all after it fail with ENOSPC
 *   SETTLE_CRASH=trace              logs each pass (`crash-pass at=POINT pass=N`)
 *
 * What happens is logged before it does: `crash-point at=POINT pass=N action=ACTION`.
 * A value that does not read as one of these ends the program with status 2.
 * CRASH_BEGIN stands first in main: it reads the value and gets hold of SQLite's files.
 * Thread: any; CRASH_BEGIN main's. */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#include "base/crash_points.h"

#define X(name, who, what) CRASH_AT_##name,
enum crash_at { CRASH_POINTS(X) CRASH_AT_COUNT };
#undef X

#ifdef SETTLE_CRASH_POINTS
/* 0, or the errno that the operation is to fail with; may not return. */
int crash_pass(enum crash_at at);
void crash_begin(void);
#define CRASH_BEGIN()     crash_begin()
#define CRASH_POINT(name) ((void)crash_pass(CRASH_AT_##name))
#define CRASH_ERROR(name) crash_pass(CRASH_AT_##name)
#else
#define CRASH_BEGIN()     ((void)0)
#define CRASH_POINT(name) ((void)0)
#define CRASH_ERROR(name) 0
#endif

#endif
