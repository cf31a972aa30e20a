/* luajson.h - JSON values into Lua and back, nothing lost on the way.
 *
 *   null          a light userdata; missing is nil
 *   integers      64 bits both ways; reals as doubles; NaN and infinities are refused
 *   lists         tables 1..n; those that came from JSON are marked, so that an empty
 *                 one stays a list
 *   objects       tables with texts as keys; written in the order of their keys
 * Thread: the owner's of the Lua state. */
#ifndef SAGA_LUAJSON_H
#define SAGA_LUAJSON_H

#include "base/err.h"
#include "saga/jsonbuf.h"

#include <lua.h>

/* Prepares a state; once. */
void luajson_open(lua_State *L);

/* Pushes a value, NULL as nil.  Raises Lua errors: for use inside a protected call. */
void luajson_push(lua_State *L, const json_t *value);
void luajson_push_null(lua_State *L);

/* Marks the table at the top as a list. */
void luajson_mark_list(lua_State *L);

/* "missing", "null", "boolean", "number", "text", "list", "object" or "function". */
const char *luajson_kind(lua_State *L, int at);
/* The same for sentences: "missing", "null", "true or false", "a number", ... */
const char *luajson_a_kind(lua_State *L, int at);

/* Writes the value at the top of the stack, which stays.  Raises Lua errors as well.
 * RC_INVALID: it has no JSON. */
enum rc luajson_write(lua_State *L, struct jsonbuf *out, struct err *err);

/* RC_INVALID if the text is not UTF-8, or holds a NUL, which JSON's readers refuse. */
enum rc luajson_check_text(const char *text, size_t size, struct err *err);

#endif
