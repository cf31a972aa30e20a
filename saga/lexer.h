/* lexer.h - the words of a Lua expression: enough to find where it ends in a text,
 * and which names it uses.  Whether it is correct Lua, Lua itself says.
 * Thread: no shared state; any.  Pure. */
#ifndef SAGA_LEXER_H
#define SAGA_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind { TOK_NAME, TOK_KEYWORD, TOK_STRING, TOK_NUMBER, TOK_SYMBOL, TOK_END };

struct token {
	enum token_kind kind;
	const char *at; /* a string: behind its quote, if it holds no escapes */
	size_t size;
	bool escaped; /* a string with escapes, or in long brackets */
};

/* Reads the token at `*p`, which ends at a NUL, and moves behind it.  False, with
 * `*why` (a constant text), for what no expression may hold: a string without its
 * end, a comment, an operator on bits. */
bool lexer_next(const char **p, struct token *token, const char **why);

/* The `}` that ends the expression that begins at `from`; NULL, with `*why`. */
const char *lexer_end(const char *from, const char **why);

bool token_is(const struct token *token, const char *text);

#endif
