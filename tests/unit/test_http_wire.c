/* test_http_wire.c - the HTTP adapter and services that misbehave: slow, endless,
 * broken, elsewhere, or not who they say. */
#include "tests/lib/http_rig.h"
#include "tests/lib/http_stub.h"
#include "tests/lib/proc.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_stub *stub;
static struct shop *shop;

static const char operation[] = "operations:\n"
				"  try:\n"
				"    timeout: 500ms\n"
				"    prepare: {path: /try}\n"
				"    commit: {path: /confirm}\n"
				"    rollback: {path: /cancel}\n"
				"  wait:\n"
				"    timeout: 60s\n"
				"    prepare: {path: /wait}\n"
				"    commit: {path: /confirm}\n"
				"    rollback: {path: /cancel}\n";

static char *config_for(const char *base, const char *more)
{
	static int n;
	char *state = temp_path("wire-%d-%d", (int)getpid(), n++);
	char *config =
		textf("adapter: http\nbase: %s\nstate: %s\n%s%s", base, state, more, operation);

	free(state);
	return config;
}

static void reopen(const char *base, const char *more)
{
	char *config = config_for(base, more);

	if (shop != NULL)
		shop_close(shop);
	shop = shop_open(config);
	free(config);
}

static void reopen_at(int port, const char *more)
{
	char *base = textf("http://127.0.0.1:%d", port);

	reopen(base, more);
	free(base);
}

static void setup(void)
{
	stub = http_stub_new();
	reopen_at(http_stub_port(stub), "parallel: 2\n");
}

static void teardown(void)
{
	shop_close(shop);
	http_stub_free(stub);
}

/* Prepares, and tells how many milliseconds that took. */
static int64_t tried(const char *gid, const char *word, const char *why)
{
	const int64_t from = clock_ms();
	struct shop_call *c = shop_prepare(shop, gid, "try", "{}");

	WORD(c, word);
	if (why != NULL)
		SAYS(c, why);
	return clock_ms() - from;
}

/* ---- services that misbehave ---- */

START_TEST(silence_ends_at_the_deadline)
{
	RULE(stub, .path = "/try", .manner = STUB_SILENT);
	ck_assert_int_lt(tried("g1", "unknown", "was sent"), harness_patience_ms(5));
}
END_TEST

START_TEST(deadline_of_the_branch_counts_when_it_is_sooner)
{
	const int64_t from = clock_ms();

	RULE(stub, .path = "/wait", .manner = STUB_SILENT);
	WORD(shop_prepare_in(shop, "g1", "wait", "{}", 300), "unknown");
	ck_assert_int_lt(clock_ms() - from, harness_patience_ms(10));
}
END_TEST

START_TEST(drip_ends_at_the_deadline)
{
	RULE(stub, .path = "/", .manner = STUB_DRIP);
	ck_assert_int_lt(tried("g1", "unknown", "was sent"), harness_patience_ms(5));
}
END_TEST

START_TEST(flood_is_cut_at_the_cap)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	RULE(stub, .path = "/", .manner = STUB_FLOOD);
	tried("g1", "unknown", "too big");
	getrusage(RUSAGE_SELF, &after);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10); /* KiB */
	RUN_UNTIL(shop, 10, http_stub_flooded(stub) > 0);
	ck_assert_uint_lt(http_stub_flooded(stub), 64 << 20);
}
END_TEST

START_TEST(endless_headers_are_cut)
{
	RULE(stub, .path = "/", .manner = STUB_HEADS);
	tried("g1", "unknown", NULL);
}
END_TEST

START_TEST(reset_in_the_body_is_no_answer)
{
	RULE(stub, .path = "/", .manner = STUB_RESET);
	tried("g1", "unknown", "was sent");
	RULE(stub, .path = "/confirm", .manner = STUB_RESET);
	RULE(stub, .path = "/try");
	tried("g2", "prepared", NULL);
	WORD(shop_commit(shop, "g2", false), "unknown");
	RULE(stub, .path = "/confirm");
	WORD(shop_commit(shop, "g2", true), "committed");
}
END_TEST

START_TEST(what_hangs_does_not_hold_up_the_decisions)
{
	struct shop_call *hung[2], *late;

	tried("g1", "prepared", NULL);
	RULE(stub, .path = "/wait", .manner = STUB_SILENT);
	hung[0] = shop_prepare(shop, "g2", "wait", "{}");
	hung[1] = shop_prepare(shop, "g3", "wait", "{}");
	RUN_UNTIL(shop, 10, http_stub_count(stub, "/wait") == 2);
	late = shop_prepare_in(shop, "g4", "wait", "{}", 200);
	WORD(late, "retry"); /* its turn did not come */
	SAYS(late, "parallel");
	WORD(shop_commit(shop, "g1", false), "committed");
	ck_assert(!hung[0]->done && !hung[1]->done);
	shop_cancel(shop, "g2");
	shop_cancel(shop, "g2");
	shop_cancel(shop, "none");
	WORD(hung[0], "unknown");
	WORD(shop_rollback(shop, "g2"), "rolled-back");
	shop_cancel(shop, "g3");
	WORD(hung[1], "unknown");
	ck_assert_int_eq(http_stub_count(stub, "/wait"), 2);
}
END_TEST

START_TEST(cancelled_before_it_is_sent_is_refused)
{
	struct shop_call *c = shop_prepare(shop, "g1", "try", "{}");

	shop_cancel(shop, "g1");
	WORD(c, "retry");
	ck_assert_int_eq(http_stub_count(stub, "/"), 0);
	ck_assert_uint_eq(shop_list(shop)->n, 0);
}
END_TEST

/* A kept connection that the service has closed meanwhile: libcurl sends again, and a
 * "no" to the second may be for the first. */
START_TEST(no_to_a_second_sending_is_not_taken_for_a_no)
{
	tried("g1", "prepared", NULL);
	RULE(stub, .path = "/try", .manner = STUB_STALE, .status = 409);
	tried("g2", "unknown", "sent twice");
	ck_assert_int_eq(http_stub_count(stub, "/try"), 3);
	ck_assert_int_eq(http_stub_connections(stub), 2);
	RULE(stub, .path = "/try", .manner = STUB_STALE); /* a "yes" is one: by the key */
	tried("g3", "prepared", NULL);
	ck_assert_int_eq(http_stub_count(stub, "/try"), 5);
}
END_TEST

/* ---- services that are not there ---- */

START_TEST(nothing_listens)
{
	reopen_at(port_free(), "");
	tried("g1", "retry", "nothing was sent");
	ck_assert_uint_eq(shop_list(shop)->n, 0);
}
END_TEST

START_TEST(connection_is_not_made_in_time)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *base;

	/* It accepts, and then says nothing of TLS. */
	NEED(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0 &&
		     getsockname(fd, (struct sockaddr *)&at, &size) == 0,
	     "no socket");
	base = textf("https://127.0.0.1:%d", ntohs(at.sin_port));
	reopen(base, "connect_timeout: 200ms\n");
	tried("g1", "retry", "nothing was sent");
	free(base);
	close(fd);
}
END_TEST

START_TEST(name_that_does_not_resolve)
{
	reopen("http://nowhere.invalid", "connect_timeout: 300ms\n");
	ck_assert_int_lt(tried("g1", "retry", "nothing was sent"), harness_patience_ms(3));
}
END_TEST

/* ---- redirects ---- */

START_TEST(redirects_are_not_followed)
{
	RULE(stub, .path = "/try", .status = 307, .headers = "Location: /elsewhere\r\n");
	tried("g1", "refused", "307");
	ck_assert_int_eq(http_stub_count(stub, "/elsewhere"), 0);
}
END_TEST

START_TEST(redirects_stay_at_home)
{
	struct http_stub *other = http_stub_new();
	char *away = textf("Location: http://127.0.0.1:%d/elsewhere\r\n", http_stub_port(other));
	char *request;

	reopen_at(http_stub_port(stub), "follow_redirects: true\nheaders: {X-Key: abc}\n");
	RULE(stub, .path = "/try", .status = 307, .headers = "Location: /elsewhere?a=b\r\n");
	tried("g1", "prepared", NULL);
	request = http_stub_last(stub, "/elsewhere");
	ck_assert_ptr_nonnull(strstr(request, "POST /elsewhere?a=b HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(
		strstr(request, "\r\nIdempotency-Key: settle:test:7:g1:s.b:prepare\r\n"));
	free(request);
	RULE(stub, .path = "/try", .status = 308, .headers = away);
	tried("g2", "refused", "not followed");
	ck_assert_int_eq(http_stub_connections(other), 0);
	RULE(stub, .path = "/try", .status = 302, .headers = "Location: /elsewhere\r\n");
	tried("g3", "unknown", "302"); /* it may have been done, and be shown there */
	RULE(stub, .path = "/try", .status = 307, .headers = "Location: /try\r\n");
	tried("g4", "refused", "307"); /* not for ever */
	RULE(stub, .path = "/try", .status = 307, .headers = "Location: file:///etc/passwd\r\n");
	tried("g5", "refused", "307");
	http_stub_free(other);
	free(away);
}
END_TEST

/* ---- TLS ---- */

static bool make_certificate(const char *key, const char *cert)
{
	char *command = textf(
		"/usr/bin/openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout %s -out %s "
		"-subj /CN=localhost -addext subjectAltName=DNS:localhost "
		">/dev/null 2>&1",
		key, cert);
	const int status = system(command); /* NOLINT: paths of our own */

	free(command);
	return status == 0;
}

static bool listens(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	const bool ok = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;

	close(fd);
	return ok;
}

static void look(const char *host, int port, const char *ca, const char *word)
{
	char *line = ca != NULL ? textf("ca: %s\n", ca) : textf("%s", "");
	char *config = textf("adapter: http\nbase: https://%s:%d\n%soperations:\n"
			     "  look: {read_only: true, prepare: {method: GET, path: /}}\n",
			     host, port, line);
	struct shop_call *c;

	shop_close(shop);
	shop = shop_open(config);
	c = shop_read(shop, "g", "look", "{}");
	WORD(c, word);
	if (strcmp(word, "retry") == 0)
		SAYS(c, "nothing was sent: ");
	free(line);
	free(config);
}

START_TEST(certificates_are_verified)
{
	char *key = temp_path("key.pem"), *cert = temp_path("cert.pem"), *log = temp_path("tls");
	char *port_text = textf("127.0.0.1:%d", port_free());
	const int port = atoi(strchr(port_text, ':') + 1);
	const char *const argv[] = {"/usr/bin/openssl",
				    "s_server",
				    "-quiet",
				    "-www",
				    "-accept",
				    port_text,
				    "-key",
				    key,
				    "-cert",
				    cert,
				    NULL};
	struct proc *server;

	if (!make_certificate(key, cert)) {
		fprintf(stderr, "no openssl command: certificates are NOT tested\n");
	} else {
		server = proc_new("tls", argv);
		proc_start(server);
		WAIT_FOR(10, listens(port));
		look("localhost", port, NULL, "retry"); /* signed by nobody we know */
		look("127.0.0.1", port, cert, "retry"); /* trusted, but for another host */
		look("localhost", port, cert, "read-only");
		proc_kill(server);
		proc_free(server);
	}
	free(key);
	free(cert);
	free(log);
	free(port_text);
}
END_TEST

/* ---- settings ---- */

static const struct {
	const char *config, *why;
} wrongs[] = {
	{"base: ftp://h", "https:// or http://"},
	{"base: https://user:hush@h", "must not hold a user"},
	{"base: https://h?x=1", "query"},
	{"base: 'https://h h'", "not a valid URL"},
	{"base: https://h\nsecrets: {A: {env: SETTLE_NOT_SET}}", "SETTLE_NOT_SET is not set"},
	{"base: https://h\nsecrets: {A: {file: /nowhere/x}}", "cannot be read"},
	{"base: https://h\nsecrets: {A: {env: SETTLE_TEST_LINES}}", "control character"},
	{"base: https://h\nsecrets: {A: hush}", "a secret must be a map"},
	{"base: https://h\nheaders: {Host: x}", "set by the adapter"},
	{"base: https://h\nheaders: {'X Y': x}", "no header's name"},
	{"base: https://h\nheaders: {X: \"a\\nb\"}", "line end"},
	{"base: https://h\nheaders: {X: \"{secret.NO}\"}", "no secret NO"},
	{"base: https://h\nheaders: {X: \"{arg}\"}", "{arg} is neither"},
	{"base: https://h\nfollow: true", "has no \"follow\""},
	{"base: https://h", NULL},
};

START_TEST(wrong_settings_are_refused)
{
	struct err err = {0};
	char *config = textf("adapter: http\n%s\nstate: %s/x\n%s", wrongs[_i].config, temp_dir(),
			     operation);
	struct shop *s;

	setenv("SETTLE_TEST_LINES", "hush\nhush", 1);
	s = shop_try_open(config, &err);
	if (wrongs[_i].why == NULL) {
		NEED(s, "%s", err.text);
		shop_close(s);
	} else {
		ck_assert_ptr_null(s);
		ck_assert_int_eq(err.code, RC_INVALID);
		ck_assert_msg(strstr(err.text, wrongs[_i].why) != NULL, "%s", err.text);
		ck_assert_ptr_null(strstr(err.text, "hush"));
		ck_assert_int_gt(err.line, 0);
	}
	free(config);
}
END_TEST

static const struct {
	const char *operation, *why;
} wrong_operations[] = {
	{"{prepare: {path: /a}, commit: {path: /b}}", "rollback is missing"},
	{"{read_only: true, prepare: {path: /a}, commit: {path: /b}}", "has no commit"},
	{"{read_only: true, prepare: {path: a}}", "begins with /"},
	{"{read_only: true, prepare: {path: /a/../b}}", "`.` or `..`"},
	{"{read_only: true, prepare: {path: '/a b'}}", "percent-encoded"},
	{"{read_only: true, prepare: {path: '/{x}'}}", "{x} is neither"},
	{"{read_only: true, prepare: {path: '/{x'}}", "a brace stands alone"},
	{"{read_only: true, prepare: {path: '/{secret.T}'}}", "in a header only"},
	{"{read_only: true, prepare: {path: /, body: {a: ['{secret.T}']}}}", "in a header only"},
	{"{read_only: true, prepare: {path: /, method: GET, body: 1}}", "a GET has no body"},
	{"{read_only: true, prepare: {path: /, method: FETCH}}", "must be GET"},
	{"{read_only: true, prepare: {path: /, gone: [200]}}", "400"},
	{"{read_only: true, args: [gid], prepare: {path: /}}", "meaning of their own"},
	{"{read_only: true, args: [a, a], prepare: {path: /}}", "named twice"},
	{"{read_only: true, prepare: {path: /, paht: /}}", "path"},
	{"{prepare: {path: /a}, commit: {path: /b}, rollback: {path: /c}}", "needs `state`"},
};

START_TEST(wrong_operations_are_refused)
{
	struct err err = {0};
	char *config = textf("adapter: http\nbase: https://h\nsecrets: {T: {env: PATH}}\n"
			     "operations:\n  op: %s\n",
			     wrong_operations[_i].operation);

	ck_assert_ptr_null(shop_try_open(config, &err));
	ck_assert_msg(strstr(err.text, wrong_operations[_i].why) != NULL, "%s", err.text);
	ck_assert_int_gt(err.line, 0);
	free(config);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("http-wire");
	TCase *tc = tcase_create("services"), *conf = tcase_create("settings");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, silence_ends_at_the_deadline);
	tcase_add_test(tc, deadline_of_the_branch_counts_when_it_is_sooner);
	tcase_add_test(tc, drip_ends_at_the_deadline);
	tcase_add_test(tc, flood_is_cut_at_the_cap);
	tcase_add_test(tc, endless_headers_are_cut);
	tcase_add_test(tc, reset_in_the_body_is_no_answer);
	tcase_add_test(tc, what_hangs_does_not_hold_up_the_decisions);
	tcase_add_test(tc, cancelled_before_it_is_sent_is_refused);
	tcase_add_test(tc, no_to_a_second_sending_is_not_taken_for_a_no);
	tcase_add_test(tc, nothing_listens);
	tcase_add_test(tc, connection_is_not_made_in_time);
	tcase_add_test(tc, name_that_does_not_resolve);
	tcase_add_test(tc, redirects_are_not_followed);
	tcase_add_test(tc, redirects_stay_at_home);
	tcase_add_test(tc, certificates_are_verified);
	suite_add_tcase(s, tc);
	tcase_add_loop_test(conf, wrong_settings_are_refused, 0, sizeof wrongs / sizeof wrongs[0]);
	tcase_add_loop_test(conf, wrong_operations_are_refused, 0,
			    sizeof wrong_operations / sizeof wrong_operations[0]);
	suite_add_tcase(s, conf);
	return s;
}

int main(void)
{
	return suite_run(suite(), NULL, NULL);
}
