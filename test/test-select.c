/* SPDX-License-Identifier: MIT */
/* select: the first of several, fairly or by rank, and no value lost. */
#include "fluv-test.h"

#define MS 1000000ull

/* A task that sleeps, notes how that ended, and returns its argument. */
static int64_t sleep_for(void* arg) {
  int64_t ms = (intptr_t) arg;
  int64_t err = fluv_await(fluv_sleep((uint64_t) ms));

  test_note(err == 0 ? "d" : "c");
  return err < 0 ? err : ms;
}

static fluv_future_t* sleeper(intptr_t ms) {
  return fluv_spawn(sleep_for, (void*) ms);
}

/* A task that needs 7 ms to end once it was cancelled. */
static int64_t linger(void* arg) {
  int64_t err = fluv_await(fluv_never());

  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(7)), 0);
  fluv_shield_end();
  test_note("l");
  return arg == NULL ? err : (int64_t) (intptr_t) arg;
}

TEST_TASK(select_gives_index_and_result_of_the_first) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { sleeper(30), sleeper(10), fluv_sleep(20) };
  int64_t result = -1;

  ck_assert_err(fluv_await(fluv_select(f, 3, &result)), 1);
  ck_assert_err(result, 10);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_trace("dc");
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 1);
  return 0;
}

TEST_TASK(select_takes_an_error_for_a_winner) {
  fluv_future_t* f[] = { fluv_never(), fluv_failed(FLUV_EPIPE) };
  int64_t result = 0;

  ck_assert_err(fluv_await(fluv_select(f, 2, &result)), 1);
  ck_assert_err(result, FLUV_EPIPE);
  return 0;
}

TEST_TASK(select_of_one_and_without_a_result) {
  fluv_future_t* f[] = { fluv_sleep(3) };

  ck_assert_err(fluv_await(fluv_select(f, 1, NULL)), 0);
  return 0;
}

TEST_TASK(select_reports_after_its_losers_have_ended) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { fluv_spawn(linger, NULL), fluv_sleep(3) };

  ck_assert_err(fluv_await(fluv_select(f, 2, NULL)), 1);
  ck_assert_trace("l");
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  return 0;
}

/* How often each of `n` ready arms wins in `rounds` rounds. */
static void count_winners(int n, int rounds, unsigned flags, int* wins) {
  fluv_future_t* f[8];
  int64_t which;
  int64_t result;
  int round;
  int i;

  memset(wins, 0, (size_t) n * sizeof(*wins));
  for (round = 0; round < rounds; round++) {
    for (i = 0; i < n; i++)
      f[i] = fluv_ready(i * 10);
    which = fluv_await(fluv_select_with(f, (size_t) n, flags, &result));
    ck_assert_err(result, which * 10);
    wins[which]++;
  }
}

TEST_TASK(select_among_ready_arms_is_fair) {
  int wins[4];
  int i;

  count_winners(4, 2000, 0, wins);
  for (i = 0; i < 4; i++) {
    ck_assert_int_gt(wins[i], 400);
    ck_assert_int_lt(wins[i], 600);
  }
  return 0;
}

TEST_TASK(biased_select_takes_the_first_in_the_array) {
  fluv_future_t* f[3];
  int wins[4];

  count_winners(4, 100, FLUV_SELECT_BIASED, wins);
  ck_assert_int_eq(wins[0], 100);
  f[0] = fluv_never();
  f[1] = fluv_ready(5);
  f[2] = fluv_ready(6);
  ck_assert_err(fluv_await(fluv_select_biased(f, 3, NULL)), 1);
  return 0;
}

static char sequence[2][65];
static int sequence_count;

static int64_t record_sequence(void* arg) {
  char* out = arg;
  int i;

  for (i = 0; i < 64; i++) {
    fluv_future_t* f[] = { fluv_ready(0), fluv_ready(0), fluv_ready(0) };
    out[i] = (char) ('0' + fluv_await(fluv_select(f, 3, NULL)));
  }
  return 0;
}

static void sequence_with_seed(uint64_t seed) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  char* out = sequence[sequence_count++ % 2];

  options.seed = seed;
  ck_assert_err(fluv_run(record_sequence, out, &options), 0);
}

START_TEST(select_is_the_same_again_with_the_same_seed) {
  sequence_count = 0;
  sequence_with_seed(42);
  sequence_with_seed(42);
  ck_assert_str_eq(sequence[0], sequence[1]);
  sequence_with_seed(43);
  ck_assert_str_ne(sequence[0], sequence[1]);
}
END_TEST

TEST_TASK(cold_arms_behind_the_winner_are_never_started) {
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t taken = -1;
  fluv_future_t* f[2];

  /* The set's next would take the member if it were started. */
  ck_assert_err(fluv_joinset_add(set, fluv_ready(9), NULL), 0);
  f[0] = fluv_ready(1);
  f[1] = fluv_joinset_next(set, &taken, NULL);
  ck_assert_err(fluv_await(fluv_select_biased(f, 2, NULL)), 0);
  ck_assert_err(taken, -1);
  ck_assert_uint_eq(fluv_joinset_count(set), 1);

  f[0] = fluv_never();
  f[1] = fluv_joinset_next(set, &taken, NULL);
  ck_assert_err(fluv_await(fluv_select_biased(f, 2, NULL)), 1);
  ck_assert_err(taken, 9);
  return fluv_await(fluv_joinset_close(set));
}

TEST_TASK(a_select_never_takes_from_two_arms) {
  fluv_joinset_t* sets[2] = { fluv_joinset_new(), fluv_joinset_new() };
  fluv_future_t* f[2];
  int64_t taken[2];
  int round;
  int64_t which;
  int i;

  for (round = 0; round < 50; round++) {
    for (i = 0; i < 2; i++) {
      taken[i] = -1;
      ck_assert_err(fluv_joinset_add(sets[i], fluv_sleep(1), NULL), 0);
      f[i] = fluv_joinset_next(sets[i], &taken[i], NULL);
    }
    which = fluv_await(fluv_select(f, 2, NULL));
    ck_assert(which == 0 || which == 1);
    ck_assert_err(taken[which], 0);
    ck_assert_err(taken[1 - which], -1);
    ck_assert_uint_eq(fluv_joinset_count(sets[1 - which]), 1);
    ck_assert_err(fluv_await(fluv_joinset_next(sets[1 - which], NULL, NULL)),
                  1);
  }
  ck_assert_err(fluv_await(fluv_joinset_close(sets[0])), 0);
  return fluv_await(fluv_joinset_close(sets[1]));
}

/* Starting an arm may end one that was started before. */
TEST_TASK(a_send_does_not_end_a_recv_of_the_same_select) {
  const size_t capacities[] = { 1, 0, FLUV_UNBOUNDED };
  fluv_future_t* arms[2];
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  int sent = 7;
  int item;
  size_t k;
  int i;

  for (k = 0; k < 3; k++)
    for (i = 0; i < 2; i++) {
      item = 0;
      ck_assert_err(
          fluv_channel_new(capacities[k], sizeof(int), NULL, &tx, &rx),
          0);
      arms[0] = fluv_recv(rx, &item);
      if (i == 1)
        arms[0] = fluv_timeout(arms[0], 1000);
      arms[1] = fluv_send(tx, &sent);
      /* Sent, into a rendezvous too: a receiver was there. */
      ck_assert_err(fluv_await(fluv_select_biased(arms, 2, NULL)), 1);
      ck_assert_int_eq(item, 0);
      ck_assert_err(fluv_try_recv(rx, &item), 0);
      ck_assert_int_eq(item, 7);
      fluv_sender_free(tx);
      fluv_receiver_free(rx);
    }
  return 0;
}

TEST_TASK(a_recv_does_not_end_a_send_of_the_same_select) {
  fluv_future_t* arms[2];
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  int sent = 7;
  int item = 0;

  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &tx, &rx), 0);
  ck_assert_err(fluv_try_send(tx, &(int){ 1 }), 0);
  arms[0] = fluv_send(tx, &sent);
  arms[1] = fluv_recv(rx, &item);
  ck_assert_err(fluv_await(fluv_select_biased(arms, 2, NULL)), 1);
  ck_assert_int_eq(item, 1);
  ck_assert_err(fluv_try_recv(rx, &item), FLUV_EAGAIN);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(select_of_a_thousand) {
  fluv_future_t* f[1000];
  int i;

  for (i = 0; i < 1000; i++)
    f[i] = fluv_sleep((uint64_t) (2000 - i));
  ck_assert_err(fluv_await(fluv_select(f, 1000, NULL)), 999);
  return 0;
}

TEST_TASK(select_ok_passes_over_errors) {
  fluv_future_t* f[3] = { fluv_failed(FLUV_EPIPE), sleeper(10), sleeper(20) };
  int64_t result = 0;

  ck_assert_err(fluv_await(fluv_select_ok(f, 3, &result)), 1);
  ck_assert_err(result, 10);
  ck_assert_trace("dc");

  f[0] = fluv_failed(FLUV_EPIPE);
  f[1] = fluv_timeout(fluv_never(), 5);
  ck_assert_err(fluv_await(fluv_select_ok(f, 2, &result)), FLUV_ETIMEDOUT);
  ck_assert_err(result, 10);
  return 0;
}

START_TEST(cancelled_select_has_no_winner) {
  fluv_future_t* f[] = { sleeper(10), fluv_never() };
  int64_t result = 88;
  fluv_future_t* any = fluv_select(f, 2, &result);

  fluv_start(any);
  test_turn(2);
  fluv_cancel(any);
  ck_assert_err(fluv_block_on(any), FLUV_ECANCELED);
  ck_assert_err(result, 88);
  ck_assert_trace("c");
}
END_TEST

START_TEST(cancelled_select_keeps_a_value_that_came_all_the_same) {
  fluv_future_t* f[] = { fluv_never(), fluv_spawn(linger, (void*) 5) };
  int64_t result = 88;
  fluv_future_t* any = fluv_select(f, 2, &result);

  fluv_start(any);
  test_turn(2);
  fluv_cancel(any);
  ck_assert(!fluv_future_is_done(any));
  ck_assert_err(fluv_block_on(any), 1);
  ck_assert_err(result, 5);
}
END_TEST

static Suite* select_suite(void) {
  Suite* s = suite_create("select");
  TCase* tc;

  tc = test_case(s, "basic", test_setup_paused, test_teardown);
  ADD(tc,
      select_gives_index_and_result_of_the_first,
      select_takes_an_error_for_a_winner,
      select_of_one_and_without_a_result,
      select_reports_after_its_losers_have_ended,
      select_among_ready_arms_is_fair,
      biased_select_takes_the_first_in_the_array,
      cold_arms_behind_the_winner_are_never_started,
      a_select_never_takes_from_two_arms,
      a_send_does_not_end_a_recv_of_the_same_select,
      a_recv_does_not_end_a_send_of_the_same_select,
      select_of_a_thousand,
      select_ok_passes_over_errors);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, select_is_the_same_again_with_the_same_seed);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_select_has_no_winner,
      cancelled_select_keeps_a_value_that_came_all_the_same);
  return s;
}

TEST_MAIN(select_suite)
