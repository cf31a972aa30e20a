/* cli_fixture.h - the commands of `settle` against the real REST interface over an
 * engine that answers as the test says.  A command runs in a child process.  Included
 * once a program. */
#ifndef TESTS_CLI_FIXTURE_H
#define TESTS_CLI_FIXTURE_H

#include "tests/unit/rest_fixture.h"

#include "cli/args.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <sys/wait.h>

static char dir[] = "/tmp/settle-cli-XXXXXX";
static char out[1 << 16], err_out[1 << 16];
static bool json;
static const char *server; /* NULL: the real one */

static const struct cli_command *const commands[] = {
	&command_submit,   &command_show,      &command_watch,    &command_list,
	&command_agents,   &command_stats,     &command_cancel,   &command_resolve,
	&command_events,   &command_retry,     &command_skip,     &command_complete,
	&command_fail,     &command_publish,   &command_workflow, &command_workflows,
	&command_activate, &command_resources,
};

static const char *path_in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

FIXTURE void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_in_dir(name), "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void read_file(const char *name, char *to, size_t room)
{
	FILE *file = fopen(path_in_dir(name), "r");

	ck_assert_ptr_nonnull(file);
	to[fread(to, 1, room - 1, file)] = '\0';
	fclose(file);
}

static void redirect(int fd, const char *name)
{
	dup2(open(path_in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600), fd);
}

static void child(char **argv)
{
	char *url = mem_printf("http://%s", rest_address(rest));
	struct cli cli = {.server = server != NULL ? server : url,
			  .token = "a-very-secret-token",
			  .json = json};
	enum cli_exit status = CLI_FAILED;
	struct args args = {0};
	int argc = 0;

	redirect(STDOUT_FILENO, "out");
	redirect(STDERR_FILENO, "err");
	if (chdir(dir) != 0)
		_exit(99);
	while (argv[argc] != NULL)
		argc++;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i]->name, argv[0]) == 0 &&
		    args_parse(commands[i], argc - 1, argv + 1, &args))
			status = commands[i]->run(&cli, &args);
	fflush(stdout);
	_exit((int)status);
}

static pid_t running;

static void start(const char *command_line)
{
	char *argv[32], *words = mem_dup(command_line), *rest_of = words;
	int n = 0;

	while (n < 31 && (argv[n] = strsep(&rest_of, "|")) != NULL)
		n++;
	argv[n] = NULL;
	running = fork();
	ck_assert_int_ge(running, 0);
	if (running == 0)
		child(argv);
	free(words);
}

/* The exit status of the command; what it wrote is in `out` and `err_out`. */
static int finish(void)
{
	const uint64_t until = deadline_us();
	int status;

	while (waitpid(running, &status, WNOHANG) == 0) {
		pump(-1);
		ck_assert(clock_mono_us() < until);
	}
	read_file("out", out, sizeof out);
	read_file("err", err_out, sizeof err_out);
	ck_assert_ptr_null(strstr(err_out, "secret"));
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

FIXTURE int run_answered(const char *command_line, enum answer_code code, const char *text)
{
	const size_t n = n_asked + 1;

	start(command_line);
	answer(await_asked(n)->client, code, code < 300 ? text : NULL, text);
	return finish();
}

#define HAS(where, part)   ck_assert_msg(strstr(where, part) != NULL, "no %s in: %s", part, where)
#define LACKS(where, part) ck_assert_msg(strstr(where, part) == NULL, "%s in: %s", part, where)
#define TXN(status)                                                                        \
	"{\"gid\":\"g-1\",\"status\":\"" status                                            \
	"\",\"workflow\":\"transfer\",\"steps\":[{\"name\":"                               \
	"\"pay\",\"branches\":[{\"name\":\"debit\",\"resource\":\"bank-a\",\"operation\":" \
	"\"debit\","                                                                       \
	"\"status\":\"" status "\"}]}]}"

FIXTURE void set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	write_file("t.yaml", TRANSFER);
	start_rest();
}

FIXTURE void tear_down(void)
{
	static const char *const names[] = {"t.yaml", "in.json", "out", "err"};

	stop_rest();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_in_dir(names[i]));
	rmdir(dir);
}

/* The engine refuses, and says where. */
FIXTURE int run_refused(const char *command_line, const char *place, const char *text)
{
	const size_t n = n_asked + 1;

	start(command_line);
	answer(await_asked(n)->client, ANSWER_INVALID, place, text);
	return finish();
}

#endif
