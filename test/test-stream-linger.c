/* SPDX-License-Identifier: MIT */
/* Lingering close: what was written arrives although nobody has read the
 * input, for a limited time and a limited number of bytes. */
#include "fluv-test-io.h"

#include <sys/socket.h>
#include <unistd.h>

/* Fill the wire in both directions. Returns how much was written. */
static size_t fill(io_wire_t* wire) {
  char* bytes = io_pattern((size_t) 1 << 20, 1);
  size_t len = 0;
  int64_t n;

  io_send(wire->fd, bytes, 10000);
  while (len < 500000 &&
         (n = fluv_try_write(wire->stream, bytes + len, 5000)) > 0)
    len += (size_t) n;
  free(bytes);
  return len;
}

/* The peer gets all of it, and the end. */
static void expect_all(int fd, size_t len) {
  io_drain_pattern(fd, len, 1);
  io_drain_eof(fd);
}

TEST_TASK(what_was_written_arrives_although_input_is_unread) {
  fluv_future_t* closed;
  io_wire_t wire;
  size_t len;

  io_wire_open(&wire);
  len = fill(&wire);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  io_turns(2);
  io_send(wire.fd, "more", 4);
  expect_all(wire.fd, len);
  io_send(wire.fd, "more", 4);
  io_turns(2);
  ck_assert(!fluv_future_is_done(closed));
  close(wire.fd);
  ck_assert_err(fluv_await(closed), 0);
  return 0;
}

/* Also what fluv itself holds. */
TEST_TASK(what_a_cancelled_write_has_accepted_arrives) {
  const size_t much = (size_t) 1 << 20;
  char* bytes = io_pattern(much, 1);
  fluv_future_t* closed;
  fluv_future_t* write;
  io_wire_t wire;
  size_t len;

  io_wire_open_narrow(&wire);
  write = fluv_write_all(wire.stream, bytes, much);
  fluv_start(write);
  io_turns(3);
  fluv_cancel(write);
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  free(bytes);
  len = (size_t) fluv_stream_get_bytes_written(wire.stream);
  io_send(wire.fd, "unread", 6);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  expect_all(wire.fd, len);
  close(wire.fd);
  ck_assert_err(fluv_await(closed), 0);
  return 0;
}

TEST_TASK(close_is_at_once_when_the_peer_has_ended) {
  io_wire_t wire;
  char byte;

  io_wire_open(&wire);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 0);
  ck_assert_err(fluv_await(fluv_close_linger(wire.stream, FLUV_FOREVER)), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);

  io_wire_open(&wire);
  close(wire.fd);
  while (fluv_try_read(wire.stream, &byte, 1) == FLUV_EAGAIN)
    io_turns(1);
  ck_assert_err(fluv_await(fluv_close_linger(wire.stream, FLUV_FOREVER)), 0);

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_close_linger(wire.stream, 0)), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  ck_assert_err(fluv_await(fluv_close_linger(NULL, FLUV_FOREVER)), 0);
  return 0;
}

TEST_TASK(reset_of_the_peer_ends_it) {
  fluv_future_t* closed;
  io_wire_t wire;

  io_wire_open(&wire);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  io_turns(2);
  io_close_with_reset(wire.fd);
  ck_assert_err(fluv_await(closed), 0);
  return 0;
}

TEST_TASK(time_limits_it) {
  fluv_future_t* closed;
  io_wire_t wire;

  io_wire_open(&wire);
  closed = fluv_close_linger(wire.stream, 500);
  ck_assert_err(fluv_await(fluv_clock_advance(499)), 0);
  ck_assert(!fluv_future_is_done(closed));
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_err(fluv_await(closed), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

TEST_TASK(number_of_bytes_limits_it) {
  static char bytes[65536];
  fluv_future_t* closed;
  io_wire_t wire;
  size_t sent = 0;
  ssize_t n;

  io_wire_open(&wire);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  while (!fluv_future_is_done(closed)) {
    n = send(wire.fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
      sent += (size_t) n;
    io_turns(1);
    ck_assert_uint_lt(sent, (size_t) 64 << 20);
  }
  ck_assert_uint_ge(sent, (size_t) 4 << 20);
  ck_assert_err(fluv_await(closed), 0);
  close(wire.fd);
  return 0;
}

TEST_TASK(cancelling_or_dropping_closes_at_once) {
  fluv_future_t* closed;
  io_wire_t wire;

  io_wire_open(&wire);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  fluv_cancel(closed);
  ck_assert_err(fluv_await(closed), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);

  io_wire_open(&wire);
  fluv_drop(fluv_close_linger(wire.stream, FLUV_FOREVER));
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

TEST_TASK(what_waits_ends_and_what_comes_is_refused) {
  fluv_future_t* closed;
  fluv_future_t* read;
  fluv_future_t* cold;
  io_wire_t wire;
  char byte = 'u';

  io_wire_open(&wire);
  read = fluv_read(wire.stream, &byte, 1);
  cold = fluv_read(wire.stream, &byte, 1);
  fluv_start(read);
  io_turns(2);
  closed = fluv_close_linger(wire.stream, FLUV_FOREVER);
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);
  ck_assert_err(fluv_await(cold), FLUV_EBADF);
  io_send(wire.fd, "x", 1);
  io_turns(2);
  ck_assert_int_eq(byte, 'u');
  close(wire.fd);
  ck_assert_err(fluv_await(closed), 0);
  return 0;
}

static int64_t leave_lingering(void* arg) {
  io_wire_t wire;

  io_wire_open(&wire);
  fluv_detach(fluv_close_linger(wire.stream, FLUV_FOREVER));
  *(int*) arg = wire.fd;
  return 0;
}

/* The loop's close does not wait for it. */
START_TEST(loop_may_be_closed_meanwhile) {
  int fd = -1;

  test_setup();
  ck_assert_err(test_run(leave_lingering, &fd), 0);
  io_recv_eof(fd);
  close(fd);
  test_teardown();
}
END_TEST

/* A program's end does, as long as it waits for anything. */
START_TEST(program_may_end_meanwhile) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int fd = -1;

  options.shutdown_ms = 20;
  test_setup();
  fluv_loop_close();
  ck_assert_err(fluv_run(leave_lingering, &fd, &options), 0);
  io_recv_eof(fd);
  close(fd);
}
END_TEST

static int64_t linger_once(void* arg) {
  fluv_stream_t* stream = NULL;
  fluv_listener_t* listener = NULL;
  fluv_future_t* closed;
  char address[IO_ADDRESS];
  int64_t err = fluv_tcp_listen("127.0.0.1:0", NULL, &listener);
  int64_t n;
  int fd;

  (void) arg;
  if (err < 0)
    return err;
  fluv_listener_get_address(listener, address, sizeof(address));
  fd = io_connect_to(address, 0);
  err = fluv_await(fluv_accept(listener, &stream));
  if (err == 0)
    err = fluv_try_write(stream, "x", 1);
  closed = fluv_close_linger(stream, FLUV_FOREVER);
  close(fd);
  n = fluv_await(closed);
  if (err >= 0)
    err = n;
  n = fluv_await(fluv_listener_close(listener));
  return err < 0 ? err : n;
}

START_TEST(lingering_survives_a_lack_of_memory) {
  TEST_OOM(linger_once, NULL);
}
END_TEST

static Suite* stream_linger_suite(void) {
  Suite* s = suite_create("stream-linger");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      what_was_written_arrives_although_input_is_unread,
      what_a_cancelled_write_has_accepted_arrives,
      close_is_at_once_when_the_peer_has_ended,
      reset_of_the_peer_ends_it,
      number_of_bytes_limits_it,
      cancelling_or_dropping_closes_at_once,
      what_waits_ends_and_what_comes_is_refused);
  tc = test_case(s, "basic", test_setup_paused, test_teardown);
  ADD(tc, time_limits_it);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc, loop_may_be_closed_meanwhile, program_may_end_meanwhile);
  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc, lingering_survives_a_lack_of_memory);
  return s;
}

TEST_MAIN(stream_linger_suite)
