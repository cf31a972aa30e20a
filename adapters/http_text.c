/* http_text.c - see http_text.h. */
#include "adapters/http_text.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void http_text_put(struct http_text *t, const char *bytes, size_t size)
{
	if (t->over || size > t->max - t->size) {
		t->over = true;
		return;
	}
	if (t->size + size + 1 > t->room) {
		t->room = 2 * (t->size + size) + 64;
		t->data = mem_grow(t->data, t->room, 1);
	}
	if (size > 0)
		memcpy(t->data + t->size, bytes, size);
	t->size += size;
	t->data[t->size] = '\0';
}

void http_text_put_encoded(struct http_text *t, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && !t->over; i++) {
		const unsigned char c = (unsigned char)bytes[i];
		char code[4];

		if (isalnum(c) || (c != '\0' && strchr("-._~", c) != NULL)) {
			http_text_put(t, &bytes[i], 1);
			continue;
		}
		snprintf(code, sizeof code, "%%%02X", (unsigned)c);
		http_text_put(t, code, 3);
	}
}

void http_text_put_escaped(struct http_text *t, const char *text)
{
	for (; *text != '\0' && !t->over; text++) {
		char code[8];

		if ((unsigned char)*text >= 0x20 && *text != '"' && *text != '\\') {
			http_text_put(t, text, 1);
			continue;
		}
		snprintf(code, sizeof code, "\\u%04x", (unsigned)(unsigned char)*text);
		http_text_put(t, code, 6);
	}
}

char *http_text_take(struct http_text *t)
{
	char *data = t->data != NULL ? t->data : mem_new(1, 1);

	t->data = NULL;
	t->size = t->room = 0;
	return data;
}

void http_text_fini(struct http_text *t)
{
	free(t->data);
	t->data = NULL;
	t->size = t->room = 0;
}
