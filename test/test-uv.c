/* SPDX-License-Identifier: MIT */
/* The bridge: requests of libuv's as futures. */
#include "fluv-test-io.h"

#include <errno.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Files. */

TEST_TASK(stat_of_a_file_gives_its_data) {
  uv_fs_t req;

  ck_assert_err(
      fluv_await(FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/", fluv_uv_on_fs))),
      0);
  ck_assert((req.statbuf.st_mode & S_IFMT) == S_IFDIR);
  uv_fs_req_cleanup(&req);
  return 0;
}

TEST_TASK(stat_of_no_file_gives_its_error) {
  uv_fs_t req;

  ck_assert_err(fluv_await(FLUV_UV(
                    &req,
                    uv_fs_stat(test_uv, &req, "/no/such/file", fluv_uv_on_fs))),
                FLUV_ENOENT);
  uv_fs_req_cleanup(&req);
  return 0;
}

TEST_TASK(value_is_the_requests_result) {
  char bytes[16];
  uv_buf_t buf = uv_buf_init(bytes, sizeof(bytes));
  uv_file file;
  uv_fs_t req;

  file = (uv_file) fluv_await(FLUV_UV(
      &req,
      uv_fs_open(test_uv, &req, "/dev/zero", O_RDONLY, 0, fluv_uv_on_fs)));
  uv_fs_req_cleanup(&req);
  ck_assert_int_ge(file, 0);

  memset(bytes, 'x', sizeof(bytes));
  ck_assert_err(
      fluv_await(
          FLUV_UV(&req,
                  uv_fs_read(test_uv, &req, file, &buf, 1, -1, fluv_uv_on_fs))),
      16);
  uv_fs_req_cleanup(&req);
  ck_assert_int_eq(bytes[0], 0);
  ck_assert_int_eq(bytes[15], 0);

  ck_assert_err(
      fluv_await(
          FLUV_UV(&req, uv_fs_close(test_uv, &req, file, fluv_uv_on_fs))),
      0);
  uv_fs_req_cleanup(&req);
  return 0;
}

TEST_TASK(requests_run_side_by_side) {
  enum {
    REQUESTS = 20
  };
  fluv_future_t* stats[REQUESTS];
  int64_t results[REQUESTS];
  uv_fs_t reqs[REQUESTS];
  int i;

  for (i = 0; i < REQUESTS; i++)
    stats[i] = FLUV_UV(&reqs[i],
                       uv_fs_stat(test_uv,
                                  &reqs[i],
                                  i % 2 == 0 ? "/" : "/no/such/file",
                                  fluv_uv_on_fs));
  ck_assert_err(fluv_await(fluv_join_all(stats, REQUESTS, results)),
                FLUV_ENOENT);
  for (i = 0; i < REQUESTS; i++) {
    ck_assert_err(results[i], i % 2 == 0 ? 0 : FLUV_ENOENT);
    uv_fs_req_cleanup(&reqs[i]);
  }
  return 0;
}

/* Names. */

TEST_TASK(getaddrinfo_leaves_the_addresses_in_the_request) {
  uv_getaddrinfo_t req;
  const struct sockaddr_in* in;

  ck_assert_err(fluv_await(FLUV_UV(&req,
                                   uv_getaddrinfo(test_uv,
                                                  &req,
                                                  fluv_uv_on_getaddrinfo,
                                                  "127.0.0.1",
                                                  "80",
                                                  NULL))),
                0);
  ck_assert_ptr_nonnull(req.addrinfo);
  in = (const struct sockaddr_in*) (const void*) req.addrinfo->ai_addr;
  ck_assert_int_eq(in->sin_family, AF_INET);
  ck_assert_uint_eq(in->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  ck_assert_int_eq(ntohs(in->sin_port), 80);
  uv_freeaddrinfo(req.addrinfo);
  return 0;
}

/* Work on the pool. */

static int run_count;

static void count_run(uv_work_t* work) {
  (void) work;
  run_count++;
}

TEST_TASK(work_is_done_on_the_pool) {
  uv_work_t req;

  ck_assert_err(fluv_await(FLUV_UV(
                    &req,
                    uv_queue_work(test_uv, &req, count_run, fluv_uv_on_work))),
                0);
  ck_assert_int_eq(run_count, 1);
  return 0;
}

/* All threads of the pool wait here until the test lets them go. */
static sem_t started;
static sem_t may_end;

static void block(uv_work_t* work) {
  (void) work;
  sem_post(&started);
  while (sem_wait(&may_end) == -1)
    ;
}

enum {
  POOL = 4
};

static uv_work_t blockers[POOL];
static fluv_future_t* blocked[POOL];

static void setup_pool(void) {
  /* Read by libuv when the first request is made. */
  ck_assert_int_eq(setenv("UV_THREADPOOL_SIZE", "4", 1), 0);
  ck_assert_int_eq(sem_init(&started, 0, 0), 0);
  ck_assert_int_eq(sem_init(&may_end, 0, 0), 0);
  run_count = 0;
  test_setup_paused();
}

static void fill_pool(int count) {
  int i;

  for (i = 0; i < count; i++)
    blocked[i] =
        FLUV_UV(&blockers[i],
                uv_queue_work(test_uv, &blockers[i], block, fluv_uv_on_work));
  for (i = 0; i < count; i++)
    while (sem_wait(&started) == -1)
      ;
}

static void empty_pool(int count) {
  int i;

  for (i = 0; i < count; i++)
    sem_post(&may_end);
  for (i = 0; i < count; i++)
    ck_assert_err(fluv_await(blocked[i]), 0);
}

TEST_TASK(work_cancelled_while_queued_never_runs) {
  fluv_future_t* work;
  uv_work_t req;

  fill_pool(POOL);
  work =
      FLUV_UV(&req, uv_queue_work(test_uv, &req, count_run, fluv_uv_on_work));
  io_turns(2);
  ck_assert(!fluv_future_is_done(work));
  fluv_cancel(work);
  ck_assert_err(fluv_await(work), FLUV_ECANCELED);
  empty_pool(POOL);
  ck_assert_int_eq(run_count, 0);
  return 0;
}

TEST_TASK(stat_cancelled_while_queued_fails) {
  fluv_future_t* stat;
  uv_fs_t req;

  fill_pool(POOL);
  stat = FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/", fluv_uv_on_fs));
  fluv_cancel(stat);
  ck_assert_err(fluv_await(stat), FLUV_ECANCELED);
  uv_fs_req_cleanup(&req);
  empty_pool(POOL);
  return 0;
}

TEST_TASK(work_cancelled_while_it_runs_ends_with_its_result) {
  fill_pool(1);
  fluv_cancel(blocked[0]);
  io_turns(3);
  ck_assert(!fluv_future_is_done(blocked[0]));
  fluv_cancel(blocked[0]);
  empty_pool(1);
  return 0;
}

static int64_t wait_for_blocker(void* arg) {
  return fluv_await(
      FLUV_UV((uv_work_t*) arg,
              uv_queue_work(test_uv, arg, block, fluv_uv_on_work)));
}

/* The request may be on the task's stack: the task must not go before it. */
TEST_TASK(cancelled_task_waits_for_its_work) {
  uv_work_t req;
  fluv_future_t* task = fluv_spawn(wait_for_blocker, &req);

  fluv_yield();
  while (sem_trywait(&started) == -1)
    io_turns(1);
  fluv_cancel(task);
  io_turns(3);
  ck_assert(!fluv_future_is_done(task));
  sem_post(&may_end);
  ck_assert_err(fluv_await(task), 0);
  return 0;
}

TEST_TASK(timeout_waits_for_work_that_runs) {
  fluv_future_t* limited;

  fill_pool(1);
  limited = fluv_timeout(blocked[0], 10);
  fluv_start(limited);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert(!fluv_future_is_done(limited));
  /* Too late: it has a value. */
  blocked[0] = limited;
  empty_pool(1);
  return 0;
}

TEST_TASK(timeout_cancels_work_that_is_queued) {
  fluv_future_t* limited;
  uv_work_t req;

  fill_pool(POOL);
  limited = fluv_timeout(
      FLUV_UV(&req, uv_queue_work(test_uv, &req, count_run, fluv_uv_on_work)),
      10);
  fluv_start(limited);
  ck_assert_err(fluv_await(fluv_clock_advance(10)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);
  empty_pool(POOL);
  ck_assert_int_eq(run_count, 0);
  return 0;
}

TEST_TASK(select_waits_for_the_request_that_lost) {
  fluv_future_t* arms[2];
  fluv_future_t* selected;
  int64_t result = -1;

  fill_pool(1);
  arms[0] = blocked[0];
  arms[1] = fluv_sleep(5);
  selected = fluv_select(arms, 2, &result);
  fluv_start(selected);
  ck_assert_err(fluv_await(fluv_clock_advance(5)), 0);
  io_turns(2);
  ck_assert(!fluv_future_is_done(selected));
  sem_post(&may_end);
  ck_assert_err(fluv_await(selected), 1);
  ck_assert_err(result, 0);
  return 0;
}

/* A request that is dropped must be static: no task waits for its end. */

static int ended;

static void on_work_ended(uv_work_t* req, int status) {
  ended++;
  fluv_uv_done((uv_req_t*) req, status);
}

TEST_TASK(dropped_work_that_runs_ends_by_itself) {
  static uv_work_t req;
  fluv_future_t* work =
      FLUV_UV(&req, uv_queue_work(test_uv, &req, block, on_work_ended));

  while (sem_trywait(&started) == -1)
    io_turns(1);
  fluv_drop(work);
  io_turns(2);
  ck_assert_int_eq(ended, 0);
  sem_post(&may_end);
  while (ended == 0)
    io_turns(1);
  return 0;
}

TEST_TASK(dropped_work_that_is_queued_never_runs) {
  static uv_work_t req;

  fill_pool(POOL);
  fluv_drop(
      FLUV_UV(&req, uv_queue_work(test_uv, &req, count_run, fluv_uv_on_work)));
  io_turns(3);
  empty_pool(POOL);
  io_turns(3);
  ck_assert_int_eq(run_count, 0);
  return 0;
}

/* Streams of libuv's own. */

static void on_closed(uv_handle_t* handle) {
  fluv_promise_t* promise = handle->data;

  fluv_promise_resolve(promise, 0);
  fluv_promise_free(promise);
}

static void close_handle(uv_handle_t* handle) {
  fluv_promise_t* promise;
  fluv_future_t* closed;

  ck_assert_err(fluv_promise_new(&promise, &closed), 0);
  handle->data = promise;
  uv_close(handle, on_closed);
  ck_assert_err(fluv_await(closed), 0);
}

static void listener_place(const fluv_listener_t* listener,
                           struct sockaddr_in* place) {
  char address[IO_ADDRESS];

  io_address_on(address, "", listener);
  ck_assert_int_eq(uv_ip4_addr("127.0.0.1", atoi(address + 1), place), 0);
}

TEST_TASK(connect_write_and_shutdown_of_libuv) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* peer = NULL;
  struct sockaddr_in place;
  uv_tcp_t tcp;
  uv_connect_t connect_req;
  uv_write_t write_req;
  uv_shutdown_t shutdown_req;
  uv_stream_t* handle = (uv_stream_t*) &tcp;
  char text[] = "hello";
  uv_buf_t buf = uv_buf_init(text, 5);
  char heard[8];

  listener_place(listener, &place);
  ck_assert_int_eq(uv_tcp_init(test_uv, &tcp), 0);
  ck_assert_err(
      fluv_await(FLUV_UV(&connect_req,
                         uv_tcp_connect(&connect_req,
                                        &tcp,
                                        (const struct sockaddr*) &place,
                                        fluv_uv_on_connect))),
      0);
  ck_assert_err(fluv_await(fluv_accept(listener, &peer)), 0);
  ck_assert_err(fluv_await(FLUV_UV(
                    &write_req,
                    uv_write(&write_req, handle, &buf, 1, fluv_uv_on_write))),
                0);
  ck_assert_err(fluv_await(FLUV_UV(
                    &shutdown_req,
                    uv_shutdown(&shutdown_req, handle, fluv_uv_on_shutdown))),
                0);
  ck_assert_err(fluv_await(fluv_read_exact(peer, heard, 5)), 5);
  ck_assert_int_eq(memcmp(heard, "hello", 5), 0);
  ck_assert_err(fluv_await(fluv_read(peer, heard, 8)), 0);

  close_handle((uv_handle_t*) &tcp);
  ck_assert_err(fluv_await(fluv_close(peer)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_of_libuv_reports_its_error) {
  fluv_listener_t* listener = io_listen();
  struct sockaddr_in place;
  uv_connect_t req;
  uv_tcp_t tcp;

  listener_place(listener, &place);
  io_listener_close(listener);
  ck_assert_int_eq(uv_tcp_init(test_uv, &tcp), 0);
  ck_assert_err(
      fluv_await(FLUV_UV(&req,
                         uv_tcp_connect(&req,
                                        &tcp,
                                        (const struct sockaddr*) &place,
                                        fluv_uv_on_connect))),
      FLUV_ECONNREFUSED);
  close_handle((uv_handle_t*) &tcp);
  return 0;
}

/* What libuv cannot cancel ends when its handle is closed. */
TEST_TASK(write_of_libuv_ends_when_its_handle_closes) {
  fluv_listener_t* listener = io_listen();
  struct sockaddr_in place;
  uv_connect_t connect_req;
  uv_write_t write_req;
  uv_tcp_t tcp;
  const size_t len = (size_t) 16 << 20;
  char* bytes = io_pattern(len, 1);
  uv_buf_t buf = uv_buf_init(bytes, (unsigned) len);
  fluv_future_t* write;

  listener_place(listener, &place);
  ck_assert_int_eq(uv_tcp_init(test_uv, &tcp), 0);
  ck_assert_err(
      fluv_await(FLUV_UV(&connect_req,
                         uv_tcp_connect(&connect_req,
                                        &tcp,
                                        (const struct sockaddr*) &place,
                                        fluv_uv_on_connect))),
      0);
  write = FLUV_UV(
      &write_req,
      uv_write(&write_req, (uv_stream_t*) &tcp, &buf, 1, fluv_uv_on_write));
  fluv_cancel(write);
  io_turns(3);
  ck_assert(!fluv_future_is_done(write));
  close_handle((uv_handle_t*) &tcp);
  ck_assert_err(fluv_await(write), FLUV_ECANCELED);
  free(bytes);
  io_listener_close(listener);
  return 0;
}

/* Starts that fail. */

TEST_TASK(start_that_fails_is_a_failed_future) {
  uv_getaddrinfo_t lookup;
  uv_shutdown_t shutdown_req;
  uv_work_t work;
  uv_tcp_t tcp;
  fluv_future_t* f;

  f = FLUV_UV(&work, uv_queue_work(test_uv, &work, NULL, fluv_uv_on_work));
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_await(f), FLUV_EINVAL);

  f = FLUV_UV(&lookup,
              uv_getaddrinfo(test_uv,
                             &lookup,
                             fluv_uv_on_getaddrinfo,
                             NULL,
                             NULL,
                             NULL));
  ck_assert_err(fluv_await(f), FLUV_EINVAL);

  ck_assert_int_eq(uv_tcp_init(test_uv, &tcp), 0);
  f = FLUV_UV(
      &shutdown_req,
      uv_shutdown(&shutdown_req, (uv_stream_t*) &tcp, fluv_uv_on_shutdown));
  ck_assert_err(fluv_await(f), FLUV_ENOTCONN);
  fluv_drop(
      FLUV_UV(&work, uv_queue_work(test_uv, &work, NULL, fluv_uv_on_work)));
  close_handle((uv_handle_t*) &tcp);
  return 0;
}

static int64_t heard_err;
static int heard_count;

static void hear(int64_t err, const char* what, void* arg) {
  (void) what;
  (void) arg;
  heard_err = err;
  heard_count++;
}

TEST_TASK(detached_request_reports_its_error) {
  static uv_fs_t req;

  fluv_set_unhandled(hear, NULL);
  fluv_detach(
      FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/no/such/file", fluv_uv_on_fs)));
  while (heard_count == 0)
    io_turns(1);
  ck_assert_err(heard_err, FLUV_ENOENT);
  ck_assert_int_eq(heard_count, 1);
  uv_fs_req_cleanup(&req);
  return 0;
}

/* Callbacks of our own. */

static void on_random(uv_random_t* req, int status, void* buf, size_t len) {
  (void) buf;
  fluv_uv_done((uv_req_t*) req, status < 0 ? status : (int64_t) len);
}

TEST_TASK(own_callback_answers_with_fluv_uv_done) {
  uv_random_t req;
  char bytes[40];

  ck_assert_err(
      fluv_await(FLUV_UV(
          &req,
          uv_random(test_uv, &req, bytes, sizeof(bytes), 0, on_random))),
      40);
  return 0;
}

static void on_heap_stat(uv_fs_t* req) {
  fluv_uv_done((uv_req_t*) req, req->result);
  uv_fs_req_cleanup(req);
  free(req);
}

/* A request that is not waited for is freed by its own callback. */
TEST_TASK(own_callback_may_free_the_request) {
  uv_fs_t* req;
  int i;

  for (i = 0; i < 2; i++) {
    req = malloc(sizeof(*req));
    ck_assert_ptr_nonnull(req);
    if (i == 0)
      fluv_drop(FLUV_UV(req, uv_fs_stat(test_uv, req, "/", on_heap_stat)));
    else
      ck_assert_err(
          fluv_await(FLUV_UV(req, uv_fs_stat(test_uv, req, "/", on_heap_stat))),
          0);
  }
  return 0;
}

static int64_t work_in_order[3];
static int work_count;

static void on_work_of_our_own(uv_work_t* req, int status) {
  work_in_order[work_count++] = status;
  fluv_uv_done((uv_req_t*) req, 40 + work_count);
}

TEST_TASK(own_callback_gives_any_value) {
  uv_work_t req;

  ck_assert_err(
      fluv_await(
          FLUV_UV(&req,
                  uv_queue_work(test_uv, &req, count_run, on_work_of_our_own))),
      41);
  ck_assert_int_eq(work_count, 1);
  ck_assert_err(work_in_order[0], 0);
  return 0;
}

START_TEST(request_can_be_waited_for_outside_tasks) {
  uv_fs_t req;

  ck_assert_err(
      fluv_block_on(
          FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/", fluv_uv_on_fs))),
      0);
  uv_fs_req_cleanup(&req);
}
END_TEST

/* Mistakes. */

static void answer_twice(void* arg) {
  uv_fs_t req;

  (void) arg;
  memset(&req, 0, sizeof(req));
  test_setup();
  if (fluv_uv_begin((uv_req_t*) &req, FLUV_LOC))
    fluv_detach(fluv_uv_started((uv_req_t*) &req, 0));
  fluv_uv_done((uv_req_t*) &req, 1);
  fluv_uv_done((uv_req_t*) &req, 2);
}

START_TEST(second_answer_to_a_request_aborts) {
  test_aborts(answer_twice, NULL, "not under way", NULL);
}
END_TEST

static uv_fs_t foreign_req;

static void answer_foreign(void* arg) {
  (void) arg;
  fluv_uv_done((uv_req_t*) &foreign_req, 1);
}

static void answer_on_another_thread(void* arg) {
  uv_thread_t thread;

  (void) arg;
  test_setup();
  if (fluv_uv_begin((uv_req_t*) &foreign_req, FLUV_LOC))
    fluv_start(fluv_uv_started((uv_req_t*) &foreign_req, 0));
  uv_thread_create(&thread, answer_foreign, NULL);
  uv_thread_join(&thread);
}

START_TEST(answer_from_another_thread_aborts) {
  test_aborts(answer_on_another_thread, NULL, "thread", NULL);
}
END_TEST

static Suite* uv_suite(void) {
  Suite* s = suite_create("uv");
  TCase* tc;

  tc = test_case(s, "basic", setup_pool, test_teardown);
  ADD(tc,
      stat_of_a_file_gives_its_data,
      stat_of_no_file_gives_its_error,
      value_is_the_requests_result,
      requests_run_side_by_side,
      getaddrinfo_leaves_the_addresses_in_the_request,
      work_is_done_on_the_pool,
      connect_write_and_shutdown_of_libuv,
      connect_of_libuv_reports_its_error);
  ADD(tc,
      start_that_fails_is_a_failed_future,
      detached_request_reports_its_error,
      own_callback_answers_with_fluv_uv_done,
      own_callback_may_free_the_request,
      own_callback_gives_any_value,
      request_can_be_waited_for_outside_tasks);

  tc = test_case(s, "cancel", setup_pool, test_teardown);
  ADD(tc,
      work_cancelled_while_queued_never_runs,
      stat_cancelled_while_queued_fails,
      work_cancelled_while_it_runs_ends_with_its_result,
      cancelled_task_waits_for_its_work,
      timeout_waits_for_work_that_runs,
      timeout_cancels_work_that_is_queued,
      select_waits_for_the_request_that_lost,
      dropped_work_that_runs_ends_by_itself,
      dropped_work_that_is_queued_never_runs,
      write_of_libuv_ends_when_its_handle_closes);

  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, second_answer_to_a_request_aborts, answer_from_another_thread_aborts);
  return s;
}

TEST_MAIN(uv_suite)
