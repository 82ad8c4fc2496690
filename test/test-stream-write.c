/* SPDX-License-Identifier: MIT */
/* Streams: writing, back-pressure, cancelling a write, shutting down. */
#include "fluv-test-io.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* More than a narrow wire and fluv's own 16 KiB hold together. */
#define MUCH ((size_t) 1 << 20)

/* Takes `len` bytes off the wire and compares them. */
static void expect_pattern(io_wire_t* wire, size_t len, unsigned seed) {
  char* bytes = malloc(len + 1);

  ck_assert_ptr_nonnull(bytes);
  io_drain(wire->fd, bytes, len);
  io_assert_pattern(bytes, len, seed);
  free(bytes);
}

/* Starts a write of MUCH that gets stuck half way. */
static fluv_future_t* start_stuck_write(io_wire_t* wire, const char* bytes) {
  fluv_future_t* write = fluv_write_all(wire->stream, bytes, MUCH);

  fluv_start(write);
  io_turns(5);
  ck_assert(!fluv_future_is_done(write));
  ck_assert_uint_gt(fluv_stream_get_bytes_written(wire->stream), 0);
  ck_assert_uint_lt(fluv_stream_get_bytes_written(wire->stream), MUCH);
  return write;
}

/* Stands in front of the C library's, and counts. */
static int writev_calls;

FLUV_EXTERN
ssize_t writev(int fd, const struct iovec* pieces, int n) {
  writev_calls++;
  return syscall(SYS_writev, fd, pieces, n);
}

/* Writing. */

TEST_TASK(write_all_writes_all) {
  io_wire_t wire;
  char buf[5];

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "hello", 5)), 5);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), 5);
  io_recv(wire.fd, buf, 5);
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(write_of_nothing_is_done) {
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "", 0)), 0);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, NULL, 0)), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), 0);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  io_wire_close(&wire);
  return 0;
}

typedef struct transfer {
  fluv_stream_t* stream;
  size_t len;
  size_t piece;
  unsigned seed;
} transfer_t;

/* Reads in odd pieces, and lets the loop turn from time to time. */
static int64_t read_slow(void* arg) {
  transfer_t* in = arg;
  char* bytes = malloc(in->len + 1);
  size_t have = 0;
  unsigned round = 0;
  int64_t n;

  ck_assert_ptr_nonnull(bytes);
  while (have < in->len) {
    n = fluv_await(
        fluv_read(in->stream,
                  bytes + have,
                  in->len - have < in->piece ? in->len - have : in->piece));
    ck_assert_int_gt(n, 0);
    have += (size_t) n;
    if (++round % 64 == 0)
      io_turns(2);
  }
  io_assert_pattern(bytes, in->len, in->seed);
  free(bytes);
  return (int64_t) have;
}

static int64_t write_at_once(void* arg) {
  transfer_t* out = arg;
  char* bytes = io_pattern(out->len, out->seed);
  int64_t n = fluv_await(fluv_write_all(out->stream, bytes, out->len));

  memset(bytes, 0, out->len);
  free(bytes);
  return n;
}

TEST_TASK(large_write_waits_for_a_slow_reader) {
  transfer_t out = { NULL, (size_t) 8 << 20, 0, 7 };
  transfer_t in = { NULL, (size_t) 8 << 20, 7001, 7 };
  fluv_future_t* both[2];
  int64_t results[2];
  char byte;

  io_streams_open(&out.stream, &in.stream);
  both[0] = fluv_spawn(write_at_once, &out);
  both[1] = fluv_spawn(read_slow, &in);
  ck_assert_err(fluv_await(fluv_join_all(both, 2, results)), 0);
  ck_assert_err(results[0], 8 << 20);
  ck_assert_err(results[1], 8 << 20);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(out.stream), 8 << 20);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(in.stream), 8 << 20);

  ck_assert_err(fluv_await(fluv_close(out.stream)), 0);
  ck_assert_err(fluv_await(fluv_read(in.stream, &byte, 1)), 0);
  ck_assert_err(fluv_await(fluv_close(in.stream)), 0);
  return 0;
}

TEST_TASK(both_directions_flow_at_once) {
  fluv_stream_t* a = NULL;
  fluv_stream_t* b = NULL;
  fluv_future_t* all[4];

  io_streams_open(&a, &b);
  {
    transfer_t jobs[4] = { { a, 3 * MUCH, 0, 1 },
                           { b, 3 * MUCH, 0, 2 },
                           { a, 3 * MUCH, 10007, 2 },
                           { b, 3 * MUCH, 4001, 1 } };

    all[0] = fluv_spawn(write_at_once, &jobs[0]);
    all[1] = fluv_spawn(write_at_once, &jobs[1]);
    all[2] = fluv_spawn(read_slow, &jobs[2]);
    all[3] = fluv_spawn(read_slow, &jobs[3]);
    ck_assert_err(fluv_await(fluv_join_all(all, 4, NULL)), 0);
  }
  ck_assert_err(fluv_await(fluv_close(a)), 0);
  ck_assert_err(fluv_await(fluv_close(b)), 0);
  return 0;
}

TEST_TASK(many_writes_keep_their_order) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 3);
  fluv_future_t* write;
  char* got = malloc(MUCH);
  size_t sent = 0;
  size_t have = 0;
  size_t len;

  ck_assert_ptr_nonnull(got);
  io_wire_open_narrow(&wire);
  while (sent < MUCH) {
    len = 1 + sent * 7 % 30011;
    len = len < MUCH - sent ? len : MUCH - sent;
    write = fluv_write_all(wire.stream, bytes + sent, len);
    fluv_start(write);
    while (!fluv_future_is_done(write)) {
      ssize_t n = recv(wire.fd, got + have, MUCH - have, MSG_DONTWAIT);

      if (n > 0)
        have += (size_t) n;
      io_turns(1);
    }
    ck_assert_err(fluv_await(write), (int64_t) len);
    sent += len;
  }
  io_drain(wire.fd, got + have, MUCH - have);
  io_assert_pattern(got, MUCH, 3);
  free(got);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

/* Pieces of these lengths, over and over, until there are `n`. */
static void write_pieces(const size_t* lens, size_t n_lens, size_t n) {
  fluv_buf_t* pieces = calloc(n, sizeof(*pieces));
  io_wire_t wire;
  fluv_future_t* write;
  size_t sum = 0;
  size_t i;
  char* bytes;

  ck_assert_ptr_nonnull(pieces);
  for (i = 0; i < n; i++)
    sum += lens[i % n_lens];
  bytes = io_pattern(sum + 1, 5);
  sum = 0;
  for (i = 0; i < n; i++) {
    pieces[i].base = bytes + sum;
    pieces[i].len = lens[i % n_lens];
    sum += pieces[i].len;
  }

  io_wire_open_narrow(&wire);
  write = fluv_writev_all(wire.stream, pieces, n);
  fluv_start(write);
  expect_pattern(&wire, sum, 5);
  ck_assert_err(fluv_await(write), (int64_t) sum);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), sum);
  io_wire_close(&wire);
  free(bytes);
  free(pieces);
}

TEST_TASK(writev_joins_small_pieces) {
  static const size_t lens[] = { 13, 0, 1, 100, 7 };
  static const size_t counts[] = { 1, 2, 3, 4, 5, 8, 9, 1000 };
  size_t i;

  for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
    write_pieces(lens, 5, counts[i]);
  return 0;
}

TEST_TASK(writev_waits_between_large_pieces) {
  static const size_t lens[] = { 0, 70000, 1, 16384, 0, 16385, 333333, 0 };

  write_pieces(lens, 8, 8);
  write_pieces(lens, 8, 24);
  return 0;
}

TEST_TASK(writev_passes_over_empty_pieces) {
  static const size_t nothing[] = { 0 };
  static const size_t last[] = { 0, 0, 0, 0, 0, 0, 9 };
  static const size_t first[] = { 9, 0, 0, 0, 0, 0, 0 };

  write_pieces(nothing, 1, 1);
  write_pieces(nothing, 1, 100);
  write_pieces(last, 7, 7);
  write_pieces(first, 7, 7);
  return 0;
}

TEST_TASK(writev_takes_an_empty_piece_without_memory) {
  fluv_buf_t pieces[3] = { { NULL, 0 }, { "hello", 5 }, { NULL, 0 } };
  io_wire_t wire;
  char buf[5];

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, pieces, 3)), 5);
  io_recv(wire.fd, buf, 5);
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(try_write_takes_what_fits) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  size_t sent = 0;
  int64_t n;

  io_wire_open_narrow(&wire);
  while ((n = fluv_try_write(wire.stream, bytes + sent, MUCH - sent)) > 0)
    sent += (size_t) n;
  ck_assert_err(n, FLUV_EAGAIN);
  ck_assert_uint_gt(sent, 0);
  ck_assert_uint_lt(sent, MUCH);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), sent);
  expect_pattern(&wire, sent, 1);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(second_writer_is_busy) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_buf_t piece = { "x", 1 };
  fluv_future_t* first;

  io_wire_open_narrow(&wire);
  first = start_stuck_write(&wire, bytes);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", 1)), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, &piece, 1)),
                FLUV_EBUSY);
  ck_assert_err(fluv_try_write(wire.stream, "x", 1), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_shutdown(wire.stream)), FLUV_EBUSY);
  expect_pattern(&wire, MUCH, 1);
  ck_assert_err(fluv_await(first), MUCH);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(reading_goes_on_beside_a_stuck_write) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* write;
  char byte = 0;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  io_send(wire.fd, "r", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 1);
  ck_assert_int_eq(byte, 'r');
  expect_pattern(&wire, MUCH, 1);
  ck_assert_err(fluv_await(write), MUCH);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(write_refuses_bad_arguments) {
  fluv_buf_t no_memory = { NULL, 1 };
  fluv_buf_t negative = { "x", (size_t) -1 };
  fluv_buf_t overflow[2] = { { "x", SIZE_MAX / 2 }, { "x", SIZE_MAX / 2 } };
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_write_all(NULL, "x", 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, NULL, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", (size_t) -1)),
                FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, NULL, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, &no_memory, 1)),
                FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, &negative, 1)),
                FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, overflow, 2)),
                FLUV_EINVAL);
  ck_assert_err(fluv_try_write(NULL, "x", 1), FLUV_EINVAL);
  ck_assert_err(fluv_try_write(wire.stream, NULL, 1), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_shutdown(NULL)), FLUV_EINVAL);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), 0);
  io_wire_close(&wire);
  return 0;
}

/* A peer that is gone. */

static bool is_gone(int64_t err) {
  return err == FLUV_EPIPE || err == FLUV_ECONNRESET;
}

TEST_TASK(reset_ends_a_waiting_write) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* write;
  int64_t err;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  io_close_with_reset(wire.fd);
  wire.fd = -1;
  err = fluv_await(write);
  ck_assert_msg(is_gone(err), "is %s", fluv_err_name(err));
  free(bytes);
  err = fluv_await(fluv_write_all(wire.stream, "x", 1));
  ck_assert_msg(is_gone(err), "is %s", fluv_err_name(err));
  err = fluv_try_write(wire.stream, "x", 1);
  ck_assert_msg(is_gone(err), "is %s", fluv_err_name(err));
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(write_to_a_peer_that_has_closed_fails_in_the_end) {
  io_wire_t wire;
  int64_t err = 1;
  int i;

  io_wire_open(&wire);
  close(wire.fd);
  wire.fd = -1;
  for (i = 0; i < 100 && err == 1; i++) {
    err = fluv_await(fluv_write_all(wire.stream, "x", 1));
    io_turns(1);
  }
  ck_assert_msg(is_gone(err), "is %s", fluv_err_name(err));
  io_wire_close(&wire);
  return 0;
}

/* Cancelling. */

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
  char* first = io_pattern(MUCH, 1);
  char* second = io_pattern(50000, 2);
  fluv_future_t* write;
  uint64_t sent;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, first);
  fluv_cancel(write);
  ck_assert(fluv_future_is_done(write));
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  memset(first, 'x', MUCH);
  free(first);
  sent = fluv_stream_get_bytes_written(wire.stream);

  write = fluv_write_all(wire.stream, second, 50000);
  fluv_start(write);
  expect_pattern(&wire, sent, 1);
  expect_pattern(&wire, 50000, 2);
  ck_assert_err(fluv_await(write), 50000);
  free(second);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), sent + 50000);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(try_write_after_a_cancelled_write_keeps_the_order) {
  io_wire_t wire;
  char* first = io_pattern(MUCH, 1);
  fluv_future_t* write;
  uint64_t sent;
  char byte = 0;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, first);
  fluv_cancel(write);
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  free(first);
  sent = fluv_stream_get_bytes_written(wire.stream);

  ck_assert_err(fluv_try_write(wire.stream, "T", 1), FLUV_EAGAIN);
  expect_pattern(&wire, sent, 1);
  io_turns(2);
  ck_assert_err(fluv_try_write(wire.stream, "T", 1), 1);
  io_recv(wire.fd, &byte, 1);
  ck_assert_int_eq(byte, 'T');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(dropped_write_leaves_its_buffer_alone) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* write;
  uint64_t sent;
  char byte = 0;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  fluv_drop(write);
  memset(bytes, 'x', MUCH);
  free(bytes);

  sent = fluv_stream_get_bytes_written(wire.stream);
  expect_pattern(&wire, sent, 1);
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
  char* bytes = io_pattern(MUCH, 1);
  fluv_buf_t* pieces = calloc(PIECES, sizeof(*pieces));
  fluv_future_t* write;
  size_t i;

  ck_assert_ptr_nonnull(pieces);
  for (i = 0; i < PIECES; i++) {
    pieces[i].base = bytes + i * (MUCH / PIECES);
    pieces[i].len = MUCH / PIECES;
  }
  io_wire_open_narrow(&wire);
  write = fluv_writev_all(wire.stream, pieces, PIECES);
  fluv_start(write);
  io_turns(3);
  ck_assert(!fluv_future_is_done(write));
  fluv_drop(write);
  memset(pieces, 0xff, PIECES * sizeof(*pieces));
  free(pieces);
  memset(bytes, 'x', MUCH);
  free(bytes);

  expect_pattern(&wire, fluv_stream_get_bytes_written(wire.stream), 1);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(write_times_out_and_goes_on_where_it_was) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* limited;
  fluv_future_t* rest;
  uint64_t sent;

  io_wire_open_narrow(&wire);
  limited = fluv_timeout(fluv_write_all(wire.stream, bytes, MUCH), 50);
  fluv_start(limited);
  io_turns(3);
  ck_assert_err(fluv_await(fluv_clock_advance(50)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);
  sent = fluv_stream_get_bytes_written(wire.stream);
  ck_assert_uint_lt(sent, MUCH);

  rest = fluv_write_all(wire.stream, bytes + sent, MUCH - sent);
  fluv_start(rest);
  expect_pattern(&wire, MUCH, 1);
  ck_assert_err(fluv_await(rest), (int64_t) (MUCH - sent));
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

/* Shutting down and closing. */

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
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* write;
  fluv_future_t* shut;
  uint64_t sent;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  fluv_drop(write);
  free(bytes);
  sent = fluv_stream_get_bytes_written(wire.stream);

  shut = fluv_shutdown(wire.stream);
  fluv_start(shut);
  io_turns(2);
  expect_pattern(&wire, sent, 1);
  ck_assert_err(fluv_await(shut), 0);
  io_recv_eof(wire.fd);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(cancelled_shutdown_happens_all_the_same) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  fluv_future_t* write;
  fluv_future_t* shut;
  uint64_t sent;
  int64_t err;

  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  fluv_drop(write);
  free(bytes);
  sent = fluv_stream_get_bytes_written(wire.stream);

  shut = fluv_shutdown(wire.stream);
  fluv_start(shut);
  io_turns(2);
  fluv_cancel(shut);
  err = fluv_await(shut);
  ck_assert(err == FLUV_ECANCELED || err == 0);
  expect_pattern(&wire, sent, 1);
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
  char* bytes = io_pattern(MUCH, 1);
  char* got = malloc(MUCH + 1);
  fluv_future_t* write;
  size_t have = 0;
  ssize_t n;

  ck_assert_ptr_nonnull(got);
  io_wire_open_narrow(&wire);
  write = start_stuck_write(&wire, bytes);
  while (!fluv_future_is_done(write)) {
    n = recv(wire.fd, got + have, 1000, MSG_DONTWAIT);
    if (n > 0)
      have += (size_t) n;
    else
      io_turns(1);
  }
  ck_assert_err(fluv_await(write), MUCH);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  free(bytes);
  ck_assert_uint_lt(have, MUCH);
  ck_assert_uint_eq(recv_rest(wire.fd, got, have, MUCH + 1), MUCH);
  io_assert_pattern(got, MUCH, 1);
  free(got);
  close(wire.fd);
  return 0;
}

/* What fluv holds of a cancelled write may be lost, and nothing else. */
TEST_TASK(close_after_a_cancelled_write_sends_what_the_kernel_has) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);
  char* got = malloc(MUCH + 1);
  uint64_t sent;
  size_t have;

  ck_assert_ptr_nonnull(got);
  io_wire_open_narrow(&wire);
  fluv_drop(start_stuck_write(&wire, bytes));
  free(bytes);
  sent = fluv_stream_get_bytes_written(wire.stream);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  have = recv_rest(wire.fd, got, 0, MUCH + 1);
  ck_assert_uint_le(have, sent);
  ck_assert_uint_ge(have, sent - 16384);
  io_assert_pattern(got, have, 1);
  free(got);
  close(wire.fd);
  return 0;
}

TEST_TASK(close_with_a_full_peer_ends) {
  io_wire_t wire;
  char* bytes = io_pattern(MUCH, 1);

  io_wire_open_narrow(&wire);
  fluv_drop(start_stuck_write(&wire, bytes));
  free(bytes);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  close(wire.fd);

  bytes = io_pattern(MUCH, 1);
  io_wire_open_narrow(&wire);
  fluv_drop(start_stuck_write(&wire, bytes));
  free(bytes);
  ck_assert_err(fluv_await(fluv_reset(wire.stream)), 0);
  close(wire.fd);
  return 0;
}

/* The kernel takes up to 1,024 at a time. */
static int calls_for_pieces(size_t count, size_t len) {
  fluv_buf_t* pieces = calloc(count, sizeof(*pieces));
  char* bytes = io_pattern(count * len, 3);
  io_wire_t wire;
  size_t i;

  ck_assert_ptr_nonnull(pieces);
  for (i = 0; i < count; i++) {
    pieces[i].base = bytes + i * len;
    pieces[i].len = len;
  }
  io_wire_open(&wire);
  writev_calls = 0;
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, pieces, count)),
                (int64_t) (count * len));
  expect_pattern(&wire, count * len, 3);
  io_wire_close(&wire);
  free(pieces);
  free(bytes);
  return writev_calls;
}

TEST_TASK(pieces_are_written_by_as_few_calls_as_possible) {
  ck_assert_int_eq(calls_for_pieces(2, 10), 1);
  ck_assert_int_eq(calls_for_pieces(64, 10), 1);
  ck_assert_int_eq(calls_for_pieces(1024, 3), 1);
  ck_assert_int_eq(calls_for_pieces(5000, 3), 5);
  return 0;
}

TEST_TASK(many_empty_pieces_are_passed_over) {
  static fluv_buf_t pieces[3000];
  io_wire_t wire;
  char buf[2];
  size_t i;

  for (i = 0; i < 3000; i++)
    pieces[i] = (fluv_buf_t){ NULL, 0 };
  pieces[1500] = (fluv_buf_t){ "a", 1 };
  pieces[2999] = (fluv_buf_t){ "b", 1 };
  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, pieces, 3000)), 2);
  io_drain(wire.fd, buf, 2);
  ck_assert_int_eq(memcmp(buf, "ab", 2), 0);
  io_wire_close(&wire);
  return 0;
}

/* Pieces of all sizes against a slow reader: writes end within a piece, at its
 * end, and in fluv's own memory. */
TEST_TASK(pieces_wait_for_a_slow_reader) {
  enum {
    PIECES = 900
  };
  static fluv_buf_t pieces[PIECES];
  char* bytes = io_pattern((size_t) PIECES * PIECES, 5);
  fluv_future_t* write;
  io_wire_t wire;
  size_t len = 0;
  size_t i;

  for (i = 0; i < PIECES; i++) {
    pieces[i].base = bytes + len;
    pieces[i].len = i * 7 % PIECES;
    len += pieces[i].len;
  }
  io_wire_open_narrow(&wire);
  write = fluv_writev_all(wire.stream, pieces, PIECES);
  fluv_start(write);
  expect_pattern(&wire, len, 5);
  ck_assert_err(fluv_await(write), (int64_t) len);
  io_wire_close(&wire);
  free(bytes);
  return 0;
}

static Suite* stream_write_suite(void) {
  Suite* s = suite_create("stream-write");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      write_all_writes_all,
      write_of_nothing_is_done,
      large_write_waits_for_a_slow_reader,
      both_directions_flow_at_once,
      many_writes_keep_their_order,
      writev_joins_small_pieces,
      writev_waits_between_large_pieces,
      writev_passes_over_empty_pieces,
      writev_takes_an_empty_piece_without_memory,
      pieces_are_written_by_as_few_calls_as_possible,
      many_empty_pieces_are_passed_over,
      pieces_wait_for_a_slow_reader);
  ADD(tc,
      try_write_takes_what_fits,
      second_writer_is_busy,
      reading_goes_on_beside_a_stuck_write,
      write_refuses_bad_arguments,
      reset_ends_a_waiting_write,
      write_to_a_peer_that_has_closed_fails_in_the_end);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cold_write_sends_nothing,
      write_after_a_cancelled_one_keeps_the_order,
      try_write_after_a_cancelled_write_keeps_the_order,
      dropped_write_leaves_its_buffer_alone,
      dropped_writev_leaves_its_pieces_alone,
      write_times_out_and_goes_on_where_it_was);

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc,
      shutdown_ends_one_direction,
      nothing_can_be_written_after_a_shutdown,
      shutdown_comes_after_the_last_byte,
      cancelled_shutdown_happens_all_the_same,
      what_was_reported_as_written_outlives_the_close,
      close_after_a_cancelled_write_sends_what_the_kernel_has,
      close_with_a_full_peer_ends);
  return s;
}

TEST_MAIN(stream_write_suite)
