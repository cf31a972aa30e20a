/* Every example workflow, as it is in its file, run to success by the command `settle`:
 * each effect is there once, counted where it was made.
 *
 * The clerk (tests/lib/clerk.h) serves them all.  What has an agent of its own under
 * examples/ runs with that as well. */
#include "tests/lib/bank.h"
#include "tests/lib/clerk.h"
#include "tests/lib/harness.h"
#include "tests/lib/proc.h"
#include "tests/lib/rest_client.h"
#include "tests/lib/saga_file.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { START_S = 40, RUN_S = 60, ARGS_MAX = 40 };

static struct proc *coordinator, *agent;
static int rest_port, agents_port;
static char *url, *said;

/* ---- programs ---- */

static struct proc *start(const char *as, const char *const *argv, const char *event)
{
	struct proc *p = proc_new(as, argv);
	proc_start(p);
	if (event)
		free(proc_await(p, event, START_S));
	return p;
}

static void open_coordinator(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	char *data = temp_path("data.%d", (int)getpid());
	char *conf = temp_path("settled.%d.yaml", (int)getpid());
	char *path = program_path("settled");
	rest_port = port_free();
	do
		agents_port = port_free();
	while (agents_port == rest_port);
	char *text = textf("data: %s\nlisten: 127.0.0.1:%d\nagents: tcp://127.0.0.1:%d\n", data,
			   rest_port, agents_port);
	file_write(conf, text);
	url = textf("http://127.0.0.1:%d", rest_port);
	coordinator =
		start("settled", (const char *[]){path, "--config", conf, NULL}, "settled-started");
	free(text);
	free(path);
	free(conf);
	free(data);
}

static void open_agent(const char *conf)
{
	char *path = program_path("settle-agent");
	agent = start("agent", (const char *[]){path, "--config", conf, NULL}, NULL);
	free(path);
}

static void end(struct proc *p)
{
	const int status = proc_end(p, START_S);
	char *log = file_read(p->log_path);
	NEED(status == 0, "%s ended with status %d:\n%.3000s", p->name, status, log);
	free(log);
	proc_free(p);
}

static void close_all(void)
{
	end(agent);
	end(coordinator);
	free(url);
	free(said);
	said = NULL;
}

/* Runs `settle --server … WORDS`; gives its exit status, and what it printed in `said`. */
static int settle(const char *const *words)
{
	static int runs;
	char *path = program_path("settle");
	const char *argv[ARGS_MAX + 4] = {path, "--server", url};
	for (int i = 0; words[i]; i++)
		argv[i + 3] = words[i];
	char *name = textf("settle-%d", ++runs);
	struct proc *p = start(name, argv, NULL);
	const int status = proc_wait(p, RUN_S);
	free(said);
	said = file_read(p->log_path);
	proc_free(p);
	free(name);
	free(path);
	return status;
}
#define SETTLE(...) settle((const char *[]){__VA_ARGS__, NULL})

static void served(const char *resource)
{
	NEED(SETTLE("agents", "--wait", resource) == 0, "%s is not served: %s", resource, said);
}

/* `settle submit PATH --gid GID --input NAME=VALUE …` with what the file wants. */
static int submit(const struct saga_file *f, const char *gid, const char *wait)
{
	const char *words[ARGS_MAX + 1] = {"submit", f->path, "--gid", gid, "--wait", wait};
	json_t *input = saga_file_input(f), *value;
	const char *name;
	char *texts[ARGS_MAX];
	int n = 6, n_texts = 0;

	json_object_foreach(input, name, value)
	{
		char *text = json_is_string(value) ? textf("%s", json_string_value(value))
						   : json_dumps(value, JSON_ENCODE_ANY);
		NEED(n + 2 < ARGS_MAX, "%s has too many inputs", f->path);
		texts[n_texts] = textf("%s=%s", name, text);
		words[n++] = "--input";
		words[n++] = texts[n_texts++];
		free(text);
	}
	const int status = settle(words);
	while (n_texts > 0)
		free(texts[--n_texts]);
	json_decref(input);
	return status;
}

/* What waits for a word from outside gets it, as the file's comment says. */
static void complete(const struct saga_file *f, const char *gid)
{
	for (size_t i = 0; i < f->w->n_steps; i++) {
		const char *step = f->w->steps[i].name;
		if (!f->w->steps[i].complete_within_ms)
			continue;
		WAIT_FOR(RUN_S,
			 SETTLE("complete", gid, step, "--output", "{\"by\": \"ann\"}") == 0);
	}
}

static char **paths;

START_TEST(example_runs_to_success)
{
	struct saga_file *f = saga_file_open(paths[_i]);
	char *gid = textf("one-%s", f->name);
	bool waits = false;

	for (size_t i = 0; i < f->w->n_steps; i++)
		waits = waits || f->w->steps[i].complete_within_ms;
	open_coordinator();
	char *conf = clerk_conf(f, agents_port);
	char *resources = clerk_resources();
	open_agent(conf);
	served(resources);
	const int status = submit(f, gid, waits ? "accepted" : "finished");
	NEED(status == 0, "%s ended with %d: %s", f->path, status, said);
	complete(f, gid);
	NEED(SETTLE("watch", gid) == 0, "%s: %s", f->path, said);
	NEED(SETTLE("show", gid) == 0, "%s: %s", f->path, said);
	clerk_count(f, gid);
	close_all();
	for (int b = 0; f->banks && b < BANKS; b++)
		pg_server_stop_own(bank[b]);
	free(resources);
	free(conf);
	free(gid);
	saga_file_close(f);
}
END_TEST

/* ---- with their own agents ---- */

static char *swapped(char *text, const char *what, const char *with)
{
	char *at = strstr(text, what);
	NEED(at, "there is no `%s` in it", what);
	char *out = textf("%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
	free(text);
	return out;
}

/* The example's own agent.yaml, but for our port and `swaps`: pairs, ended by NULL. */
static void open_own_agent(const char *path, const char *const *swaps)
{
	char *conf = temp_path("own.%d.yaml", (int)getpid());
	char *line = textf("coordinator: tcp://127.0.0.1:%d", agents_port);
	char *text = file_read(path);
	NEED(text, "%s cannot be read", path);
	text = swapped(text, "coordinator: tcp://127.0.0.1:7481", line);
	for (; *swaps; swaps += 2)
		text = swapped(text, swaps[0], swaps[1]);
	file_write(conf, text);
	open_agent(conf);
	free(text);
	free(line);
	free(conf);
}
#define OWN_AGENT(path, ...) open_own_agent(path, (const char *[]){__VA_ARGS__, NULL})

static void runs(const char *path, const char *resource)
{
	struct saga_file *f = saga_file_open(path);
	served(resource);
	NEED(submit(f, "own", "finished") == 0, "%s: %s", path, said);
	saga_file_close(f);
}

static int asked_of_file(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;
	NEED(sqlite3_open(path, &db) == SQLITE_OK &&
		     sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
		     sqlite3_step(s) == SQLITE_ROW,
	     "%s: %s", sql, sqlite3_errmsg(db));
	const int n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

START_TEST(stay_is_in_the_inns_file)
{
	char *file = temp_path("inn.%d.db", (int)getpid());
	char *line = textf("file: %s", file);

	open_coordinator();
	OWN_AGENT("examples/sqlite/agent.yaml", "file: build/inn.db", line);
	runs("examples/sqlite/stay.yaml", "inn");
	close_all();
	ck_assert_int_eq(asked_of_file(file, "SELECT count(*) FROM stay"), 1);
	ck_assert_int_eq(asked_of_file(file, "SELECT cents FROM purse WHERE guest = 'ann'"),
			 30000 - 120);
	free(line);
	free(file);
}
END_TEST

/* Lines of what the shell prints. */
static int lines_from(const char *command)
{
	FILE *in = popen(command, "r");
	int n = 0;
	NEED(in, "no shell");
	for (int c; (c = fgetc(in)) != EOF;)
		n += c == '\n';
	pclose(in);
	return n;
}

START_TEST(evening_has_its_seats_at_both_shows)
{
	char *dir = temp_path("office.%d", (int)getpid());
	char *make = textf("mkdir -p %s/seats/total && echo 40 >%s/seats/total/hamlet && "
			   "echo 40 >%s/seats/total/lear && cp examples/exec/seats.sh %s/",
			   dir, dir, dir, dir);
	char *adapter = textf("adapter: exec\n    directory: %s", dir);
	char *state = textf("state: %s/agent.db", dir);
	char *sold = textf("cat %s/seats/sold/* | grep -x 'hamlet 2\\|lear 2'", dir);
	char *gone = textf("ls %s/seats/gone %s/seats/held | grep own", dir, dir);

	ck_assert_int_eq(lines_from(make), 0);
	open_coordinator();
	OWN_AGENT("examples/exec/agent.yaml", "adapter: exec", adapter, "state: seats-agent.db",
		  state);
	runs("examples/exec/evening.yaml", "seats");
	close_all();
	ck_assert_int_eq(lines_from(sold), 2);
	ck_assert_int_eq(lines_from(gone), 0);
	free(gone);
	free(sold);
	free(state);
	free(adapter);
	free(make);
	free(dir);
}
END_TEST

static bool answers(const char *base, size_t *bookings)
{
	struct response r = rest_send(base, "GET", "/seats", NULL, 0, 5000);
	const bool yes = r.status == 200;
	size_t i;
	json_t *one;
	*bookings = 0;
	json_array_foreach(r.json, i, one) *bookings +=
		strcmp(json_text(one, "state"), "confirmed") == 0;
	response_free(&r);
	return yes;
}

START_TEST(journey_is_booked_at_its_service)
{
	char *ledger = temp_path("ledger.%d", (int)getpid());
	char *db = temp_path("seats.%d.db", (int)getpid());
	char *line = textf("state: %s", ledger);
	open_coordinator();
	const int at = port_free();
	char *port = textf("%d", at), *base = textf("http://127.0.0.1:%d", at);
	struct proc *service = start(
		"seats",
		(const char *[]){"/usr/bin/python3", "examples/http/seats.py", port, db, NULL},
		NULL);
	size_t bookings;

	WAIT_FOR(START_S, answers(base, &bookings));
	ck_assert_uint_eq(bookings, 0);
	OWN_AGENT("examples/http/agent.yaml", "http://127.0.0.1:7490", base,
		  "state: build/seats-ledger", line);
	runs("examples/http/journey.yaml", "seats");
	close_all();
	ck_assert(answers(base, &bookings));
	ck_assert_uint_eq(bookings, 2);
	proc_kill(service);
	proc_free(service);
	free(base);
	free(port);
	free(line);
	free(db);
	free(ledger);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("examples");
	TCase *c = tcase_create("examples");
	int n = 0;

	paths = saga_examples();
	while (paths[n])
		n++;
	tcase_set_timeout(c, (double)harness_patience_ms(2 * RUN_S) / 1000);
	tcase_add_loop_test(c, example_runs_to_success, 0, n);
	tcase_add_test(c, stay_is_in_the_inns_file);
	tcase_add_test(c, evening_has_its_seats_at_both_shows);
	tcase_add_test(c, journey_is_booked_at_its_service);
	suite_add_tcase(s, c);
	const int status = suite_run(s, banks_open, banks_close);
	for (int i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
	return status;
}
