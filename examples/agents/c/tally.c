/* tally.c - an agent for Settle in C, on wire/ alone: send results, receive work.
 *
 *     tally HOST PORT CLUSTER AGENT
 *
 * It serves saga calls on the resource `tally`: `add` with {"n": number}, undone by
 * `take`.  It keeps its marks in memory, so it is exact only as long as it lives, and does
 * not claim more; an agent with something to lose keeps them with its data, as
 * examples/agents/python does.  docs/protocol.md has the rules. */
#include "base/clock.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <endian.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	OUTSTANDING = 2,
	POLLS_MAX = 8,
	KEY_SIZE = 192,
	OUTPUT_SIZE = 48,
	LIFE_US = POLL_LIFE_MS * 1000
};

/* In front of each frame: the bytes behind `size`, and the request; big end first. */
struct head {
	uint64_t size;
	uint32_t request;
} __attribute__((packed));

/* What one step has come to. */
struct mark {
	struct mark *next;
	char key[KEY_SIZE]; /* gid/step */
	long n;
	bool undone;
};

/* One result, until a reply acknowledges it. */
struct owed {
	struct owed *next;
	char gid[65], step[64];
	struct result result;
	char output[OUTPUT_SIZE];
	uint32_t carried_by; /* request; 0: none yet */
};

static struct {
	const char *host, *port, *cluster, *agent;
	int fd;
	uint64_t incarnation, seq, epoch;
	uint32_t last_request;
	uint32_t request[POLLS_MAX]; /* outstanding; 0: free */
	uint64_t made_us[POLLS_MAX];
	struct owed *owed;
	struct mark *marks;
	long total;
} me;

/* ---- the connection: false when it is lost ---- */

static bool send_all(const void *bytes, size_t size)
{
	return send(me.fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size; /* the socket blocks */
}

static bool read_all(void *bytes, size_t size)
{
	return recv(me.fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

static bool dial(void)
{
	static const char hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const struct timeval limit = {POLL_LIFE_MS / 1000, 0};
	struct addrinfo *at = NULL;
	char theirs[8] = "";
	bool good;

	me.fd = -1;
	if (getaddrinfo(me.host, me.port, &hints, &at) != 0)
		return false;
	me.fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(me.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(me.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	good = connect(me.fd, at->ai_addr, at->ai_addrlen) == 0 && send_all(hello, 8) &&
	       read_all(theirs, 8) && memcmp(theirs, "\0SP\0\0\x31\0\0", 8) == 0;
	freeaddrinfo(at);
	return good;
}

/* ---- polls ---- */

static int slot_of(uint32_t request)
{
	for (int i = 0; i < POLLS_MAX; i++)
		if (me.request[i] == request)
			return i;
	return -1;
}

static bool owes(void)
{
	for (const struct owed *o = me.owed; o != NULL; o = o->next)
		if (o->carried_by == 0)
			return true;
	return false;
}

static bool send_poll(bool hello)
{
	static const char *args[] = {"n"};
	struct operation_info operations[] = {{"add", args, 1}, {"take", NULL, 0}};
	struct resource_info resource = {.name = "tally",
					 .adapter = "c",
					 .ready = true,
					 .problem = "",
					 .calls = true,
					 .operations = operations,
					 .n_operations = 2};
	struct poll p = {.cluster = me.cluster,
			 .agent = me.agent,
			 .incarnation = me.incarnation,
			 .seq = ++me.seq,
			 .epoch = me.epoch,
			 .window = 16,
			 .hello = hello,
			 .resources = &resource,
			 .n_resources = hello};
	const int slot = slot_of(0);
	struct result results[100];
	unsigned char *frame;
	struct head head;
	size_t size;
	bool good;

	me.last_request = (me.last_request + 1) | 0x80000000;
	me.request[slot] = me.last_request;
	me.made_us[slot] = clock_mono_us();
	p.results = results;
	for (struct owed *o = me.owed; o != NULL && p.n_results < 100; o = o->next) {
		if (o->carried_by != 0)
			continue;
		o->carried_by = me.last_request;
		results[p.n_results++] = o->result;
	}
	size = poll_size(&p);
	frame = mem_new(sizeof head + size, 1);
	head = (struct head){htobe64(4 + size), htobe32(me.last_request)};
	memcpy(frame, &head, sizeof head);
	poll_encode(&p, frame + sizeof head);
	good = send_all(frame, sizeof head + size);
	free(frame);
	return good;
}

/* ---- work ---- */

static struct mark *find(const char *key)
{
	for (struct mark *m = me.marks; m != NULL; m = m->next)
		if (strcmp(m->key, key) == 0)
			return m;
	return NULL;
}

static void keep(const char *key, long n, bool undone)
{
	struct mark *m = mem_new(1, sizeof *m);

	snprintf(m->key, sizeof m->key, "%s", key);
	m->n = n;
	m->undone = undone;
	m->next = me.marks;
	me.marks = m;
	me.total += n;
}

static enum result_kind act(const struct command *c, char *output, const char **reason)
{
	char key[KEY_SIZE], args[256];
	struct mark *m;
	long n;

	snprintf(key, sizeof key, "%s/%s", c->id.gid, c->id.branch);
	snprintf(args, sizeof args, "%.*s", (int)c->args.size, c->args.data);
	m = find(key);
	if (c->kind == COMMAND_UNDO && m == NULL) {
		keep(key, 0, true); /* its action must not come any more */
	} else if (c->kind == COMMAND_UNDO && !m->undone) {
		me.total -= m->n;
		m->undone = true;
	} else if (c->kind == COMMAND_DO && m != NULL && m->undone) {
		*reason = "it has been undone already";
		return RESULT_REFUSED;
	} else if (c->kind == COMMAND_DO && m == NULL) {
		if (strcmp(c->operation, "add") != 0 || sscanf(args, " { \"n\" : %ld }", &n) != 1) {
			*reason = "`add` takes a number `n`";
			return RESULT_REFUSED;
		}
		keep(key, n, false);
	}
	snprintf(output, OUTPUT_SIZE, "{\"total\": %ld}", me.total);
	return RESULT_DONE;
}

static void work(const struct command *c)
{
	struct owed *o = mem_new(1, sizeof *o);
	const char *reason = "";

	snprintf(o->gid, sizeof o->gid, "%s", c->id.gid);
	snprintf(o->step, sizeof o->step, "%s", c->id.branch);
	o->result.id = (struct branch_id){"tally", o->gid, c->id.epoch, o->step};
	if (c->kind == COMMAND_DO || c->kind == COMMAND_UNDO) {
		o->result.kind = act(c, o->output, &reason);
		o->result.call = c->kind;
		o->result.attempt = c->attempt;
	} else {
		/* It has said that it takes no part in groups: nothing can be prepared here. */
		o->result.kind = c->kind == COMMAND_PREPARE || c->kind == COMMAND_ONCE
					 ? RESULT_REFUSED
					 : RESULT_UNKNOWN;
		reason = "this agent serves calls only";
	}
	o->result.output = (struct bytes){o->output, strlen(o->output)};
	o->result.reason = reason;
	o->next = me.owed;
	me.owed = o;
}

/* The results that a request carried: acknowledged, or to be sent again (0: of all). */
static void settle_owed(uint32_t request, bool acknowledged)
{
	for (struct owed **at = &me.owed, *o; (o = *at) != NULL;) {
		const bool its = o->carried_by != 0 && (request == 0 || o->carried_by == request);

		if (its && acknowledged) {
			*at = o->next;
			free(o);
			continue;
		}
		if (its)
			o->carried_by = 0;
		at = &o->next;
	}
}

static bool take_reply(uint32_t request, const struct reply *r)
{
	const bool good =
		r->error[0] == '\0' && r->epoch >= me.epoch && strcmp(r->cluster, me.cluster) == 0;

	settle_owed(request, good);
	if (!good) {
		fprintf(stderr, "tally: %s\n",
			r->error[0] != '\0' ? r->error : "an old coordinator");
		if (strncmp(r->error, "superseded", 10) == 0)
			exit(EXIT_FAILURE);
		sleep(1);
		return true;
	}
	me.epoch = r->epoch;
	for (size_t i = 0; i < r->n_commands; i++)
		work(&r->commands[i]);
	return !r->want_hello || send_poll(true);
}

static bool read_reply(void)
{
	struct head head;
	unsigned char *body;
	struct reply r;
	struct err err;
	uint64_t size;
	uint32_t request;
	bool good;
	int slot;

	if (!read_all(&head, sizeof head))
		return false;
	size = be64toh(head.size) - 4;
	request = be32toh(head.request);
	slot = slot_of(request);
	if (size > FRAME_MAX || slot < 0)
		return false;
	me.request[slot] = 0;
	body = mem_new(size, 1);
	good = read_all(body, size) && reply_decode(&r, body, size, &err) == RC_OK;
	free(body);
	if (good) {
		good = take_reply(request, &r);
		reply_free(&r);
	}
	return good;
}

/* Returns when the connection is lost. */
static void talk(void)
{
	struct pollfd readable = {.fd = me.fd, .events = POLLIN};
	bool good = send_poll(true);

	while (good) {
		int open = 0;

		for (int i = 0; i < POLLS_MAX; i++) {
			open += me.request[i] != 0;
			if (me.request[i] != 0 && clock_mono_us() - me.made_us[i] > LIFE_US)
				return;
		}
		if (open < OUTSTANDING || (owes() && open < POLLS_MAX - 1))
			good = send_poll(false);
		else if (poll(&readable, 1, 1000) > 0)
			good = read_reply();
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: tally HOST PORT CLUSTER AGENT\n");
		return 2;
	}
	me.host = argv[1];
	me.port = argv[2];
	me.cluster = argv[3];
	me.agent = argv[4];
	me.incarnation = clock_wall_us();
	for (;;) {
		if (dial())
			talk();
		close(me.fd);
		memset(me.request, 0, sizeof me.request);
		settle_owed(0, false);
		sleep(1);
	}
}
