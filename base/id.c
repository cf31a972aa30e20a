/* id.c - see id.h. */
#include "base/id.h"

#include <inttypes.h>
#include <stdio.h>
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

void id_make_gid(uint64_t wall_us, char out[GID_MAX + 1])
{
	unsigned char r[10];

	/* Ten bytes never block or come short once the kernel's pool is up (getrandom(2)). */
	if (getrandom(r, sizeof r, 0) != (ssize_t)sizeof r)
		abort();
	snprintf(out, GID_MAX + 1, "%014" PRIx64 "-%02x%02x%02x%02x%02x%02x%02x%02x%02x%02x",
		 wall_us, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9]);
}
