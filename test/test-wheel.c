/* SPDX-License-Identifier: MIT */
/* The timer wheel against a sorted list that does the same slowly. */
#include "base/rng.h"
#include "base/wheel.h"
#include "fluv-test.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_NODES 400

typedef struct entry {
  fluv__wheel_node_t node;
  uint64_t tick;  /* the wheel may change its own copy */
  uint64_t order; /* of insertion */
  bool in;
} entry_t;

static fluv__wheel_t wheel;
static entry_t entries[MAX_NODES];
static uint64_t inserted;
static fluv__rng_t rng;
static char context[64];

static void setup_wheel(void) {
  fluv__wheel_init(&wheel, 0);
  memset(entries, 0, sizeof(entries));
  inserted = 0;
}

static void insert(entry_t* e, uint64_t tick) {
  e->tick = tick;
  e->order = inserted++;
  e->in = true;
  e->node.tick = tick;
  fluv__wheel_insert(&wheel, &e->node);
}

static void take_out(entry_t* e) {
  e->in = false;
  fluv__wheel_remove(&wheel, &e->node);
}

static entry_t* pop(uint64_t now) {
  fluv__wheel_node_t* node = fluv__wheel_pop(&wheel, now);
  entry_t* e;

  if (node == NULL)
    return NULL;
  e = fluv__container_of(node, entry_t, node);
  ck_assert_msg(e->in, "%s: an entry that is out was popped", context);
  e->in = false;
  return e;
}

START_TEST(empty_wheel_has_nothing) {
  ck_assert_ptr_null(pop(0));
  ck_assert_ptr_null(pop(UINT64_MAX - 1));
  ck_assert_uint_eq(fluv__wheel_next(&wheel), UINT64_MAX);
  ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(entries_come_in_order_of_tick) {
  uint64_t ticks[] = { 5, 1, 64, 63, 4096, 65, 1ull << 40, 4095 };
  uint64_t sorted[] = { 1, 5, 63, 64, 65, 4095, 4096, 1ull << 40 };
  int i;

  for (i = 0; i < 8; i++)
    insert(&entries[i], ticks[i]);
  for (i = 0; i < 8; i++) {
    entry_t* e;
    ck_assert_ptr_null(pop(sorted[i] - 1));
    e = pop(sorted[i]);
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_eq(e->tick, sorted[i]);
  }
  ck_assert_uint_eq(wheel.count, 0);
}
END_TEST

START_TEST(equal_ticks_come_in_order_of_insertion) {
  uint64_t now;
  int i;

  /* The later half is inserted when the wheel is closer to the tick. */
  for (i = 0; i < 100; i++) {
    now = (uint64_t) i * 50;
    ck_assert_ptr_null(pop(now));
    insert(&entries[i], 5000);
  }
  for (i = 0; i < 100; i++) {
    entry_t* e = pop(5000);
    ck_assert_ptr_eq(e, &entries[i]);
  }
}
END_TEST

START_TEST(a_tick_that_has_passed_is_due_at_once) {
  ck_assert_ptr_null(pop(1000));
  insert(&entries[0], 10);
  insert(&entries[1], 1000);
  insert(&entries[2], 0);
  ck_assert_uint_le(fluv__wheel_next(&wheel), 1000);
  ck_assert_ptr_nonnull(pop(1000));
  ck_assert_ptr_nonnull(pop(1000));
  ck_assert_ptr_nonnull(pop(1000));
  ck_assert_ptr_null(pop(1000));
}
END_TEST

START_TEST(time_does_not_go_back) {
  ck_assert_ptr_null(pop(500));
  insert(&entries[0], 600);
  ck_assert_ptr_null(pop(10));
  ck_assert_ptr_null(pop(599));
  ck_assert_ptr_eq(pop(600), &entries[0]);
}
END_TEST

START_TEST(removed_entries_are_gone) {
  insert(&entries[0], 10);
  insert(&entries[1], 10);
  insert(&entries[2], 5000);
  take_out(&entries[0]);
  take_out(&entries[2]);
  ck_assert_uint_eq(wheel.count, 1);
  ck_assert_ptr_eq(pop(10000), &entries[1]);
  ck_assert_ptr_null(pop(10000));
  ck_assert_uint_eq(fluv__wheel_next(&wheel), UINT64_MAX);
}
END_TEST

START_TEST(next_is_never_late) {
  uint64_t distance;

  for (distance = 1; distance < 1ull << 50; distance = distance * 3 + 1) {
    setup_wheel();
    fluv__wheel_init(&wheel, 12345);
    insert(&entries[0], 12345 + distance);
    ck_assert_uint_le(fluv__wheel_next(&wheel), 12345 + distance);
    ck_assert_uint_gt(fluv__wheel_next(&wheel), 12345);
    ck_assert_ptr_null(pop(fluv__wheel_next(&wheel) - 1));
    ck_assert_ptr_null(pop(12345 + distance - 1));
    ck_assert_ptr_eq(pop(12345 + distance), &entries[0]);
  }
}
END_TEST

START_TEST(a_far_entry_does_not_hide_a_nearer_one) {
  uint64_t turn = 1ull << 36;
  uint64_t slot = 1ull << 30;

  /* Beyond the wheel's reach, yet in a slot before the nearer entry's. */
  insert(&entries[0], turn + slot);
  insert(&entries[1], 2 * slot);
  ck_assert_uint_le(fluv__wheel_next(&wheel), 2 * slot);
  ck_assert_ptr_null(pop(2 * slot - 1));
  ck_assert_ptr_eq(pop(2 * slot), &entries[1]);
  ck_assert_ptr_null(pop(turn + slot - 1));
  ck_assert_ptr_eq(pop(turn + slot), &entries[0]);
}
END_TEST

/* The model: the entry that must come next, by tick and then by order. */
static entry_t* model_first(uint64_t now) {
  entry_t* first = NULL;
  int i;

  for (i = 0; i < MAX_NODES; i++) {
    entry_t* e = &entries[i];
    if (!e->in || e->tick > now)
      continue;
    if (first == NULL || e->tick < first->tick ||
        (e->tick == first->tick && e->order < first->order))
      first = e;
  }
  return first;
}

static uint64_t model_next(void) {
  entry_t* first = model_first(UINT64_MAX);

  return first == NULL ? UINT64_MAX : first->tick;
}

static uint64_t random_distance(void) {
  unsigned bits = fluv__rng_below(&rng, 45);

  return fluv__rng_next(&rng) & ((1ull << bits) - 1);
}

static void random_insert_or_remove(uint64_t now) {
  entry_t* e = &entries[fluv__rng_below(&rng, MAX_NODES)];

  if (e->in)
    take_out(e);
  else
    insert(e, now + 1 + random_distance());
}

/* Pop all that is due; now and then insert or remove in between. */
static void compare_due(uint64_t now) {
  entry_t* want;

  while ((want = model_first(now)) != NULL) {
    entry_t* is = pop(now);
    ck_assert_msg(is == want,
                  "%s: at %" PRIu64 " wanted tick %" PRIu64 " order %" PRIu64
                  ", got %" PRIu64 " order %" PRIu64,
                  context,
                  now,
                  want->tick,
                  want->order,
                  is == NULL ? 0 : is->tick,
                  is == NULL ? 0 : is->order);
    if (fluv__rng_below(&rng, 8) == 0)
      random_insert_or_remove(now);
  }
  ck_assert_msg(pop(now) == NULL, "%s: more than is due", context);
}

static size_t model_count(void) {
  size_t count = 0;
  int i;

  for (i = 0; i < MAX_NODES; i++)
    count += entries[i].in;
  return count;
}

START_TEST(random_use_agrees_with_a_sorted_list) {
  uint64_t seed = (uint64_t) _i * 7919 + uv_hrtime();
  uint64_t now;
  int step;

  /* Shown when an assertion fails. */
  snprintf(context, sizeof(context), "seed %" PRIu64, seed);
  fluv__rng_seed(&rng, seed);
  now = random_distance();
  fluv__wheel_init(&wheel, now);
  for (step = 0; step < 1500; step++) {
    uint64_t next;
    if (fluv__rng_below(&rng, 3) != 0) {
      random_insert_or_remove(now);
    } else if (fluv__rng_below(&rng, 4) == 0 && model_next() != UINT64_MAX) {
      now = model_next();
      compare_due(now);
    } else {
      now += random_distance() >> fluv__rng_below(&rng, 40);
      compare_due(now);
    }
    next = fluv__wheel_next(&wheel);
    ck_assert_msg(next <= model_next(), "%s: next is late", context);
    ck_assert_msg(wheel.count == model_count(), "%s: count", context);
  }
}
END_TEST

static Suite* wheel_suite(void) {
  Suite* s = suite_create("wheel");
  TCase* tc = test_case(s, "basic", setup_wheel, NULL);

  ADD(tc,
      empty_wheel_has_nothing,
      entries_come_in_order_of_tick,
      equal_ticks_come_in_order_of_insertion,
      a_tick_that_has_passed_is_due_at_once,
      time_does_not_go_back,
      removed_entries_are_gone,
      next_is_never_late,
      a_far_entry_does_not_hide_a_nearer_one);
  tcase_add_loop_test(tc, random_use_agrees_with_a_sorted_list, 0, 10);
  return s;
}

TEST_MAIN(wheel_suite)
