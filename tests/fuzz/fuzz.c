/* fuzz.c - see fuzz.h. */
#include "tests/fuzz/fuzz.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fuzz_fail(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: this must hold: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

/* Logs of thousands of inputs a second help nobody. */
__attribute__((constructor)) static void be_quiet(void)
{
	log_set_level(LOG_ERROR + 1);
}

/* ---- the worlds of tests/lib say ck_assert: here that ends the program as well ---- */

void __wrap__mark_point(const char *file, int line);
void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...);

void __wrap__mark_point(const char *file, int line)
{
	(void)file, (void)line;
}

void __wrap__ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
	fuzz_fail(file, line, "%s (%s)", expr, msg != NULL ? msg : "");
}

/* ---- the input ---- */

uint8_t feed_byte(struct feed *f)
{
	if (f->left == 0)
		return 0;
	f->left--;
	return *f->at++;
}

size_t feed_choice(struct feed *f, size_t n)
{
	return feed_byte(f) % n;
}

bool feed_bool(struct feed *f)
{
	return (feed_byte(f) & 1) != 0;
}

uint64_t feed_number(struct feed *f, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | feed_byte(f);
	return n;
}

struct feed feed_take(struct feed *f, size_t size)
{
	struct feed piece = {f->at, size < f->left ? size : f->left};

	f->at += piece.left;
	f->left -= piece.left;
	return piece;
}

struct feed feed_until(struct feed *f, const char *mark)
{
	char *line = mem_printf("\n%s\n", mark);
	const uint8_t *end = f->left > 0 ? memmem(f->at, f->left, line, strlen(line)) : NULL;
	struct feed piece = feed_take(f, end != NULL ? (size_t)(end - f->at) : f->left);

	if (end != NULL)
		feed_take(f, strlen(line));
	free(line);
	return piece;
}

char *feed_text(struct feed f)
{
	return mem_dup_bytes(f.at, f.left);
}

bool is_json(const char *text, size_t size)
{
	json_t *json = json_text_read(text, size, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);

	json_decref(json);
	return json != NULL;
}

const char *fuzz_file(const void *bytes, size_t size)
{
	static char path[40];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0 && ftruncate(fd, 0) == 0);
	MUST(pwrite(fd, bytes, size, 0) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}
