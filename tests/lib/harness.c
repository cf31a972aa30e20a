#include "tests/lib/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PORT_LOW = 12000, /* below Linux's ephemeral ports, which begin at 32768 */
	PORT_HIGH = 32000,
	PAUSE_US = 3000,
};

static bool in_check;
static char dir_name[512];
static pid_t dir_owner;

void harness_fail(const char *file, int line, const char *fmt, ...)
{
	char text[2000];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (in_check)
		ck_abort_msg("%s:%d: %s", file, line, text);
	fprintf(stderr, "%s:%d: %s\n", file, line, text);
	exit(1);
}

int64_t clock_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t harness_patience_ms(int seconds)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return (int64_t)seconds * 3000;
#else
	return (int64_t)seconds * 1000;
#endif
}

void harness_pause(void)
{
	struct timespec ts = {.tv_nsec = PAUSE_US * 1000L};
	nanosleep(&ts, NULL);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void remove_dir(void)
{
	if (dir_owner == getpid() && dir_name[0] && !getenv("KEEP"))
		nftw(dir_name, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

const char *temp_dir(void)
{
	if (dir_name[0])
		return dir_name;
	const char *base = getenv("TMPDIR");
	snprintf(dir_name, sizeof dir_name, "%s/settle-test.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(dir_name))
		FAIL("cannot make %s: %s", dir_name, strerror(errno));
	/* The postgres user must get through to its own directories. */
	if (chmod(dir_name, 0711) != 0)
		FAIL("chmod: %s", strerror(errno));
	dir_owner = getpid();
	atexit(remove_dir);
	return dir_name;
}

void temp_dir_anew(void)
{
	setenv("TMPDIR", temp_dir(), 1);
	dir_name[0] = '\0';
	temp_dir();
}

static char *vtextf(const char *fmt, va_list ap)
{
	char *text = NULL;
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

char *textf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = vtextf(fmt, ap);
	va_end(ap);
	return text;
}

char *temp_path(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *name = vtextf(fmt, ap);
	va_end(ap);
	char *path = textf("%s/%s", temp_dir(), name);
	free(name);
	return path;
}

void file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		FAIL("cannot write %s: %s", path, strerror(errno));
}

char *file_read(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char part[8192];
	size_t n;
	while ((n = fread(part, 1, sizeof part, f)) > 0)
		fwrite(part, 1, n, out);
	fclose(f);
	fclose(out);
	return text;
}

static bool port_try(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		FAIL("socket: %s", strerror(errno));
	int one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bool ok = bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
	close(fd);
	return ok;
}

int port_free(void)
{
	static unsigned seed;
	if (!seed)
		seed = (unsigned)getpid() * 7919U ^ (unsigned)clock_ms();
	for (int i = 0; i < 1000; i++) {
		int port = PORT_LOW + rand_r(&seed) % (PORT_HIGH - PORT_LOW);
		if (port_try(port))
			return port;
	}
	FAIL("no free port");
}

char *program_path(const char *name)
{
	const char *build = getenv("BUILD");
	char *path = textf("%s/%s", build && *build ? build : "build", name);
	if (access(path, X_OK) != 0)
		FAIL("%s is not there: build the programs first, and set BUILD", path);
	return path;
}

int suite_run(Suite *suite, void (*open_fn)(void), void (*close_fn)(void))
{
	signal(SIGPIPE, SIG_IGN);
	temp_dir();
	if (open_fn)
		open_fn();
	in_check = true;
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	in_check = false;
	if (close_fn)
		close_fn();
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
