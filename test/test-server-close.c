/* SPDX-License-Identifier: MIT */
/* Servers on one loop and on runtimes of 1, 2, 4 and 8 workers: closing. */
#include "fluv-test-server.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND 0
#endif

/* On one loop. */

TEST_TASK(close_cancels_what_does_not_end) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  int fds[3];
  int i;

  for (i = 0; i < 3; i++)
    fds[i] = connect_to(server);
  wait_for_count(server, 3);
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 3);
  ck_assert_int_eq(atomic_load(&ended), 3);
  for (i = 0; i < 3; i++) {
    io_recv_eof(fds[i]);
    close(fds[i]);
  }
  return 0;
}

TEST_TASK(grace_is_given_and_used_up) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  fluv_future_t* closed;
  int ends = connect_to(server);
  int stays = connect_to(server);

  wait_for_count(server, 2);
  ck_assert_err(fluv_clock_pause(), 0);
  closed = fluv_server_close(server, 700);
  close(ends);
  wait_for_count(server, 1);
  ck_assert_err(fluv_await(fluv_clock_advance(699)), 0);
  ck_assert(!fluv_future_is_done(closed));
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_err(fluv_await(closed), 1);
  ck_assert_err(fluv_clock_resume(), 0);
  io_recv_eof(stays);
  close(stays);
  return 0;
}

TEST_TASK(close_without_limit_waits_for_the_last) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  fluv_future_t* closed;
  int fd = connect_to(server);

  wait_for_count(server, 1);
  closed = fluv_server_close(server, FLUV_FOREVER);
  io_turns(3);
  ck_assert(!fluv_future_is_done(closed));
  close(fd);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_int_eq(atomic_load(&ended), 1);
  return 0;
}

TEST_TASK(close_that_is_dropped_or_cancelled_goes_on) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  char address[IO_ADDRESS];
  fluv_listener_t* again;
  fluv_future_t* closed;
  int fd = connect_to(server);

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  wait_for_count(server, 1);
  fluv_drop(fluv_server_close(server, 0));
  while (atomic_load(&ended) == 0)
    fluv_yield();
  io_recv_eof(fd);
  close(fd);
  ck_assert_err(fluv_tcp_listen(address, NULL, &again), 0);
  io_listener_close(again);

  server = serve(echo, NULL, NULL, false);
  fd = connect_to(server);
  wait_for_count(server, 1);
  closed = fluv_server_close(server, 0);
  fluv_cancel(closed);
  ck_assert_err(fluv_await(closed), FLUV_ECANCELED);
  while (atomic_load(&ended) == 1)
    fluv_yield();
  close(fd);
  return 0;
}

/* The server is closed when all of these have connected and asked, and before
 * it has seen any of them. */
enum {
  MANY = 64
};

static void ask_all(const fluv_server_t* server, int* fds) {
  int i;

  for (i = 0; i < MANY; i++) {
    fds[i] = connect_to(server);
    io_send(fds[i], "?", 1);
    shutdown(fds[i], SHUT_WR);
  }
}

static void expect_answers(const int* fds) {
  char byte = 0;
  int i;

  for (i = 0; i < MANY; i++) {
    io_recv(fds[i], &byte, 1);
    ck_assert_int_eq(byte, '?');
    io_recv_eof(fds[i]);
    close(fds[i]);
  }
}

TEST_TASK(close_with_grace_serves_the_backlog) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  int fds[MANY];

  ask_all(server, fds);
  ck_assert_err(fluv_await(fluv_server_close(server, 30000)), 0);
  ck_assert_int_eq(atomic_load(&ended), MANY);
  expect_answers(fds);
  return 0;
}

TEST_TASK(close_with_grace_waits_for_descriptors) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  struct rlimit limit;
  struct rlimit less;
  int fds[MANY];

  ask_all(server, fds);
  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  less = limit;
  less.rlim_cur = (rlim_t) fds[MANY - 1] + 4;
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
  ck_assert_err(fluv_await(fluv_server_close(server, 30000)), 0);
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  expect_answers(fds);
  return 0;
}

/* Kept alive: each has been served once, and has asked again. */
static int64_t ask_first(fluv_stream_t* peer, void* arg) {
  fluv_token_t* token = fluv_server_get_token(*(fluv_server_t**) arg);
  char buf[8];
  int64_t n;

  do {
    n = fluv_await(
        fluv_run_until_cancelled(token, fluv_read(peer, buf, sizeof(buf))));
    if (n == FLUV_ECANCELED)
      n = fluv_try_read(peer, buf, sizeof(buf));
    if (n > 0)
      n = fluv_await(fluv_write_all(peer, buf, (size_t) n));
  } while (n > 0);
  return n;
}

TEST_TASK(close_with_grace_answers_what_has_arrived) {
  fluv_server_t* server;
  int fds[MANY];
  char byte = 0;
  int i;

  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", ask_first, &server, NULL, &server),
      0);
  for (i = 0; i < MANY; i++) {
    fds[i] = connect_to(server);
    io_send(fds[i], "1", 1);
  }
  for (i = 0; i < MANY; i++)
    io_drain(fds[i], &byte, 1);
  for (i = 0; i < MANY; i++) {
    io_send(fds[i], "?", 1);
    shutdown(fds[i], SHUT_WR);
  }
  ck_assert_err(fluv_await(fluv_server_close(server, 30000)), 0);
  expect_answers(fds);
  return 0;
}

TEST_TASK(close_without_grace_resets_the_backlog) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  int fd = connect_to(server);
  char byte;

  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
  ck_assert_int_eq(errno, ECONNRESET);
  close(fd);
  return 0;
}

/* The token tells a connection that the server ends. */
static int64_t until_closing(fluv_stream_t* peer, void* arg) {
  fluv_server_t** server = arg;

  (void) peer;
  ck_assert_err(
      fluv_await(fluv_token_cancelled(fluv_server_get_token(*server))),
      0);
  atomic_fetch_add(&ended, 1);
  return 0;
}

TEST_TASK(connections_can_wait_for_the_close) {
  fluv_server_t* server;
  int fd;

  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", until_closing, &server, NULL, &server),
      0);
  fd = connect_to(server);
  wait_for_count(server, 1);
  io_turns(2);
  ck_assert_err(fluv_await(fluv_server_close(server, FLUV_FOREVER)), 0);
  ck_assert_int_eq(atomic_load(&ended), 1);
  close(fd);
  return 0;
}

/* On runtimes. */

enum {
  CLIENTS = 4,
  EACH = 25
};

START_TEST(runtime_may_end_before_the_server) {
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server = serve(echo, NULL, rt, ways[_i].hand_over);
  int fd = connect_to(server);
  char byte;

  io_send(fd, "x", 1);
  io_recv(fd, &byte, 1);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_int_eq(atomic_load(&ended), 1);
  io_recv_eof(fd);
  close(fd);
  ck_assert_uint_eq(fluv_server_count_connections(server, -1), 0);
  ck_assert_int_ge(test_run(close_task, server), 0);
  fluv_runtime_free(rt);
}
END_TEST

/* Connections arrive while the server is closed: each is served or hung up,
 * and none is left. */
static void* knock(void* arg) {
  int i;

  for (i = 0; i < EACH; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void) connect(fd, arg, sizeof(struct sockaddr_in));
    close(fd);
  }
  return NULL;
}

START_TEST(close_races_with_connections) {
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server = serve(echo, NULL, rt, ways[_i].hand_over);
  struct sockaddr_in to = { .sin_family = AF_INET };
  char address[IO_ADDRESS];
  pthread_t thread;

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  to.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  pthread_create(&thread, NULL, knock, &to);
  while (fluv_server_count_connections(server, -1) == 0 &&
         atomic_load(&ended) == 0)
    sched_yield();
  ck_assert_int_ge(test_run(close_task, server), 0);
  pthread_join(thread, NULL);
  fluv_runtime_free(rt);
}
END_TEST

/* They connect without end. */
static atomic_bool enough;

static void* knock_on(void* arg) {
  while (!atomic_load(&enough))
    knock(arg);
  return NULL;
}

/* Clients that ask once on each connection, until they are refused. Each that
 * connects is answered. */
static void* ask_until_refused(void* arg) {
  const struct timeval limit = { 60, 0 };
  char byte;

  for (;;) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
        0);
    if (connect(fd, arg, sizeof(struct sockaddr_in)) != 0) {
      close(fd);
      return NULL;
    }
    byte = 0;
    io_send(fd, "?", 1);
    io_recv(fd, &byte, 1);
    ck_assert_int_eq(byte, '?');
    close(fd);
  }
}

static int64_t answer_once(fluv_stream_t* peer, void* arg) {
  char byte;
  int64_t n = fluv_await(fluv_read(peer, &byte, 1));

  (void) arg;
  if (n > 0)
    n = fluv_await(fluv_write_all(peer, &byte, 1));
  atomic_fetch_add(&ended, 1);
  return n;
}

START_TEST(close_with_grace_loses_nobody_under_load) {
  enum {
    ASKING = 16
  };
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server = serve(answer_once, NULL, rt, ways[_i].hand_over);
  struct sockaddr_in to = { .sin_family = AF_INET };
  pthread_t threads[ASKING];
  char address[IO_ADDRESS];
  int i;

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  to.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (i = 0; i < ASKING; i++)
    pthread_create(&threads[i], NULL, ask_until_refused, &to);
  while (atomic_load(&ended) < 50 * ASKING)
    sched_yield();
  ck_assert_err(test_run(close_task, server), 0);
  for (i = 0; i < ASKING; i++)
    pthread_join(threads[i], NULL);
  fluv_runtime_free(rt);
}
END_TEST

static int64_t hang_up(fluv_stream_t* peer, void* arg) {
  (void) peer;
  (void) arg;
  return 0;
}

START_TEST(close_ends_while_clients_keep_coming) {
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server = serve(hang_up, NULL, rt, ways[_i].hand_over);
  struct sockaddr_in to = { .sin_family = AF_INET };
  pthread_t threads[CLIENTS];
  char address[IO_ADDRESS];
  int i;

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  to.sin_port = htons((uint16_t) atoi(strrchr(address, ':') + 1));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (i = 0; i < CLIENTS; i++)
    pthread_create(&threads[i], NULL, knock_on, &to);
  ck_assert_int_ge(test_run(close_task, server), 0);
  atomic_store(&enough, true);
  for (i = 0; i < CLIENTS; i++)
    pthread_join(threads[i], NULL);
  fluv_runtime_free(rt);
}
END_TEST

/* Ends an hour after its worker wants it to. */
static int64_t stay(fluv_stream_t* peer, void* arg) {
  (void) peer;
  (void) arg;
  fluv_shield_begin(3600000);
  fluv_await(fluv_sleep(3600000));
  fluv_shield_end();
  return 0;
}

/* Serve one connection by `fn`, which outlives its worker; then close the
 * server. */
static void close_after_the_worker(fluv_connection_fn fn) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_loop_options_t loop_options = FLUV_LOOP_OPTIONS_INIT;
  fluv_runtime_t* rt;
  fluv_server_t* server;
  int fd;

  loop_options.shutdown_ms = 10;
  options.workers = 1;
  options.loop = &loop_options;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  server = serve(fn, NULL, rt, false);
  fd = connect_to(server);
  while (fluv_server_count_connections(server, -1) == 0)
    sched_yield();
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_int_ge(test_run(close_task, server), 0);
  io_recv_eof(fd);
  close(fd);
  fluv_runtime_free(rt);
}

START_TEST(close_does_not_wait_for_what_a_worker_left_behind) {
  close_after_the_worker(stay);
}
END_TEST

/* It waits for a byte, whatever its worker wants, until the loop takes the
 * stream away, and then closes it like anybody else. */
static int64_t stay_and_close(fluv_stream_t* peer, void* arg) {
  char byte;

  (void) arg;
  fluv_shield_begin(3600000);
  fluv_await(fluv_read(peer, &byte, 1));
  fluv_await(fluv_close(peer));
  fluv_shield_end();
  atomic_fetch_add(&ended, 1);
  return 0;
}

START_TEST(connection_that_is_left_behind_may_close_its_stream) {
  close_after_the_worker(stay_and_close);
  ck_assert_int_eq(atomic_load(&ended), 1);
}
END_TEST

static Suite* server_close_suite(void) {
  Suite* s = suite_create("server-close");
  TCase* tc = test_case(s, "basic", server_setup, test_teardown);

  ADD(tc,
      close_cancels_what_does_not_end,
      grace_is_given_and_used_up,
      close_without_limit_waits_for_the_last,
      close_that_is_dropped_or_cancelled_goes_on,
      close_with_grace_serves_the_backlog,
      close_with_grace_answers_what_has_arrived,
      close_without_grace_resets_the_backlog,
      connections_can_wait_for_the_close);
  /* Valgrind plays the limit: it accepts, and closes what is beyond it. */
  if (!RUNNING_ON_VALGRIND)
    ADD(tc, close_with_grace_waits_for_descriptors);

  tc = test_case(s, "threads", server_setup, test_teardown);
  tcase_add_loop_test(tc, runtime_may_end_before_the_server, 0, WAYS);
  tcase_add_loop_test(tc, close_races_with_connections, 0, WAYS);
  tcase_add_loop_test(tc, close_with_grace_loses_nobody_under_load, 0, WAYS);
  tcase_add_loop_test(tc, close_ends_while_clients_keep_coming, 0, WAYS);
  ADD(tc,
      close_does_not_wait_for_what_a_worker_left_behind,
      connection_that_is_left_behind_may_close_its_stream);
  return s;
}

TEST_MAIN(server_close_suite)
