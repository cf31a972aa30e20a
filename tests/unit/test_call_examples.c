/* The services of examples/exec and examples/http under calls of sagas: twice, late, and
 * undone without having been done. */
#include "tests/lib/exec_rig.h"
#include "tests/lib/http_rig.h"
#include "tests/lib/proc.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- examples/exec/seats.sh ---- */

static int seats_left(struct xr *rig)
{
	struct xr_call *c = xr_prepare_in(rig, "r", "free", "{\"show\": \"hamlet\"}", 20000, true);

	XR_IS(c, "read-only");
	return atoi(c->output + strlen("{\"free\": "));
}

START_TEST(example_sells_each_booking_once)
{
	static const char ops[] = "  book:\n"
				  "    args: [show, seats]\n"
				  "    call: {command: [./seats.sh, book], timeout: 20s}\n"
				  "  give-back:\n"
				  "    call: {command: [./seats.sh, give-back], timeout: 20s}\n"
				  "  free:\n"
				  "    args: [show]\n"
				  "    read_only: true\n"
				  "    prepare: {command: [./seats.sh, read]}\n";
	static const char two[] = "{\"show\": \"hamlet\", \"seats\": 2}";
	char *dir = xr_dir(),
	     *setting = textf("mkdir -p %s/seats/total && echo 5 > %s/seats/total/hamlet && "
			      "cp examples/exec/seats.sh %s/",
			      dir, dir, dir);
	struct xr_call *c;
	struct xr *rig;

	NEED(system(setting) == 0, "cannot set up the example");
	rig = xr_serve(xr_open(dir, ops, ""));
	c = xr_do(rig, "a", "book", two);
	XR_IS(c, "done");
	ck_assert_str_eq(c->output, "{\"show\": \"hamlet\", \"seats\": 2}");
	c = xr_do(rig, "a", "book", two); /* a lost answer: the same again */
	XR_IS(c, "done");
	ck_assert_str_eq(c->output, "{\"show\": \"hamlet\", \"seats\": 2}");
	ck_assert_int_eq(seats_left(rig), 3);
	XR_IS(xr_do(rig, "b", "book", two), "done");
	c = xr_do(rig, "c", "book", two);
	XR_IS(c, "refused");
	XR_SAYS(c, "1 seats left on hamlet, 2 wanted");
	XR_IS(xr_undo(rig, "a", "give-back", "{}"), "done");
	XR_IS(xr_undo(rig, "a", "give-back", "{}"), "done");
	ck_assert_int_eq(seats_left(rig), 3);
	XR_IS(xr_do(rig, "a", "book", two), "refused");      /* late */
	XR_IS(xr_undo(rig, "d", "give-back", "{}"), "done"); /* without its action */
	XR_IS(xr_do(rig, "d", "book", two), "refused");
	ck_assert_int_eq(seats_left(rig), 3);
	xr_close(rig);
	free(setting);
	free(dir);
}
END_TEST

/* ---- examples/http/seats.py ---- */

static bool listens(int port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	const bool yes = connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;

	close(fd);
	return yes;
}

START_TEST(example_books_each_seat_once)
{
	static const char ops[] = "operations:\n"
				  "  book:\n"
				  "    args: [seat, customer]\n"
				  "    call: {method: PUT, path: \"/bookings/{gid}/{step}\",\n"
				  "           body: {seat: \"{seat}\", customer: \"{customer}\"}}\n"
				  "  unbook:\n"
				  "    call: {method: DELETE, path: \"/bookings/{gid}/{step}\"}\n";
	static const char ann[] = "{\"seat\": \"12A\", \"customer\": \"ann\"}";
	const int port = port_free();
	char *number = textf("%d", port), *db = temp_path("seats-%d.db", port);
	char *config = textf("adapter: http\nbase: http://127.0.0.1:%d\n%s", port, ops);
	const char *const argv[] = {"/usr/bin/python3", "examples/http/seats.py", number, db, NULL};
	struct proc *service = proc_new("seats", argv);
	struct shop_call *c;
	struct shop *shop;

	proc_start(service);
	shop = shop_open(config);
	WAIT_FOR(30, listens(port));
	WORD(shop_do(shop, "a", "book", ann), "done");
	c = shop_do(shop, "a", "book", ann); /* a lost answer: the same again */
	WORD(c, "done");
	ck_assert_str_eq(c->output, "{\"seat\": \"12A\"}");
	c = shop_do(shop, "b", "book", ann);
	WORD(c, "refused");
	SAYS(c, "seat 12A is taken");
	WORD(shop_undo(shop, "a", "unbook", "{}"), "done");
	WORD(shop_undo(shop, "a", "unbook", "{}"), "done");
	c = shop_do(shop, "a", "book", ann); /* late */
	WORD(c, "refused");
	SAYS(c, "was cancelled");
	WORD(shop_undo(shop, "c", "unbook", "{}"), "done"); /* without its action */
	WORD(shop_do(shop, "c", "book", ann), "refused");
	WORD(shop_do(shop, "d", "book", ann), "done");
	shop_close(shop);
	proc_kill(service);
	proc_free(service);
	free(number);
	free(db);
	free(config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("call_examples");
	TCase *tc = tcase_create("examples");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, example_sells_each_booking_once);
	tcase_add_test(tc, example_books_each_seat_once);
	suite_add_tcase(suite, tc);
	return suite_run(suite, NULL, NULL);
}
