/* bench_startup.c - how long a start takes on a large journal: from the start of `settled` to
 * the answer to an agent's first poll.
 *
 * The agent is this program, which tries to reach `settled` all the while.  The answer that it
 * waits for has work in it: it comes after the journal has been read, and the new epoch
 * is durable.  Beside it, in turns: a program that merely reads the unfinished rows with SQLite
 * (this one, as `--read FILE`). */
#include "base/clock.h"
#include "base/mem.h"
#include "bench/goal.h"
#include "bench/run.h"
#include "wire/frame.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRY_US = 500, TRY_S = 60, HELLO = 8, HEAD = 1 + 8 + 4 };

static struct {
	char *settled, *config, *agents, *journal;
	int rounds;
} options = {.rounds = 7};

/* ---- SQLite alone ---- */

static const char unfinished[] =
	"SELECT seq, state, finished_us, epoch, gid, workflow, reason, hash, detail, parent"
	" FROM txn INDEXED BY txn_state"
	" WHERE state <> 6 AND state IN (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15)";

static void read_rows(const char *path)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int rows = 0, bytes = 0;

	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, unfinished, -1, &stmt, NULL) != SQLITE_OK)
		bench_die("%s: %s", path, sqlite3_errmsg(db));
	for (; sqlite3_step(stmt) == SQLITE_ROW; rows++)
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			bytes += sqlite3_column_blob(stmt, i) != NULL
					 ? sqlite3_column_bytes(stmt, i)
					 : 0;
	if (rows == 0 || bytes == 0)
		bench_die("%s: no unfinished rows: %s", path, sqlite3_errmsg(db));
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* ---- a start ---- */

static pid_t launch(char *const argv[])
{
	const pid_t pid = fork();

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static void await_end(pid_t pid, const char *what)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_die("%s ended with status %d", what, status);
}

static void all(int fd, void *bytes, size_t size, bool out)
{
	for (size_t done = 0; done < size;) {
		const ssize_t n = out ? send(fd, (char *)bytes + done, size - done, MSG_NOSIGNAL)
				      : recv(fd, (char *)bytes + done, size - done, 0);

		if (n <= 0)
			bench_die("settled hung up: %s", n < 0 ? strerror(errno) : "end");
		done += (size_t)n;
	}
}

/* The connection, as soon as there is anybody. */
static int dial(pid_t pid)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = TRY_S};
	const uint64_t until = clock_mono_us() + TRY_S * UINT64_C(1000000);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(options.agents) >= sizeof to.sun_path)
		bench_die("%s is too long for a socket", options.agents);
	memcpy(to.sun_path, options.agents, strlen(options.agents) + 1);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	while (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
		if (clock_mono_us() > until || waitpid(pid, NULL, WNOHANG) != 0)
			bench_die("settled does not start: %s", strerror(errno));
		usleep(TRY_US);
	}
	return fd;
}

static void send_poll(int fd)
{
	struct operation_info operations[] = {{.name = "debit"}, {.name = "credit"}};
	struct resource_info banks[] = {
		{.name = "bank-a", .adapter = "noop", .ready = true, .problem = "", .groups = true},
		{.name = "bank-b", .adapter = "noop", .ready = true, .problem = "", .groups = true},
	};
	const struct poll poll = {.cluster = "bench",
				  .agent = "starter",
				  .incarnation = clock_wall_us(),
				  .seq = 1,
				  .window = 1000,
				  .hello = true,
				  .resources = banks,
				  .n_resources = 2};
	static const unsigned char hello[HELLO] = "\0SP\0\0\x30\0";
	size_t size;
	unsigned char *bytes;

	for (int i = 0; i < 2; i++) {
		banks[i].operations = &operations[i];
		banks[i].n_operations = 1;
	}
	size = poll_size(&poll);
	bytes = mem_new(HELLO + HEAD + size, 1);
	memcpy(bytes, hello, HELLO);
	bytes[HELLO] = 1; /* then the length of id and body, then the id */
	for (int i = 0; i < 8; i++)
		bytes[HELLO + 1 + i] = (unsigned char)((size + 4) >> (56 - 8 * i));
	memcpy(bytes + HELLO + 9, "\x80\0\0\1", 4);
	poll_encode(&poll, bytes + HELLO + HEAD);
	all(fd, bytes, HELLO + HEAD + size, true);
	free(bytes);
}

static void receive_reply(int fd)
{
	unsigned char head[HELLO + HEAD], *body;
	struct reply reply;
	struct err err;
	size_t size = 0;

	all(fd, head, sizeof head, false);
	for (int i = 0; i < 8; i++)
		size = size << 8 | head[HELLO + 1 + i];
	if (size < 4 || size > FRAME_MAX)
		bench_die("not a reply");
	size -= 4;
	body = mem_new(size, 1);
	all(fd, body, size, false);
	if (reply_decode(&reply, body, size, &err) != RC_OK)
		bench_die("%s", err.text);
	if (reply.error[0] != '\0' || reply.n_commands == 0)
		bench_die("the first poll is answered with %zu commands %s", reply.n_commands,
			  reply.error);
	reply_free(&reply);
	free(body);
}

/* Seconds. */
static double start_settled(void)
{
	char *argv[] = {options.settled, "--config", options.config, NULL};
	const uint64_t began = clock_mono_us();
	const pid_t pid = launch(argv);
	const int fd = dial(pid);
	uint64_t ended;

	send_poll(fd);
	receive_reply(fd);
	ended = clock_mono_us();
	kill(pid, SIGTERM);
	await_end(pid, "settled");
	close(fd);
	return (double)(ended - began) / 1e6;
}

static double read_alone(char *self)
{
	char *argv[] = {self, "--read", options.journal, NULL};
	const uint64_t began = clock_mono_us();

	await_end(launch(argv), "the reading");
	return (double)(clock_mono_us() - began) / 1e6;
}

static void one_round(struct pairs *times, int round)
{
	static char self[] = "/proc/self/exe";
	double ours, theirs;

	if (round % 2 == 0) {
		theirs = read_alone(self);
		ours = start_settled();
	} else {
		ours = start_settled();
		theirs = read_alone(self);
	}
	if (round > 0) /* the first fills the system's cache for both */
		pairs_add(times, ours, theirs);
}

/* Either is enough: two seconds, or 1.2 times the reading. */
static void report(const struct pairs *times)
{
	printf("startup settled=%.3f reading=%.3f seconds ratio=%.2f\n", pairs_ours(times),
	       pairs_theirs(times), pairs_ratio(times));
	if (pairs_ours(times) <= 2 || pairs_ratio(times) > 1.2)
		goal_at_most("startup_seconds", pairs_ours(times), "seconds", 2);
	else
		goal_at_most("startup_ratio", pairs_ratio(times), "ratio", 1.2);
}

int main(int argc, char **argv)
{
	static const struct option list[] = {
		{"settled", required_argument, NULL, 's'},
		{"config", required_argument, NULL, 'c'},
		{"agents", required_argument, NULL, 'a'},
		{"journal", required_argument, NULL, 'j'},
		{"rounds", required_argument, NULL, 'r'},
		{"read", required_argument, NULL, 'x'},
		{NULL, 0, NULL, 0},
	};
	struct pairs times = {0};
	int o;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		switch (o) {
		case 's': options.settled = optarg; break;
		case 'c': options.config = optarg; break;
		case 'a': options.agents = optarg; break;
		case 'j': options.journal = optarg; break;
		case 'r': options.rounds = bench_number(optarg, 1, PAIRS_MAX); break;
		case 'x': read_rows(optarg); return 0;
		default: options.settled = NULL; optind = argc;
		}
	}
	if (options.settled == NULL || options.config == NULL || options.agents == NULL ||
	    options.journal == NULL || optind < argc) {
		fputs("usage: bench_startup --settled PROGRAM --config FILE --agents SOCKET\n"
		      "       --journal FILE [--rounds 7]\n"
		      "       bench_startup --read FILE\n",
		      stderr);
		exit(2);
	}
	for (int round = 0; round <= options.rounds; round++)
		one_round(&times, round);
	report(&times);
	return 0;
}
