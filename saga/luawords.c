/* luawords.c - see luawords.h. */
#include "saga/luawords.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Lua's words, and ours: ours are for people who never heard of Lua. */
static const struct {
	const char *lua, *ours;
} phrases[] = {
	{"<eof> expected near", "it should end before"},
	{"near <eof>", "at its end"},
	{"<eof>", "its end"},
	{"unexpected symbol", "something is wrong"},
	{"malformed number near", "this is no number:"},
	{"C stack overflow", "it is nested too deep"},
	{" at line 1)", ")"},
	{"attempt to compare two nil values", "missing values cannot be compared"},
	{"attempt to compare two userdata values", "null cannot be compared"},
	{"attempt to perform arithmetic on", "cannot calculate with"},
	{"attempt to perform 'n%0'", "cannot divide by zero"},
	{"attempt to compare", "cannot compare"},
	{"attempt to concatenate", "cannot join"},
	{"attempt to get length of", "cannot take the length of"},
	{"attempt to index", "cannot set a field of"},
	{"attempt to call", "cannot call"},
	{"attempt to ", "cannot "},
	{"a userdata value", "null"},
	{"a nil value", "a missing value"},
	{"a string value", "a text"},
	{"a number value", "a number"},
	{"a boolean value", "true or false"},
	{"a function value", "a function"},
	{"a table value", "an object"},
	{"a list value", "a list"},
	{"two table values", "two objects"},
	{" nil", " a missing value"},
	{" userdata", " null"},
	{" string", " a text"},
	{" number", " a number"},
	{" table", " an object"},
};

static size_t translate(const char *from, char *to, size_t room)
{
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
		const size_t n = strlen(phrases[i].lua);

		if (strncmp(from, phrases[i].lua, n) != 0)
			continue;
		snprintf(to, room, "%s", phrases[i].ours);
		return n;
	}
	to[0] = *from;
	to[1] = '\0';
	return 1;
}

void luawords_say(const char *lua, char *text, size_t room)
{
	const char *from = lua;
	size_t used = 0;
	bool luas = strstr(from, "stack overflow") != NULL; /* Lua's own message, or ours */

	if (strncmp(from, "e:", 2) == 0 && strstr(from, ": ") != NULL) {
		from = strstr(from, ": ") + 2; /* e:LINE: text */
		luas = true;
	}
	text[0] = '\0';
	while (*from != '\0' && used + 80 < room) {
		if (luas) {
			from += translate(from, text + used, room - used);
		} else {
			text[used] = *from++;
			text[used + 1] = '\0';
		}
		used += strlen(text + used);
	}
	while (used > 0 && ((unsigned char)text[used - 1] & 0x80) != 0 && *from != '\0')
		text[--used] = '\0'; /* not in the middle of a character */
}
