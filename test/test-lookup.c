/* SPDX-License-Identifier: MIT */
/* Looking up names to connect to: results, cancelling, look-ups that hang. */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>

#include "fluv-test-jobs.h"
#include "fluv-test-names.h"
#include "runtime/jobs.h"

/* Results. */

TEST_TASK(connect_to_localhost) {
  ck_assert_err(names_connect_host("localhost"), 0);
  return 0;
}

TEST_TASK(connect_to_a_name) {
  ck_assert_err(names_connect_host("one.test"), 0);
  ck_assert_int_eq(atomic_load(&names_lookups), 1);
  return 0;
}

TEST_TASK(connects_run_side_by_side) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* a = NULL;
  fluv_stream_t* b = NULL;
  fluv_future_t* first = names_connect("slow.test", listener, &a);
  fluv_future_t* second = names_connect("127.0.0.1", listener, &b);

  fluv_start(first);
  fluv_start(second);

  ck_assert_err(fluv_await(second), 0);
  ck_assert(!fluv_future_is_done(first));
  sem_post(&names_may_answer);
  ck_assert_err(fluv_await(first), 0);
  ck_assert_err(fluv_await(fluv_close(a)), 0);
  ck_assert_err(fluv_await(fluv_close(b)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_to_an_unknown_name_fails) {
  ck_assert_err(names_connect_to("none.test:80"), FLUV_EAI_NONAME);
  ck_assert_err(names_connect_to("again.test:80"), FLUV_EAI_AGAIN);
  ck_assert_err(names_connect_to("fail.test:80"), FLUV_EAI_FAIL);
  return 0;
}

TEST_TASK(connect_refuses_a_name_that_is_too_long) {
  char* address = malloc(5001);
  int64_t err;

  ck_assert_ptr_nonnull(address);
  memset(address, 'a', 5000);
  memcpy(address + 4997, ":80", 4);
  err = names_connect_to(address);
  ck_assert(err == FLUV_EINVAL || err == FLUV_EAI_NONAME);
  free(address);
  return 0;
}

/* Cancelling and closing. */

/* The second look-up ends with an error that is discarded. */
TEST_TASK(connect_cancelled_while_looking_up_ends_at_once) {
  static const char* const addresses[] = { "slow.test:80",
                                           "slow-none.test:80" };
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  int i;

  for (i = 0; i < 2; i++) {
    connected = fluv_tcp_connect(addresses[i], NULL, &stream);
    fluv_start(connected);
    names_wait_lookup(i + 1);
    fluv_cancel(connected);
    ck_assert_err(fluv_await(connected), FLUV_ECANCELED);
  }
  /* Not earlier: any waiting look-up could take it. */
  sem_post(&names_may_answer);
  sem_post(&names_may_answer);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(connect_dropped_while_looking_up_touches_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t** out = malloc(sizeof(fluv_stream_t*));
  fluv_future_t* connected;

  ck_assert_ptr_nonnull(out);
  connected = names_connect("slow.test", listener, out);
  fluv_start(connected);
  names_wait_lookup(1);
  fluv_drop(connected);
  free(out);
  sem_post(&names_may_answer);
  io_turns(10);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  io_listener_close(listener);
  return 0;
}

static int64_t look_up_slow(void* arg) {
  fluv_stream_t* stream = NULL;

  (void) arg;
  return fluv_await(fluv_tcp_connect("slow.test:80", NULL, &stream));
}

/* The loop is closed while the look-up is still on its thread. */
START_TEST(loop_can_be_closed_under_a_look_up) {
  fluv_future_t* task = fluv_spawn(look_up_slow, NULL);
  int err;

  while (atomic_load(&names_lookups) == 0)
    test_turn(1);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);

  err = fluv_loop_close();
  ck_assert(err == 0 || err == FLUV_EBUSY);
  sem_post(&names_may_answer);
  uv_run(test_uv, UV_RUN_DEFAULT);
  if (err == 0)
    ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

/* A name server that never answers. */

static int64_t leave_look_up(void* arg) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* f = fluv_tcp_connect("slow.test:80", NULL, &stream);

  fluv_start(f);
  while (atomic_load(&names_lookups) == 0)
    fluv_yield();
  if (arg != NULL)
    fluv_detach(f); /* it is cancelled at the end */
  else
    fluv_drop(f);
  return 3;
}

static void run_and_leave_look_up(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  fluv__jobs_starvation = 20 * UINT64_C(1000000);
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_look_up, arg, &options), 3);
  exit(9);
}

START_TEST(look_up_that_hangs_holds_up_neither_a_loop_nor_the_process) {
  int status;
  char* text =
      test_stderr_of(run_and_leave_look_up, (void*) (intptr_t) _i, &status);

  ck_assert_msg(WIFEXITED(status), "%s", text);
  ck_assert_int_eq(WEXITSTATUS(status), 9);
  ck_assert_has(text, "\"look-up of slow.test\"");
  ck_assert_has(text, "test-lookup.c:");
  ck_assert_has_not(text, "task \"");
  free(text);
}
END_TEST

static int64_t connect_and_close(void* arg) {
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_tcp_connect(arg, NULL, &stream));

  return err < 0 ? err : fluv_await(fluv_close(stream));
}

/* Neither the program's jobs nor look-ups that hang take all threads. */
START_TEST(names_are_found_while_the_pool_is_full) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* more;
  fluv_future_t* slow;
  char address[IO_ADDRESS];

  io_address_on(address, "one.test", listener);
  jobs_take_all();
  more = fluv_spawn_blocking(jobs_give, (void*) 4);
  ck_assert_err(test_run(connect_and_close, address), 0);
  ck_assert(!fluv_future_is_done(more));
  jobs_release();
  ck_assert_err(fluv_block_on(more), 4);

  slow = fluv_tcp_connect("slow.test:80", NULL, &stream);
  fluv_start(slow);
  while (atomic_load(&names_lookups) < 2)
    test_turn(1);
  ck_assert_err(test_run(connect_and_close, address), 0);
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(jobs_give, (void*) 5)), 5);
  fluv_drop(slow);
  sem_post(&names_may_answer);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}
END_TEST

static Suite* lookup_suite(void) {
  Suite* s = suite_create("lookup");
  TCase* tc;

  tc = test_case(s, "basic", names_setup, names_teardown);
  ADD(tc,
      connect_to_localhost,
      connect_to_a_name,
      connects_run_side_by_side,
      connect_to_an_unknown_name_fails,
      connect_refuses_a_name_that_is_too_long,
      names_are_found_while_the_pool_is_full);

  tc = test_case(s, "shutdown", NULL, NULL);
  tcase_add_loop_test(
      tc,
      look_up_that_hangs_holds_up_neither_a_loop_nor_the_process,
      0,
      2);

  tc = test_case(s, "cancel", names_setup, names_teardown);
  ADD(tc,
      connect_cancelled_while_looking_up_ends_at_once,
      connect_dropped_while_looking_up_touches_nothing);

  tc = test_case(s, "close", names_setup, names_teardown);
  ADD(tc, loop_can_be_closed_under_a_look_up);
  return s;
}

TEST_MAIN(lookup_suite)
