/* luawords.h - what Lua says of an expression, in words for people who never heard of
 * Lua: without the names of its chunks, and with ours for its kinds of values.
 * Thread: no shared state; any.  Pure. */
#ifndef SAGA_LUAWORDS_H
#define SAGA_LUAWORDS_H

#include <stddef.h>

/* Puts `lua`, an error of a chunk called `e` or a text of our own, into `text` of
 * `room` bytes, 200 or more; cut if it is longer, not inside a character. */
void luawords_say(const char *lua, char *text, size_t room);

#endif
