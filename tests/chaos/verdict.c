#include "tests/chaos/verdict.h"

#include "tests/chaos/clients.h"
#include "tests/chaos/faults.h"
#include "tests/chaos/pulse.h"
#include "tests/chaos/site.h"
#include "tests/lib/harness.h"
#include "tests/lib/rest_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { END_S = 120, LOOK_MS = 20000, PAGE = 1000 };

/* ---- waiting for the end ---- */

static long unfinished(void)
{
	static const char *const kinds[] = {"running", "committing", "rolling_back"};
	struct response r = rest_send(site.direct, "GET", "/v1/stats", NULL, 0, LOOK_MS);
	const json_t *now = json_object_get(r.json, "now");
	long n = now ? 0 : 1;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		n += (long)json_integer_value(json_object_get(now, kinds[i]));
	response_free(&r);
	faults_look();
	return n;
}

/* Whole, for whoever has to find out why. */
static void show_unfinished(void)
{
	static const char *const kinds[] = {"running", "committing", "rolling_back", "stuck"};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		char *path = textf("/v1/transactions?limit=3&status=%s", kinds[i]);
		struct response r = rest_send(site.direct, "GET", path, NULL, 0, LOOK_MS);
		const json_t *one;
		size_t j;

		json_array_foreach(json_object_get(r.json, "transactions"), j, one)
		{
			char *of = textf("/v1/transactions/%s", json_text(one, "gid"));
			struct response whole = rest_send(site.direct, "GET", of, NULL, 0, LOOK_MS);

			pulse_wrong("not ended: %s", whole.body);
			response_free(&whole);
			free(of);
		}
		response_free(&r);
		free(path);
	}
}

static void await_end(void)
{
	const int64_t until = clock_ms() + harness_patience_ms(END_S);

	while (unfinished() > 0 && clock_ms() < until)
		harness_pause();
	if (unfinished() > 0)
		pulse_wrong("%ld have not ended within %d s of healing", unfinished(), END_S);
	show_unfinished();
	for (int b = 0; b < BANKS; b++) {
		while (prepared(b) > 0 && clock_ms() < until)
			harness_pause();
		if (prepared(b) > 0)
			pulse_wrong("%lld branches are left prepared at %s", prepared(b),
				    bank[b]->name);
	}
}

/* ---- what the coordinator says ---- */

static int64_t moment_ms(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return rest ? (int64_t)timegm(&tm) * 1000 + (int64_t)(strtod(rest, NULL) * 1000) : 0;
}

static void note_listed(struct verdict *v, const json_t *one)
{
	const char *gid = json_text(one, "gid");
	struct deal *d = deal_of(gid);

	if (!d) {
		pulse_wrong("%s is listed, and nobody submitted it", gid);
		return;
	}
	if (d->is != WORD_NONE)
		pulse_wrong("%s is listed twice", gid);
	d->is = (unsigned char)word_from(json_text(one, "status"));
	const int64_t ms =
		moment_ms(json_text(one, "finished")) - moment_ms(json_text(one, "created"));
	if (ms > v->longest_ms) {
		v->longest_ms = ms;
		snprintf(v->longest_gid, sizeof v->longest_gid, "%s", gid);
	}
}

static void ask_coordinator(struct verdict *v)
{
	char *cursor = textf("%s", "");
	bool more = true;

	while (more) {
		char *path = textf("/v1/transactions?limit=%d%s%s", PAGE, *cursor ? "&cursor=" : "",
				   cursor);
		struct response r = rest_send(site.direct, "GET", path, NULL, 0, LOOK_MS);
		const json_t *one;
		size_t i;

		NEED(r.status == 200, "%s: %ld %s", path, r.status, r.body);
		json_array_foreach(json_object_get(r.json, "transactions"), i, one)
			note_listed(v, one);
		free(cursor);
		cursor = textf("%s", json_text(r.json, "next"));
		more = *cursor != '\0';
		response_free(&r);
		free(path);
	}
	free(cursor);
}

/* ---- what the banks did ---- */

/* Which effect of the deal the row is; -1: none. */
static int effect_of(const struct deal *d, int b, const char *part, bool undo, int account,
		     long long amount)
{
	const struct effect *e = shapes[d->shape].effects;

	for (int i = 0; i < EFFECTS_MAX && e[i].part; i++) {
		const size_t size = strlen(e[i].part);

		if (strncmp(part, e[i].part, size) == 0 && strlen(part) == size + undo &&
		    (!undo || e[i].undo) && ((b == BANK_B) != d->back) == e[i].far &&
		    account == (e[i].to ? d->to : d->from) &&
		    amount == (undo ? -e[i].sign : e[i].sign) * (long long)d->amount)
			return i;
	}
	return -1;
}

static void note_row(int b, const PGresult *res)
{
	const char *gid = PQgetvalue(res, 0, 0), *part = PQgetvalue(res, 0, 1);
	const char *account = PQgetvalue(res, 0, 2), *amount = PQgetvalue(res, 0, 3);
	struct deal *d = deal_of(gid);
	const bool undo = *part && part[strlen(part) - 1] == '~';
	const int i = d ? effect_of(d, b, part, undo, atoi(account), atoll(amount)) : -1;

	if (i < 0)
		pulse_wrong("%s has a row that nobody ordered: %s %s, account %s, amount %s",
			    bank[b]->name, gid, part, account, amount);
	else if (undo)
		d->undone[i]++;
	else
		d->done[i]++;
}

static long read_ledger(int b)
{
	PGconn *conn = pg_open(bank[b]);
	PGresult *res;
	long rows = 0;

	NEED(PQsendQuery(conn, "SELECT gid, part, account, amount FROM ledger") &&
		     PQsetSingleRowMode(conn),
	     "%s: %s", bank[b]->name, PQerrorMessage(conn));
	while ((res = PQgetResult(conn))) {
		if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
			note_row(b, res);
			rows++;
		} else {
			NEED(PQresultStatus(res) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
		}
		PQclear(res);
	}
	PQfinish(conn);
	return rows;
}

static void add_up(void)
{
	long long total = 0;

	for (int b = 0; b < BANKS; b++) {
		total += bank_number(b, "SELECT sum(balance) FROM account");
		const long long odd =
			bank_number(b,
				    "SELECT count(*) FROM account a WHERE balance <> %d + coalesce("
				    "(SELECT sum(amount) FROM ledger l WHERE l.account = a.id), 0)",
				    PURSE);
		if (odd > 0)
			pulse_wrong("%s: %lld balances are not what the ledger says", bank[b]->name,
				    odd);
	}
	if (total != (long long)BANKS * PURSES * PURSE)
		pulse_wrong("the banks hold %lld together, not %lld", total,
			    (long long)BANKS * PURSES * PURSE);
}

/* ---- one deal ---- */

static void judge_effects(const struct deal *d, const char *gid)
{
	const struct shape *s = &shapes[d->shape];
	const bool committed = d->is == WORD_COMMITTED;

	for (int i = 0; i < EFFECTS_MAX && s->effects[i].part; i++) {
		const bool fits = committed ? d->done[i] == 1 && d->undone[i] == 0
					    : d->done[i] == d->undone[i] && d->done[i] <= 1;
		if (!fits)
			pulse_wrong("%s (%s) is %s, but its part %s was done %d times and undone "
				    "%d times",
				    gid, s->name, word_text((enum word)d->is), s->effects[i].part,
				    d->done[i], d->undone[i]);
	}
}

static void judge(struct verdict *v, struct deal *d, const char *gid)
{
	/* Not listed: the journal does not know it. */
	if (d->is == WORD_NONE)
		d->is = WORD_UNKNOWN;
	judge_effects(d, gid);
	if (d->told == WORD_NONE && d->is != WORD_UNKNOWN && !word_final((enum word)d->is))
		pulse_wrong("%s is %s at the end", gid, word_text((enum word)d->is));
	v->deals++;
	v->sagas += shapes[d->shape].saga;
	v->committed += d->is == WORD_COMMITTED;
	v->rolled_back += d->is == WORD_ROLLED_BACK;
	v->never_begun += d->is == WORD_UNKNOWN;
	v->told_committed += d->told == WORD_COMMITTED;
	v->told_rolled_back += d->told == WORD_ROLLED_BACK;
	v->told_late += d->told_late;
	v->left += d->told == WORD_NONE;
	v->promised += d->told == WORD_NONE && d->accepted;
	if (d->told != WORD_NONE && !d->left && d->told_ms - d->begun_ms > v->longest_told_ms)
		v->longest_told_ms = d->told_ms - d->begun_ms;
	/* The last word: a contradiction to anything that was told is found here. */
	deal_hear(d, gid, (enum word)d->is, false);
}

/* The coordinator's word counts. An agent that was cut off finds that another one was
 * quicker, and cannot know. */
static void look_for_hazards(struct verdict *v)
{
	char *log = file_read(site.coordinator->log_path);

	if (log && strstr(log, " error hazard "))
		pulse_wrong("%s logged a hazard", site.coordinator->name);
	free(log);
	for (int i = 0; i < AGENTS; i++) {
		log = file_read(site.agent[i]->log_path);
		for (const char *p = log; p && (p = strstr(p, " warn hazard ")); p++)
			v->suspected++;
		free(log);
	}
}

void verdict_find(struct verdict *v)
{
	const int64_t began = clock_ms();

	memset(v, 0, sizeof *v);
	await_end();
	v->heal_ms = clock_ms() - began;
	ask_coordinator(v);
	for (int b = 0; b < BANKS; b++)
		v->rows += read_ledger(b);
	add_up();
	for (int c = 0; c < CLIENTS_MAX; c++)
		for (size_t i = 0; i < client_deals[c].n; i++) {
			char gid[GID_ROOM];

			deal_gid(c, i, gid);
			judge(v, &client_deals[c].all[i], gid);
		}
	look_for_hazards(v);
}
