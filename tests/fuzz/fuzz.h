/* fuzz.h - what every fuzz target shares: the function that the fuzzer calls, a check
 * that ends the program, and bytes read as choices.
 *
 * A target is one file with LLVMFuzzerTestOneInput.  It keeps nothing from one input to the
 * next that could change what an input does, so that every finding can be replayed alone.
 * Thread: one. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Prints what was wrong and aborts: then the fuzzer keeps the input. */
void fuzz_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define MUST(fact)          ((fact) ? (void)0 : fuzz_fail(__FILE__, __LINE__, "%s", #fact))
#define MUST_SAY(fact, ...) ((fact) ? (void)0 : fuzz_fail(__FILE__, __LINE__, __VA_ARGS__))

/* The input, read from the front; when it is used up, everything drawn is 0. */
struct feed {
	const uint8_t *at;
	size_t left;
};

uint8_t feed_byte(struct feed *f);
/* From 0 to n - 1; n is 1 or more. */
size_t feed_choice(struct feed *f, size_t n);
bool feed_bool(struct feed *f);
uint64_t feed_number(struct feed *f, size_t bytes);
/* `at` most that many bytes, as a piece of the input. */
struct feed feed_take(struct feed *f, size_t size);
/* All up to the next line that is exactly `mark`, or all; the line is dropped. */
struct feed feed_until(struct feed *f, const char *mark);

/* A copy with a NUL after it, for free(). */
char *feed_text(struct feed f);

/* True if `text` is JSON, any value. */
bool is_json(const char *text, size_t size);

/* A file of this process with this content; the path is good until the next call. */
const char *fuzz_file(const void *bytes, size_t size);

#endif
