/* test_heap.c - deadlines come out in order, whatever was moved or removed. */
#include "base/heap.h"

#include <check.h>
#include <stdlib.h>

enum { N = 200 };

static struct heap heap;
static struct heap_node nodes[N];

/* A small generator, so that every run does the same. */
static uint32_t roll(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Empties the heap and checks the order; returns how many there were. */
static size_t drain(void)
{
	struct heap_node *node;
	uint64_t last = 0;
	size_t n = 0;

	while ((node = heap_first(&heap)) != NULL) {
		ck_assert_uint_ge(node->at, last);
		last = node->at;
		heap_remove(&heap, node);
		ck_assert_uint_eq(node->place, 0);
		n++;
	}
	return n;
}

START_TEST(an_empty_heap_has_no_first)
{
	ck_assert_ptr_null(heap_first(&heap));
	heap_remove(&heap, &nodes[0]); /* in none: nothing happens */
	heap_fini(&heap);
}
END_TEST

START_TEST(nodes_come_out_in_order)
{
	for (size_t i = 0; i < N; i++)
		heap_set(&heap, &nodes[i], roll() % 50);
	ck_assert_uint_eq(drain(), N);
	heap_fini(&heap);
}
END_TEST

START_TEST(a_node_that_is_set_again_moves)
{
	for (size_t i = 0; i < N; i++)
		heap_set(&heap, &nodes[i], 1000 + i);
	heap_set(&heap, &nodes[N - 1], 1);
	ck_assert_ptr_eq(heap_first(&heap), &nodes[N - 1]);
	heap_set(&heap, &nodes[N - 1], 5000);
	ck_assert_ptr_eq(heap_first(&heap), &nodes[0]);
	ck_assert_uint_eq(drain(), N);
	heap_fini(&heap);
}
END_TEST

START_TEST(any_mix_of_sets_and_removes_keeps_the_order)
{
	size_t in = 0;

	for (int step = 0; step < 20000; step++) {
		struct heap_node *node = &nodes[roll() % N];

		if (roll() % 3 == 0) {
			in -= node->place != 0 ? 1 : 0;
			heap_remove(&heap, node);
		} else {
			in += node->place == 0 ? 1 : 0;
			heap_set(&heap, node, roll() % 1000);
		}
		ck_assert_uint_eq(heap.count, in);
		for (size_t i = 0; step % 100 == 0 && i < N; i++)
			ck_assert(nodes[i].place == 0 || heap_first(&heap)->at <= nodes[i].at);
	}
	ck_assert_uint_eq(drain(), in);
	heap_fini(&heap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("heap");
	TCase *tc = tcase_create("heap");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, an_empty_heap_has_no_first);
	tcase_add_test(tc, nodes_come_out_in_order);
	tcase_add_test(tc, a_node_that_is_set_again_moves);
	tcase_add_test(tc, any_mix_of_sets_and_removes_keeps_the_order);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
