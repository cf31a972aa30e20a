/* test_mailbox.c - everything posted arrives, in order, on the loop's thread. */
#include "base/mailbox.h"
#include "base/mem.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

enum { POSTERS = 4, EACH = 5000 };

struct letter {
	struct mail mail; /* first */
	int poster, number;
};

struct post_office {
	uv_loop_t loop;
	struct mailbox *box;
	pthread_t home;
	int next[POSTERS]; /* the number expected from each */
	int received;
	int stop_at;  /* how many make the loop stop; 0: never */
	int close_at; /* how many make it close the box; 0: never */
	int repost;   /* how many more to post from inside */
};

static void post(struct mailbox *box, int poster, int number)
{
	struct letter *letter = mem_new(1, sizeof *letter);

	letter->poster = poster;
	letter->number = number;
	mailbox_post(box, &letter->mail);
}

static void receive(struct mail *mail, void *arg)
{
	struct post_office *po = arg;
	struct letter *letter = (struct letter *)mail;

	ck_assert(pthread_equal(po->home, pthread_self()));
	ck_assert_int_eq(letter->number, po->next[letter->poster]++);
	free(letter);
	po->received++;
	if (po->received == po->stop_at)
		uv_stop(&po->loop);
	if (po->received == po->close_at)
		mailbox_close(po->box);
	if (po->repost > 0) {
		po->repost--;
		post(po->box, 0, po->received);
	}
}

static void po_init(struct post_office *po)
{
	*po = (struct post_office){.home = pthread_self()};
	ck_assert_int_eq(uv_loop_init(&po->loop), 0);
	po->box = mailbox_new(&po->loop, receive, po);
}

/* Runs until nothing is left, which the closing of the box brings about. */
static void po_run(struct post_office *po)
{
	ck_assert_int_eq(uv_run(&po->loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&po->loop), 0);
}

struct poster {
	struct post_office *po;
	int number;
	pthread_t thread;
};

static void *post_many(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < EACH; i++)
		post(p->po->box, p->number, i);
	return NULL;
}

START_TEST(mail_of_many_threads_arrives_once_and_in_order)
{
	struct poster posters[POSTERS];
	struct post_office po;

	po_init(&po);
	po.stop_at = POSTERS * EACH;
	for (int i = 0; i < POSTERS; i++) {
		posters[i] = (struct poster){.po = &po, .number = i};
		ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]),
				 0);
	}
	uv_run(&po.loop, UV_RUN_DEFAULT);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	mailbox_close(po.box);
	po_run(&po);
	ck_assert_int_eq(po.received, POSTERS * EACH);
}
END_TEST

START_TEST(nothing_is_delivered_from_inside_post)
{
	struct post_office po;

	po_init(&po);
	post(po.box, 0, 0);
	ck_assert_int_eq(po.received, 0);
	po.close_at = 1;
	po_run(&po);
	ck_assert_int_eq(po.received, 1);
}
END_TEST

START_TEST(mail_that_is_left_at_the_close_is_delivered)
{
	struct post_office po;

	po_init(&po);
	for (int i = 0; i < 3; i++)
		post(po.box, 0, i);
	mailbox_close(po.box);
	ck_assert_int_eq(po.received, 0);
	po_run(&po);
	ck_assert_int_eq(po.received, 3);
}
END_TEST

START_TEST(mail_posted_by_the_receiver_itself_arrives)
{
	struct post_office po;

	po_init(&po);
	po.repost = 10;
	po.close_at = 11;
	post(po.box, 0, 0);
	po_run(&po);
	ck_assert_int_eq(po.received, 11);
}
END_TEST

START_TEST(mail_posted_by_the_receiver_while_closing_arrives)
{
	struct post_office po;

	po_init(&po);
	po.repost = 10;
	post(po.box, 0, 0);
	mailbox_close(po.box);
	po_run(&po);
	ck_assert_int_eq(po.received, 11);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tc = tcase_create("mailbox");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, mail_of_many_threads_arrives_once_and_in_order);
	tcase_add_test(tc, nothing_is_delivered_from_inside_post);
	tcase_add_test(tc, mail_that_is_left_at_the_close_is_delivered);
	tcase_add_test(tc, mail_posted_by_the_receiver_itself_arrives);
	tcase_add_test(tc, mail_posted_by_the_receiver_while_closing_arrives);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
