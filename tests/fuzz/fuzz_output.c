/* fuzz_output.c - the bytes are what a service, a command or a database gives back.
 *
 * However it is judged: an output is JSON within the cap, a reason makes a frame that the
 * coordinator reads, nothing is taken for done that did not say so; and a value that is bound in
 * SQLite and read as a row is the same again. */
#include "adapters/exec_verdict.h"
#include "adapters/http_args.h"
#include "adapters/http_config.h"
#include "adapters/http_verdict.h"
#include "adapters/pg_output.h"
#include "adapters/sqlite_value.h"
#include "base/mem.h"
#include "tests/fuzz/fuzz.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* What the agent would say of it: a frame. */
static void check_said(struct bytes output, const char *reason)
{
	char *cut = frame_cut_reason(reason);
	struct result result = {.id = {"r", "g", 1, "s"},
				.kind = RESULT_DONE,
				.call = COMMAND_DO,
				.attempt = 1,
				.output = output,
				.reason = cut};
	const struct poll p = {
		.cluster = "c", .agent = "a", .incarnation = 1, .results = &result, .n_results = 1};
	const size_t size = poll_size(&p);
	void *bytes = mem_new(size, 1);
	struct err err = {0};
	struct poll again;

	MUST(output.size <= PAYLOAD_MAX);
	MUST(output.size == 0 || is_json(output.data, output.size));
	poll_encode(&p, bytes);
	MUST_SAY(poll_decode(&again, bytes, size, &err) == RC_OK, "it can be said: %s", err.text);
	poll_free(&again);
	free(bytes);
	free(cut);
}

static void judge_exec(struct feed *f)
{
	const int status = feed_choice(f, 4) == 3 ? -1 : (int)feed_byte(f);
	char *saying = feed_text(feed_take(f, feed_byte(f)));
	char *output = feed_text(*f);
	const struct exec_end end = {.why = (enum exec_why)feed_choice(f, 4),
				     .lost = status < 0 && feed_bool(f),
				     .status = status,
				     .signal = status < 0 ? 9 : 0,
				     .output = {output, strlen(output)},
				     .saying = saying};
	struct exec_verdict v;

	exec_judge(&end, &v);
	MUST(v.outcome != EXEC_DONE || (status == 0 && !end.lost));
	MUST(v.retry_after_ms <= RETRY_AFTER_MAX_MS);
	check_said(v.output, v.reason);
	free(v.reason);
	free(saying);
	free(output);
}

static void judge_http(struct feed *f)
{
	static int64_t gone[] = {404, 410};
	static const long statuses[] = {200, 201, 202, 204, 302, 307, 400, 404, 409, 429, 500, 503};
	struct http_secret secret = {(char *)"token", (char *)"hunter2"};
	const struct http_secrets secrets = {&secret, 1};
	const struct http_spec spec = {.method = (char *)"POST", .gone = gone, .n_gone = 2};
	struct http_exchange x = {.code = feed_choice(f, 8) == 7 ? CURLE_OPERATION_TIMEDOUT
								 : CURLE_OK,
				  .status = statuses[feed_choice(f, 12)],
				  .sent = feed_bool(f),
				  .resent = feed_choice(f, 4) == 3,
				  .json = feed_bool(f),
				  .retry_after_s = (long)feed_byte(f)};
	struct http_verdict v;

	x.sent = x.sent || x.code == CURLE_OK;
	x.body_size = f->left;
	x.body = f->left > 0 ? feed_text(*f) : NULL;
	http_verdict_of(&x, &spec, &secrets, &v);
	MUST(v.end != HTTP_DONE || (x.code == CURLE_OK && x.status >= 200 && x.status < 300));
	MUST(v.end != HTTP_REFUSED || (x.code == CURLE_OK && x.status >= 300 && x.status < 500));
	MUST(v.end == HTTP_DONE || v.reason != NULL);
	MUST_SAY(v.reason == NULL || strstr(v.reason, "hunter2") == NULL, "a secret: %s", v.reason);
	check_said(v.output, v.reason);
	http_verdict_fini(&v);
	free(x.body);
}

/* Rows of texts as PostgreSQL types them. */
static void judge_postgres(struct feed *f)
{
	static const unsigned types[] = {16, 20, 21, 23, 25, 114, 700, 701, 1043, 1184, 1700, 3802};
	PGresult *res = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[3] = {{.name = (char *)"a"}, {.name = (char *)"b"}, {.name = NULL}};
	struct pg_output o = {0};
	char *name = feed_text(feed_take(f, feed_choice(f, 16)));
	struct bytes out;
	int row = 0;

	columns[2].name = name;
	for (int i = 0; i < 3; i++)
		columns[i].typid = types[feed_choice(f, 12)];
	MUST(PQsetResultAttrs(res, 3, columns) == 1);
	for (; f->left > 0 && row < 20; row++) {
		for (int i = 0; i < 3; i++) {
			const bool null = feed_choice(f, 8) == 7;
			char *text = feed_text(feed_take(f, feed_choice(f, 32)));

			/* The server sends numbers where it says so. */
			if (columns[i].typid != 25 && columns[i].typid != 1043 &&
			    !is_json(text, strlen(text)))
				text[0] = '\0';
			PQsetvalue(res, row, i,
				   null || (text[0] == '\0' && columns[i].typid != 25) ? NULL
										       : text,
				   null ? -1 : (int)strlen(text));
			free(text);
		}
	}
	pg_output_add(&o, res);
	out = pg_output_finish(&o);
	if (!o.too_big && !o.bad_text)
		check_said(out, NULL);
	pg_output_fini(&o);
	PQclear(res);
	free(name);
}

static void judge_args(struct feed *f)
{
	static const char *const names[] = {"a", "b"};
	static sqlite3 *db;
	static sqlite3_stmt *stmt;
	struct http_args args;
	struct err err = {0};

	if (db == NULL) {
		MUST(sqlite3_open(":memory:", &db) == SQLITE_OK);
		MUST(sqlite3_prepare_v2(db, "SELECT ?1 AS a, ?2 AS b", -1, &stmt, NULL) ==
		     SQLITE_OK);
	}
	if (http_args_read(names, 2, (struct bytes){(const char *)f->at, f->left}, &args, &err) ==
	    RC_OK) {
		struct http_text out = {.max = PAYLOAD_MAX};

		MUST(is_json(args.all[0].raw, args.all[0].size));
		MUST(is_json(args.all[1].raw, args.all[1].size));
		if (sqlite_value_bind(stmt, 1, &args.all[0], &err) == RC_OK &&
		    sqlite_value_bind(stmt, 2, &args.all[1], &err) == RC_OK) {
			MUST(sqlite3_step(stmt) == SQLITE_ROW);
			if (sqlite_value_row(stmt, &out, &err) == RC_OK)
				check_said((struct bytes){out.data, out.size}, NULL);
		}
		sqlite3_reset(stmt);
		sqlite3_clear_bindings(stmt);
		http_text_fini(&out);
	} else {
		MUST(err.text[0] != '\0');
	}
	http_args_fini(&args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed f = {data, size};

	switch (feed_choice(&f, 4)) {
	case 0: judge_exec(&f); break;
	case 1: judge_http(&f); break;
	case 2: judge_postgres(&f); break;
	default: judge_args(&f); break;
	}
	return 0;
}
