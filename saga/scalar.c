/* scalar.c - see scalar.h. */
#include "saga/scalar.h"
#include "base/mem.h"
#include "saga/jsonbuf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

static const char digits[] = "0123456789";

/* [-+]? [0-9]+ | 0o [0-7]+ | 0x [0-9a-fA-F]+ ; gives the base and the digits. */
static const char *integer_digits(const char *text, int *base)
{
	const char *p = text + (*text == '-' || *text == '+' ? 1 : 0);
	const char *allowed = digits;

	*base = 10;
	if (strncmp(text, "0o", 2) == 0) {
		*base = 8;
		allowed = "01234567";
	} else if (strncmp(text, "0x", 2) == 0) {
		*base = 16;
		allowed = "0123456789abcdefABCDEF";
	}
	if (*base != 10)
		p = text + 2;
	return *p != '\0' && p[strspn(p, allowed)] == '\0' ? p : NULL;
}

/* [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? cut in parts. */
struct real {
	const char *whole, *fraction, *exponent; /* exponent from its `e` */
	size_t n_whole, n_fraction;
	bool negative;
};

static bool real_cut(const char *text, struct real *r)
{
	const char *p = text;

	*r = (struct real){.negative = *p == '-'};
	if (*p == '-' || *p == '+')
		p++;
	r->whole = p;
	r->n_whole = strspn(p, digits);
	p += r->n_whole;
	if (*p == '.')
		p++;
	r->fraction = p;
	r->n_fraction = p > r->whole + r->n_whole ? strspn(p, digits) : 0;
	p += r->n_fraction;
	r->exponent = p;
	if (r->n_whole + r->n_fraction == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		if (*p == '-' || *p == '+')
			p++;
		if (!isdigit((unsigned char)*p))
			return false;
		p += strspn(p, digits);
	}
	return *p == '\0';
}

/* JSON wants a digit on both sides of the point, no plus, no leading zeros. */
static char *real_text(const struct real *r)
{
	const char *whole = r->whole;
	size_t n = r->n_whole;

	while (n > 1 && *whole == '0') {
		whole++;
		n--;
	}
	return mem_printf("%s%.*s.%.*s%s", r->negative ? "-" : "", n > 0 ? (int)n : 1,
			  n > 0 ? whole : "0", r->n_fraction > 0 ? (int)r->n_fraction : 1,
			  r->n_fraction > 0 ? r->fraction : "0", r->exponent);
}

static char *quoted(const char *text)
{
	struct jsonbuf b = {.max = 6 * strlen(text) + 2}; /* \u0001 is the longest escape */

	jsonbuf_text(&b, "\"");
	jsonbuf_escape(&b, text, strlen(text));
	jsonbuf_text(&b, "\"");
	return jsonbuf_take(&b);
}

/* A magnitude in `base` with the sign of `text`; false if 64 bits cannot hold it. */
static bool integer_value(const char *text, const char *magnitude, int base, intmax_t *out)
{
	const uintmax_t negative = *text == '-' ? 1 : 0;
	uintmax_t n;

	errno = 0;
	n = strtoumax(magnitude, NULL, base);
	if (errno != 0 || n > (uintmax_t)INT64_MAX + negative)
		return false;
	*out = negative ? (intmax_t)(0 - n) : (intmax_t)n;
	return true;
}

enum rc scalar_json(const struct yaml_node *node, char **json, struct err *err)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};
	static const char *const odd[] = {".inf",  ".Inf",  ".INF",  "+.inf", "+.Inf",
					  "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
					  ".NaN",  ".NAN",  NULL};
	const char *text = node->text, *magnitude;
	struct real real;
	intmax_t n;
	int base;

	if (!node->plain)
		*json = quoted(text);
	else if (is_one_of(text, nulls))
		*json = mem_dup("null");
	else if (is_one_of(text, yes))
		*json = mem_dup("true");
	else if (is_one_of(text, no))
		*json = mem_dup("false");
	else if ((magnitude = integer_digits(text, &base)) != NULL) {
		if (!integer_value(text, magnitude, base, &n))
			return err_set_at(err, RC_INVALID, node->line, node->column,
					  "the number %.40s does not fit 64 bits: quote it to send "
					  "it as text",
					  text);
		*json = mem_printf("%" PRIdMAX, n);
	} else if (is_one_of(text, odd) || (real_cut(text, &real) && !isfinite(strtod(text, NULL))))
		return err_set_at(err, RC_INVALID, node->line, node->column,
				  "the number %.40s cannot be sent as JSON: quote it to send it as "
				  "text",
				  text);
	else if (real_cut(text, &real))
		*json = real_text(&real);
	else
		*json = quoted(text);
	return RC_OK;
}
