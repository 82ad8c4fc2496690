/* SPDX-License-Identifier: MIT */
/* Streams: shutting down, closing, resetting, and what is still asked of a
 * closed stream. */
#include "fluv-test-io.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

TEST_TASK(close_ends_what_waits) {
  io_wire_t wire;
  fluv_future_t* read;
  fluv_future_t* write;
  fluv_future_t* closed;
  char* bytes = io_pattern(1 << 20, 1);
  char byte = 'u';

  io_wire_open_narrow(&wire);
  read = fluv_read(wire.stream, &byte, 1);
  write = fluv_write_all(wire.stream, bytes, 1 << 20);
  fluv_start(read);
  fluv_start(write);
  io_turns(3);
  ck_assert(!fluv_future_is_done(read));
  ck_assert(!fluv_future_is_done(write));

  closed = fluv_close(wire.stream);
  ck_assert(fluv_future_is_done(read));
  ck_assert(fluv_future_is_done(write));
  memset(bytes, 'x', 1 << 20);
  free(bytes);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  ck_assert_int_eq(byte, 'u');
  close(wire.fd);
  return 0;
}

static int64_t read_one(void* arg) {
  char byte;

  return fluv_await(fluv_read((fluv_stream_t*) arg, &byte, 1));
}

TEST_TASK(close_by_another_task_ends_a_read) {
  io_wire_t wire;
  fluv_future_t* reader;

  io_wire_open(&wire);
  reader = fluv_spawn(read_one, wire.stream);
  io_turns(2);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  ck_assert_err(fluv_await(reader), FLUV_ECANCELED);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

TEST_TASK(cold_futures_of_a_closed_stream_fail) {
  io_wire_t wire;
  fluv_future_t* cold[6];
  fluv_buf_t piece;
  char byte = 'u';
  size_t i;

  io_wire_open(&wire);
  piece.base = &byte;
  piece.len = 1;
  cold[0] = fluv_read(wire.stream, &byte, 1);
  cold[1] = fluv_read_exact(wire.stream, &byte, 1);
  cold[2] = fluv_write_all(wire.stream, &byte, 1);
  cold[3] = fluv_writev_all(wire.stream, &piece, 1);
  cold[4] = fluv_shutdown(wire.stream);
  cold[5] = fluv_timeout(fluv_read(wire.stream, &byte, 1), 10);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  for (i = 0; i < 6; i++)
    ck_assert_err(fluv_await(cold[i]), FLUV_EBADF);
  ck_assert_int_eq(byte, 'u');
  close(wire.fd);
  return 0;
}

/* A cold future keeps the memory of a closed stream, so that a second close
 * through the same pointer finds a valid object. */
TEST_TASK(second_close_does_nothing) {
  io_wire_t wire;
  fluv_future_t* cold;
  fluv_future_t* first;
  char byte = 0;

  io_wire_open(&wire);
  cold = fluv_read(wire.stream, &byte, 1);
  first = fluv_close(wire.stream);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  ck_assert_err(fluv_await(first), 0);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  ck_assert_err(fluv_try_read(wire.stream, &byte, 1), FLUV_EBADF);
  ck_assert_err(fluv_try_write(wire.stream, &byte, 1), FLUV_EBADF);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), FLUV_EBADF);
  ck_assert_err(fluv_await(cold), FLUV_EBADF);
  close(wire.fd);
  return 0;
}

TEST_TASK(close_needs_nobody_who_waits) {
  io_wire_t wire;

  ck_assert_err(fluv_await(fluv_close(NULL)), 0);
  ck_assert_err(fluv_await(fluv_reset(NULL)), 0);
  io_wire_open(&wire);
  fluv_drop(fluv_close(wire.stream));
  io_recv_eof(wire.fd);
  close(wire.fd);

  io_wire_open(&wire);
  fluv_detach(fluv_close(wire.stream));
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

TEST_TASK(cancelled_close_happens_all_the_same) {
  io_wire_t wire;
  fluv_future_t* closed;

  io_wire_open(&wire);
  closed = fluv_close(wire.stream);
  fluv_cancel(closed);
  ck_assert_err(fluv_await(closed), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

TEST_TASK(reset_is_seen_by_the_peer) {
  fluv_stream_t* a = NULL;
  fluv_stream_t* b = NULL;
  fluv_future_t* read;
  io_wire_t wire;
  char byte;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_reset(wire.stream)), 0);
  ck_assert_int_eq(recv(wire.fd, &byte, 1, 0), -1);
  ck_assert_int_eq(errno, ECONNRESET);
  close(wire.fd);

  io_streams_open(&a, &b);
  read = fluv_read(a, &byte, 1);
  fluv_start(read);
  io_turns(2);
  ck_assert_err(fluv_await(fluv_reset(b)), 0);
  ck_assert_err(fluv_await(read), FLUV_ECONNRESET);
  ck_assert_err(fluv_await(fluv_close(a)), 0);
  return 0;
}

TEST_TASK(reset_ends_what_waits_here) {
  io_wire_t wire;
  fluv_future_t* read;
  char byte;

  io_wire_open(&wire);
  read = fluv_read(wire.stream, &byte, 1);
  fluv_start(read);
  io_turns(2);
  fluv_drop(fluv_reset(wire.stream));
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);
  ck_assert_int_eq(recv(wire.fd, &byte, 1, 0), -1);
  ck_assert_int_eq(errno, ECONNRESET);
  close(wire.fd);
  return 0;
}

/* Shutting down, and closing after a write. */

TEST_TASK(shutdown_ends_one_direction) {
  io_wire_t wire;
  char buf[8];

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "bye", 3)), 3);
  ck_assert_err(fluv_await(fluv_shutdown(wire.stream)), 0);
  io_recv(wire.fd, buf, 3);
  io_recv_eof(wire.fd);

  io_send(wire.fd, "rest", 4);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 4);
  ck_assert_int_eq(memcmp(buf, "rest", 4), 0);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(nothing_can_be_written_after_a_shutdown) {
  fluv_buf_t piece = { "x", 1 };
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_shutdown(wire.stream)), 0);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", 1)), FLUV_EPIPE);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, &piece, 1)),
                FLUV_EPIPE);
  ck_assert_err(fluv_try_write(wire.stream, "x", 1), FLUV_EPIPE);
  ck_assert_err(fluv_await(fluv_shutdown(wire.stream)), FLUV_EALREADY);
  io_recv_eof(wire.fd);
  io_wire_close(&wire);
  return 0;
}

/* fluv's own bytes are still to be sent when the shutdown is asked for. */
TEST_TASK(shutdown_comes_after_the_last_byte) {
  io_wire_t wire;
  fluv_future_t* shut;
  uint64_t sent;

  sent = io_wire_open_dropped(&wire);
  shut = fluv_shutdown(wire.stream);
  fluv_start(shut);
  io_turns(2);
  io_drain_pattern(wire.fd, sent, 1);
  ck_assert_err(fluv_await(shut), 0);
  io_recv_eof(wire.fd);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(cancelled_shutdown_happens_all_the_same) {
  io_wire_t wire;
  fluv_future_t* shut;
  uint64_t sent;
  int64_t err;

  sent = io_wire_open_dropped(&wire);
  shut = fluv_shutdown(wire.stream);
  fluv_start(shut);
  io_turns(2);
  fluv_cancel(shut);
  err = fluv_await(shut);
  ck_assert(err == FLUV_ECANCELED || err == 0);
  io_drain_pattern(wire.fd, sent, 1);
  io_turns(2);
  io_recv_eof(wire.fd);
  io_wire_close(&wire);
  return 0;
}

/* Reads to the end of the stream. Returns how much came. */
static size_t recv_rest(int fd, char* bytes, size_t have, size_t size) {
  ssize_t n;

  while ((n = recv(fd, bytes + have, size - have, 0)) > 0)
    have += (size_t) n;
  ck_assert_msg(n == 0, "%s", strerror(errno));
  return have;
}

/* The stream is closed in the very moment in which the write has ended. */
TEST_TASK(what_was_reported_as_written_outlives_the_close) {
  io_wire_t wire;
  char* bytes;
  char* got = malloc(IO_MUCH + 1);
  fluv_future_t* write;
  size_t have = 0;
  ssize_t n;

  ck_assert_ptr_nonnull(got);
  write = io_wire_open_stuck(&wire, &bytes);
  while (!fluv_future_is_done(write)) {
    n = recv(wire.fd, got + have, 1000, MSG_DONTWAIT);
    if (n > 0)
      have += (size_t) n;
    else
      io_turns(1);
  }
  ck_assert_err(fluv_await(write), IO_MUCH);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  free(bytes);
  ck_assert_uint_lt(have, IO_MUCH);
  ck_assert_uint_eq(recv_rest(wire.fd, got, have, IO_MUCH + 1), IO_MUCH);
  io_assert_pattern(got, IO_MUCH, 1);
  free(got);
  close(wire.fd);
  return 0;
}

/* What fluv holds of a cancelled write may be lost, and nothing else. */
TEST_TASK(close_after_a_cancelled_write_sends_what_the_kernel_has) {
  io_wire_t wire;
  char* got = malloc(IO_MUCH + 1);
  uint64_t sent;
  size_t have;

  ck_assert_ptr_nonnull(got);
  sent = io_wire_open_dropped(&wire);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  have = recv_rest(wire.fd, got, 0, IO_MUCH + 1);
  ck_assert_uint_le(have, sent);
  ck_assert_uint_ge(have, sent - 16384);
  io_assert_pattern(got, have, 1);
  free(got);
  close(wire.fd);
  return 0;
}

TEST_TASK(close_with_a_full_peer_ends) {
  io_wire_t wire;

  io_wire_open_dropped(&wire);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  close(wire.fd);

  io_wire_open_dropped(&wire);
  ck_assert_err(fluv_await(fluv_reset(wire.stream)), 0);
  close(wire.fd);
  return 0;
}

static int64_t open_and_use(void* arg) {
  io_wire_t* wire = arg;
  char byte;

  io_wire_open(wire);
  ck_assert_err(fluv_try_read(wire->stream, &byte, 1), FLUV_EAGAIN);
  return 0;
}

static void leave_a_stream(void* arg) {
  io_wire_t wire;
  int64_t err;

  (void) arg;
  test_setup();
  ck_assert_err(test_run(open_and_use, &wire), 0);
  err = fluv_loop_close();
  _exit(err == FLUV_EBUSY ? 0 : 1);
}

START_TEST(stream_that_is_left_open_is_reported) {
  int status = -1;
  char* text = test_stderr_of(leave_a_stream, NULL, &status);

  ck_assert_msg(status == 0, "status %#x: %s", (unsigned) status, text);
  ck_assert_has(text, "stream");
  ck_assert_has(text, "fluv-test-io.c");
  free(text);
}
END_TEST

static Suite* stream_close_suite(void) {
  Suite* s = suite_create("stream-close");
  TCase* tc;

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc,
      close_ends_what_waits,
      close_by_another_task_ends_a_read,
      cold_futures_of_a_closed_stream_fail,
      second_close_does_nothing,
      close_needs_nobody_who_waits,
      cancelled_close_happens_all_the_same,
      reset_is_seen_by_the_peer,
      reset_ends_what_waits_here,
      shutdown_ends_one_direction,
      nothing_can_be_written_after_a_shutdown,
      shutdown_comes_after_the_last_byte,
      cancelled_shutdown_happens_all_the_same,
      what_was_reported_as_written_outlives_the_close,
      close_after_a_cancelled_write_sends_what_the_kernel_has,
      close_with_a_full_peer_ends);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc, stream_that_is_left_open_is_reported);
  return s;
}

TEST_MAIN(stream_close_suite)
