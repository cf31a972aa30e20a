/* json_text.c - see json_text.h. */
#include "base/json_text.h"

#include <stdio.h>
#include <string.h>

json_t *json_text_read(const char *text, size_t size, size_t flags, json_error_t *where)
{
	const char *nul = size > 0 ? memchr(text, '\0', size) : NULL;

	if (nul == NULL)
		return json_loadb(size > 0 ? text : "", size, flags, where);
	if (where == NULL)
		return NULL;
	*where = (json_error_t){.line = 1, .column = 1, .position = (int)(nul - text)};
	for (const char *p = text; p < nul; p++) {
		where->column = *p == '\n' ? 1 : where->column + 1;
		where->line += *p == '\n';
	}
	snprintf(where->text, sizeof where->text, "a NUL byte is not allowed in the text");
	return NULL;
}
