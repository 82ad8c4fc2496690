/* SPDX-License-Identifier: MIT */
/* Streams: reading, cancelling a read. */
#include "fluv-test-io.h"

#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
# define HAVE_POISON 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define HAVE_POISON 1
# endif
#endif

/* Memory that must not be accessed; a build with ASan also catches a read. */
#ifdef HAVE_POISON
# include <sanitizer/asan_interface.h>
# define POISON(buf)   ASAN_POISON_MEMORY_REGION((buf), sizeof(buf))
# define UNPOISON(buf) ASAN_UNPOISON_MEMORY_REGION((buf), sizeof(buf))
#else
# define POISON(buf)   memset((buf), 0x5a, sizeof(buf))
# define UNPOISON(buf) ((void) 0)
#endif

/* Reading. */

TEST_TASK(read_gives_what_is_there) {
  io_wire_t wire;
  char buf[16];

  io_wire_open(&wire);
  io_send(wire.fd, "hello", 5);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 5);
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wire.stream), 5);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_waits_for_bytes) {
  io_wire_t wire;
  fluv_future_t* read;
  char buf[16];

  io_wire_open(&wire);
  read = fluv_read(wire.stream, buf, sizeof(buf));
  fluv_start(read);
  io_turns(3);
  ck_assert(!fluv_future_is_done(read));
  io_send(wire.fd, "later", 5);
  ck_assert_err(fluv_await(read), 5);
  ck_assert_int_eq(memcmp(buf, "later", 5), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_takes_no_more_than_its_buffer_holds) {
  io_wire_t wire;
  char buf[5] = { 0, 0, 0, 0, 'X' };

  io_wire_open(&wire);
  io_send(wire.fd, "0123456789", 10);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, 4)), 4);
  ck_assert_int_eq(memcmp(buf, "0123X", 5), 0);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, 4)), 4);
  ck_assert_int_eq(memcmp(buf, "4567X", 5), 0);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, 4)), 2);
  ck_assert_int_eq(memcmp(buf, "8967X", 5), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(reads_follow_each_other_whether_ready_or_not) {
  io_wire_t wire;
  fluv_future_t* read;
  char byte;
  char want;
  int i;

  io_wire_open(&wire);
  for (i = 0; i < 300; i++) {
    want = (char) i;
    read = fluv_read(wire.stream, &byte, 1);
    if (i % 3 == 0)
      fluv_start(read);
    if (i % 5 == 0)
      io_turns(i % 4 + 1);
    io_send(wire.fd, &want, 1);
    ck_assert_err(fluv_await(read), 1);
    ck_assert_int_eq(byte, want);
  }
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(end_of_the_stream_is_zero_each_time) {
  io_wire_t wire;
  char buf[4];
  int i;

  io_wire_open(&wire);
  io_send(wire.fd, "ab", 2);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 2);
  for (i = 0; i < 3; i++) {
    ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 0);
    ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), 0);
    ck_assert_err(fluv_await(fluv_read_exact(wire.stream, buf, 4)), FLUV_EOF);
  }
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(end_of_the_stream_ends_a_waiting_read) {
  io_wire_t wire;
  fluv_future_t* read;
  char byte;

  io_wire_open(&wire);
  read = fluv_read(wire.stream, &byte, 1);
  fluv_start(read);
  io_turns(2);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_await(read), 0);
  /* The other direction is still open. */
  ck_assert_err(fluv_await(fluv_write_all(wire.stream, "x", 1)), 1);
  io_recv(wire.fd, &byte, 1);
  io_wire_close(&wire);
  return 0;
}

/* No read is pending when the end arrives; it must not be lost. */
TEST_TASK(end_that_comes_between_reads_is_seen) {
  io_wire_t wire;
  char buf[4];

  io_wire_open(&wire);
  io_send(wire.fd, "ab", 2);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 2);
  shutdown(wire.fd, SHUT_WR);
  io_turns(4);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(reset_that_comes_between_reads_is_seen) {
  io_wire_t wire;
  char buf[4];

  io_wire_open(&wire);
  io_send(wire.fd, "ab", 2);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 2);
  io_close_with_reset(wire.fd);
  wire.fd = -1;
  io_turns(4);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))),
                FLUV_ECONNRESET);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(reset_ends_a_waiting_read) {
  io_wire_t wire;
  fluv_future_t* read;
  char byte;

  io_wire_open(&wire);
  read = fluv_read(wire.stream, &byte, 1);
  fluv_start(read);
  io_turns(2);
  io_close_with_reset(wire.fd);
  wire.fd = -1;
  ck_assert_err(fluv_await(read), FLUV_ECONNRESET);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_exact_gathers_pieces) {
  io_wire_t wire;
  fluv_future_t* read;
  char buf[9];
  int i;

  io_wire_open(&wire);
  read = fluv_read_exact(wire.stream, buf, sizeof(buf));
  fluv_start(read);
  for (i = 0; i < 3; i++) {
    ck_assert(!fluv_future_is_done(read));
    io_send(wire.fd, &"abcdefghi"[i * 3], 3);
    io_turns(2);
  }
  ck_assert_err(fluv_await(read), 9);
  ck_assert_int_eq(memcmp(buf, "abcdefghi", 9), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_exact_leaves_the_rest) {
  io_wire_t wire;
  char buf[4];

  io_wire_open(&wire);
  io_send(wire.fd, "abcdef", 6);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, buf, 4)), 4);
  ck_assert_int_eq(memcmp(buf, "abcd", 4), 0);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, buf, 2)), 2);
  ck_assert_int_eq(memcmp(buf, "ef", 2), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_exact_of_a_stream_that_ends_early_fails) {
  io_wire_t wire;
  char buf[8];

  io_wire_open(&wire);
  io_send(wire.fd, "abc", 3);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, buf, 8)), FLUV_EOF);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wire.stream), 3);
  ck_assert_int_eq(memcmp(buf, "abc", 3), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(try_read_never_waits) {
  io_wire_t wire;
  char buf[4];

  io_wire_open(&wire);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), FLUV_EAGAIN);
  io_send(wire.fd, "abcdef", 6);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), 4);
  ck_assert_int_eq(memcmp(buf, "abcd", 4), 0);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), 2);
  ck_assert_int_eq(memcmp(buf, "ef", 2), 0);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), FLUV_EAGAIN);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wire.stream), 6);
  shutdown(wire.fd, SHUT_WR);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(try_read_sees_a_reset) {
  io_wire_t wire;
  char byte;

  io_wire_open(&wire);
  io_close_with_reset(wire.fd);
  wire.fd = -1;
  ck_assert_err(fluv_try_read(wire.stream, &byte, 1), FLUV_ECONNRESET);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(second_reader_is_busy) {
  io_wire_t wire;
  fluv_future_t* first;
  char a = 0;
  char b = 0;

  io_wire_open(&wire);
  first = fluv_read(wire.stream, &a, 1);
  fluv_start(first);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &b, 1)), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, &b, 1)), FLUV_EBUSY);
  ck_assert_err(fluv_try_read(wire.stream, &b, 1), FLUV_EBUSY);
  io_send(wire.fd, "xy", 2);
  ck_assert_err(fluv_await(first), 1);
  ck_assert_int_eq(a, 'x');
  ck_assert_err(fluv_await(fluv_read(wire.stream, &b, 1)), 1);
  ck_assert_int_eq(b, 'y');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_refuses_bad_arguments) {
  io_wire_t wire;
  char byte;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_read(NULL, &byte, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_read(wire.stream, NULL, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 0)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, (size_t) -1)),
                FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_read_exact(NULL, &byte, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, &byte, 0)),
                FLUV_EINVAL);
  ck_assert_err(fluv_try_read(NULL, &byte, 1), FLUV_EINVAL);
  ck_assert_err(fluv_try_read(wire.stream, NULL, 1), FLUV_EINVAL);
  ck_assert_err(fluv_try_read(wire.stream, &byte, 0), FLUV_EINVAL);
  io_wire_close(&wire);
  return 0;
}

static int64_t count_turns(void* arg) {
  int* count = arg;

  while (fluv_yield() == 0)
    (*count)++;
  return 0;
}

TEST_TASK(reader_of_ready_bytes_yields) {
  io_wire_t wire;
  fluv_future_t* other;
  char bytes[2000];
  int count = 0;
  int i;

  memset(bytes, 'x', sizeof(bytes));
  io_wire_open(&wire);
  io_send(wire.fd, bytes, sizeof(bytes));
  other = fluv_spawn(count_turns, &count);
  for (i = 0; i < 2000; i++)
    ck_assert_err(fluv_await(fluv_read(wire.stream, bytes, 1)), 1);
  ck_assert_int_ge(count, 2000 / 128 - 1);
  fluv_cancel(other);
  ck_assert_err(fluv_await(other), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(two_streams_do_not_mix) {
  io_wire_t a;
  io_wire_t b;
  fluv_future_t* reads[2];
  int64_t results[2];
  char got[2][4];

  io_wire_open(&a);
  io_wire_open(&b);
  reads[0] = fluv_read(a.stream, got[0], 4);
  reads[1] = fluv_read(b.stream, got[1], 4);
  io_send(b.fd, "bbbb", 4);
  io_send(a.fd, "aaa", 3);
  ck_assert_err(fluv_await(fluv_join_all(reads, 2, results)), 0);
  ck_assert_err(results[0], 3);
  ck_assert_err(results[1], 4);
  ck_assert_int_eq(memcmp(got[0], "aaa", 3), 0);
  ck_assert_int_eq(memcmp(got[1], "bbbb", 4), 0);
  io_wire_close(&a);
  io_wire_close(&b);
  return 0;
}

/* What is left open but idle must not keep a host's loop from ending. */

static io_wire_t idle_wire;

static int64_t open_and_use(void* arg) {
  char byte;

  (void) arg;
  io_wire_open(&idle_wire);
  io_send(idle_wire.fd, "x", 1);
  ck_assert_err(fluv_await(fluv_read(idle_wire.stream, &byte, 1)), 1);
  ck_assert_err(fluv_await(fluv_write_all(idle_wire.stream, "y", 1)), 1);
  return 0;
}

START_TEST(idle_stream_lets_the_loop_end) {
  ck_assert_err(test_run(open_and_use, NULL), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  io_send(idle_wire.fd, "more", 4);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_err(fluv_block_on(fluv_close(idle_wire.stream)), 0);
  close(idle_wire.fd);
}
END_TEST

static int64_t open_and_try(void* arg) {
  char byte;

  (void) arg;
  io_wire_open(&idle_wire);
  ck_assert_err(fluv_try_read(idle_wire.stream, &byte, 1), FLUV_EAGAIN);
  return 0;
}

START_TEST(stream_that_never_waited_lets_the_loop_end) {
  ck_assert_err(test_run(open_and_try, NULL), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_err(fluv_block_on(fluv_close(idle_wire.stream)), 0);
  close(idle_wire.fd);
}
END_TEST

/* Cancelling a read. */

TEST_TASK(cancelled_read_leaves_the_bytes_in_the_socket) {
  io_wire_t wire;
  fluv_future_t* read;
  char buf[8];
  int fd;

  io_wire_open(&wire);
  fd = io_fd_of_stream(wire.stream);
  read = fluv_read(wire.stream, buf, sizeof(buf));
  fluv_start(read);
  io_turns(2);
  fluv_cancel(read);
  ck_assert(fluv_future_is_done(read));
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);

  io_send(wire.fd, "hello", 5);
  io_turns(4);
  ck_assert_int_eq(io_unread(fd), 5);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 5);
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(bytes_that_nobody_reads_stay_in_the_socket) {
  io_wire_t wire;
  char buf[8];
  int fd;

  io_wire_open(&wire);
  fd = io_fd_of_stream(wire.stream);
  io_send(wire.fd, "a", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 1);
  io_send(wire.fd, "hello", 5);
  io_turns(4);
  ck_assert_int_eq(io_unread(fd), 5);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wire.stream), 1);
  ck_assert_err(fluv_try_read(wire.stream, buf, sizeof(buf)), 5);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(dropped_read_never_touches_its_buffer) {
  io_wire_t wire;
  fluv_future_t* read;
  char untouched[64];
  char buf[64];
  size_t i;

  io_wire_open(&wire);
  memset(untouched, 0x5a, sizeof(untouched));
  read = fluv_read(wire.stream, untouched, sizeof(untouched));
  fluv_start(read);
  io_turns(2);
  fluv_drop(read);
  POISON(untouched);

  io_send(wire.fd, "hello", 5);
  io_turns(4);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 5);
  UNPOISON(untouched);
  for (i = 0; i < sizeof(untouched); i++)
    ck_assert_int_eq(untouched[i], 0x5a);
  io_wire_close(&wire);
  return 0;
}

/* The bytes and the drop come in the same turn. */
TEST_TASK(read_dropped_with_bytes_on_the_way_never_touches_its_buffer) {
  io_wire_t wire;
  fluv_future_t* read;
  char untouched[64];
  char buf[64];
  size_t i;

  io_wire_open(&wire);
  memset(untouched, 0x5a, sizeof(untouched));
  read = fluv_read(wire.stream, untouched, sizeof(untouched));
  fluv_start(read);
  io_turns(1);
  io_send(wire.fd, "hello", 5);
  fluv_drop(read);
  POISON(untouched);

  io_turns(4);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 5);
  UNPOISON(untouched);
  for (i = 0; i < sizeof(untouched); i++)
    ck_assert_int_eq(untouched[i], 0x5a);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(cold_read_takes_nothing) {
  io_wire_t wire;
  fluv_future_t* read;
  char buf[8];

  io_wire_open(&wire);
  io_send(wire.fd, "hello", 5);
  fluv_drop(fluv_read(wire.stream, buf, sizeof(buf)));
  read = fluv_read(wire.stream, buf, sizeof(buf));
  io_turns(3);
  ck_assert(!fluv_future_is_done(read));
  fluv_cancel(read);
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wire.stream), 0);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 5);
  io_wire_close(&wire);
  return 0;
}

/* Either the read has its bytes or they are still there. */
static void cancel_around_bytes(io_wire_t* wire, bool send_first, int turns) {
  fluv_future_t* read;
  char buf[8];
  int64_t n;

  memset(buf, 0, sizeof(buf));
  read = fluv_read(wire->stream, buf, sizeof(buf));
  if (!send_first)
    fluv_start(read);
  io_send(wire->fd, "hello", 5);
  if (send_first)
    fluv_start(read);
  if (turns > 0)
    io_turns(turns);
  fluv_cancel(read);
  n = fluv_await(read);
  ck_assert(n == 5 || n == FLUV_ECANCELED);
  if (n < 0) {
    ck_assert_int_eq(io_unread(io_fd_of_stream(wire->stream)), 5);
    ck_assert_err(fluv_await(fluv_read(wire->stream, buf, sizeof(buf))), 5);
  }
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
}

TEST_TASK(read_cancelled_at_any_time_loses_nothing) {
  io_wire_t wire;
  int turns;

  io_wire_open(&wire);
  for (turns = 0; turns < 4; turns++) {
    cancel_around_bytes(&wire, false, turns);
    cancel_around_bytes(&wire, true, turns);
  }
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_exact_goes_on_after_a_cancel) {
  io_wire_t wire;
  fluv_future_t* read;
  char buf[10];
  uint64_t have;

  io_wire_open(&wire);
  read = fluv_read_exact(wire.stream, buf, 10);
  fluv_start(read);
  io_send(wire.fd, "012", 3);
  io_turns(3);
  fluv_cancel(read);
  ck_assert_err(fluv_await(read), FLUV_ECANCELED);
  have = fluv_stream_get_bytes_read(wire.stream);
  ck_assert_uint_eq(have, 3);

  io_send(wire.fd, "3456789", 7);
  ck_assert_err(fluv_await(fluv_read_exact(wire.stream, buf + have, 10 - have)),
                7);
  ck_assert_int_eq(memcmp(buf, "0123456789", 10), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(sleep_wins_against_a_read) {
  io_wire_t wire;
  fluv_future_t* arms[2];
  fluv_future_t* selected;
  char buf[8];
  int64_t result = -1;

  io_wire_open(&wire);
  arms[0] = fluv_read(wire.stream, buf, sizeof(buf));
  arms[1] = fluv_sleep(100);
  selected = fluv_select(arms, 2, &result);
  fluv_start(selected);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert_err(fluv_await(selected), 1);
  ck_assert_err(result, 0);

  io_send(wire.fd, "late", 4);
  io_turns(2);
  ck_assert_err(fluv_await(fluv_read(wire.stream, buf, sizeof(buf))), 4);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_wins_against_a_sleep) {
  io_wire_t wire;
  fluv_future_t* arms[2];
  char buf[8];
  int64_t result = -1;

  io_wire_open(&wire);
  io_send(wire.fd, "now", 3);
  arms[0] = fluv_sleep(100);
  arms[1] = fluv_read(wire.stream, buf, sizeof(buf));
  ck_assert_err(fluv_await(fluv_select(arms, 2, &result)), 1);
  ck_assert_err(result, 3);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(read_that_lost_leaves_its_bytes) {
  io_wire_t wires[2];
  fluv_future_t* arms[2];
  char bufs[2][8];
  int64_t result = -1;
  int64_t winner;

  io_wire_open(&wires[0]);
  io_wire_open(&wires[1]);
  io_send(wires[0].fd, "hello", 5);
  io_send(wires[1].fd, "hello", 5);
  arms[0] = fluv_read(wires[0].stream, bufs[0], 8);
  arms[1] = fluv_read(wires[1].stream, bufs[1], 8);
  winner = fluv_await(fluv_select(arms, 2, &result));
  ck_assert(winner == 0 || winner == 1);
  ck_assert_err(result, 5);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wires[winner].stream), 5);
  ck_assert_uint_eq(fluv_stream_get_bytes_read(wires[1 - winner].stream), 0);
  ck_assert_int_eq(io_unread(io_fd_of_stream(wires[1 - winner].stream)), 5);
  ck_assert_err(fluv_await(fluv_read(wires[1 - winner].stream, bufs[0], 8)), 5);
  io_wire_close(&wires[0]);
  io_wire_close(&wires[1]);
  return 0;
}

TEST_TASK(read_times_out_and_works_again) {
  io_wire_t wire;
  fluv_future_t* limited;
  char buf[8];

  io_wire_open(&wire);
  limited = fluv_timeout(fluv_read(wire.stream, buf, sizeof(buf)), 50);
  fluv_start(limited);
  ck_assert_err(fluv_await(fluv_clock_advance(49)), 0);
  ck_assert(!fluv_future_is_done(limited));
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);

  limited = fluv_timeout(fluv_read(wire.stream, buf, sizeof(buf)), 50);
  io_send(wire.fd, "hello", 5);
  ck_assert_err(fluv_await(limited), 5);
  ck_assert_int_eq(memcmp(buf, "hello", 5), 0);
  io_wire_close(&wire);
  return 0;
}

static int64_t read_in_time(void* arg) {
  io_wire_t* wire = arg;
  char byte;
  int64_t err;

  ck_assert_err(fluv_deadline_begin(30), 0);
  err = fluv_await(fluv_read(wire->stream, &byte, 1));
  ck_assert(fluv_deadline_end());
  return err;
}

TEST_TASK(read_ends_at_the_tasks_deadline) {
  io_wire_t wire;
  fluv_future_t* task;
  char byte;

  io_wire_open(&wire);
  task = fluv_spawn(read_in_time, &wire);
  io_turns(2);
  ck_assert_err(fluv_await(fluv_clock_advance(30)), 0);
  ck_assert_err(fluv_await(task), FLUV_ETIMEDOUT);
  io_send(wire.fd, "x", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 1);
  io_wire_close(&wire);
  return 0;
}

static void add_reading(Suite* s) {
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      read_gives_what_is_there,
      read_waits_for_bytes,
      read_takes_no_more_than_its_buffer_holds,
      reads_follow_each_other_whether_ready_or_not,
      end_of_the_stream_is_zero_each_time,
      end_of_the_stream_ends_a_waiting_read,
      end_that_comes_between_reads_is_seen,
      reset_that_comes_between_reads_is_seen,
      reset_ends_a_waiting_read);
  ADD(tc,
      read_exact_gathers_pieces,
      read_exact_leaves_the_rest,
      read_exact_of_a_stream_that_ends_early_fails,
      try_read_never_waits,
      try_read_sees_a_reset,
      second_reader_is_busy,
      read_refuses_bad_arguments,
      reader_of_ready_bytes_yields,
      two_streams_do_not_mix,
      idle_stream_lets_the_loop_end,
      stream_that_never_waited_lets_the_loop_end);
}

static Suite* stream_suite(void) {
  Suite* s = suite_create("stream");
  TCase* tc;

  add_reading(s);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_read_leaves_the_bytes_in_the_socket,
      bytes_that_nobody_reads_stay_in_the_socket,
      dropped_read_never_touches_its_buffer,
      read_dropped_with_bytes_on_the_way_never_touches_its_buffer,
      cold_read_takes_nothing,
      read_cancelled_at_any_time_loses_nothing,
      read_exact_goes_on_after_a_cancel,
      sleep_wins_against_a_read,
      read_wins_against_a_sleep,
      read_that_lost_leaves_its_bytes,
      read_times_out_and_works_again,
      read_ends_at_the_tasks_deadline);
  return s;
}

TEST_MAIN(stream_suite)
