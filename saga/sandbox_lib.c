/* sandbox_lib.c - see sandbox_lib.h.
 *
 * Written here and not taken from Lua's libraries: those can be made to allocate
 * without end, to show addresses, or to run for long within one instruction. */
#include "saga/sandbox_lib.h"
#include "saga/jsonbuf.h"
#include "saga/luajson.h"
#include "saga/sandbox.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	NUMBER_TEXT_MAX = 64, /* a longer text is no number */
	COST_REAL = 200,      /* of making text of a real, in instructions */
	COST_TEXT = 20,       /* of a function of texts, and one for each so many bytes: */
	BYTES_PER_COST = 4,
};

/* Raises an error as it is: luaL_error would put a line before it. */
static int complain(lua_State *L, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	lua_pushvfstring(L, fmt, ap);
	va_end(ap);
	return lua_error(L);
}

/* ---- arguments ---- */

static void need_number(lua_State *L, int at, const char *function)
{
	if (lua_type(L, at) != LUA_TNUMBER)
		complain(L, "%s needs a number, not %s", function, luajson_a_kind(L, at));
}

static const char *need_text(lua_State *L, int at, const char *function, size_t *size)
{
	const char *text;

	if (lua_type(L, at) != LUA_TSTRING)
		complain(L, "%s needs a text, not %s", function, luajson_a_kind(L, at));
	text = lua_tolstring(L, at, size);
	sandbox_charge(L, COST_TEXT + *size / BYTES_PER_COST);
	return text;
}

static lua_Integer need_integer(lua_State *L, int at, const char *function)
{
	int is_integer = 0;
	lua_Integer n = 0;

	need_number(L, at, function);
	n = lua_tointegerx(L, at, &is_integer);
	if (!is_integer)
		complain(L, "%s needs a whole number", function);
	return n;
}

/* ---- values ---- */

static int lib_default(lua_State *L)
{
	const bool none = lua_isnoneornil(L, 1) || lua_islightuserdata(L, 1);

	lua_settop(L, 2);
	lua_pushvalue(L, none ? 2 : 1);
	return 1;
}

static int lib_type(lua_State *L)
{
	lua_pushstring(L, luajson_kind(L, 1));
	return 1;
}

static int lib_tostring(lua_State *L)
{
	char text[REAL_TEXT_MAX];

	switch (lua_type(L, 1)) {
	case LUA_TSTRING: lua_settop(L, 1); return 1;
	case LUA_TBOOLEAN: lua_pushstring(L, lua_toboolean(L, 1) ? "true" : "false"); return 1;
	case LUA_TNUMBER:
		if (lua_isinteger(L, 1)) {
			snprintf(text, sizeof text, "%" PRId64, (int64_t)lua_tointeger(L, 1));
		} else {
			sandbox_charge(L, COST_REAL);
			real_json(lua_tonumber(L, 1), text);
		}
		lua_pushstring(L, text);
		return 1;
	default:
		return complain(L, "tostring needs a text, a number, true or false, not %s",
				luajson_a_kind(L, 1));
	}
}

static int lib_tonumber(lua_State *L)
{
	const char *text;
	size_t size;

	lua_settop(L, 1);
	if (lua_type(L, 1) == LUA_TNUMBER)
		return 1;
	text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &size) : NULL;
	if (text == NULL || size > NUMBER_TEXT_MAX || lua_stringtonumber(L, text) != size + 1)
		lua_pushnil(L);
	return 1;
}

static int lib_list(lua_State *L)
{
	const int n = lua_gettop(L);

	lua_createtable(L, n, 0);
	luajson_mark_list(L);
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		lua_rawseti(L, -2, i);
	}
	return 1;
}

static int next_item(lua_State *L)
{
	const lua_Integer i = need_integer(L, 2, "ipairs") + 1;

	if (lua_type(L, 1) != LUA_TTABLE)
		return complain(L, "ipairs needs a list, not %s", luajson_a_kind(L, 1));
	lua_pushinteger(L, i);
	return lua_rawgeti(L, 1, i) == LUA_TNIL ? 1 : 2;
}

static int lib_ipairs(lua_State *L)
{
	if (lua_type(L, 1) != LUA_TTABLE)
		return complain(L, "ipairs needs a list, not %s", luajson_a_kind(L, 1));
	lua_pushcfunction(L, next_item);
	lua_pushvalue(L, 1);
	lua_pushinteger(L, 0);
	return 3;
}

/* ---- math ---- */

static int push_rounded(lua_State *L, double value)
{
	lua_Integer n;

	if (lua_numbertointeger(value, &n))
		lua_pushinteger(L, n);
	else
		lua_pushnumber(L, value);
	return 1;
}

static int lib_floor(lua_State *L)
{
	need_number(L, 1, "math.floor");
	lua_settop(L, 1);
	return lua_isinteger(L, 1) ? 1 : push_rounded(L, floor(lua_tonumber(L, 1)));
}

static int lib_ceil(lua_State *L)
{
	need_number(L, 1, "math.ceil");
	lua_settop(L, 1);
	return lua_isinteger(L, 1) ? 1 : push_rounded(L, ceil(lua_tonumber(L, 1)));
}

static int lib_abs(lua_State *L)
{
	need_number(L, 1, "math.abs");
	if (!lua_isinteger(L, 1)) {
		lua_pushnumber(L, fabs(lua_tonumber(L, 1)));
	} else {
		const lua_Integer n = lua_tointeger(L, 1);

		if (n == LUA_MININTEGER)
			return complain(L, "math.abs: the result does not fit 64 bits");
		lua_pushinteger(L, n < 0 ? -n : n);
	}
	return 1;
}

static int extreme(lua_State *L, const char *name, bool most)
{
	const int n = lua_gettop(L);
	int best = 1;

	need_number(L, 1, name);
	for (int i = 2; i <= n; i++) {
		need_number(L, i, name);
		if (most ? lua_compare(L, best, i, LUA_OPLT) : lua_compare(L, i, best, LUA_OPLT))
			best = i;
	}
	lua_pushvalue(L, best);
	return 1;
}

static int lib_max(lua_State *L)
{
	return extreme(L, "math.max", true);
}

static int lib_min(lua_State *L)
{
	return extreme(L, "math.min", false);
}

/* ---- string: ASCII letters change case, lengths and places count characters ---- */

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static lua_Integer characters(const char *text, size_t size)
{
	lua_Integer n = 0;

	for (size_t i = 0; i < size; i++)
		n += begins_character(text[i]);
	return n;
}

static int lib_len(lua_State *L)
{
	size_t size;
	const char *text = need_text(L, 1, "string.len", &size);

	lua_pushinteger(L, characters(text, size));
	return 1;
}

/* The byte where character `n` (from 0) begins; the size if there are fewer. */
static size_t byte_of(const char *text, size_t size, lua_Integer n)
{
	size_t i = 0;

	while (i < size && (!begins_character(text[i]) || n-- > 0))
		i++;
	return i;
}

static int lib_sub(lua_State *L)
{
	size_t size, begin, end;
	const char *text = need_text(L, 1, "string.sub", &size);
	const lua_Integer count = characters(text, size);
	lua_Integer from = need_integer(L, 2, "string.sub");
	lua_Integer to = lua_isnoneornil(L, 3) ? -1 : need_integer(L, 3, "string.sub");

	/* As Lua's own: from 1, both ends included, negative ones count from the end. */
	if (from < 0)
		from = from < -count ? 1 : count + from + 1;
	else if (from == 0)
		from = 1;
	if (to < 0)
		to = to < -count ? 0 : count + to + 1;
	else if (to > count)
		to = count;
	if (from > to) {
		lua_pushliteral(L, "");
		return 1;
	}
	begin = byte_of(text, size, from - 1);
	end = byte_of(text, size, to);
	lua_pushlstring(L, text + begin, end - begin);
	return 1;
}

static int change_case(lua_State *L, const char *name, char first, char last, int shift)
{
	size_t size;
	const char *text = need_text(L, 1, name, &size);
	char *copy = lua_newuserdatauv(L, size + 1, 0);

	for (size_t i = 0; i < size; i++)
		copy[i] = (char)(text[i] >= first && text[i] <= last ? text[i] + shift : text[i]);
	lua_pushlstring(L, copy, size);
	return 1;
}

static int lib_upper(lua_State *L)
{
	return change_case(L, "string.upper", 'a', 'z', 'A' - 'a');
}

static int lib_lower(lua_State *L)
{
	return change_case(L, "string.lower", 'A', 'Z', 'a' - 'A');
}

/* ---- the table ---- */

static const luaL_Reg values[] = {
	{"default", lib_default},
	{"ipairs", lib_ipairs},
	{"list", lib_list},
	{"tonumber", lib_tonumber},
	{"tostring", lib_tostring},
	{"type", lib_type},
	{NULL, NULL},
};
static const luaL_Reg math_functions[] = {
	{"abs", lib_abs}, {"ceil", lib_ceil}, {"floor", lib_floor},
	{"max", lib_max}, {"min", lib_min},   {NULL, NULL},
};
static const luaL_Reg string_functions[] = {
	{"len", lib_len},     {"lower", lib_lower}, {"sub", lib_sub},
	{"upper", lib_upper}, {NULL, NULL},
};

static int refuse_change(lua_State *L)
{
	return complain(L, "the functions cannot be changed");
}

static void fill(lua_State *L, const luaL_Reg *functions)
{
	for (; functions->name != NULL; functions++) {
		lua_pushcfunction(L, functions->func);
		lua_setfield(L, -2, functions->name);
	}
}

/* A table that shows the functions and takes no others: expressions share it. */
static void push_fixed(lua_State *L, const luaL_Reg *functions)
{
	lua_createtable(L, 0, 0);
	lua_createtable(L, 0, 2);
	lua_createtable(L, 0, 5);
	fill(L, functions);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, refuse_change);
	lua_setfield(L, -2, "__newindex");
	lua_setmetatable(L, -2);
}

void sandbox_lib_push(lua_State *L)
{
	lua_createtable(L, 0, 8);
	fill(L, values);
	push_fixed(L, math_functions);
	lua_setfield(L, -2, "math");
	push_fixed(L, string_functions);
	lua_setfield(L, -2, "string");
}
