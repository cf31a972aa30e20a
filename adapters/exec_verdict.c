/* exec_verdict.c - see exec_verdict.h. */
#include "adapters/exec_verdict.h"

#include "base/json_text.h"
#include "base/mem.h"

#include <jansson.h>
#include <string.h>
#include <sysexits.h>

enum { RETRY_AFTER_MAX_S = RETRY_AFTER_MAX_MS / 1000 };

/* Reals, since an integer of any length shall pass; nothing is printed from it. */
enum { JSON_READ = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL };

enum rc exec_check_args(struct bytes args, struct err *err)
{
	json_error_t where;
	json_t *json;
	enum rc rc = RC_OK;

	if (args.size == 0)
		return RC_OK;
	json = json_text_read(args.data, args.size, JSON_READ, &where);
	if (json == NULL)
		rc = err_set(err, RC_INVALID, "the arguments are not valid JSON: %s", where.text);
	else if (!json_is_object(json))
		rc = err_set(err, RC_INVALID, "the arguments must be a JSON object");
	json_decref(json);
	return rc;
}

/* ---- finding a member's text in a JSON text that is known to be valid ---- */

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

static const char *skip_value(const char *p)
{
	int depth = 0;

	if (*p == '"')
		return skip_string(p);
	if (*p != '{' && *p != '[')
		return p + strcspn(p, ",}] \t\r\n");
	do {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
		p++;
	} while (depth > 0);
	return p;
}

/* The member's value as it is written; `text` is an object and ends with NUL. */
static struct bytes member(const char *text, const char *name)
{
	const size_t size = strlen(name);
	const char *p = skip_space(skip_space(text) + 1);

	while (*p == '"') {
		const char *key = p + 1, *end = skip_string(p), *value;

		value = skip_space(skip_space(end) + 1); /* past the colon */
		p = skip_value(value);
		if ((size_t)(end - 1 - key) == size && memcmp(key, name, size) == 0)
			return (struct bytes){value, (size_t)(p - value)};
		p = skip_space(p);
		p = skip_space(p + (*p == ','));
	}
	return (struct bytes){NULL, 0};
}

/* ---- what was printed ---- */

struct printed {
	json_t *json; /* NULL: nothing, or no JSON */
	struct bytes output;
	const char *result; /* NULL: none said */
	const char *reason;
	double retry_after; /* seconds; 0: not told */
	bool bad;
	char what[200]; /* is wrong */
};

static void read_printed(const struct exec_end *end, struct printed *p)
{
	struct bytes all = end->output;
	json_error_t where;

	while (all.size > 0 && strchr(" \t\r\n", all.data[all.size - 1]) != NULL)
		all.size--;
	if (all.size == 0)
		return;
	p->json = json_text_read(all.data, all.size, JSON_READ | JSON_DECODE_ANY, &where);
	if (p->json == NULL) {
		p->bad = true;
		snprintf(p->what, sizeof p->what, "it printed something that is not JSON: %s",
			 where.text);
		return;
	}
	p->output = all;
	if (json_object_get(p->json, "result") == NULL)
		return;
	p->result = json_string_value(json_object_get(p->json, "result"));
	p->reason = json_string_value(json_object_get(p->json, "reason"));
	p->retry_after = json_number_value(json_object_get(p->json, "retry_after"));
	if (p->result == NULL) {
		p->bad = true;
		snprintf(p->what, sizeof p->what, "its `result` is not a string");
	}
	p->output = member(all.data, "output");
	if (p->output.size == 4 && memcmp(p->output.data, "null", 4) == 0)
		p->output.size = 0;
}

/* ---- the verdict ---- */

static bool outcome_of_word(const char *word, enum exec_outcome *out)
{
	static const char *const words[] = {
		[EXEC_DONE] = "done",
		[EXEC_REFUSED] = "refused",
		[EXEC_RETRY] = "retry",
		[EXEC_PENDING] = "pending",
	};

	for (unsigned i = EXEC_DONE; i <= EXEC_PENDING; i++) {
		if (strcmp(words[i], word) == 0) {
			*out = (enum exec_outcome)i;
			return true;
		}
	}
	return false;
}

static enum exec_outcome outcome_of_status(int status)
{
	switch (status) {
	case 0: return EXEC_DONE;
	case 1:
	case EX_DATAERR: return EXEC_REFUSED;
	case EX_TEMPFAIL: return EXEC_RETRY;
	default: return EXEC_UNSURE;
	}
}

static void unsure(struct exec_verdict *v, char *reason)
{
	v->outcome = EXEC_UNSURE;
	v->output.size = 0;
	v->reason = reason;
}

/* With what the command itself wrote for people, if anything. */
static char *with_saying(const struct exec_end *end, const char *text)
{
	return end->saying[0] == '\0' ? mem_dup(text) : mem_printf("%s: %s", text, end->saying);
}

static void judge_killed(const struct exec_end *end, struct exec_verdict *v)
{
	static const char *const why[] = {
		[EXEC_BY_ITSELF] = "",
		[EXEC_DEADLINE] = "it did not end in time and was killed",
		[EXEC_STOPPED] = "it was stopped",
		[EXEC_FLOOD] = "it printed more than 1 MiB and was killed",
	};

	unsure(v, end->lost ? mem_printf("%s, but does not die", why[end->why])
			    : with_saying(end, why[end->why]));
	v->undo = end->why == EXEC_FLOOD && !end->lost;
}

static uint32_t to_ms(double seconds)
{
	if (!(seconds > 0))
		return 0;
	return seconds < RETRY_AFTER_MAX_S ? (uint32_t)(seconds * 1000)
					   : (uint32_t)RETRY_AFTER_MAX_S * 1000;
}

static void judge_words(const struct exec_end *end, const struct printed *p, struct exec_verdict *v)
{
	enum exec_outcome said;

	if (!outcome_of_word(p->result, &said)) {
		v->undo = end->status == 0;
		unsure(v, mem_dup("its `result` is none of done, refused, retry, pending"));
	} else if (end->status != 0 && said != v->outcome) {
		unsure(v,
		       mem_printf("it says %s, but exits with status %d", p->result, end->status));
	} else {
		v->outcome = said;
		v->undo = false;
		if (said == EXEC_RETRY)
			v->retry_after_ms = to_ms(p->retry_after);
		if (said != EXEC_DONE)
			v->reason = p->reason != NULL ? mem_dup(p->reason)
						      : with_saying(end, p->result);
	}
}

static void judge_status(const struct exec_end *end, struct exec_verdict *v)
{
	char text[64];

	v->undo = end->status == 1;
	if (v->outcome == EXEC_DONE)
		return;
	v->output.size = 0;
	snprintf(text, sizeof text, "exit status %d", end->status);
	v->reason =
		end->saying[0] != '\0' ? mem_printf("%s (%s)", end->saying, text) : mem_dup(text);
}

void exec_judge(const struct exec_end *end, struct exec_verdict *v)
{
	struct printed p = {0};

	memset(v, 0, sizeof *v);
	if (end->why != EXEC_BY_ITSELF || end->lost) {
		judge_killed(end, v);
		return;
	}
	if (end->signal != 0) {
		char text[80];

		snprintf(text, sizeof text, "signal %d (%s) ended it", end->signal,
			 strsignal(end->signal));
		unsure(v, with_saying(end, text));
		return;
	}
	read_printed(end, &p);
	v->outcome = outcome_of_status(end->status);
	v->output = p.output;
	if (p.bad && v->outcome == EXEC_DONE) {
		unsure(v, mem_dup(p.what));
		v->undo = true;
	} else if (p.result != NULL) {
		judge_words(end, &p, v);
	} else {
		judge_status(end, v);
	}
	json_decref(p.json);
}
