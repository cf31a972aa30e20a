/* json_text.c - see json_text.h. */
#include "base/json_text.h"
#include "base/json_plain.h"

#include <stdio.h>
#include <string.h>

json_t *json_text_read(const char *text, size_t size, size_t flags, json_error_t *where)
{
	const char *nul = size > 0 ? memchr(text, '\0', size) : NULL;
	json_t *value = NULL;

	if (size > 0 && (flags & ~(size_t)(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY)) == 0)
		value = json_plain_read(text, size);
	if (value != NULL &&
	    ((flags & JSON_DECODE_ANY) || json_is_object(value) || json_is_array(value)))
		return value;
	json_decref(value);
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
