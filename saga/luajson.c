/* luajson.c - see luajson.h. */
#include "saga/luajson.h"
#include "saga/sandbox.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What writing costs, in instructions: a small table may be written a million times. */
enum { COST_TABLE = 10, COST_KEY = 2, COST_REAL = 20 };

static const char list_mark; /* its address is the key of the lists' metatable */

void luajson_open(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_pushliteral(L, "list");
	lua_setfield(L, -2, "__name"); /* for Lua's own messages */
	lua_rawsetp(L, LUA_REGISTRYINDEX, &list_mark);
}

void luajson_mark_list(lua_State *L)
{
	lua_rawgetp(L, LUA_REGISTRYINDEX, &list_mark);
	lua_setmetatable(L, -2);
}

static bool is_marked(lua_State *L, int at)
{
	bool same;

	if (!lua_getmetatable(L, at))
		return false;
	lua_rawgetp(L, LUA_REGISTRYINDEX, &list_mark);
	same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same;
}

const char *luajson_kind(lua_State *L, int at)
{
	switch (lua_type(L, at)) {
	case LUA_TNONE:
	case LUA_TNIL: return "missing";
	case LUA_TLIGHTUSERDATA: return "null";
	case LUA_TBOOLEAN: return "boolean";
	case LUA_TNUMBER: return "number";
	case LUA_TSTRING: return "text";
	case LUA_TTABLE: return is_marked(L, at) || lua_rawlen(L, at) > 0 ? "list" : "object";
	default: return "function";
	}
}

const char *luajson_a_kind(lua_State *L, int at)
{
	static const char *const kinds[][2] = {
		{"boolean", "true or false"}, {"number", "a number"},  {"text", "a text"},
		{"list", "a list"},           {"object", "an object"}, {"function", "a function"},
	};
	const char *kind = luajson_kind(L, at);

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i][0], kind) == 0)
			return kinds[i][1];
	return kind;
}

/* ---- into Lua ---- */

void luajson_push_null(lua_State *L)
{
	lua_pushlightuserdata(L, NULL);
}

static void push(lua_State *L, const json_t *value, int depth)
{
	const char *key;
	json_t *member;

	if (depth > SANDBOX_DEPTH)
		luaL_error(L, "a value is nested more than %d levels deep", SANDBOX_DEPTH);
	luaL_checkstack(L, 8, NULL);
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		lua_createtable(L, 0, (int)json_object_size(value));
		json_object_foreach((json_t *)value, key, member)
		{ /* it only reads */
			push(L, member, depth + 1);
			lua_setfield(L, -2, key);
		}
		return;
	case JSON_ARRAY:
		lua_createtable(L, (int)json_array_size(value), 0);
		luajson_mark_list(L);
		for (size_t i = 0; i < json_array_size(value); i++) {
			push(L, json_array_get(value, i), depth + 1);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		return;
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER: lua_pushinteger(L, json_integer_value(value)); return;
	case JSON_REAL: lua_pushnumber(L, json_real_value(value)); return;
	case JSON_TRUE: lua_pushboolean(L, 1); return;
	case JSON_FALSE: lua_pushboolean(L, 0); return;
	case JSON_NULL: luajson_push_null(L); return;
	}
}

void luajson_push(lua_State *L, const json_t *value)
{
	if (value == NULL)
		lua_pushnil(L);
	else
		push(L, value, 1);
}

/* ---- out of Lua ---- */

/* The bytes that follow the first of a character; 4: it cannot be a first. */
static size_t followers(unsigned char c)
{
	return c < 0x80 ? 0 : c < 0xc2 ? 4 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : 4;
}

static bool is_utf8(const unsigned char *p, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = p[i];
		const size_t n = followers(c);

		if (n == 4 || n >= size - i)
			return false;
		for (size_t k = 1; k <= n; k++)
			if ((p[i + k] & 0xc0) != 0x80)
				return false;
		if ((c == 0xe0 && p[i + 1] < 0xa0) || (c == 0xed && p[i + 1] > 0x9f) ||
		    (c == 0xf0 && p[i + 1] < 0x90) || (c == 0xf4 && p[i + 1] > 0x8f))
			return false; /* longer than need be, a surrogate, or past the last */
		i += n;
	}
	return true;
}

enum rc luajson_check_text(const char *text, size_t size, struct err *err)
{
	if (memchr(text, '\0', size) != NULL)
		return err_set(err, RC_INVALID, "the text holds a NUL character");
	if (!is_utf8((const unsigned char *)text, size))
		return err_set(err, RC_INVALID, "the text is not valid UTF-8");
	return RC_OK;
}

struct writer {
	lua_State *L;
	struct jsonbuf *out;
	const void *path[SANDBOX_DEPTH]; /* the tables around */
	int depth;
	struct err *err;
};

static enum rc write_value(struct writer *w);

static enum rc write_text(struct writer *w)
{
	size_t size;
	const char *text = lua_tolstring(w->L, -1, &size); /* a string: nothing is made */
	const enum rc rc = luajson_check_text(text, size, w->err);

	if (rc == RC_OK)
		jsonbuf_string(w->out, text, size);
	return rc;
}

static enum rc write_number(struct writer *w)
{
	char text[REAL_TEXT_MAX];

	if (lua_isinteger(w->L, -1)) {
		snprintf(text, sizeof text, "%" PRId64, (int64_t)lua_tointeger(w->L, -1));
	} else {
		const double value = lua_tonumber(w->L, -1);

		if (!isfinite(value))
			return err_set(w->err, RC_INVALID, "the number is %s, which JSON has not",
				       isnan(value) ? "not a number (0/0)" : "infinite");
		real_json(value, text);
		sandbox_charge(w->L, COST_REAL);
	}
	jsonbuf_text(w->out, text);
	return RC_OK;
}

static enum rc write_list(struct writer *w, size_t count)
{
	enum rc rc = RC_OK;

	jsonbuf_text(w->out, "[");
	for (size_t i = 1; rc == RC_OK && i <= count && !w->out->over; i++) {
		if (i > 1)
			jsonbuf_text(w->out, ",");
		lua_rawgeti(w->L, -1, (lua_Integer)i);
		rc = write_value(w);
		lua_pop(w->L, 1);
	}
	jsonbuf_text(w->out, "]");
	return rc;
}

struct key {
	const char *text;
	size_t size;
};

static int by_bytes(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	const size_t least = x->size < y->size ? x->size : y->size;
	const int order = memcmp(x->text, y->text, least);

	return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

/* Sorted, because Lua's order differs from run to run, and what is sent must not. */
static enum rc write_object(struct writer *w, size_t count)
{
	struct key few[16], *keys = few;
	enum rc rc = RC_OK;
	size_t n = 0;

	if (count > sizeof few / sizeof few[0])
		keys = lua_newuserdatauv(w->L, count * sizeof *keys, 0);
	else
		lua_pushnil(w->L);
	for (lua_pushnil(w->L); lua_next(w->L, -3); lua_pop(w->L, 1)) {
		keys[n].text = lua_tolstring(w->L, -2, &keys[n].size);
		n++;
	}
	qsort(keys, n, sizeof *keys, by_bytes);
	jsonbuf_text(w->out, "{");
	for (size_t i = 0; rc == RC_OK && i < n && !w->out->over; i++) {
		if (i > 0)
			jsonbuf_text(w->out, ",");
		rc = luajson_check_text(keys[i].text, keys[i].size, w->err);
		if (rc != RC_OK)
			break;
		jsonbuf_string(w->out, keys[i].text, keys[i].size);
		jsonbuf_text(w->out, ":");
		lua_pushlstring(w->L, keys[i].text, keys[i].size);
		lua_rawget(w->L, -3);
		rc = write_value(w);
		lua_pop(w->L, 1);
	}
	lua_pop(w->L, 1);
	jsonbuf_text(w->out, "}");
	return rc;
}

/* How many keys of the table at the top are texts, and how many are not. */
static void count_keys(lua_State *L, size_t *texts, size_t *others)
{
	*texts = *others = 0;
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TSTRING)
			++*texts;
		else
			++*others;
	}
}

/* True if the keys of the table at the top are 1 to `count`, all of them. */
static bool is_row(lua_State *L, size_t count)
{
	for (size_t i = 1; i <= count; i++) {
		const int type = lua_rawgeti(L, -1, (lua_Integer)i);

		lua_pop(L, 1);
		if (type == LUA_TNIL)
			return false;
	}
	return true;
}

static enum rc write_table(struct writer *w)
{
	const void *self = lua_topointer(w->L, -1);
	size_t texts, others;
	enum rc rc;

	for (int i = 0; i < w->depth; i++)
		if (w->path[i] == self)
			return err_set(w->err, RC_INVALID, "the value contains itself");
	if (w->depth == SANDBOX_DEPTH)
		return err_set(w->err, RC_INVALID, "the value is nested more than %d levels deep",
			       SANDBOX_DEPTH);
	luaL_checkstack(w->L, 8, NULL);
	count_keys(w->L, &texts, &others);
	sandbox_charge(w->L, COST_TABLE + COST_KEY * texts + others);
	if (texts > 0 && (others > 0 || is_marked(w->L, -1)))
		return err_set(w->err, RC_INVALID,
			       "a value is a list and an object at once: it has both numbers and "
			       "texts as keys");
	if (others > 0 && !is_row(w->L, others))
		return err_set(w->err, RC_INVALID,
			       "a list has gaps, or keys that are neither texts nor 1, 2, 3 ...");
	w->path[w->depth++] = self;
	rc = others > 0 || is_marked(w->L, -1) ? write_list(w, others) : write_object(w, texts);
	w->depth--;
	return rc;
}

static enum rc write_value(struct writer *w)
{
	switch (lua_type(w->L, -1)) {
	case LUA_TNIL:
	case LUA_TLIGHTUSERDATA: jsonbuf_text(w->out, "null"); return RC_OK;
	case LUA_TBOOLEAN:
		jsonbuf_text(w->out, lua_toboolean(w->L, -1) ? "true" : "false");
		return RC_OK;
	case LUA_TNUMBER: return write_number(w);
	case LUA_TSTRING: return write_text(w);
	case LUA_TTABLE:
		if (lua_getmetatable(w->L, -1)) {
			lua_pop(w->L, 1);
			if (!is_marked(w->L, -1))
				break; /* `math`, `string` */
		}
		return write_table(w);
	default: break;
	}
	return err_set(w->err, RC_INVALID, "the value is, or holds, a function: it cannot be sent");
}

enum rc luajson_write(lua_State *L, struct jsonbuf *out, struct err *err)
{
	struct writer w = {.L = L, .out = out, .err = err};

	return write_value(&w);
}
