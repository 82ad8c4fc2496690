/* SPDX-License-Identifier: MIT */
/* Accepting: order, cancelling, closing, threads. */
#include "fluv-test-io.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* Accepting. */

TEST_TASK(accept_takes_what_waits_in_order) {
  enum {
    CONNECTIONS = 5
  };
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream;
  int fds[CONNECTIONS];
  char byte;
  int i;

  for (i = 0; i < CONNECTIONS; i++) {
    fds[i] = io_connect(listener);
    byte = (char) ('a' + i);
    io_send(fds[i], &byte, 1);
  }
  for (i = 0; i < CONNECTIONS; i++) {
    stream = NULL;
    ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
    ck_assert_err(fluv_await(fluv_read(stream, &byte, 1)), 1);
    ck_assert_int_eq(byte, 'a' + i);
    ck_assert_err(fluv_await(fluv_close(stream)), 0);
    close(fds[i]);
  }
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_waits_for_a_connection) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = io_accept_start(listener, &stream, 3);
  int fd;

  ck_assert(!fluv_future_is_done(accepted));

  fd = io_connect(listener);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_ptr_nonnull(stream);
  io_accepted_close(listener, stream, fd);
  return 0;
}

TEST_TASK(second_accept_is_busy) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* first = NULL;
  fluv_stream_t* second = NULL;
  fluv_future_t* waiting = fluv_accept(listener, &first);
  int fd;

  fluv_start(waiting);
  ck_assert_err(fluv_await(fluv_accept(listener, &second)), FLUV_EBUSY);
  ck_assert_ptr_null(second);

  fd = io_connect(listener);
  ck_assert_err(fluv_await(waiting), 0);
  ck_assert_ptr_nonnull(first);
  io_accepted_close(listener, first, fd);
  return 0;
}

TEST_TASK(accept_refuses_null) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;

  ck_assert_err(fluv_await(fluv_accept(NULL, &stream)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_accept(listener, NULL)), FLUV_EINVAL);
  ck_assert_ptr_null(stream);
  io_listener_close(listener);
  return 0;
}

static int64_t accept_one(void* arg) {
  fluv_listener_t* listener = arg;
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_accept(listener, &stream));

  if (err == 0)
    fluv_drop(fluv_close(stream));
  return err;
}

TEST_TASK(accept_serves_one_connection_after_the_other) {
  fluv_listener_t* listener = io_listen();
  fluv_future_t* server;
  int fd;
  int i;

  for (i = 0; i < 50; i++) {
    server = fluv_spawn(accept_one, listener);
    if (i % 2 == 0)
      io_turns(1);
    fd = io_connect(listener);
    ck_assert_err(fluv_await(server), 0);
    io_recv_eof(fd);
    close(fd);
  }
  io_listener_close(listener);
  return 0;
}

/* Cancelling. */

TEST_TASK(cancelled_accept_leaves_the_connection) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = io_accept_start(listener, &stream, 2);
  int fd;

  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);

  fd = io_connect(listener);
  io_turns(3);
  ck_assert_ptr_null(stream);
  ck_assert_uint_eq(io_backlog_used(listener), 1);

  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  io_accepted_close(listener, stream, fd);
  return 0;
}

TEST_TASK(cold_accept_takes_nothing) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);

  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  fluv_drop(accepted);
  accepted = fluv_accept(listener, &stream);
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  ck_assert_ptr_null(stream);

  close(fd);
  io_listener_close(listener);
  return 0;
}

/* A connection arrives and the accept is cancelled, in both orders and with
 * more and more turns between: it is either given or left, never lost. */
static void cancel_around_a_connection(fluv_listener_t* listener,
                                       bool connect_first,
                                       int turns) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int64_t err;
  int fd;

  if (!connect_first)
    fluv_start(accepted);
  fd = io_connect(listener);
  if (connect_first)
    fluv_start(accepted);
  if (turns > 0)
    io_turns(turns);
  fluv_cancel(accepted);

  err = fluv_await(accepted);
  ck_assert(err == 0 || err == FLUV_ECANCELED);
  ck_assert_int_eq(err == 0, stream != NULL);
  if (err != 0) {
    ck_assert_uint_eq(io_backlog_used(listener), 1);
    ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  }
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
}

TEST_TASK(accept_cancelled_at_any_time_loses_nothing) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  int turns;

  for (turns = 0; turns < 4; turns++) {
    cancel_around_a_connection(listener, false, turns);
    cancel_around_a_connection(listener, true, turns);
  }
  io_listener_close(listener);
  return 0;
}

TEST_TASK(timed_out_accept_leaves_the_connection) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* limited = fluv_timeout(fluv_accept(listener, &stream), 50);
  int fd;

  fluv_start(limited);
  ck_assert_err(fluv_await(fluv_clock_advance(50)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);
  fd = io_connect(listener);
  io_turns(2);
  ck_assert_ptr_null(stream);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  io_accepted_close(listener, stream, fd);
  return 0;
}

TEST_TASK(cancelled_task_leaves_its_accept) {
  fluv_listener_t* listener = io_listen();
  fluv_future_t* server = fluv_spawn(accept_one, listener);
  fluv_stream_t* stream = NULL;
  int fd;

  io_turns(2);
  fluv_cancel(server);
  ck_assert_err(fluv_await(server), FLUV_ECANCELED);
  fd = io_connect(listener);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  io_accepted_close(listener, stream, fd);
  return 0;
}

/* Closing. */

TEST_TASK(closed_listener_ends_its_accept) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = io_accept_start(listener, &stream, 2);
  fluv_future_t* closed;

  closed = fluv_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(cold_accept_on_a_closed_listener_fails) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);

  io_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_EBADF);
  ck_assert_ptr_null(stream);
  return 0;
}

/* A cold accept keeps the memory of a closed listener, so that a second close
 * through the same pointer finds a valid object. */
TEST_TASK(second_close_of_a_listener_does_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  fluv_future_t* first = fluv_listener_close(listener);

  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
  ck_assert_err(fluv_await(first), 0);
  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
  ck_assert_err(fluv_await(accepted), FLUV_EBADF);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(closed_listener_resets_its_backlog) {
  fluv_listener_t* listener = io_listen();
  int fd = io_connect(listener);
  char byte;

  io_turns(2);
  io_listener_close(listener);
  ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
  ck_assert_int_eq(errno, ECONNRESET);
  close(fd);
  return 0;
}

TEST_TASK(closed_listener_refuses) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  io_listener_close(listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)),
                FLUV_ECONNREFUSED);
  ck_assert_ptr_null(stream);
  return 0;
}

START_TEST(listener_closes_without_anybody_waiting) {
  fluv_listener_t* listener = io_listen();

  fluv_drop(fluv_listener_close(listener));
  ck_assert_err(fluv_block_on(fluv_listener_close(NULL)), 0);
  listener = io_listen();
  fluv_detach(fluv_listener_close(listener));
}
END_TEST

TEST_TASK(accepted_stream_outlives_its_listener) {
  io_wire_t wire;
  char byte = 0;

  io_wire_open(&wire);
  io_turns(2);
  io_send(wire.fd, "x", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 1);
  ck_assert_int_eq(byte, 'x');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(accepted_stream_never_used_can_be_closed) {
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

static void leave_a_listener(void* arg) {
  int64_t err;

  (void) arg;
  test_setup();
  io_listen();
  err = fluv_loop_close();
  _exit(err == FLUV_EBUSY || err == 0 ? 0 : 1);
}

START_TEST(loop_with_a_listener_does_not_close_silently) {
  int status = -1;
  char* text = test_stderr_of(leave_a_listener, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "listen");
  free(text);
}
END_TEST

/* Threads. */

static int64_t greet(void* arg) {
  fluv_stream_t* stream = arg;
  char byte = 0;
  int64_t n = fluv_await(fluv_read(stream, &byte, 1));

  if (n == 1)
    n = fluv_await(fluv_write_all(stream, "hello", 5));
  fluv_await(fluv_close(stream));
  return n;
}

static void* greet_on_a_thread(void* arg) {
  static int64_t result;

  result = fluv_run(greet, arg, NULL);
  return &result;
}

TEST_TASK(accepted_stream_belongs_to_the_loop_that_first_uses_it) {
  io_wire_t wire;
  pthread_t thread;
  void* result;
  char text[5];

  io_wire_open(&wire);
  io_send(wire.fd, "x", 1);
  ck_assert_int_eq(
      pthread_create(&thread, NULL, greet_on_a_thread, wire.stream),
      0);
  ck_assert_int_eq(pthread_join(thread, &result), 0);
  ck_assert_err(*(int64_t*) result, 5);
  io_recv(wire.fd, text, 5);
  ck_assert_int_eq(memcmp(text, "hello", 5), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

/* Misuse. */

static void* ask_on_a_thread(void* arg) {
  (void) !fluv_run(greet, arg, NULL);
  return NULL;
}

static int64_t use_from_two_threads(void* arg) {
  io_wire_t wire;
  pthread_t thread;
  char byte;

  (void) arg;
  io_wire_open(&wire);
  ck_assert_err(fluv_try_read(wire.stream, &byte, 1), FLUV_EAGAIN);
  ck_assert_int_eq(pthread_create(&thread, NULL, ask_on_a_thread, wire.stream),
                   0);
  pthread_join(thread, NULL);
  return 0;
}

static void run_two_threads(void* arg) {
  (void) arg;
  (void) !fluv_run(use_from_two_threads, NULL, NULL);
}

static int64_t accept_here(void* arg) {
  fluv_stream_t* stream = NULL;

  return fluv_await(fluv_accept((fluv_listener_t*) arg, &stream));
}

static void* accept_on_a_thread(void* arg) {
  (void) !fluv_run(accept_here, arg, NULL);
  return NULL;
}

static int64_t listen_from_two_threads(void* arg) {
  pthread_t thread;

  (void) arg;
  ck_assert_int_eq(
      pthread_create(&thread, NULL, accept_on_a_thread, io_listen()),
      0);
  pthread_join(thread, NULL);
  return 0;
}

static void run_listener_on_two_threads(void* arg) {
  (void) arg;
  (void) !fluv_run(listen_from_two_threads, NULL, NULL);
}

START_TEST(stream_of_another_thread_aborts) {
  test_aborts(run_two_threads, NULL, "thread", NULL);
}
END_TEST

START_TEST(listener_of_another_thread_aborts) {
  test_aborts(run_listener_on_two_threads, NULL, "thread", NULL);
}
END_TEST

static Suite* accept_suite(void) {
  Suite* s = suite_create("accept");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      accept_takes_what_waits_in_order,
      accept_waits_for_a_connection,
      second_accept_is_busy,
      accept_refuses_null,
      accept_serves_one_connection_after_the_other);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_accept_leaves_the_connection,
      cold_accept_takes_nothing,
      accept_cancelled_at_any_time_loses_nothing,
      timed_out_accept_leaves_the_connection,
      cancelled_task_leaves_its_accept);

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc,
      closed_listener_ends_its_accept,
      cold_accept_on_a_closed_listener_fails,
      second_close_of_a_listener_does_nothing,
      closed_listener_resets_its_backlog,
      closed_listener_refuses,
      listener_closes_without_anybody_waiting,
      accepted_stream_outlives_its_listener,
      accepted_stream_never_used_can_be_closed);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc, loop_with_a_listener_does_not_close_silently);

  tc = test_case(s, "threads", test_setup, test_teardown);
  ADD(tc, accepted_stream_belongs_to_the_loop_that_first_uses_it);

  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, stream_of_another_thread_aborts, listener_of_another_thread_aborts);
  return s;
}

TEST_MAIN(accept_suite)
