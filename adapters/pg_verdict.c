/* pg_verdict.c - see pg_verdict.h. */
#include "adapters/pg_verdict.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool class_is(const char *state, const char *class)
{
	return strncmp(state, class, 2) == 0;
}

static enum pg_verdict judge_error(const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (state == NULL || severity == NULL)
		return PG_LOST; /* libpq's own words: the connection broke */
	if (strcmp(severity, "ERROR") != 0)
		return PG_LOST; /* FATAL, PANIC: the session ends, in who knows what state */
	if (class_is(state, "57") && strcmp(state, "57014") != 0)
		return PG_LOST; /* shutdown, crash */
	return PG_FAILED;
}

enum pg_verdict pg_verdict(const PGresult *res, const char *tag)
{
	if (res == NULL)
		return PG_LOST;
	switch (PQresultStatus(res)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
	case PGRES_EMPTY_QUERY:
		if (tag == NULL)
			return PG_DONE;
		/* PQcmdStatus wants a non-const result, and only reads it. */
		return strcmp(PQcmdStatus((PGresult *)(uintptr_t)res), tag) == 0 ? PG_DONE
										 : PG_UNDONE;
	case PGRES_PIPELINE_ABORTED: return PG_SKIPPED;
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR: return judge_error(res);
	case PGRES_BAD_RESPONSE:
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_PIPELINE_SYNC: break;
	}
	return PG_LOST;
}

enum pg_verdict pg_verdict_final(const PGresult *res, const char *tag)
{
	const enum pg_verdict v = pg_verdict(res, tag);
	const char *state;

	if (v != PG_FAILED)
		return v;
	state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	return class_is(state, "XX") || class_is(state, "58") ? PG_LOST : PG_FAILED;
}

bool pg_state_is(const PGresult *res, const char *sqlstate)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return state != NULL && strcmp(state, sqlstate) == 0;
}

bool pg_state_in(const char *sqlstate, const char *const *prefixes)
{
	for (; *prefixes != NULL; prefixes++)
		if (strncmp(sqlstate, *prefixes, strlen(*prefixes)) == 0)
			return true;
	return false;
}

/* Steps back over a character that was cut. */
static void trim_cut(char *out, size_t n)
{
	size_t start = n;

	while (start > 0 && ((unsigned char)out[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)out[start - 1] >= 0xc0)
		out[start - 1] = '\0';
}

void pg_print(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	if (n < 0)
		out[0] = '\0';
	else if ((size_t)n >= size)
		trim_cut(out, size - 1);
}

char *pg_one_line(char *out, size_t size, const char *message)
{
	size_t n;

	pg_print(out, size, "%s", message != NULL ? message : "");
	n = strlen(out);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == ' '))
		out[--n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (out[i] == '\n' || out[i] == '\t')
			out[i] = ' ';
	if (n == 0)
		pg_print(out, size, "the connection to the server was lost");
	return out;
}

/* Errors whose cure is known, and while doing what. */
static const struct cure {
	const char *state;
	int during;
	const char *text;
} cures[] = {
	{"0A000", PG_FINISHING, "; the agent must connect to the database where it was prepared"},
	{"42501", PG_FINISHING, "; the agent must connect as the role that prepared it"},
	{"53200", PG_PROMISING,
	 "; raise max_prepared_transactions in postgresql.conf and restart the server"},
	{"55000", PG_PROMISING,
	 "; set max_prepared_transactions in postgresql.conf and restart the server"},
	{"42710", PG_PROMISING, "; the branch was prepared before"},
	{NULL, 0, NULL},
};

static const char *cure_of(const char *state, struct pg_circumstance how)
{
	for (size_t i = 0; cures[i].state != NULL; i++)
		if (cures[i].during == (int)how.during && strcmp(cures[i].state, state) == 0)
			return cures[i].text;
	return "";
}

static const char *our_words(const char *state, struct pg_circumstance how)
{
	if (strcmp(state, "57014") == 0 && how.cancelled)
		return "cancelled: ";
	if (strcmp(state, "57014") == 0 && how.late)
		return "the deadline passed before it was done: ";
	if (strcmp(state, "55P03") == 0 && how.late)
		return "the deadline passed while waiting for a lock: ";
	return "";
}

char *pg_explain(char *out, size_t size, const PGresult *res, struct pg_circumstance how)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL || message == NULL)
		return pg_one_line(out, size, PQresultErrorMessage(res));
	pg_print(out, size, "%s%s (SQLSTATE %s)%s", our_words(state, how), message, state,
		 cure_of(state, how));
	return out;
}
