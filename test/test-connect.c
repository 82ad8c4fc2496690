/* SPDX-License-Identifier: MIT */
/* Connecting: several addresses, one deadline, cancelling. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fluv-test-names.h"

/* A port that is bound but does not listen: it refuses connections. */
static int refusing_port(char address[IO_ADDRESS], const char* host) {
  struct sockaddr_in in;
  socklen_t size = sizeof(in);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_ne(fd, -1);
  memset(&in, 0, sizeof(in));
  in.sin_family = AF_INET;
  ck_assert_int_eq(bind(fd, (struct sockaddr*) &in, sizeof(in)), 0);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr*) &in, &size), 0);
  snprintf(address, IO_ADDRESS, "%s:%d", host, ntohs(in.sin_port));
  return fd;
}

/* A port whose backlog is full: a connect to it waits. */

enum {
  FILLERS = 4
};

typedef struct full_port {
  int listener;
  int fillers[FILLERS];
} full_port_t;

static void full_port_open(full_port_t* full,
                           char address[IO_ADDRESS],
                           const char* host) {
  struct sockaddr_in in;
  struct pollfd last;
  socklen_t size = sizeof(in);
  int i;

  full->listener = refusing_port(address, host);
  ck_assert_int_eq(listen(full->listener, 0), 0);
  ck_assert_int_eq(getsockname(full->listener, (struct sockaddr*) &in, &size),
                   0);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (i = 0; i < FILLERS; i++) {
    full->fillers[i] =
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ne(full->fillers[i], -1);
    if (connect(full->fillers[i], (struct sockaddr*) &in, sizeof(in)) != 0)
      ck_assert_int_eq(errno, EINPROGRESS);
  }

  last.fd = full->fillers[FILLERS - 1];
  last.events = POLLOUT;
  ck_assert_msg(poll(&last, 1, 0) == 0, "the backlog is not full");
}

static void full_port_close(full_port_t* full) {
  int i;

  for (i = 0; i < FILLERS; i++)
    close(full->fillers[i]);
  close(full->listener);
}

/* Successful connects. */

TEST_TASK(connect_to_numbers) {
  ck_assert_err(names_connect_host("127.0.0.1"), 0);
  ck_assert_int_eq(atomic_load(&names_lookups), 0);
  return 0;
}

TEST_TASK(connect_to_ipv6_numbers) {
  fluv_listener_t* listener = NULL;
  char address[IO_ADDRESS];

  if (!io_has_ipv6())
    return 0;
  ck_assert_err(fluv_tcp_listen("[::1]:0", NULL, &listener), 0);
  io_address_on(address, "[::1]", listener);
  ck_assert_err(names_connect_to(address), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_goes_on_to_the_next_address) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  char peer[IO_ADDRESS];
  char want[IO_ADDRESS];

  io_address_on(address, "two.test", listener);
  io_address_on(want, "127.0.0.1", listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, peer, sizeof(peer)), 0);
  ck_assert_str_eq(peer, want);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);

  io_address_on(address, "four.test", listener);
  ck_assert_err(names_connect_to(address), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_stops_at_the_first_address_that_answers) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = NULL;
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  char peer[IO_ADDRESS];

  if (test_is_emulated("TCP_INFO is empty"))
    return 0;
  ck_assert_err(fluv_tcp_listen("0.0.0.0:0", &options, &listener), 0);
  io_address_on(address, "four.test", listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, &options, &stream)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, peer, sizeof(peer)), 0);
  ck_assert_int_eq(strncmp(peer, "127.0.0.4:", 10), 0);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(address_text_is_copied) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char* address = malloc(IO_ADDRESS);

  ck_assert_ptr_nonnull(address);
  io_address_on(address, "one.test", listener);
  connected = fluv_tcp_connect(address, NULL, &stream);
  memset(address, 'x', IO_ADDRESS);
  free(address);
  ck_assert_err(fluv_await(connected), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

/* Failing connects. */

static void expect_refusal(const char* host) {
  char address[IO_ADDRESS];
  int fd = refusing_port(address, host);

  ck_assert_err(names_connect_to(address), FLUV_ECONNREFUSED);
  close(fd);
}

TEST_TASK(connect_is_refused) {
  expect_refusal("127.0.0.1");
  return 0;
}

TEST_TASK(connect_is_refused_by_every_address) {
  expect_refusal("refused.test");
  return 0;
}

TEST_TASK(connect_refuses_bad_addresses) {
  static const char* const bad[] = {
    "",          ":",           "127.0.0.1",       "127.0.0.1:",
    "[::1]",     "[::1:80",     "127.0.0.1:65536", "one.test",
    "one.test:", "one.test:-1", "one.test:http",   "127.0.0.1:80x",
    "::1:80",    "[::g]:80",    "one.test:80 ",    "127.0.0.1:999999999999",
  };
  size_t i;

  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    ck_assert_msg(names_connect_to(bad[i]) == FLUV_EINVAL,
                  "\"%s\" is no address",
                  bad[i]);
  ck_assert_err(names_connect_to(NULL), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", NULL, NULL)),
                FLUV_EINVAL);
  ck_assert_int_eq(atomic_load(&names_lookups), 0);
  return 0;
}

TEST_TASK(connect_refuses_bad_options) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_stream_t* stream = NULL;

  options.send_buffer = -1;
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", &options, &stream)),
                FLUV_EINVAL);
  options.send_buffer = 0;
  options.recv_buffer = -1;
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", &options, &stream)),
                FLUV_EINVAL);
  ck_assert_ptr_null(stream);
  return 0;
}

/* One deadline for all. */

static void expect_timeout(const char* address, uint64_t limit_ms) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;

  options.timeout_ms = limit_ms;
  connected = fluv_tcp_connect(address, &options, &stream);
  fluv_start(connected);
  io_turns(3);
  ck_assert_err(fluv_await(fluv_clock_advance(limit_ms - 1)), 0);
  ck_assert(!fluv_future_is_done(connected));
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_err(fluv_await(connected), FLUV_ETIMEDOUT);
  ck_assert_ptr_null(stream);
}

static void expect_timeout_of_full_port(const char* host) {
  full_port_t full;
  char address[IO_ADDRESS];

  full_port_open(&full, address, host);
  expect_timeout(address, 60);
  full_port_close(&full);
}

TEST_TASK(connect_to_a_silent_peer_times_out) {
  expect_timeout_of_full_port("127.0.0.1");
  return 0;
}

TEST_TASK(one_deadline_holds_for_all_addresses) {
  expect_timeout_of_full_port("four.test");
  return 0;
}

TEST_TASK(deadline_holds_for_the_look_up_too) {
  expect_timeout("slow.test:80", 60);
  sem_post(&names_may_answer);
  return 0;
}

TEST_TASK(connect_in_time_leaves_no_deadline_behind) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  io_address_on(address, "two.test", listener);
  options.timeout_ms = 60;
  ck_assert_err(fluv_await(fluv_tcp_connect(address, &options, &stream)), 0);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert_err(fluv_await(fluv_write_all(stream, "x", 1)), 1);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

/* Cancelling at each point. */

TEST_TASK(cold_connect_does_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected = names_connect("127.0.0.1", listener, &stream);

  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  fluv_cancel(connected);
  ck_assert(fluv_future_is_done(connected));
  ck_assert_err(fluv_await(connected), FLUV_ECANCELED);

  fluv_drop(names_connect("127.0.0.1", listener, &stream));
  fluv_drop(fluv_tcp_connect("one.test:80", NULL, &stream));
  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  ck_assert_int_eq(atomic_load(&names_lookups), 0);
  ck_assert_ptr_null(stream);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_cancelled_while_connecting_ends_at_once) {
  full_port_t full;
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char address[IO_ADDRESS];
  int before;

  full_port_open(&full, address, "127.0.0.1");
  before = test_count_fds();
  connected = fluv_tcp_connect(address, NULL, &stream);
  fluv_start(connected);
  io_turns(3);
  ck_assert(!fluv_future_is_done(connected));
  fluv_cancel(connected);
  ck_assert_err(fluv_await(connected), FLUV_ECANCELED);

  fluv_drop(fluv_timeout(fluv_tcp_connect(address, NULL, &stream), 10));
  connected = fluv_tcp_connect(address, NULL, &stream);
  fluv_start(connected);
  io_turns(3);
  fluv_drop(connected);
  io_turns(3);
  ck_assert_int_eq(test_count_fds(), before);
  ck_assert_ptr_null(stream);
  full_port_close(&full);
  return 0;
}

/* A connect is cancelled after more and more turns: it ends either way, and
 * what it has opened is either given or closed. */
static void cancel_after(const char* address, int turns) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected = fluv_tcp_connect(address, NULL, &stream);
  int64_t err;

  fluv_start(connected);
  if (turns > 0)
    io_turns(turns);
  fluv_cancel(connected);
  err = fluv_await(connected);
  ck_assert(err == 0 || err == FLUV_ECANCELED || err == FLUV_ECONNREFUSED);
  ck_assert_int_eq(err == 0, stream != NULL);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
}

TEST_TASK(connect_cancelled_at_any_time_leaks_nothing) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];
  int before = test_count_fds();
  int turns;

  for (turns = 0; turns < 8; turns++) {
    io_address_on(address, "127.0.0.1", listener);
    cancel_after(address, turns);
    io_address_on(address, "two.test", listener);
    cancel_after(address, turns);
    io_address_on(address, "refused.test", listener);
    cancel_after(address, turns);
  }
  io_turns(5);
  ck_assert_int_eq(test_count_fds(), before);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(dropped_connect_tells_what_it_has_opened) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected = names_connect("127.0.0.1", listener, &stream);

  fluv_start(connected);
  while (!fluv_future_is_done(connected))
    io_turns(1);
  fluv_drop(connected);
  ck_assert_ptr_nonnull(stream);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(sleep_wins_against_a_connect) {
  full_port_t full;
  fluv_stream_t* stream = NULL;
  fluv_future_t* arms[2];
  fluv_future_t* selected;
  char address[IO_ADDRESS];
  int64_t result = -1;
  int before;

  full_port_open(&full, address, "127.0.0.1");
  before = test_count_fds();
  arms[0] = fluv_tcp_connect(address, NULL, &stream);
  arms[1] = fluv_sleep(20);
  selected = fluv_select(arms, 2, &result);
  fluv_start(selected);
  ck_assert_err(fluv_await(fluv_clock_advance(20)), 0);
  ck_assert_err(fluv_await(selected), 1);
  ck_assert_err(result, 0);
  io_turns(2);
  ck_assert_int_eq(test_count_fds(), before);
  ck_assert_ptr_null(stream);
  full_port_close(&full);
  return 0;
}

static Suite* connect_suite(void) {
  Suite* s = suite_create("connect");
  TCase* tc;

  tc = test_case(s, "basic", names_setup, names_teardown);
  ADD(tc,
      connect_to_numbers,
      connect_to_ipv6_numbers,
      connect_goes_on_to_the_next_address,
      connect_stops_at_the_first_address_that_answers,
      address_text_is_copied);
  ADD(tc,
      connect_is_refused,
      connect_is_refused_by_every_address,
      connect_refuses_bad_addresses,
      connect_refuses_bad_options);
  ADD(tc,
      connect_to_a_silent_peer_times_out,
      one_deadline_holds_for_all_addresses,
      deadline_holds_for_the_look_up_too,
      connect_in_time_leaves_no_deadline_behind);

  tc = test_case(s, "cancel", names_setup, names_teardown);
  ADD(tc,
      cold_connect_does_nothing,
      connect_cancelled_while_connecting_ends_at_once,
      connect_cancelled_at_any_time_leaks_nothing,
      dropped_connect_tells_what_it_has_opened,
      sleep_wins_against_a_connect);
  return s;
}

TEST_MAIN(connect_suite)
