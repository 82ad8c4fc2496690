/* SPDX-License-Identifier: MIT */
/* Servers on one loop and on runtimes of 1, 2, 4 and 8 workers: opening,
 * serving. */
#include "fluv-test-server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Replaces the C library's listen(); called with each listening socket. */
static void (*on_listen)(int fd);

FLUV_EXTERN
int listen(int fd, int backlog) {
  int err = (int) syscall(SYS_listen, fd, backlog);

  if (err == 0 && on_listen != NULL)
    on_listen(fd);
  return err;
}

/* On one loop. */

TEST_TASK(connection_is_served_and_ends_by_itself) {
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  int fd = connect_to(server);
  char byte;

  io_send(fd, "x", 1);
  io_drain(fd, &byte, 1);
  ck_assert_int_eq(byte, 'x');
  ck_assert_uint_eq(fluv_server_count_connections(server, -1), 1);
  ck_assert_uint_eq(fluv_server_count_connections(server, 0), 1);
  ck_assert_uint_eq(fluv_server_count_connections(server, 1), 0);
  shutdown(fd, SHUT_WR);
  wait_for_count(server, 0);
  io_recv_eof(fd);
  close(fd);
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  return 0;
}

/* Answers without having read all that was asked. */
static int64_t answer_early(fluv_stream_t* peer, void* arg) {
  static char answer[100000];
  char byte;
  int64_t n = fluv_await(fluv_read(peer, &byte, 1));

  (void) arg;
  if (n > 0)
    n = fluv_await(fluv_write_all(peer, answer, sizeof(answer)));
  return n;
}

TEST_TASK(answer_arrives_although_input_is_unread) {
  fluv_server_t* server = serve(answer_early, NULL, NULL, false);
  static char bytes[100000];
  int fd = connect_to(server);

  io_send(fd, bytes, sizeof(bytes));
  io_drain(fd, bytes, sizeof(bytes));
  io_drain_eof(fd);
  close(fd);
  wait_for_count(server, 0);
  ck_assert_err(fluv_await(fluv_server_close(server, FLUV_FOREVER)), 0);
  return 0;
}

static int64_t close_it(fluv_stream_t* peer, void* arg) {
  (void) arg;
  fluv_await(fluv_close(peer));
  atomic_fetch_add(&ended, 1);
  return 0;
}

TEST_TASK(connection_may_close_its_stream) {
  fluv_server_t* server = serve(close_it, NULL, NULL, false);
  int fd = connect_to(server);

  while (atomic_load(&ended) == 0)
    fluv_yield();
  io_recv_eof(fd);
  close(fd);
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  return 0;
}

TEST_TASK(mistakes_are_errors) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_tcp_options_t tcp = FLUV_TCP_OPTIONS_INIT;
  fluv_server_t* server = serve(echo, NULL, NULL, false);
  fluv_server_t* other = NULL;
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];

  ck_assert_err(fluv_server_get_address(server, address, 4), FLUV_ENOBUFS);
  ck_assert_err(fluv_server_get_address(NULL, address, 4), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  ck_assert_err(fluv_await(fluv_server_close(NULL, 0)), 0);

  ck_assert_err(fluv_tcp_serve("nowhere", echo, NULL, NULL, &other),
                FLUV_EINVAL);
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", NULL, NULL, NULL, &other),
                FLUV_EINVAL);
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", echo, NULL, NULL, NULL),
                FLUV_EINVAL);
  tcp.backlog = -1;
  options.tcp = &tcp;
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", echo, NULL, &options, &other),
                FLUV_EINVAL);
  options.size = 1;
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", echo, NULL, &options, &other),
                FLUV_EINVAL);
  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  ck_assert_err(fluv_tcp_serve(address, echo, NULL, NULL, &other),
                FLUV_EADDRINUSE);
  ck_assert_ptr_null(other);
  io_listener_close(listener);
  return 0;
}

/* On runtimes. */

enum {
  CLIENTS = 4,
  EACH = 25
};

/* Clients on plain threads, one connection after the other. */
static void* client(void* arg) {
  char byte = 0;
  int i;

  for (i = 0; i < EACH; i++) {
    int fd = io_connect_to(arg, 0);

    io_send(fd, "y", 1);
    io_recv(fd, &byte, 1);
    ck_assert_int_eq(byte, 'y');
    close(fd);
  }
  return NULL;
}

START_TEST(all_workers_serve) {
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server = serve(echo, NULL, rt, ways[_i].hand_over);
  pthread_t threads[CLIENTS];
  char address[IO_ADDRESS];
  int i;

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  for (i = 0; i < CLIENTS; i++)
    pthread_create(&threads[i], NULL, client, address);
  for (i = 0; i < CLIENTS; i++)
    pthread_join(threads[i], NULL);
  ck_assert_err(test_run(close_task, server), 0);
  ck_assert_int_eq(atomic_load(&ended), CLIENTS * EACH);
  fluv_runtime_free(rt);
}
END_TEST

TEST_TASK(handed_over_connections_are_spread_evenly) {
  enum {
    CONNECTIONS = 12
  };
  fluv_runtime_t* rt = make_runtime(2); /* 4 workers */
  fluv_server_t* server = serve(echo, NULL, rt, true);
  int fds[CONNECTIONS];
  int i;

  for (i = 0; i < CONNECTIONS; i++)
    fds[i] = connect_to(server);
  wait_for_count(server, CONNECTIONS);
  for (i = 0; i < 4; i++)
    ck_assert_uint_eq(fluv_server_count_connections(server, i), 3);
  for (i = 0; i < CONNECTIONS; i++) {
    char byte;

    io_send(fds[i], "z", 1);
    io_drain(fds[i], &byte, 1);
    close(fds[i]);
  }
  ck_assert_err(fluv_await(fluv_server_close(server, FLUV_FOREVER)), 0);
  fluv_runtime_free(rt);
  return 0;
}

/* Clients that connect as soon as anything listens. */
static int eager[16];
static int eager_count;

static void connect_eagerly(int listener) {
  struct sockaddr_in to;
  socklen_t size = sizeof(to);
  struct timeval limit = { 30, 0 };
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  ck_assert_int_eq(
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
      0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr*) &to, &size), 0);
  ck_assert_int_eq(connect(fd, (struct sockaddr*) &to, size), 0);
  ck_assert_int_lt(eager_count, 16);
  eager[eager_count++] = fd;
}

START_TEST(nobody_who_connects_early_is_reset) {
  fluv_runtime_t* rt = make_runtime(_i);
  fluv_server_t* server;
  char byte;
  int i;

  on_listen = connect_eagerly;
  server = serve(echo, NULL, rt, ways[_i].hand_over);
  on_listen = NULL;
  ck_assert_int_ge(eager_count, 1);
  for (i = 0; i < eager_count; i++) {
    io_send(eager[i], "x", 1);
    io_recv(eager[i], &byte, 1);
    close(eager[i]);
  }
  ck_assert_err(test_run(close_task, server), 0);
  fluv_runtime_free(rt);
}
END_TEST

/* The allocator of a worker that cannot begin to serve. */
static __thread long fail_in; /* allocations of this thread until one fails */
static fluv_loop_t* other_loop;
static atomic_bool turned;

static void on_turn(void* arg) {
  (void) arg;
  atomic_store(&turned, true);
}

/* What the other worker has started to do is done. */
static void let_other_worker_turn(void) {
  int i;

  for (i = 0; i < 10; i++) {
    atomic_store(&turned, false);
    ck_assert_err(fluv_post(other_loop, on_turn, NULL), 0);
    while (!atomic_load(&turned))
      sched_yield();
  }
}

static void* failing_malloc(size_t size) {
  if (fail_in > 0 && --fail_in == 0) {
    if (eager_count > 0)
      let_other_worker_turn();
    return NULL;
  }
  return malloc(size);
}

static int64_t must_not_run(fluv_stream_t* peer, void* arg) {
  (void) peer;
  *(bool*) arg = true;
  return 0;
}

/* On the second worker: each of its allocations fails once. */
static int64_t fail_to_serve(void* arg) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* const untouched = arg;
  bool late = false; /* has it failed when something did listen? */
  long n;

  options.runtime = fluv_runtime_current();
  other_loop = fluv_runtime_get_loop(options.runtime, 0);
  for (n = 1;; n++) {
    fluv_server_t* server = untouched;
    bool has_run = false;
    int64_t err;
    char byte;

    eager_count = 0;
    on_listen = connect_eagerly;
    fail_in = n;
    err = fluv_tcp_serve("127.0.0.1:0",
                         must_not_run,
                         &has_run,
                         &options,
                         &server);
    on_listen = NULL;
    if (fail_in > 0 || err == 0) {
      fail_in = 0;
      ck_assert_err(err, 0);
      while (eager_count > 0)
        close(eager[--eager_count]);
      ck_assert_int_ge(fluv_await(fluv_server_close(server, 0)), 0);
      break;
    }
    ck_assert_err(err, FLUV_ENOMEM);
    ck_assert_ptr_eq(server, untouched);
    while (eager_count > 0) {
      late = true;
      ck_assert_int_le(recv(eager[--eager_count], &byte, 1, 0), 0);
      close(eager[eager_count]);
    }
    let_other_worker_turn();
    ck_assert(!has_run);
  }
  ck_assert(late);
  return 0;
}

START_TEST(serve_that_fails_begins_no_connection) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_remote_t* remote;
  fluv_runtime_t* rt;

  ck_assert_err(fluv_set_allocator(failing_malloc, realloc, free), 0);
  options.workers = 2;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  ck_assert_err(fluv_runtime_start(rt), 0);
  ck_assert_err(fluv_spawn_remote(fluv_runtime_get_loop(rt, 1),
                                  fail_to_serve,
                                  &options,
                                  &remote),
                0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), 0);
  fluv_runtime_free(rt);
}
END_TEST

static void serve_and_close(void* arg) {
  fluv_server_t* server;

  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", echo, NULL, NULL, &server),
                FLUV_ENOLOOP);
  server = serve(echo, NULL, arg, false);
  ck_assert_err(fluv_block_on(fluv_server_close(server, 0)), FLUV_ENOLOOP);
}

START_TEST(plain_thread_may_serve_and_close) {
  fluv_runtime_t* rt = make_runtime(1);

  test_on_thread(serve_and_close, rt);
  fluv_runtime_free(rt);
}
END_TEST

TEST_TASK(port_of_another_server_is_taken) {
  fluv_runtime_t* rt = make_runtime(1);
  fluv_server_t* server = serve(echo, NULL, rt, false);
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_tcp_options_t tcp = FLUV_TCP_OPTIONS_INIT;
  fluv_server_t* other;
  char address[IO_ADDRESS];

  options.runtime = rt;
  options.tcp = &tcp;
  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  ck_assert_err(fluv_tcp_serve(address, echo, NULL, &options, &other),
                FLUV_EADDRINUSE);
#ifdef __linux__
  tcp.reuse_port = true;
  ck_assert_err(fluv_tcp_serve(address, echo, NULL, &options, &other), 0);
  ck_assert_err(fluv_await(fluv_server_close(other, 0)), 0);
#endif
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  fluv_runtime_free(rt);
  return 0;
}

TEST_TASK(runtime_that_is_shut_down_serves_nobody) {
  fluv_runtime_t* rt = make_runtime(1);
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* server;

  options.runtime = rt;
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", echo, NULL, &options, &server),
                FLUV_ESTOPPED);
  fluv_runtime_free(rt);
  return 0;
}

/* Out of memory. */

static int64_t serve_once(void* arg) {
  fluv_server_t* server;
  int64_t n;
  int64_t err = fluv_tcp_serve("127.0.0.1:0", echo, arg, NULL, &server);
  int fd;
  int i;

  if (err < 0)
    return err;
  fd = connect_to(server);
  io_send(fd, "x", 1);
  shutdown(fd, SHUT_WR);
  for (i = 0; i < 5; i++) {
    n = fluv_await(fluv_clock_advance(10));
    if (n < 0)
      err = n;
  }
  close(fd);
  n = fluv_await(fluv_server_close(server, 0));
  return n < 0 ? n : err;
}

START_TEST(serving_survives_a_lack_of_memory) {
  TEST_OOM(serve_once, NULL);
}
END_TEST

static Suite* server_suite(void) {
  Suite* s = suite_create("server");
  TCase* tc = test_case(s, "basic", server_setup, test_teardown);

  ADD(tc,
      connection_is_served_and_ends_by_itself,
      answer_arrives_although_input_is_unread,
      connection_may_close_its_stream,
      mistakes_are_errors);

  tc = test_case(s, "threads", server_setup, test_teardown);
  tcase_add_loop_test(tc, all_workers_serve, 0, WAYS);
  tcase_add_loop_test(tc, nobody_who_connects_early_is_reset, 0, WAYS);
  ADD(tc,
      handed_over_connections_are_spread_evenly,
      plain_thread_may_serve_and_close,
      port_of_another_server_is_taken,
      runtime_that_is_shut_down_serves_nobody);

  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc,
      serve_that_fails_begins_no_connection,
      serving_survives_a_lack_of_memory);
  return s;
}

TEST_MAIN(server_suite)
