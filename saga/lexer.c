/* lexer.c - see lexer.h. */
#include "saga/lexer.h"

#include <ctype.h>
#include <string.h>

bool token_is(const struct token *token, const char *text)
{
	return token->kind != TOK_STRING && strlen(text) == token->size &&
	       memcmp(token->at, text, token->size) == 0;
}

static bool is_keyword(const struct token *token)
{
	static const char *const words[] = {
		"and",      "break",  "do",   "else", "elseif", "end",   "false", "for",
		"function", "goto",   "if",   "in",   "local",  "nil",   "not",   "or",
		"repeat",   "return", "then", "true", "until",  "while", NULL,
	};

	for (const char *const *word = words; *word != NULL; word++)
		if (token_is(token, *word))
			return true;
	return false;
}

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A string in quotes; `*p` is at the first. */
static bool quoted(const char **p, struct token *token, const char **why)
{
	const char quote = **p;
	const char *end = ++*p;

	token->kind = TOK_STRING;
	token->at = end;
	while (*end != quote) {
		if (*end == '\\') {
			token->escaped = true;
			end++;
		}
		if (*end == '\0' || (*end == '\n' && end[-1] != '\\')) {
			*why = "a text in it has no closing quote";
			return false;
		}
		end++;
	}
	token->size = (size_t)(end - token->at);
	*p = end + 1;
	return true;
}

/* A string in long brackets, [[…]] or [=[…]=]; `*p` is at the first. */
static bool bracketed(const char **p, struct token *token, const char **why)
{
	const size_t level = strspn(*p + 1, "=");
	const char *end = *p + level + 2;

	for (; *end != '\0'; end++) {
		if (*end == ']' && strspn(end + 1, "=") == level && end[level + 1] == ']') {
			*token = (struct token){TOK_STRING, *p, (size_t)(end - *p), true};
			*p = end + level + 2;
			return true;
		}
	}
	*why = "a text in it that begins with [[ has no end";
	return false;
}

static void number(const char **p, struct token *token)
{
	const bool hex = **p == '0' && ((*p)[1] == 'x' || (*p)[1] == 'X');
	const char *end = *p;

	while (in_name(*end) || *end == '.') {
		const char c = (char)tolower((unsigned char)*end);

		end++;
		if (c == (hex ? 'p' : 'e') && (*end == '+' || *end == '-'))
			end++;
	}
	token->kind = TOK_NUMBER;
	token->size = (size_t)(end - *p);
	*p = end;
}

static bool symbol(const char **p, struct token *token, const char **why)
{
	static const char *const longer[] = {
		"...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>", "--", NULL};
	const char *const *is = longer;

	while (*is != NULL && strncmp(*p, *is, strlen(*is)) != 0)
		is++;
	token->kind = TOK_SYMBOL;
	token->size = *is != NULL ? strlen(*is) : 1;
	*p += token->size;
	if (token_is(token, "--")) {
		*why = "`--` would begin a comment: put a space between, or leave it out";
		return false;
	}
	if (token_is(token, "<<") || token_is(token, ">>") ||
	    (token->size == 1 && strchr("&|~", *token->at) != NULL)) {
		*why = "operators on bits (& | ~ << >>) are not known here; \"not equal\" is ~=";
		return false;
	}
	return true;
}

bool lexer_next(const char **p, struct token *token, const char **why)
{
	while (**p != '\0' && isspace((unsigned char)**p))
		++*p;
	*token = (struct token){TOK_END, *p, 0, false};
	if (**p == '\0')
		return true;
	if (**p == '"' || **p == '\'')
		return quoted(p, token, why);
	if (**p == '[' && (*p)[1 + strspn(*p + 1, "=")] == '[')
		return bracketed(p, token, why);
	if (isdigit((unsigned char)**p) || (**p == '.' && isdigit((unsigned char)(*p)[1]))) {
		number(p, token);
		return true;
	}
	if (!in_name(**p))
		return symbol(p, token, why);
	while (in_name(**p))
		++*p;
	token->size = (size_t)(*p - token->at);
	token->kind = is_keyword(token) ? TOK_KEYWORD : TOK_NAME;
	return true;
}

const char *lexer_end(const char *from, const char **why)
{
	struct token token;
	size_t open = 0;

	for (;;) {
		if (!lexer_next(&from, &token, why))
			return NULL;
		if (token.kind == TOK_END) {
			*why = "it has no closing `}`";
			return NULL;
		}
		if (token_is(&token, "{"))
			open++;
		if (token_is(&token, "}") && open-- == 0)
			return token.at;
	}
}
