/* SPDX-License-Identifier: MIT */
/* Streams: writing, back-pressure, pieces, a peer that is gone. */
#include "fluv-test-io.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

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
    transfer_t jobs[4] = { { a, 3 * IO_MUCH, 0, 1 },
                           { b, 3 * IO_MUCH, 0, 2 },
                           { a, 3 * IO_MUCH, 10007, 2 },
                           { b, 3 * IO_MUCH, 4001, 1 } };

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
  char* bytes = io_pattern(IO_MUCH, 3);
  fluv_future_t* write;
  char* got = malloc(IO_MUCH);
  size_t sent = 0;
  size_t have = 0;
  size_t len;

  ck_assert_ptr_nonnull(got);
  io_wire_open_narrow(&wire);
  while (sent < IO_MUCH) {
    len = 1 + sent * 7 % 30011;
    len = len < IO_MUCH - sent ? len : IO_MUCH - sent;
    write = fluv_write_all(wire.stream, bytes + sent, len);
    fluv_start(write);
    while (!fluv_future_is_done(write)) {
      ssize_t n = recv(wire.fd, got + have, IO_MUCH - have, MSG_DONTWAIT);

      if (n > 0)
        have += (size_t) n;
      io_turns(1);
    }
    ck_assert_err(fluv_await(write), (int64_t) len);
    sent += len;
  }
  io_drain(wire.fd, got + have, IO_MUCH - have);
  io_assert_pattern(got, IO_MUCH, 3);
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
  io_drain_pattern(wire.fd, sum, 5);
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
  char* bytes = io_pattern(IO_MUCH, 1);
  size_t sent = 0;
  int64_t n;

  io_wire_open_narrow(&wire);
  while ((n = fluv_try_write(wire.stream, bytes + sent, IO_MUCH - sent)) > 0)
    sent += (size_t) n;
  ck_assert_err(n, FLUV_EAGAIN);
  ck_assert_uint_gt(sent, 0);
  ck_assert_uint_lt(sent, IO_MUCH);
  ck_assert_uint_eq(fluv_stream_get_bytes_written(wire.stream), sent);
  io_drain_pattern(wire.fd, sent, 1);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(second_writer_is_busy) {
  io_wire_t wire;
  char* bytes;
  fluv_buf_t piece = { "x", 1 };
  fluv_future_t* first;

  first = io_wire_open_stuck(&wire, &bytes);
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", 1)), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_writev_all(wire.stream, &piece, 1)),
                FLUV_EBUSY);
  ck_assert_err(fluv_try_write(wire.stream, "x", 1), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_shutdown(wire.stream)), FLUV_EBUSY);
  io_drain_pattern(wire.fd, IO_MUCH, 1);
  ck_assert_err(fluv_await(first), IO_MUCH);
  ck_assert_int_eq(io_unread(wire.fd), 0);
  free(bytes);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(reading_goes_on_beside_a_stuck_write) {
  io_wire_t wire;
  char* bytes;
  fluv_future_t* write;
  char byte = 0;

  write = io_wire_open_stuck(&wire, &bytes);
  io_send(wire.fd, "r", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 1);
  ck_assert_int_eq(byte, 'r');
  io_drain_pattern(wire.fd, IO_MUCH, 1);
  ck_assert_err(fluv_await(write), IO_MUCH);
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
  char* bytes;
  fluv_future_t* write;
  int64_t err;

  write = io_wire_open_stuck(&wire, &bytes);
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
  io_drain_pattern(wire.fd, count * len, 3);
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
  static size_t lens[PIECES];
  size_t i;

  for (i = 0; i < PIECES; i++)
    lens[i] = i * 7 % PIECES;
  write_pieces(lens, PIECES, PIECES);
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
  return s;
}

TEST_MAIN(stream_write_suite)
