#include "tests/crash/flow.h"

#include <stddef.h>

#define Q(text) "\"" text "\""
/* The operation that moves money at a bank; `step` is what it is counted by. */
#define MOVE(id, amount, step, way)                           \
	"operation: move, args: {id: " id ", amount: " amount \
	", gid: " Q("${gid}") ", step: " step ", way: " way "}"
#define NOTE(step, way) \
	"operation: note, args: {gid: " Q("${gid}") ", step: " step ", way: " way "}"
/* However long a resource is away, a test's saga waits for it. */
#define PATIENT "retry: {attempts: 200, first: 20ms, max: 250ms}"

#define PAY(order, id, amount, credit)               \
	"workflow: pay\n"                            \
	"steps:\n"                                   \
	"  - name: pay\n"                            \
	"    timeout: 8s\n" order "    atomic:\n"    \
	"      - {name: a, resource: bank-a, " MOVE( \
		id, "-" amount, "pay.a", "do") "}\n" \
					       "      - {name: b, resource: bank-b, " credit "}\n"
#define CREDIT(id, amount) MOVE(id, amount, "pay.b", "do")
#define PAID                               \
	{BRANCH, AT_BANK_A, "pay.a"},      \
	{                                  \
		BRANCH, AT_BANK_B, "pay.b" \
	}

#define STEP(name, after, resource, work, undo)                                  \
	"  - {name: " name ", after: [" after "], resource: " resource ", " work \
	", timeout: 8s, " PATIENT ", compensate: {" undo ", timeout: 8s, " PATIENT "}}\n"
#define STEP_MOVE(name, after, resource, id, amount, back) \
	STEP(name, after, resource, MOVE(id, amount, name, "do"), MOVE(id, back, name, "undo"))
#define STEP_NOTE(name, after, resource) \
	STEP(name, after, resource, NOTE(name, "do"), NOTE(name, "undo"))
#define STEP_STOCK(name, after)                                                     \
	STEP(name, after, "stock", "operation: take, args: {item: bolt, count: 1}", \
	     "operation: give")
#define STEP_REFUSED(after)                                                                       \
	"  - {name: no, after: [" after "], resource: bank-b, operation: refuse, args: {id: 1}, " \
	"compensate: none}\n"

const char *const place_name[PLACES] = {"bank-a", "box", "stock", "bank-b", "hut", "desk"};

const struct flow flow_pay = {.text = PAY("", "1", "3", CREDIT("1", "3")), .effects = {PAID}};
const struct flow flow_pay_aside = {.text = PAY("", "2", "3", CREDIT("2", "3")), .effects = {PAID}};
const struct flow flow_pay_ordered = {
	.text = PAY("    order: sequential\n", "3", "3", CREDIT("3", "3")), .effects = {PAID}};
const struct flow flow_pay_refused = {.text = PAY("", "4", "3", "operation: refuse, args: {id: 4}"),
				      .refused = true,
				      .effects = {PAID}};
const struct flow flow_pay_nothing = {.text = PAY("", "5", "0", CREDIT("5", "0")),
				      .effects = {PAID}};

#define ONCE(more)           \
	"workflow: once\n"   \
	"steps:\n"           \
	"  - name: pay\n"    \
	"    timeout: 8s\n"  \
	"    atomic:\n" more \
	"      - {name: a, resource: bank-a, " MOVE("6", "0", "pay.a", "do") "}\n"

const struct flow flow_once = {.text = ONCE(""), .effects = {{BRANCH, AT_BANK_A, "pay.a"}}};
const struct flow flow_heavy = {.text = "input: [bulk]\n" ONCE(""),
				.effects = {{BRANCH, AT_BANK_A, "pay.a"}}};
const struct flow flow_reader = {
	.text = ONCE("      - {name: r, resource: bank-b, operation: look, read_only: true, "
		     "args: {id: 6}}\n"),
	.effects = {{BRANCH, AT_BANK_A, "pay.a"}}};

#define MIXED(last)                                                                             \
	"workflow: mixed\n"                                                                     \
	"steps:\n"                                                                              \
	"  - name: all\n"                                                                       \
	"    timeout: 8s\n"                                                                     \
	"    atomic:\n"                                                                         \
	"      - {name: a, resource: bank-a, " MOVE(                                            \
		"7", "0", "all.a",                                                              \
		"do") "}\n"                                                                     \
		      "      - {name: s, resource: stock, operation: take, args: {item: bolt, " \
		      "count: 1}}\n"                                                            \
		      "      - {name: h, resource: hut, operation: hold}\n"                     \
		      "      - {name: d, resource: desk, operation: hold}\n" last

const struct flow flow_mixed = {.text = MIXED(""),
				.effects = {{BRANCH, AT_BANK_A, "all.a"},
					    {BRANCH, AT_STOCK, "all.s"},
					    {BRANCH, AT_HUT, "all.h"},
					    {BRANCH, AT_DESK, "all.d"}}};
const struct flow flow_mixed_refused = {
	.text = MIXED("      - {name: no, resource: bank-b, operation: refuse, args: {id: 7}}\n"),
	.refused = true,
	.effects = {{BRANCH, AT_BANK_A, "all.a"},
		    {BRANCH, AT_STOCK, "all.s"},
		    {BRANCH, AT_HUT, "all.h"},
		    {BRANCH, AT_DESK, "all.d"}}};

#define TRIP(last)                                                                                \
	"workflow: trip\n"                                                                        \
	"steps:\n" STEP_MOVE("out", "", "bank-a", "8", "-3", "3") STEP_NOTE("stay", "out", "box") \
		STEP_MOVE("back", "stay", "bank-b", "8", "3", "-3") last
#define TRAVELLED                                         \
	{CALL, AT_BANK_A, "out"}, {CALL, AT_BOX, "stay"}, \
	{                                                 \
		CALL, AT_BANK_B, "back"                   \
	}

const struct flow flow_trip = {.text = TRIP(""), .saga = true, .effects = {TRAVELLED}};
const struct flow flow_trip_refused = {
	.text = TRIP(STEP_REFUSED("back")), .saga = true, .refused = true, .effects = {TRAVELLED}};

const struct flow flow_pivot = {
	.text = "workflow: pivot\n"
		"steps:\n" STEP_NOTE(
			"before", "",
			"box") "  - name: pay\n"
			       "    after: [before]\n"
			       "    pivot: true\n"
			       "    timeout: 8s\n"
			       "    " PATIENT "\n"
			       "    atomic:\n"
			       "      - {name: a, resource: bank-a, " MOVE(
				       "9", "-3", "pay.a",
				       "do") "}\n"
					     "      - {name: b, resource: bank-b, " MOVE(
						     "9", "3", "pay.b",
						     "do") "}\n"
							   "  - {name: after, after: [pay], "
							   "resource: bank-b, " MOVE(
								   "9", "0", "after",
								   "do") ", timeout: 8s, " PATIENT
									 "}\n",
	.saga = true,
	.effects = {{CALL, AT_BOX, "before"}, PAID, {CALL, AT_BANK_B, "after"}}};

#define CUSTOM(last)                                                                   \
	"workflow: custom\n"                                                           \
	"steps:\n" STEP_STOCK("goods", "") STEP_NOTE("run", "", "hut")                 \
		STEP("call", "goods, run", "desk", "operation: note, args: {way: do}", \
		     "operation: note, args: {way: undo}") last
#define CUSTOMS                                           \
	{CALL, AT_STOCK, "goods"}, {CALL, AT_HUT, "run"}, \
	{                                                 \
		CALL, AT_DESK, "call"                     \
	}

const struct flow flow_custom = {.text = CUSTOM(""), .saga = true, .effects = {CUSTOMS}};
const struct flow flow_custom_refused = {
	.text = CUSTOM(STEP_REFUSED("call")), .saga = true, .refused = true, .effects = {CUSTOMS}};

const struct flow flow_ask = {
	.text = "workflow: ask\n"
		"steps:\n" STEP_MOVE("open", "", "bank-a", "10", "0",
				     "0") "  - {name: ask, after: [open], resource: hut, "
					  "operation: ask, timeout: 8s, " PATIENT
					  ", compensate: none}\n" STEP_NOTE("note", "ask", "box"),
	.saga = true,
	.effects = {{CALL, AT_BANK_A, "open"}, {CALL, AT_BOX, "note"}}};
