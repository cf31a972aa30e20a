/* accounts.c - money and locks; see sim.h.
 *
 * Each database has few accounts.  A branch adds an amount (its argument `x`) to one of
 * them, and holds its lock while it is prepared: others wait for it, until their deadline.
 * The amounts of one transaction add up to nothing. */
#include "tests/sim/db_core.h"

#include <jansson.h>
#include <string.h>

enum { ACCOUNTS = 2 };

static json_int_t balances[SIM_DBS][ACCOUNTS];

void accounts_init(void)
{
	memset(balances, 0, sizeof balances);
}

static size_t account_of(const struct dbbranch *b)
{
	unsigned sum = 0;

	for (const char *p = b->gid; *p != '\0'; p++)
		sum = 31 * sum + (unsigned char)*p;
	return sum % ACCOUNTS;
}

void account_asked(struct dbbranch *b, const void *args, size_t size)
{
	json_t *all = json_loadb(args, size, 0, NULL);

	if (!json_is_integer(json_object_get(all, "x")))
		sim_fail("%s of %s is given %.*s", b->branch, b->gid, (int)size,
			 (const char *)args);
	b->amount = json_integer_value(json_object_get(all, "x"));
	json_decref(all);
}

bool account_locked(const struct dbbranch *b)
{
	struct dbbranch *o, *tmp;

	HASH_ITER (hh, db_branches, o, tmp)
		if (o != b && o->state == DB_PREPARED && o->db == b->db &&
		    account_of(o) == account_of(b))
			return true;
	return false;
}

void account_add(const struct dbbranch *b)
{
	balances[b->db][account_of(b)] += b->amount;
}

/* What is committed and what is about to be, of one try. */
void accounts_check_try(const struct dbbranch *b)
{
	struct dbbranch *o, *tmp;
	json_int_t sum = 0;

	HASH_ITER (hh, db_branches, o, tmp) {
		if (o->epoch != b->epoch || strcmp(o->gid, b->gid) != 0)
			continue;
		if (o->by_hand)
			return;
		if (o->state == DB_COMMITTED || o->state == DB_PREPARED)
			sum += o->amount;
	}
	if (sum != 0)
		sim_fail("%s: %d is left over between its branches", b->gid, (int)sum);
}

/* But for what hands took or gave, all is there. */
void accounts_check(void)
{
	struct dbbranch *b, *o, *tmp, *tmp2;
	json_int_t sum = 0;

	for (size_t i = 0; i < SIM_DBS; i++)
		for (size_t k = 0; k < ACCOUNTS; k++)
			sum += balances[i][k];
	HASH_ITER (hh, db_branches, b, tmp) {
		bool by_hand = false;

		HASH_ITER (hh, db_branches, o, tmp2)
			by_hand = by_hand || (o->by_hand && o->epoch == b->epoch &&
					      strcmp(o->gid, b->gid) == 0);
		if (by_hand && b->state == DB_COMMITTED)
			sum -= b->amount;
	}
	if (sum != 0)
		sim_fail("at the end the accounts hold %d more than at the start", (int)sum);
}
