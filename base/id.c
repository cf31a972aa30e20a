/* id.c - see id.h. */
#include "base/id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static bool all_in(const char *id, size_t max, bool dot)
{
	size_t n = 0;

	for (; id[n] != '\0'; n++) {
		const char c = id[n];
		const bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (n >= max || !(alnum || c == '_' || c == '-' || (dot && c == '.')))
			return false;
	}
	return n > 0;
}

bool id_valid(const char *id, size_t max)
{
	return all_in(id, max, true);
}

bool id_valid_plain(const char *id, size_t max)
{
	return all_in(id, max, false);
}

static char *put_hex(char *at, uint64_t n, int digits)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = digits - 1; i >= 0; i--, n >>= 4)
		at[i] = hex[n & 15];
	return at + digits;
}

enum { RANDOM = 10, RANDOM_KEPT = 20 * RANDOM };

/* Bytes that were not given out before: one call of the system gets those of 20 ids. */
static const unsigned char *random_bytes(void)
{
	static _Thread_local unsigned char kept[RANDOM_KEPT];
	static _Thread_local size_t left;

	/* So few never block or come short once the kernel's pool is up (getrandom(2)). */
	if (left == 0 && getrandom(kept, sizeof kept, 0) != (ssize_t)sizeof kept)
		abort();
	left = (left == 0 ? RANDOM_KEPT : left) - RANDOM;
	return kept + left;
}

void id_make_gid(uint64_t wall_us, char out[GID_MAX + 1])
{
	const unsigned char *r = random_bytes();
	char *at = out;

	at = put_hex(at, wall_us, 14);
	*at++ = '-';
	for (size_t i = 0; i < RANDOM; i++)
		at = put_hex(at, r[i], 2);
	*at = '\0';
}
