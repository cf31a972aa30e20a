/* harness.h - what every test program shares: failing, waiting, files of its own.
 *
 * Nothing here sleeps to let something happen: a test waits for a fact, with a
 * deadline after which it fails.  Every file lies in one temporary directory that
 * the process that made it removes when it ends.
 * Thread: a test's main thread, but for clock_ms. */
#ifndef TESTS_LIB_HARNESS_H
#define TESTS_LIB_HARNESS_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Fails the running test; outside of Check it ends the program with status 1. */
void harness_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
#define FAIL(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Fails unless `cond` holds; says so in words. Works outside of Check as well. */
#define NEED(cond, ...)                    \
	do {                               \
		if (!(cond))               \
			FAIL(__VA_ARGS__); \
	} while (0)

/* Evaluates `cond` every few milliseconds until it holds; fails after `seconds`. */
#define WAIT_FOR(seconds, cond)                                                     \
	do {                                                                        \
		int64_t wait_until_ = clock_ms() + harness_patience_ms(seconds);    \
		while (!(cond)) {                                                   \
			if (clock_ms() > wait_until_)                               \
				FAIL("not within %d s: %s", (int)(seconds), #cond); \
			harness_pause();                                            \
		}                                                                   \
	} while (0)

/* Monotonic milliseconds. */
int64_t clock_ms(void);
/* What a deadline of `seconds` means in this build: sanitizers get more. */
int64_t harness_patience_ms(int seconds);
/* A few milliseconds between two looks. */
void harness_pause(void);

/* A path in this program's temporary directory; give to free(). */
char *temp_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *temp_dir(void);
/* From now on this process has one of its own, inside the one of the process that forked
 * it; removed when it ends. */
void temp_dir_anew(void);

/* Writes a whole file, or fails. */
void file_write(const char *path, const char *text);
/* Reads a whole file, NUL-terminated; NULL if it is not there. Give to free(). */
char *file_read(const char *path);

/* printf into memory of its own; give to free(). */
char *textf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A TCP port on 127.0.0.1 that nobody listens on now, below the range that the
 * system gives to outgoing connections, so that it stays free over a restart. */
int port_free(void);

/* Where the programs under test are: BUILD in the environment, else "build". */
char *program_path(const char *name);

/* Runs the suite and gives main()'s status. `open` and `close` (may be NULL) are
 * called once around it, in the process that lives as long as the suite. */
int suite_run(Suite *suite, void (*open)(void), void (*close)(void));

#endif
