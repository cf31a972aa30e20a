/* flow.h - the workflows of the crash matrix, and what each must leave behind.
 *
 * An effect is one thing that a resource of the test's own can count: a branch of an
 * atomic group, or a saga's call and its compensation.
 * Rule: what an ended transaction is called and what its effects are must agree
 *   committed                each effect is there, none is undone
 *   rolled back, unknown     no branch is there, each call as often as its compensation
 * Exact resources count to one; the others (a command, a service) may be told again.
 * Thread: any; constant. */
#ifndef TESTS_CRASH_FLOW_H
#define TESTS_CRASH_FLOW_H

#include <stdbool.h>

/* Where effects are; agent a serves the first three, agent b the others. */
enum place { AT_BANK_A, AT_BOX, AT_STOCK, AT_BANK_B, AT_HUT, AT_DESK, PLACES };
enum effect_kind { BRANCH = 1, CALL };

struct effect {
	enum effect_kind kind; /* 0 ends a list */
	enum place at;
	const char *step; /* a branch's is `step.branch` */
};

enum { FLOW_EFFECTS_MAX = 6 };

struct flow {
	const char *text; /* of its workflow file */
	bool saga;
	bool refused; /* can end in no other way than rolled back */
	struct effect effects[FLOW_EFFECTS_MAX];
};

extern const char *const place_name[PLACES];

/* Two branches that move money; pay_aside does so on other accounts. */
extern const struct flow flow_pay, flow_pay_aside, flow_pay_ordered, flow_pay_refused;
/* The same of no money: it is ended by hand on one side. */
extern const struct flow flow_pay_nothing;
/* One branch; one and another that only reads. */
extern const struct flow flow_once, flow_reader;
/* The first with a large input, `bulk`. */
extern const struct flow flow_heavy;
/* Branches at a bank, the plugin, the command and the service. */
extern const struct flow flow_mixed, flow_mixed_refused;
/* Sagas at both banks and the box; the second is refused in the end. */
extern const struct flow flow_trip, flow_trip_refused;
/* A group that is the pivot, with a step on either side. */
extern const struct flow flow_pivot;
/* Sagas at the plugin, the command and the service. */
extern const struct flow flow_custom, flow_custom_refused;
/* The second step is pending until somebody says how it ended. */
extern const struct flow flow_ask;

#endif
