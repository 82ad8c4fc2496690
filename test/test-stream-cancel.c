/* SPDX-License-Identifier: MIT */
/* Streams: writes that are cancelled, dropped or run out of time. */
#include "fluv-test-io.h"

/* Opens a narrow wire whose first write got stuck and was cancelled. Returns
 * how much was taken of it. */
static uint64_t open_cancelled(io_wire_t* wire) {
  char* bytes;
  fluv_future_t* write = io_wire_open_stuck(wire, &bytes);

  fluv_cancel(write);
  ck_assert(fluv_future_is_done(write));
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  memset(bytes, 'x', IO_MUCH);
  free(bytes);
  return fluv_stream_get_bytes_written(wire->stream);
}

TEST_TASK(cold_write_sends_nothing) {
  io_wire_t wire;
  fluv_future_t* write;

  io_wire_open(&wire);
  fluv_drop(fluv_write_all(wire.stream, "hello", 5));
  write = fluv_write_all(wire.stream, "hello", 5);
  io_turns(2);
  fluv_cancel(write);
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  fluv_drop(fluv_shutdown(wire.stream));
  io_turns(2);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), 0);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", 1)), 1);
  io_wire_close(&wire);
  return 0;
}

/* What had been taken goes out, whole and before what is written next. */
TEST_TASK(write_after_a_cancelled_one_keeps_the_order) {
  io_wire_t wire;
  char* second = io_pattern(50000, 2);
  fluv_future_t* write;
  uint64_t sent;

  sent = open_cancelled(&wire);
  write = fluv_write_all(wire.stream, second, 50000);
  fluv_start(write);
  io_drain_pattern(wire.fd, sent, 1);
  io_drain_pattern(wire.fd, 50000, 2);
  ck_assert_err(fluv_await(write), 50000);
  free(second);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), sent + 50000);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(try_write_after_a_cancelled_write_keeps_the_order) {
  io_wire_t wire;
  uint64_t sent;
  char byte = 0;

  sent = open_cancelled(&wire);
  ck_assert_err(fluv_try_write(wire.stream, "T", 1), FLUV_EAGAIN);
  io_drain_pattern(wire.fd, sent, 1);
  io_turns(2);
  ck_assert_err(fluv_try_write(wire.stream, "T", 1), 1);
  io_recv(wire.fd, &byte, 1);
  ck_assert_int_eq(byte, 'T');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(dropped_write_leaves_its_buffer_alone) {
  io_wire_t wire;
  uint64_t sent;
  char byte = 0;

  sent = io_wire_open_dropped(&wire);
  io_drain_pattern(wire.fd, sent, 1);
  io_turns(3);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "z", 1)), 1);
  io_recv(wire.fd, &byte, 1);
  ck_assert_int_eq(byte, 'z');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(dropped_writev_leaves_its_pieces_alone) {
  enum {
    PIECES = 64
  };
  io_wire_t wire;
  char* bytes = io_pattern(IO_MUCH, 1);
  fluv_buf_t* pieces = calloc(PIECES, sizeof(*pieces));
  fluv_future_t* write;
  size_t i;

  ck_assert_ptr_nonnull(pieces);
  for (i = 0; i < PIECES; i++) {
    pieces[i].base = bytes + i * (IO_MUCH / PIECES);
    pieces[i].len = IO_MUCH / PIECES;
  }
  io_wire_open_narrow(&wire);
  write = fluv_writev_all(wire.stream, pieces, PIECES);
  fluv_start(write);
  io_turns(3);
  ck_assert(!fluv_future_is_done(write));
  fluv_drop(write);
  memset(pieces, 0xff, PIECES * sizeof(*pieces));
  free(pieces);
  memset(bytes, 'x', IO_MUCH);
  free(bytes);

  io_drain_pattern(wire.fd, fluv_stream_get_bytes_written(wire.stream), 1);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(write_times_out_and_goes_on_where_it_was) {
  io_wire_t wire;
  char* bytes = io_pattern(IO_MUCH, 1);
  fluv_future_t* limited;
  fluv_future_t* rest;
  uint64_t sent;

  io_wire_open_narrow(&wire);
  limited = fluv_timeout(fluv_write_all(wire.stream, bytes, IO_MUCH), 50);
  fluv_start(limited);
  io_turns(3);
  ck_assert_err(fluv_await(fluv_clock_advance(50)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);
  sent = fluv_stream_get_bytes_written(wire.stream);
  ck_assert_uint_lt(sent, IO_MUCH);

  rest = fluv_write_all(wire.stream, bytes + sent, IO_MUCH - sent);
  fluv_start(rest);
  io_drain_pattern(wire.fd, IO_MUCH, 1);
  ck_assert_err(fluv_await(rest), (int64_t) (IO_MUCH - sent));
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

static Suite* stream_cancel_suite(void) {
  Suite* s = suite_create("stream-cancel");
  TCase* tc = test_case(s, "cancel", test_setup_paused, test_teardown);

  ADD(tc,
      cold_write_sends_nothing,
      write_after_a_cancelled_one_keeps_the_order,
      try_write_after_a_cancelled_write_keeps_the_order,
      dropped_write_leaves_its_buffer_alone,
      dropped_writev_leaves_its_pieces_alone,
      write_times_out_and_goes_on_where_it_was);
  return s;
}

TEST_MAIN(stream_cancel_suite)
