/* Sessions that go on working on a branch though nobody listens any more: the
 * prepare they are at may succeed later, so "not found" proves nothing. */
#include "tests/lib/pg_rig.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct pg_server *server;
static struct rig *rig;
static struct proxy *proxy;
static PGconn *locker;

static void open_server(void)
{
	server = pg_server_new("pg-zombie", NULL);
	rig_make_tables(server);
}

static void close_server(void)
{
	pg_server_free(server);
}

static void finish(void)
{
	PQfinish(locker);
	locker = NULL;
	if (rig)
		rig_close(rig);
	proxy_free(proxy);
	rig_clean(server);
}

static void serve_directly(void)
{
	rig = SERVE(.conninfo = server->conninfo);
}

#define DEBIT(gid) rig_prepare(rig, gid, "debit", "{\"id\": 1, \"amount\": 10}")

static void lock_account(void)
{
	locker = pg_open(server);
	pg_do(locker, "BEGIN; UPDATE account SET balance = balance WHERE id = 1");
}

static void unlock_account(void)
{
	pg_do(locker, "ROLLBACK");
}

static long long blocked(void)
{
	return pg_ask(server, "SELECT coalesce(min(pid), 0) FROM pg_stat_activity WHERE "
			      "wait_event_type = 'Lock'");
}

static long long prepared(void)
{
	return pg_ask(server, "SELECT count(*) FROM pg_prepared_xacts");
}

static long long sessions_of(int incarnation)
{
	return pg_ask(server,
		      "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
		      "'settle:test:agent-a:%d'",
		      incarnation);
}

static long long balance(void)
{
	return pg_ask(server, "SELECT balance FROM account WHERE id = 1");
}

/* The bytes of a prepare linger in the network after its connection was given up,
 * and reach the server when recovery has begun. */
START_TEST(prepare_that_arrives_late_is_caught)
{
	struct rig_call *c;

	rig = rig_serve_through(server, NULL, &proxy);
	lock_account();
	proxy_set(proxy, PROXY_UP, PROXY_HOLD);
	c = rig_prepare_in(rig, "c3", "debit", "{\"id\": 1, \"amount\": 10}", 300);
	WORD(c, "unknown");
	c = rig_rollback(rig, "c3"); /* is held as well */
	proxy_set(proxy, PROXY_UP, PROXY_PASS);
	WORD(c, "rolled-back");
	unlock_account();
	ck_assert_int_eq(blocked(), 0);
	ck_assert_int_eq(prepared(), 0);
	ck_assert_int_eq(balance(), 100);
}
END_TEST

/* A backend that hangs cannot be told to end: as long as it is there, the branch
 * is not said to be gone, whatever the list of prepared transactions says. */
START_TEST(rollback_waits_for_the_backend_that_may_still_prepare)
{
	struct rig_call *c;
	pid_t backend;
	int64_t until;

	serve_directly();
	lock_account();
	c = rig_prepare_in(rig, "c5", "debit", "{\"id\": 1, \"amount\": 10}", 1000);
	RUN_UNTIL(rig, 10, blocked() != 0);
	backend = (pid_t)blocked();
	ck_assert_int_eq(kill(backend, SIGSTOP), 0);
	WORD(c, "unknown"); /* it did not keep its own deadlines */
	c = rig_rollback(rig, "c5");
	until = clock_ms() + 700;
	while (clock_ms() < until)
		rig_turn(rig);
	ck_assert(!c->done);
	kill(backend, SIGCONT);
	WORD(c, "rolled-back");
	unlock_account();
	ck_assert_int_eq(prepared(), 0);
	ck_assert_int_eq(pg_ask(server, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d",
				(int)backend),
			 0);
}
END_TEST

START_TEST(rollback_is_unknown_while_that_backend_does_not_end)
{
	struct rig_call *c;
	pid_t backend;

	serve_directly();
	lock_account();
	c = rig_prepare_in(rig, "c6", "debit", "{\"id\": 1, \"amount\": 10}", 200);
	RUN_UNTIL(rig, 10, blocked() != 0);
	backend = (pid_t)blocked();
	ck_assert_int_eq(kill(backend, SIGSTOP), 0);
	WORD(c, "unknown");
	c = rig_rollback(rig, "c6");
	WORD(c, "unknown");
	SAYS(c, "has not ended yet");
	kill(backend, SIGCONT);
	WORD(rig_rollback(rig, "c6"), "rolled-back");
	unlock_account();
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

START_TEST(rollback_ends_though_the_finisher_hangs_as_well)
{
	struct rig_call *c;
	pid_t finisher;

	rig = SERVE(.conninfo = server->conninfo);
	lock_account();
	finisher = (pid_t)pg_ask(server, "SELECT pid FROM pg_stat_activity WHERE application_name "
					 "LIKE 'settle:%%' AND query LIKE '%%to_regclass%%'");
	c = DEBIT("c21");
	RUN_UNTIL(rig, 10, blocked() != 0);
	pg_do(locker, "SELECT pg_terminate_backend(%lld)", blocked());
	WORD(c, "unknown");
	kill(finisher, SIGSTOP);
	c = rig_rollback(rig, "c21");
	WORD(c, "unknown");
	kill(finisher, SIGCONT);
	unlock_account();
	rig_serve(rig);
	WORD(rig_rollback(rig, "c21"), "rolled-back");
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

/* The adapter in a process of its own, in the middle of a prepare. */
static pid_t agent_that_waits_for_the_lock(const char *gid)
{
	pid_t pid = fork();

	if (pid != 0) {
		WAIT_FOR(20, blocked() != 0);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	serve_directly();
	DEBIT(gid);
	for (;;)
		rig_turn(rig);
}

START_TEST(zombie_prepare_of_a_dead_agent_never_appears)
{
	struct rig_call *c;
	pid_t child;

	lock_account();
	child = agent_that_waits_for_the_lock("c7");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rig = SERVE(.conninfo = server->conninfo, .incarnation = 2);
	ck_assert_int_eq(sessions_of(1), 0); /* the fence came before ready */
	unlock_account();
	c = rig_list(rig);
	rig_kind(c);
	ck_assert_uint_eq(c->n, 0);
	WORD(rig_rollback(rig, "c7"), "rolled-back");
	ck_assert_int_eq(prepared(), 0);
	ck_assert_int_eq(balance(), 100);
}
END_TEST

/* Its connections live, so that the server cannot notice anything by itself. */
START_TEST(zombie_prepare_of_a_frozen_agent_never_appears)
{
	pid_t child;

	lock_account();
	child = agent_that_waits_for_the_lock("c8");
	kill(child, SIGSTOP);
	rig = SERVE(.conninfo = server->conninfo, .incarnation = 2);
	ck_assert_int_eq(sessions_of(1), 0);
	unlock_account();
	WORD(rig_rollback(rig, "c8"), "rolled-back");
	ck_assert_int_eq(prepared(), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
END_TEST

START_TEST(dead_agent_is_noticed_by_the_server_itself)
{
	pid_t child;

	lock_account();
	child = agent_that_waits_for_the_lock("c9");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	WAIT_FOR(10, sessions_of(1) == 0); /* client_connection_check_interval */
	unlock_account();
	ck_assert_int_eq(prepared(), 0);
}
END_TEST

START_TEST(fence_spares_other_agents)
{
	struct rig *other = SERVE(.conninfo = server->conninfo, .agent = "agent-b");

	rig = SERVE(.conninfo = server->conninfo, .incarnation = 2);
	ck_assert(other->ready);
	ck_assert_int_eq(other->changes, 1);
	rig_close(other);
}
END_TEST

/* The frozen agent thaws, with work in its queue. */
START_TEST(agent_that_was_fenced_serves_no_more)
{
	struct rig *newer;
	struct rig_call *running, *queued;

	rig = SERVE(.conninfo = server->conninfo, .pool = 1);
	lock_account();
	running = DEBIT("c19");
	queued = rig_prepare_in(rig, "c20", "note", "{\"text\": \"t\"}", 2000);
	RUN_UNTIL(rig, 10, blocked() != 0);
	newer = SERVE(.conninfo = server->conninfo, .incarnation = 2);
	unlock_account();
	WORD(running, "unknown");
	WORD(queued, "retry");
	ck_assert(!rig->ready);
	ck_assert_msg(strstr(rig->problem, "a newer start of this agent"), "%s", rig->problem);
	ck_assert_int_eq(prepared(), 0);
	ck_assert(newer->ready);
	ck_assert_int_eq(newer->changes, 1);
	rig_close(newer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("postgres-zombie");
	TCase *tc = tcase_create("crash");

	tcase_add_checked_fixture(tc, NULL, finish);
	tcase_set_timeout(tc, 180);
	tcase_add_test(tc, prepare_that_arrives_late_is_caught);
	tcase_add_test(tc, rollback_waits_for_the_backend_that_may_still_prepare);
	tcase_add_test(tc, rollback_is_unknown_while_that_backend_does_not_end);
	tcase_add_test(tc, rollback_ends_though_the_finisher_hangs_as_well);
	tcase_add_test(tc, zombie_prepare_of_a_dead_agent_never_appears);
	tcase_add_test(tc, zombie_prepare_of_a_frozen_agent_never_appears);
	tcase_add_test(tc, dead_agent_is_noticed_by_the_server_itself);
	tcase_add_test(tc, fence_spares_other_agents);
	tcase_add_test(tc, agent_that_was_fenced_serves_no_more);
	suite_add_tcase(suite, tc);
	return suite_run(suite, open_server, close_server);
}
