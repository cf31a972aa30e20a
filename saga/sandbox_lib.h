/* sandbox_lib.h - the functions that expressions may call: all there are.
 * Thread: the owner's of the Lua state. */
#ifndef SAGA_SANDBOX_LIB_H
#define SAGA_SANDBOX_LIB_H

#include <lua.h>

/* Pushes the table of them; `math` and `string` in it cannot be changed. */
void sandbox_lib_push(lua_State *L);

#endif
