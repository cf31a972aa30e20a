/* surrogate.c - see surrogate.h. */
#include "base/surrogate.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { UNIT_SIZE = 6 }; /* of `\uXXXX` */

/* The value of `\uXXXX` at `p` if it is within lo..hi, else 0. */
static unsigned take_unit(const char *p, const char *end, unsigned lo, unsigned hi)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	unsigned unit = 0;

	if (end - p < UNIT_SIZE || p[0] != '\\' || p[1] != 'u')
		return 0;
	for (size_t i = 2; i < UNIT_SIZE; i++) {
		const char *digit = memchr(digits, p[i], sizeof digits - 1);

		if (digit == NULL)
			return 0;
		unit = 16 * unit + (unsigned)((digit - digits) % 16);
	}
	return unit >= lo && unit <= hi ? unit : 0;
}

bool surrogate_may_be(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && memchr(" \t\r\n", text[i], 4) != NULL)
		i++;
	return i < size && (text[i] == '{' || text[i] == '[');
}

char *surrogate_join(const char *text, size_t *size)
{
	const char *p = text, *const end = text + *size;
	char *const out = mem_new(*size + 1, 1);
	char *o = out;

	while (p < end) {
		const unsigned high = take_unit(p, end, 0xd800, 0xdbff);
		const unsigned low = high == 0 ? 0 : take_unit(p + UNIT_SIZE, end, 0xdc00, 0xdfff);

		if (low != 0) {
			o += sprintf(o, "\\U%08x",
				     0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
			p += 2 * UNIT_SIZE;
			continue;
		}
		if (*p == '\\' && end - p > 1)
			*o++ = *p++;
		*o++ = *p++;
	}
	*size = (size_t)(o - out);
	return out;
}
