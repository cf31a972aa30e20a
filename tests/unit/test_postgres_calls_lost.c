/* Saga calls that lose their connection or their server before and at the commit, and
 * agents that die or freeze half-way. */
#include "tests/lib/pg_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pg_server *server;
static struct rig *rig, *other;
static struct proxy *proxy;
static PGconn *locker;

static const char more[] = "  slow:\n    sql: INSERT INTO slow VALUES (1) RETURNING i\n";

/* A commit of `slow` waits for the advisory lock 1. */
static void open_server(void)
{
	PGconn *conn;

	server = pg_server_new("pg-calls-lost", NULL);
	rig_make_tables(server);
	conn = pg_open(server);
	pg_do(conn, "CREATE TABLE slow (i int)");
	pg_do(conn, "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
		    "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'");
	pg_do(conn, "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY "
		    "DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()");
	PQfinish(conn);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void begin(void)
{
	pg_server_start(server);
}

static void serve(void)
{
	rig = SERVE(.conninfo = server->conninfo, .operations = more);
}

static void finish(void)
{
	PGconn *conn;

	PQfinish(locker);
	if (rig)
		rig_close(rig);
	if (other)
		rig_close(other);
	proxy_free(proxy);
	rig_clean(server);
	conn = pg_open(server);
	pg_do(conn, "DELETE FROM slow");
	PQfinish(conn);
	pg_server_stop_own(server); /* it would not outlive this process */
}

#define CREDIT_N(r, g, n) \
	STEP(r, .gid = g, .op = "credit", .args = "{\"id\": 1, \"amount\": 10}", .attempt = n)
#define CREDIT(r, g) CREDIT_N(r, g, 1)
#define DEBIT_BACK(r, g) \
	STEP(r, .gid = g, .op = "debit", .args = "{\"id\": 1, \"amount\": 10}", .undo = true)
#define DO(g, o, a) STEP(rig, .gid = g, .op = o, .args = a)

static long long balance(void)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = 1");
}

static long long rows(const char *gid)
{
	return pg_ask(server, "SELECT count(*) FROM settle_barrier WHERE gid = '%s'", gid);
}

static long long waiting(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = "
			      "'Lock'");
}

/* The backend whose commit waits; 0: none. */
static long long committing(void)
{
	return pg_ask(server, "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE "
			      "wait_event = 'advisory' AND query = 'COMMIT'");
}

static void lock_account(void)
{
	locker = pg_open(server);
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
}

static void unlock_account(void)
{
	pg_do(locker, "ROLLBACK");
}

static void hold_commits(void)
{
	locker = pg_open(server);
	pg_do(locker, "SELECT pg_advisory_lock(1)");
}

static void release_commits(void)
{
	pg_do(locker, "SELECT pg_advisory_unlock(1)");
}

/* How a slow machine may also end what an unhurried one can tell at once. */
static void either(struct rig_call *c, const char *word)
{
	const char *got = rig_word(c);

	ck_assert_msg(strcmp(got, word) == 0 || strcmp(got, "unknown") == 0, "%s, not %s: %s", got,
		      word, c->reason);
}

/* ---- connections that break ---- */

START_TEST(connection_lost_before_the_commit_has_done_nothing)
{
	struct rig_call *first, *later;

	rig = rig_serve_through(server, more, &proxy);
	proxy_set(proxy, PROXY_DOWN, PROXY_HOLD);
	first = CREDIT(rig, "l1"); /* its first answer is held: the commit is not sent */
	RUN_UNTIL(rig, 20, proxy_stopped(proxy, PROXY_DOWN) > 0);
	proxy_cut(proxy);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	WORD(first, "retry");
	RUN_UNTIL(rig, 30, rig->ready && rig->changes >= 3); /* down, and up again */
	proxy_set(proxy, PROXY_UP, PROXY_DROP);
	later = CREDIT_N(rig, "l1", 2); /* it cannot speak for the first one */
	RUN_UNTIL(rig, 20, proxy_stopped(proxy, PROXY_UP) > 0);
	proxy_cut(proxy);
	proxy_set(proxy, PROXY_UP, PROXY_PASS);
	WORD(later, "unknown");
	rig_serve(rig);
	ck_assert_int_eq(balance(), 100);
	WORD(CREDIT_N(rig, "l1", 3), "done");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(commit_whose_answer_is_lost_is_found)
{
	struct rig_call *c;

	rig = rig_serve_through(server, more, &proxy);
	hold_commits();
	c = DO("l2", "slow", "{}");
	RUN_UNTIL(rig, 20, committing() != 0);
	proxy_set(proxy, PROXY_DOWN, PROXY_DROP);
	release_commits();
	RUN_UNTIL(rig, 20, rows("l2") == 1);
	proxy_set(proxy, PROXY_DOWN, PROXY_PASS);
	proxy_cut(proxy);
	either(c, "done");
	if (c->kind == RESULT_DONE)
		ck_assert_str_eq(c->output, "[{\"i\":1}]");
	rig_serve(rig);
	c = STEP(rig, .gid = "l2", .op = "slow", .args = "{}", .attempt = 2);
	WORD(c, "done");
	ck_assert_str_eq(c->output, "[{\"i\":1}]");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM slow"), 1);
}
END_TEST

/* The connection breaks while the commit is under way: it is ended, then looked for. */
START_TEST(commit_that_never_came_through_is_found_to_be_none)
{
	struct rig_call *c;

	rig = rig_serve_through(server, more, &proxy);
	hold_commits();
	c = DO("l3", "slow", "{}");
	RUN_UNTIL(rig, 20, committing() != 0);
	proxy_cut(proxy);
	either(c, "retry");
	release_commits();
	rig_serve(rig);
	RUN_UNTIL(rig, 20, committing() == 0);
	WORD(STEP(rig, .gid = "l3", .op = "slow", .args = "{}", .attempt = 2), "done");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM slow"), 1);
}
END_TEST

START_TEST(backend_that_is_ended_at_the_commit_has_done_nothing)
{
	struct rig_call *c;

	serve();
	hold_commits();
	c = DO("l4", "slow", "{}");
	RUN_UNTIL(rig, 20, committing() != 0);
	pg_do(locker, "SELECT pg_terminate_backend(%lld)", committing());
	either(c, "retry");
	release_commits();
	ck_assert_int_eq(rows("l4"), 0);
	WORD(STEP(rig, .gid = "l4", .op = "slow", .args = "{}", .attempt = 2), "done");
}
END_TEST

/* It does not answer in time, and cannot be ended. */
START_TEST(commit_that_hangs_is_unknown_until_it_ends)
{
	struct rig_call *c;
	pid_t backend;

	serve();
	hold_commits();
	c = STEP(rig, .gid = "l5", .op = "slow", .args = "{}", .timeout_ms = 3000);
	RUN_UNTIL(rig, 20, (backend = (pid_t)committing()) != 0 || c->done);
	if (backend != 0)
		ck_assert_int_eq(kill(backend, SIGSTOP), 0);
	if (backend == 0 || committing() != backend) {
		if (backend != 0)
			kill(backend, SIGCONT);
		release_commits();
		return; /* three seconds were not enough to get there: nothing to see */
	}
	WORD(c, "unknown");
	c = STEP(rig, .gid = "l5", .op = "slow", .args = "{}", .attempt = 2, .timeout_ms = 300);
	WORD(c, "unknown");
	SAYS(c, "another attempt of this call is under way");
	release_commits();
	kill(backend, SIGCONT);
	WORD(STEP(rig, .gid = "l5", .op = "slow", .args = "{}", .attempt = 3), "done");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM slow"), 1);
}
END_TEST

/* A killed server is reaped by who started it only, and until then it seems to live. */
static void own_the_server(void)
{
	pg_server_stop(server);
	pg_server_start(server);
}

static void kill_and_start_server(void)
{
	pg_server_kill(server);
	PQfinish(locker);
	locker = NULL;
	pg_server_start(server);
}

START_TEST(server_killed_before_the_commit_has_done_nothing)
{
	struct rig_call *c;

	own_the_server();
	serve();
	lock_account();
	c = CREDIT(rig, "l6");
	RUN_UNTIL(rig, 20, waiting() == 1);
	kill_and_start_server();
	WORD(c, "retry");
	rig_serve(rig);
	WORD(CREDIT_N(rig, "l6", 2), "done");
	ck_assert_int_eq(balance(), 110);
}
END_TEST

START_TEST(server_killed_at_the_commit_is_settled_by_the_next_attempt)
{
	struct rig_call *c;

	own_the_server();
	serve();
	hold_commits();
	c = DO("l7", "slow", "{}");
	RUN_UNTIL(rig, 20, committing() != 0);
	kill_and_start_server();
	either(c, "retry");
	rig_serve(rig);
	WORD(STEP(rig, .gid = "l7", .op = "slow", .args = "{}", .attempt = 2), "done");
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM slow"), 1);
}
END_TEST

/* ---- agents that die or freeze ---- */

/* An agent in a process of its own, in the middle of an action. */
static pid_t agent_that_waits_for_the_lock(const char *gid)
{
	pid_t pid = fork();

	if (pid != 0) {
		WAIT_FOR(30, waiting() != 0);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve();
	STEP(rig, .gid = gid, .op = "credit", .args = "{\"id\": 1, \"amount\": 10}",
	     .timeout_ms = 3000000);
	for (;;)
		rig_turn(rig);
}

/* It has not committed yet, and may still: not done yet is no proof. */
START_TEST(key_that_a_frozen_agent_holds_is_unknown_until_it_thaws)
{
	struct rig_call *c;
	pid_t child;

	lock_account();
	child = agent_that_waits_for_the_lock("z1");
	kill(child, SIGSTOP);
	other = SERVE(.conninfo = server->conninfo, .agent = "agent-b");
	unlock_account();
	c = STEP(other, .gid = "z1", .op = "credit", .args = "{\"id\": 1, \"amount\": 10}",
		 .attempt = 2, .timeout_ms = 300);
	WORD(c, "unknown");
	SAYS(c, "another attempt of this call is under way");
	c = STEP(other, .gid = "z1", .op = "debit", .args = "{\"id\": 1, \"amount\": 10}",
		 .undo = true, .timeout_ms = 300);
	WORD(c, "unknown");
	ck_assert_int_eq(balance(), 100);
	c = CREDIT_N(other, "z1", 3);
	RUN_UNTIL(other, 20, waiting() == 1);
	kill(child, SIGCONT);
	WORD(c, "done"); /* by the agent that thawed */
	ck_assert_int_eq(balance(), 110);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(key_that_a_dead_agent_held_is_free)
{
	struct rig_call *c;
	pid_t child;

	lock_account();
	child = agent_that_waits_for_the_lock("z2");
	other = SERVE(.conninfo = server->conninfo, .agent = "agent-b");
	c = DEBIT_BACK(other, "z2");
	RUN_UNTIL(other, 20, waiting() == 2);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	WORD(c, "done"); /* the server notices, though the lock is still held */
	unlock_account();
	ck_assert_int_eq(balance(), 100);
	WORD(CREDIT_N(other, "z2", 2), "refused");
}
END_TEST

/* Whatever moment it dies at, the next start finds out by the key. */
START_TEST(agent_killed_at_any_moment_has_done_it_once)
{
	enum { ROUNDS = 12 };

	for (int i = 0; i < ROUNDS; i++) {
		char gid[16];
		pid_t child;

		snprintf(gid, sizeof gid, "any%d", i);
		child = fork();
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve();
			CREDIT(rig, gid);
			for (int turns = 0; turns < i / 2; turns++)
				rig_turn(rig);
			raise(SIGKILL);
		}
		waitpid(child, NULL, 0);
		rig = SERVE(.conninfo = server->conninfo, .incarnation = (uint64_t)i + 2);
		WORD(CREDIT_N(rig, gid, 2), "done");
		ck_assert_int_eq(balance(), 110 + 10 * i);
		rig_close(rig);
		rig = NULL;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-calls-lost");
	TCase *lost = tcase_create("crash");

	tcase_add_checked_fixture(lost, begin, finish);
	tcase_set_timeout(lost, 180);
	tcase_add_test(lost, connection_lost_before_the_commit_has_done_nothing);
	tcase_add_test(lost, commit_whose_answer_is_lost_is_found);
	tcase_add_test(lost, commit_that_never_came_through_is_found_to_be_none);
	tcase_add_test(lost, backend_that_is_ended_at_the_commit_has_done_nothing);
	tcase_add_test(lost, commit_that_hangs_is_unknown_until_it_ends);
	tcase_add_test(lost, server_killed_before_the_commit_has_done_nothing);
	tcase_add_test(lost, server_killed_at_the_commit_is_settled_by_the_next_attempt);
	tcase_add_test(lost, key_that_a_frozen_agent_holds_is_unknown_until_it_thaws);
	tcase_add_test(lost, key_that_a_dead_agent_held_is_free);
	tcase_add_test(lost, agent_killed_at_any_moment_has_done_it_once);
	suite_add_tcase(suite, lost);
	return suite_run(suite, open_server, close_server);
}
