#include "tests/chaos/shapes.h"

#include "tests/lib/harness.h"
#include "tests/lib/rest_client.h"

#include <stdio.h>
#include <stdlib.h>

/* `claw` takes back what was given, even if it is spent: an account may then be below 0,
 * but no compensation is ever refused. */
#define MOVE(name, change, where)                                                           \
	"      " name ":\n"                                                                 \
	"        sql: >-\n"                                                                 \
	"          WITH moved AS (UPDATE account SET balance = balance " change "\n"        \
	"          WHERE id = $1 " where " RETURNING id, balance),\n"                       \
	"          noted AS (INSERT INTO ledger (gid, part, account, amount)\n"             \
	"          SELECT $3, $4, id, 0 " change " FROM moved) SELECT balance FROM moved\n" \
	"        args: [id, amount, gid, part]\n"                                           \
	"        expect_rows: 1\n"

const char shape_operations[] = MOVE("take", "- $2::bigint",
				     "AND balance >= $2::bigint") MOVE("give", "+ $2::bigint", "")
	MOVE("claw", "- $2::bigint",
	     "") "      inside:\n"
		 "        sql: >-\n"
		 "          WITH paid AS (UPDATE account SET balance = balance - $3::bigint\n"
		 "          WHERE id = $1 AND balance >= $3::bigint RETURNING id),\n"
		 "          got AS (UPDATE account SET balance = balance + $3::bigint\n"
		 "          WHERE id = $2 AND EXISTS (SELECT 1 FROM paid) RETURNING id),\n"
		 "          noted AS (INSERT INTO ledger (gid, part, account, amount)\n"
		 "          SELECT $4, 'out', id, - $3::bigint FROM paid\n"
		 "          UNION ALL SELECT $4, 'in', id, $3::bigint FROM got) SELECT id FROM "
		 "got\n"
		 "        args: [from, to, amount, gid]\n"
		 "        expect_rows: 1\n"
		 "      stamp:\n"
		 "        sql: INSERT INTO ledger (gid, part, account, amount) VALUES ($2, $3, $1, "
		 "0)\n"
		 "        args: [id, gid, part]\n"
		 "        expect_rows: 1\n"
		 "      look:\n"
		 "        sql: SELECT balance FROM account WHERE id = $1\n"
		 "        args: [id]\n"
		 "        read_only: true\n";

#define ARGS(who, part)             \
	"args: {id: \"${input." who \
	"}\", amount: \"${input.amount}\", gid: \"${gid}\", part: " part "}"
#define STAMP(who, part) "args: {id: \"${input." who "}\", gid: \"${gid}\", part: " part "}"
/* Forward it may give up; backward and past the pivot it must not. */
#define TRIES   "retry: {attempts: 4, first: 50ms, max: 500ms}"
#define FOREVER "retry: {attempts: 100000, first: 50ms, max: 1s}"

#define PAIR                                                                                       \
	"  - name: out\n"                                                                          \
	"    resource: bank-@X\n    operation: take\n    " ARGS(                                   \
		"from",                                                                            \
		"out") "\n"                                                                        \
		       "    timeout: 2s\n    " TRIES "\n"                                          \
		       "    compensate: {operation: give, " ARGS(                                  \
			       "from",                                                             \
			       "out~") ", " FOREVER ", timeout: 2s}\n"                             \
				       "  - name: both\n    after: out\n    timeout: 3s\n   "      \
				       " " TRIES "\n"                                              \
				       "    atomic:\n"                                             \
				       "      - {name: in, resource: bank-@Y, operation: "         \
				       "give, " ARGS(                                              \
					       "to",                                               \
					       "in") "}\n"                                         \
						     "      - {name: book, resource: bank-@X, "    \
						     "operation: stamp, " STAMP(                   \
							     "from",                               \
							     "book") "}\n"                         \
								     "    compensate:\n      "     \
								     "timeout: 3s\n      " FOREVER \
								     "\n      atomic:\n"           \
								     "        - {name: in, "       \
								     "resource: bank-@Y, "         \
								     "operation: claw, " ARGS(     \
									     "to",                 \
									     "in~") "}\n"          \
										    "        - "   \
										    "{name: "      \
										    "book, "       \
										    "resource: "   \
										    "bank-@X, "    \
										    "operation: "  \
										    "stamp,"       \
										    " " STAMP(     \
											    "fro"  \
											    "m",   \
											    "book" \
											    "~") "}\n"

const struct shape shapes[SHAPES] = {
	[SHAPE_TRANSFER] =
		{"transfer",
		 false,
		 false,
		 {{"out", false, false, -1, false}, {"in", true, true, 1, false}},
		 "  - name: pay\n    timeout: 3s\n    atomic:\n"
		 "      - {name: out, resource: bank-@X, operation: take, " ARGS(
			 "from",
			 "out") "}\n"
				"      - {name: in, resource: bank-@Y, operation: give, " ARGS(
					"to", "in") "}\n"},
	[SHAPE_CHECKED] =
		{"checked",
		 false,
		 false,
		 {{"out", false, false, -1, false}, {"in", true, true, 1, false}},
		 "  - name: pay\n    timeout: 3s\n    order: sequential\n    atomic:\n"
		 "      - {name: look, resource: bank-@Y, operation: look, read_only: true, "
		 "args: {id: \"${input.to}\"}}\n"
		 "      - {name: out, resource: bank-@X, operation: take, " ARGS(
			 "from",
			 "out") "}\n"
				"      - {name: in, resource: bank-@Y, operation: give, " ARGS(
					"to", "in") "}\n"},
	[SHAPE_INSIDE] =
		{"inside",
		 false,
		 false,
		 {{"out", false, false, -1, false}, {"in", false, true, 1, false}},
		 "  - name: pay\n    timeout: 3s\n    atomic:\n"
		 "      - {name: both, resource: bank-@X, operation: inside, args: "
		 "{from: \"${input.from}\", to: \"${input.to}\", amount: \"${input.amount}\", "
		 "gid: \"${gid}\"}}\n"},
	[SHAPE_HOP] =
		{"hop",
		 true,
		 false,
		 {{"out", false, false, -1, true}, {"in", true, true, 1, true}},
		 "  - name: out\n"
		 "    resource: bank-@X\n    operation: take\n    " ARGS(
			 "from",
			 "out") "\n"
				"    timeout: 2s\n    " TRIES "\n"
				"    compensate: {operation: give, " ARGS(
					"from",
					"out~") ", " FOREVER ", timeout: 2s}\n"
						"  - name: in\n    after: out\n"
						"    resource: bank-@Y\n    operation: give\n   "
						" " ARGS("to",
							 "in") "\n"
							       "    timeout: 2s\n    " TRIES "\n"
							       "    compensate: {operation: "
							       "claw, " ARGS(
								       "to",
								       "in~") ", " FOREVER
									      ", timeout: 2s}\n"
									      "deadline: 8s\n"},
	[SHAPE_TRIP] =
		{"trip",
		 true,
		 false,
		 {{"book", true, true, 0, true},
		  {"out", false, false, -1, false},
		  {"in", true, true, 1, false},
		  {"mail", false, false, 0, false}},
		 "  - name: book\n"
		 "    resource: bank-@Y\n    operation: stamp\n    " STAMP(
			 "to",
			 "book") "\n"
				 "    timeout: 2s\n    " TRIES "\n"
				 "    compensate: {operation: stamp, " STAMP(
					 "to",
					 "book~") ", " FOREVER ", timeout: 2s}\n"
						  "  - name: pay\n    after: book\n    pivot: "
						  "true\n    timeout: 3s\n    " TRIES "\n"
						  "    atomic:\n"
						  "      - {name: out, resource: bank-@X, "
						  "operation: take, " ARGS(
							  "from",
							  "out") "}\n"
								 "      - {name: in, resource: "
								 "bank-@Y, operation: give, " ARGS(
									 "to",
									 "in") "}\n"
									       "  - name: mail\n   "
									       " after: pay\n"
									       "    resource: "
									       "bank-@X\n    "
									       "operation: stamp\n "
									       "   " STAMP(
										       "from",
										       "mail") "\n"
											       "   "
											       " ti"
											       "meo"
											       "ut:"
											       " 2s"
											       "\n "
											       "  "
											       " " FOREVER
											       "\n"},
	[SHAPE_PAIR] = {"pair",
			true,
			false,
			{{"out", false, false, -1, true},
			 {"in", true, true, 1, true},
			 {"book", false, false, 0, true},
			 {"mail", true, true, 0, true}},
			PAIR "  - name: mail\n    after: both\n"
			     "    resource: bank-@Y\n    operation: stamp\n    " STAMP(
				     "to", "mail") "\n"
						   "    timeout: 2s\n    " TRIES "\n"
						   "    compensate: {operation: stamp, " STAMP(
							   "to", "mail~") ", " FOREVER
									  ", timeout: 2s}\n"},
	[SHAPE_DOOMED] =
		{"doomed",
		 true,
		 true,
		 {{"out", false, false, -1, true},
		  {"in", true, true, 1, true},
		  {"book", false, false, 0, true}},
		 PAIR "  - name: fee\n    after: both\n    resource: bank-@Y\n    operation: take\n"
		      "    args: {id: \"${input.to}\", amount: 1000000000000, gid: \"${gid}\", "
		      "part: fee}\n"
		      "    timeout: 2s\n    " TRIES "\n    compensate: none\n"},
};

char *shape_name(enum shape_id id, bool back)
{
	return textf("%s-%s", shapes[id].name, back ? "ba" : "ab");
}

/* The text with the banks' letters; for free(). */
static char *written(enum shape_id id, bool back)
{
	char *text = NULL, *name = shape_name(id, back);
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	NEED(f, "out of memory");
	fprintf(f, "workflow: %s\ninput: [from, to, amount]\nsteps:\n", name);
	for (const char *p = shapes[id].steps; *p; p++) {
		if (*p == '@' && (p[1] == 'X' || p[1] == 'Y'))
			fputc((*++p == 'Y') != back ? 'b' : 'a', f);
		else
			fputc(*p, f);
	}
	fclose(f);
	free(name);
	return text;
}

void shapes_publish(const char *url)
{
	for (int i = 0; i < SHAPES * 2; i++) {
		char *text = written((enum shape_id)(i / 2), i % 2);
		struct response r = rest_send(url, "POST", "/v1/workflows", text, -1, 20000);

		NEED(r.status == 201 || r.status == 200, "not published: %ld %s\n%s", r.status,
		     r.body, text);
		response_free(&r);
		free(text);
	}
}
