/* SPDX-License-Identifier: MIT */
/* What tasks may wait for when their runtime, or fluv_run(), ends, if it comes
 * from outside: sockets, servers, signals, the thread pool. */
#include "fluv-test-io.h"
#include "fluv-test-waits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  FDS = 6
};

static atomic_bool released;
static fluv_server_t* server;
static fluv_stream_t* volatile unclosed; /* for leak detectors */
static uv_work_t running_work;
static uv_work_t queued_work;
static char bytes[1 << 20];
static int fds[FDS]; /* plain peers */

static void begin(void) {
  int i;

  for (i = 0; i < FDS; i++)
    fds[i] = -1;
}

/* The peers see that what was connected to them is closed. */
static void finish(void) {
  int i;

  for (i = 0; i < FDS; i++) {
    if (fds[i] == -1)
      continue;
    io_recv_eof(fds[i]);
    close(fds[i]);
  }
}

/* Jobs. The pool has a single thread. */

static int64_t poll_cancelled(void* arg) {
  (void) arg;
  atomic_fetch_add(&waits_started, 1);
  atomic_fetch_add(&waits_waiting, 1);
  while (!fluv_blocking_is_cancelled())
    sched_yield();
  atomic_fetch_add(&waits_ended, 1);
  return 0;
}

static int64_t never_runs(void* arg) {
  (void) arg;
  ck_abort_msg("a job that was queued has run");
  return 0;
}

static int64_t wait_for_child(void* arg) {
  fluv_remote_t* remote;

  ck_assert_err(fluv_spawn_remote(arg, waits_child, NULL, &remote), 0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), FLUV_ECANCELED);
  return 0;
}

static void work_until_released(uv_work_t* work) {
  (void) work;
  atomic_fetch_add(&waits_waiting, 1);
  while (!atomic_load(&released))
    sched_yield();
}

static void work_never(uv_work_t* work) {
  (void) work;
  ck_abort_msg("a request that was queued has run");
}

WAITS_FOR(shutdown_signal, fluv_shutdown_signal())
WAITS_FOR(job, fluv_spawn_blocking(poll_cancelled, NULL))
WAITS_FOR(job_that_waits,
          fluv_spawn_blocking(wait_for_child, fluv_loop_current()))

static int64_t wait_job_queued(void) {
  fluv_future_t* first = fluv_spawn_blocking(poll_cancelled, NULL);
  int64_t err = waits_await(fluv_spawn_blocking(never_runs, NULL));

  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  return err;
}

/* One request that was started and must be waited for, and one that has not. */
static int64_t wait_request(void) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());
  fluv_future_t* running = FLUV_UV(
      &running_work,
      uv_queue_work(uv, &running_work, work_until_released, fluv_uv_on_work));
  int64_t err = waits_await(
      FLUV_UV(&queued_work,
              uv_queue_work(uv, &queued_work, work_never, fluv_uv_on_work)));

  atomic_store(&released, true);
  ck_assert_err(fluv_await(running), 0);
  return err;
}

/* Sockets. */

static int64_t wait_read(void) {
  io_wire_t wire;
  int64_t err;

  io_wire_open(&wire);
  err = waits_await(fluv_read(wire.stream, bytes, sizeof(bytes)));
  io_wire_close(&wire);
  return err;
}

/* The stream is left to the loop, which closes it; its memory stays the
 * program's. */
static int64_t wait_read_unclosed(void) {
  io_wire_t wire;

  io_wire_open(&wire);
  fds[0] = wire.fd;
  unclosed = wire.stream;
  return waits_await(fluv_read(wire.stream, bytes, sizeof(bytes)));
}

static int64_t wait_write(void) {
  io_wire_t wire;
  int64_t err;

  io_wire_open_narrow(&wire);
  err = waits_await(fluv_write_all(wire.stream, bytes, sizeof(bytes)));
  io_wire_close(&wire);
  return err;
}

static int64_t wait_accept(void) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream;
  int64_t err = waits_await(fluv_accept(listener, &stream));

  io_listener_close(listener);
  return err;
}

/* To a port whose backlog is full. */
static int64_t wait_connect(void) {
  struct sockaddr_in in = { .sin_family = AF_INET };
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t size = sizeof(in);
  fluv_stream_t* stream;
  char address[IO_ADDRESS];
  int fillers[4];
  int64_t err;
  int i;

  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ck_assert_int_eq(bind(listener, (struct sockaddr*) &in, size), 0);
  ck_assert_int_eq(listen(listener, 0), 0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr*) &in, &size), 0);
  for (i = 0; i < 4; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void) connect(fillers[i], (struct sockaddr*) &in, size);
  }
  snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(in.sin_port));
  err = waits_await(fluv_tcp_connect(address, NULL, &stream));
  for (i = 0; i < 4; i++)
    close(fillers[i]);
  close(listener);
  return err;
}

static int64_t converse(fluv_stream_t* peer, void* arg) {
  char byte;

  (void) arg;
  waits_begin_task();
  return waits_await(fluv_read(peer, &byte, 1));
}

/* On this loop, or on all of the runtime's; with `n` connections. */
static void serve(fluv_runtime_t* rt, int n) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  char address[IO_ADDRESS];
  int i;

  options.runtime = rt;
  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", converse, NULL, &options, &server),
      0);
  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  for (i = 0; i < n; i++)
    fds[i] = io_connect_to(address, 0);
  while (fluv_server_count_connections(server, -1) < (size_t) n)
    ck_assert_err(fluv_yield(), 0);
}

static int64_t wait_server_close(void) {
  serve(NULL, 2);
  return waits_await(fluv_server_close(server, FLUV_FOREVER));
}

/* What a server's main task does. */
static int64_t serve_until_cancelled(fluv_runtime_t* rt) {
  int64_t err;

  serve(rt, FDS);
  err = waits_await(fluv_shutdown_signal());
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_int_ge(fluv_await(fluv_server_close(server, 0)), 0);
  fluv_shield_end();
  return err;
}

static int64_t wait_server_of_loop(void) {
  return serve_until_cancelled(NULL);
}

static int64_t wait_server_of_runtime(void) {
  return serve_until_cancelled(fluv_runtime_current());
}

static const wait_t waits[] = {
  WAIT(job, 2),
  WAIT(job_queued, 2),
  WAIT(job_that_waits, 2),
  WAIT(request, 2),
  WAIT(shutdown_signal, 1),
  WAIT(read, 1),
  WAIT(read_unclosed, 1),
  WAIT(write, 1),
  WAIT(accept, 1),
  WAIT(connect, 1),
  WAIT(server_close, 3),
  WAIT(server_of_loop, FDS + 1),
  WAIT(server_of_runtime, FDS + 1),
};

enum {
  WAITS = sizeof(waits) / sizeof(waits[0])
};

START_TEST(a_runtime_ends_what_waits) {
  begin();
  waits_shut_runtime(&waits[_i]);
  finish();
}
END_TEST

START_TEST(fluv_run_ends_what_waits) {
  begin();
  waits_end_run(&waits[_i]);
  finish();
}
END_TEST

static Suite* shutdown_io_suite(void) {
  Suite* s = suite_create("shutdown-io");
  TCase* tc = test_case(s, "shutdown", waits_setup, waits_teardown);

  tcase_add_loop_test(tc, a_runtime_ends_what_waits, 0, WAITS);
  tc = test_case(s, "shutdown", waits_setup, waits_teardown);
  tcase_add_loop_test(tc, fluv_run_ends_what_waits, 0, WAITS);
  return s;
}

TEST_MAIN(shutdown_io_suite)
