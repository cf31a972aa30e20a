/* sandbox.c - see sandbox.h.
 *
 * The parts that the expressions of a call share - the functions, the metatables of
 * nil and its kind - cannot be changed by any of them; everything else (the
 * environment and the values in it) is made anew for each.  None can catch an error,
 * so that none can go on after a limit. */
#include "saga/sandbox.h"
#include "base/mem.h"
#include "saga/luajson.h"
#include "saga/luawords.h"
#include "saga/sandbox_lib.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK = 100,     /* instructions between two looks */
	TEXT_STEP = 64, /* a tick costs one more for each so many bytes of the longest text */
	FEE = 200,      /* what beginning an expression costs, in instructions */
	FEE_BYTE = 4,   /* and each byte of it, to compile */
	FEE_TEXT = 10,  /* what making a text costs: it may be a number made readable */
	CHECK_MEMORY = 8 << 20,
};

enum breach { BREACH_NONE, BREACH_TIME, BREACH_CALL_TIME, BREACH_MEMORY, BREACH_CALL_MEMORY };

struct sandbox {
	lua_State *L;
	size_t used, limit;   /* bytes; limit 0: none yet */
	size_t call_limit;    /* of `used`, for all expressions together */
	size_t longest;       /* text that this expression made, in bytes */
	long left, call_left; /* instructions */
	enum breach breach;
};

static const char env_key; /* its address is the key of the environments' metatable */

/* ---- counting ---- */

static void *count_memory(void *ud, void *block, size_t old, size_t size)
{
	struct sandbox *s = ud;
	const size_t had = block != NULL ? old : 0;

	if (size == 0) {
		s->used -= had;
		free(block);
		return NULL;
	}
	if (size > had && s->limit != 0 &&
	    (s->breach != BREACH_NONE || size - had > s->limit - s->used)) {
		/* Said once, then kept: Lua collects garbage and asks again, which must
		 * not become a way to run for long. */
		if (s->breach == BREACH_NONE)
			s->breach = s->limit < s->call_limit ? BREACH_MEMORY : BREACH_CALL_MEMORY;
		return NULL;
	}
	if (block == NULL && old == LUA_TSTRING) {
		s->left -= FEE_TEXT; /* the next tick notices */
		s->call_left -= FEE_TEXT;
		if (size > s->longest)
			s->longest = size;
	}
	block = realloc(block, size);
	if (block == NULL)
		abort(); /* as in mem.h */
	s->used = s->used - had + size;
	return block;
}

static struct sandbox *of(lua_State *L)
{
	void *ud;

	lua_getallocf(L, &ud);
	return ud;
}

void sandbox_charge(lua_State *L, size_t instructions)
{
	struct sandbox *s = of(L);

	s->left -= (long)instructions;
	s->call_left -= (long)instructions;
	if (s->left < 0 || s->call_left < 0) {
		s->breach = s->left < 0 ? BREACH_TIME : BREACH_CALL_TIME;
		luaL_error(L, "over the limit");
	}
}

static void count_instructions(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	sandbox_charge(L, TICK * (1 + of(L)->longest / TEXT_STEP));
}

/* ---- life ---- */

/* Reading a field of what has none gives nothing, and is no error. */
static void open_values(lua_State *L)
{
	lua_createtable(L, 0, 1);
	lua_createtable(L, 0, 0);
	lua_setfield(L, -2, "__index");
	lua_pushnil(L);
	lua_pushboolean(L, 0);
	lua_pushinteger(L, 0);
	lua_pushliteral(L, "");
	luajson_push_null(L);
	while (lua_gettop(L) > 1) {
		lua_pushvalue(L, 1);
		lua_setmetatable(L, -2);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static int open_all(lua_State *L)
{
	luajson_open(L);
	open_values(L);
	lua_createtable(L, 0, 1);
	sandbox_lib_push(L);
	lua_setfield(L, -2, "__index");
	lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
	return 0;
}

struct sandbox *sandbox_new(void)
{
	struct sandbox *s = mem_new(1, sizeof *s);

	s->L = lua_newstate(count_memory, s);
	assert(s->L != NULL); /* nothing is limited yet */
	lua_gc(s->L, LUA_GCSTOP);
	lua_pushcfunction(s->L, open_all);
	if (lua_pcall(s->L, 0, 0, 0) != LUA_OK)
		abort(); /* our own code, and it has no limit */
	s->call_left = SANDBOX_CALL_INSTRUCTIONS;
	s->call_limit = s->used + SANDBOX_CALL_MEMORY;
	return s;
}

void sandbox_free(struct sandbox *s)
{
	if (s == NULL)
		return;
	s->limit = 0;
	lua_close(s->L);
	free(s);
}

/* ---- errors for people ---- */

static enum rc failure(struct sandbox *s, struct err *err)
{
	char text[300];

	switch (s->breach) {
	case BREACH_NONE: break;
	case BREACH_TIME:
		return err_set(err, RC_INVALID, "it runs for too long: more than %d instructions%s",
			       SANDBOX_INSTRUCTIONS,
			       s->longest > TEXT_STEP ? ", of which long texts cost more" : "");
	case BREACH_CALL_TIME:
		return err_set(err, RC_INVALID,
			       "it runs for too long: the expressions of one step may take %d "
			       "instructions together",
			       SANDBOX_CALL_INSTRUCTIONS);
	case BREACH_MEMORY:
		return err_set(err, RC_INVALID, "it needs too much memory: more than %d bytes",
			       SANDBOX_MEMORY);
	case BREACH_CALL_MEMORY:
		return err_set(err, RC_INVALID,
			       "it needs too much memory: the expressions of one step may take %d "
			       "bytes together",
			       SANDBOX_CALL_MEMORY);
	}
	luawords_say(lua_type(s->L, -1) == LUA_TSTRING ? lua_tostring(s->L, -1) : "it failed", text,
		     sizeof text);
	return err_set(err, RC_INVALID, "%s", text);
}

/* ---- compiling ---- */

struct source {
	const char *pieces[3];
	size_t sizes[3];
	int next;
};

static const char *read_source(lua_State *L, void *arg, size_t *size)
{
	struct source *s = arg;

	(void)L;
	while (s->next < 3) {
		const int i = s->next++;

		*size = s->sizes[i];
		if (*size > 0)
			return s->pieces[i];
	}
	*size = 0;
	return NULL;
}

/* In parentheses it can only be one expression, and gives one value. */
static int compile(lua_State *L, const char *text, size_t size, bool parentheses)
{
	struct source s = {
		.pieces = {parentheses ? "return (" : "return ", text, parentheses ? "\n)" : "\n"},
		.sizes = {parentheses ? 8 : 7, size, parentheses ? 2 : 1},
	};

	return lua_load(L, read_source, &s, "=e", "t");
}

enum rc sandbox_check(struct sandbox *s, const char *source, size_t size, struct err *err)
{
	enum rc rc = RC_OK;

	if (s->used > CHECK_MEMORY)
		lua_gc(s->L, LUA_GCCOLLECT);
	/* Bare, what Lua says of it has no parenthesis that nobody wrote. */
	if (compile(s->L, source, size, true) == LUA_OK)
		rc = RC_OK;
	else if (compile(s->L, source, size, false) != LUA_OK)
		rc = failure(s, err);
	else
		rc = err_set(err, RC_INVALID, "it must be one value, and nothing after it");

	lua_settop(s->L, 0);
	return rc;
}

/* ---- running ---- */

struct run {
	const char *source;
	size_t size;
	const struct sandbox_env *env;
};

static void push_input(lua_State *L, const struct sandbox_env *env)
{
	if (env->whole_input) {
		luajson_push(L, env->input);
		return;
	}
	lua_createtable(L, 0, (int)env->n_inputs);
	for (size_t i = 0; i < env->n_inputs; i++) {
		luajson_push(L, json_object_get(env->input, env->inputs[i]));
		lua_setfield(L, -2, env->inputs[i]);
	}
}

static void push_steps(lua_State *L, const struct sandbox_env *env)
{
	lua_createtable(L, 0, (int)env->n_steps);
	for (size_t i = 0; i < env->n_steps; i++) {
		lua_createtable(L, 0, 2);
		luajson_push(L, env->steps[i].output);
		lua_setfield(L, -2, "output");
		lua_pushstring(L, env->steps[i].status);
		lua_setfield(L, -2, "status");
		lua_setfield(L, -2, env->steps[i].name);
	}
}

static void push_env(lua_State *L, const struct sandbox_env *env)
{
	lua_createtable(L, 0, 4);
	push_input(L, env);
	lua_setfield(L, -2, "input");
	push_steps(L, env);
	lua_setfield(L, -2, "steps");
	lua_pushstring(L, env->gid);
	lua_setfield(L, -2, "gid");
	luajson_push_null(L);
	lua_setfield(L, -2, "null");
	lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key);
	lua_setmetatable(L, -2);
}

static int run_protected(lua_State *L)
{
	const struct run *run = lua_touserdata(L, 1);

	if (compile(L, run->source, run->size, true) != LUA_OK)
		return lua_error(L);
	push_env(L, run->env);
	lua_setupvalue(L, -2, 1); /* a chunk's only upvalue is its environment */
	lua_sethook(L, count_instructions, LUA_MASKCOUNT, TICK);
	lua_call(L, 0, 1);
	lua_sethook(L, NULL, 0, 0);
	return 1;
}

enum rc sandbox_run(struct sandbox *s, const char *source, size_t size,
		    const struct sandbox_env *env, struct err *err)
{
	struct run run = {source, size, env};
	int status;

	assert(s->breach == BREACH_NONE);
	s->left = SANDBOX_INSTRUCTIONS;
	s->call_left -= FEE + FEE_BYTE * (long)size;
	if (s->call_left < 0) {
		s->breach = BREACH_CALL_TIME;
		return failure(s, err);
	}
	s->longest = 0;
	s->limit = s->used + SANDBOX_MEMORY;
	if (s->limit > s->call_limit)
		s->limit = s->call_limit;
	lua_settop(s->L, 0);
	lua_pushcfunction(s->L, run_protected);
	lua_pushlightuserdata(s->L, &run);
	status = lua_pcall(s->L, 1, 1, 0);
	lua_sethook(s->L, NULL, 0, 0);
	return status == LUA_OK ? RC_OK : failure(s, err);
}

/* ---- results ---- */

struct writing {
	struct jsonbuf *out;
	struct err *err;
	enum rc rc;
};

static int write_protected(lua_State *L)
{
	struct writing *w = lua_touserdata(L, 1);

	lua_pushvalue(L, 2);
	w->rc = luajson_write(L, w->out, w->err);
	return 0;
}

enum rc sandbox_json(struct sandbox *s, struct jsonbuf *out, struct err *err)
{
	struct writing w = {.out = out, .err = err};

	s->left = SANDBOX_INSTRUCTIONS; /* writing has as much again */
	lua_pushcfunction(s->L, write_protected);
	lua_pushlightuserdata(s->L, &w);
	lua_pushvalue(s->L, 1);
	if (lua_pcall(s->L, 2, 0, 0) != LUA_OK)
		return failure(s, err);
	return w.rc;
}

enum rc sandbox_text(struct sandbox *s, struct jsonbuf *out, struct err *err)
{
	const int type = lua_type(s->L, 1);
	const char *text;
	size_t size;

	if (type == LUA_TNUMBER || type == LUA_TBOOLEAN)
		return sandbox_json(s, out, err);
	if (type != LUA_TSTRING)
		return err_set(err, RC_INVALID, "it is %s, which cannot stand inside a longer text",
			       luajson_a_kind(s->L, 1));
	text = lua_tolstring(s->L, 1, &size);
	if (luajson_check_text(text, size, err) != RC_OK)
		return RC_INVALID;
	jsonbuf_escape(out, text, size);
	return RC_OK;
}

enum rc sandbox_bool(struct sandbox *s, bool *out, struct err *err)
{
	if (lua_type(s->L, 1) != LUA_TBOOLEAN)
		return err_set(err, RC_INVALID, "it must be true or false, and is %s",
			       luajson_a_kind(s->L, 1));
	*out = lua_toboolean(s->L, 1);
	return RC_OK;
}
