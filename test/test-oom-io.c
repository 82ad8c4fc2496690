/* SPDX-License-Identifier: MIT */
/* Out of memory in every call that does I/O: fluv's allocations fail one after
 * the other, then libuv's. A scenario gives everything back, however far it
 * came, and says what went wrong. */
#include "fluv-test-io.h"
#include "fluv-test-jobs.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* The parts of a scenario. What could not be made is NULL or -1. */
typedef struct parts {
  fluv_listener_t* listener;
  fluv_stream_t* near;
  fluv_stream_t* far;
  int fd;
} parts_t;

static void parts_init(parts_t* parts) {
  parts->listener = NULL;
  parts->near = NULL;
  parts->far = NULL;
  parts->fd = -1;
}

/* Closing never needs memory that it cannot get. */
static int64_t parts_close(parts_t* parts, int64_t err) {
  if (parts->fd != -1)
    close(parts->fd);
  fluv_drop(fluv_close(parts->near));
  fluv_drop(fluv_close(parts->far));
  fluv_drop(fluv_listener_close(parts->listener));
  return err;
}

static int64_t listen_here(parts_t* parts) {
  parts_init(parts);
  return fluv_tcp_listen("127.0.0.1:0", NULL, &parts->listener);
}

/* A stream of fluv's whose peer is a plain socket. */
static int64_t open_wire(parts_t* parts) {
  int64_t err = listen_here(parts);

  if (err < 0)
    return err;
  parts->fd = io_connect(parts->listener);
  return fluv_await(fluv_accept(parts->listener, &parts->near));
}

/* Waits for what runs into its limit: the clock must be moved for that, as
 * long as a socket is waited for too. */
static int64_t await_late(fluv_future_t* f, uint64_t delay_ms) {
  int64_t result;
  int64_t err;

  fluv_start(f);
  err = fluv_await(fluv_clock_advance(delay_ms));
  if (err < 0)
    fluv_cancel(f);
  result = fluv_await(f);
  return err < 0 ? err : result;
}

/* Scenarios. */

static int64_t listen_and_close(void* arg) {
  parts_t parts;
  char address[IO_ADDRESS];
  int64_t err = listen_here(&parts);

  (void) arg;
  if (err == 0)
    err = fluv_listener_get_address(parts.listener, address, sizeof(address));
  return parts_close(&parts, err);
}

static int64_t accept_what_waits(void* arg) {
  parts_t parts;
  int64_t err = open_wire(&parts);

  (void) arg;
  ck_assert_int_eq(err == 0, parts.near != NULL);
  return parts_close(&parts, err);
}

static int64_t connect_later(void* arg) {
  parts_t* parts = arg;

  parts->fd = io_connect(parts->listener);
  return 0;
}

static int64_t accept_later(void* arg) {
  parts_t parts;
  fluv_future_t* accepted;
  fluv_future_t* client;
  int64_t client_err;
  int64_t err = listen_here(&parts);

  (void) arg;
  if (err < 0)
    return err;
  accepted = fluv_accept(parts.listener, &parts.near);
  fluv_start(accepted);
  client = fluv_spawn(connect_later, &parts);
  client_err = fluv_await(client);
  if (client_err < 0)
    fluv_cancel(accepted);
  err = fluv_await(accepted);
  return parts_close(&parts, client_err < 0 ? client_err : err);
}

/* A failed accept leaves the connection for the next. */
static int64_t accept_again(void* arg) {
  parts_t parts;
  int64_t err = listen_here(&parts);
  int64_t again = 0;

  (void) arg;
  if (err < 0)
    return err;
  parts.fd = io_connect(parts.listener);
  err = fluv_await(fluv_accept(parts.listener, &parts.near));
  if (err == FLUV_ENOMEM) {
    ck_assert_ptr_null(parts.near);
    again = fluv_await(fluv_accept(parts.listener, &parts.near));
    ck_assert_err(again, 0);
  }
  return parts_close(&parts, err);
}

static int64_t connect_streams(void* arg) {
  const char* host = arg;
  char address[IO_ADDRESS];
  fluv_future_t* connected;
  parts_t parts;
  int64_t connect_err;
  int64_t err = listen_here(&parts);

  if (err < 0)
    return err;
  io_address_on(address, host, parts.listener);
  connected = fluv_tcp_connect(address, NULL, &parts.far);
  connect_err = fluv_await(connected);
  ck_assert_int_eq(connect_err == 0, parts.far != NULL);
  if (connect_err == 0)
    err = fluv_await(fluv_accept(parts.listener, &parts.near));
  return parts_close(&parts, connect_err < 0 ? connect_err : err);
}

static int64_t connect_in_time(void* arg) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  char address[IO_ADDRESS];
  parts_t parts;
  int64_t err = listen_here(&parts);

  (void) arg;
  if (err < 0)
    return err;
  options.timeout_ms = 1000;
  io_address_on(address, "127.0.0.1", parts.listener);
  err = fluv_await(fluv_tcp_connect(address, &options, &parts.far));
  return parts_close(&parts, err);
}

static int64_t read_what_is_there(void* arg) {
  parts_t parts;
  char buf[8];
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    io_send(parts.fd, "hello", 5);
    err = fluv_await(fluv_read(parts.near, buf, sizeof(buf)));
    if (err == FLUV_ENOMEM)
      ck_assert_err(fluv_try_read(parts.near, buf, sizeof(buf)), 5);
  }
  return parts_close(&parts, err);
}

static int64_t send_later(void* arg) {
  parts_t* parts = arg;

  io_send(parts->fd, "hello", 5);
  return 0;
}

static int64_t read_exactly_later(void* arg) {
  parts_t parts;
  char buf[5];
  fluv_future_t* read;
  int64_t sent;
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    read = fluv_read_exact(parts.near, buf, sizeof(buf));
    fluv_start(read);
    sent = fluv_await(fluv_spawn(send_later, &parts));
    if (sent < 0)
      fluv_cancel(read);
    err = fluv_await(read);
    if (sent < 0)
      err = sent;
  }
  return parts_close(&parts, err);
}

static int64_t read_with_a_limit(void* arg) {
  parts_t parts;
  char buf[8];
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    err = await_late(fluv_timeout(fluv_read(parts.near, buf, 8), 20), 20);
    if (err == FLUV_ETIMEDOUT)
      err = 0;
  }
  return parts_close(&parts, err);
}

static int64_t write_little(void* arg) {
  parts_t parts;
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0)
    err = fluv_await(fluv_write_all(parts.near, "hello", 5));
  return parts_close(&parts, err);
}

/* The write gets stuck, so that fluv must keep bytes of its own. Then it is
 * dropped, and the bytes that it had taken must arrive completely. */
static int64_t write_much(void* arg) {
  enum {
    MUCH = 8 << 20
  };
  parts_t parts;
  char* bytes = io_pattern(MUCH, 1);
  char* got = malloc(MUCH);
  size_t have = 0;
  uint64_t sent;
  ssize_t n;
  int64_t err = open_wire(&parts);

  (void) arg;
  ck_assert_ptr_nonnull(got);
  if (err == 0) {
    err =
        await_late(fluv_timeout(fluv_write_all(parts.near, bytes, MUCH), 5), 5);
    memset(bytes, 'x', MUCH);
    sent = fluv_stream_get_bytes_written(parts.near);
    if (err == FLUV_ETIMEDOUT) {
      ck_assert_uint_lt(sent, MUCH);
      err = 0;
    }
    while ((n = recv(parts.fd, got + have, MUCH - have, MSG_DONTWAIT)) > 0)
      have += (size_t) n;
    ck_assert_uint_le(have, sent);
    io_assert_pattern(got, have, 1);
  }
  free(bytes);
  free(got);
  return parts_close(&parts, err);
}

static int64_t write_pieces(void* arg) {
  parts_t parts;
  fluv_buf_t pieces[50];
  char heard[100];
  size_t i;
  int64_t err = open_wire(&parts);

  (void) arg;
  for (i = 0; i < 50; i++) {
    pieces[i].base = "ab";
    pieces[i].len = 2;
  }
  if (err == 0)
    err = fluv_await(fluv_writev_all(parts.near, pieces, 50));
  if (err > 0) {
    ck_assert_err(err, 100);
    io_recv(parts.fd, heard, 100);
  }
  return parts_close(&parts, err);
}

static int64_t shut_down_and_close(void* arg) {
  parts_t parts;
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    err = fluv_await(fluv_shutdown(parts.near));
    if (err == 0)
      io_recv_eof(parts.fd);
  }
  if (err == 0) {
    err = fluv_await(fluv_close(parts.near));
    parts.near = NULL;
  }
  return parts_close(&parts, err);
}

static int64_t reset_stream(void* arg) {
  parts_t parts;
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    err = fluv_await(fluv_reset(parts.near));
    parts.near = NULL;
  }
  return parts_close(&parts, err);
}

static int64_t race_read_and_sleep(void* arg) {
  parts_t parts;
  fluv_future_t* arms[2];
  char buf[8];
  int64_t err = open_wire(&parts);

  (void) arg;
  if (err == 0) {
    arms[0] = fluv_read(parts.near, buf, sizeof(buf));
    arms[1] = fluv_sleep(10);
    err = await_late(fluv_select(arms, 2, NULL), 10);
  }
  return parts_close(&parts, err);
}

static int64_t stat_root(void* arg) {
  uv_fs_t req;
  int64_t err;

  (void) arg;
  memset(&req, 0, sizeof(req));
  err =
      fluv_await(FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/", fluv_uv_on_fs)));
  uv_fs_req_cleanup(&req);
  return err;
}

static int64_t look_up(void* arg) {
  uv_getaddrinfo_t req;
  int64_t err;

  (void) arg;
  req.addrinfo = NULL;
  err = fluv_await(FLUV_UV(&req,
                           uv_getaddrinfo(test_uv,
                                          &req,
                                          fluv_uv_on_getaddrinfo,
                                          "127.0.0.1",
                                          "80",
                                          NULL)));
  if (err == 0)
    uv_freeaddrinfo(req.addrinfo);
  return err;
}

static const struct {
  const char* name;
  fluv_task_fn fn;
  const char* arg;
} scenarios[] = {
  { "listen_and_close", listen_and_close, NULL },
  { "accept_what_waits", accept_what_waits, NULL },
  { "accept_later", accept_later, NULL },
  { "connect_streams", connect_streams, "127.0.0.1" },
  { "connect_streams by name", connect_streams, "localhost" },
  { "connect_in_time", connect_in_time, NULL },
  { "read_what_is_there", read_what_is_there, NULL },
  { "read_exactly_later", read_exactly_later, NULL },
  { "read_with_a_limit", read_with_a_limit, NULL },
  { "write_little", write_little, NULL },
  { "write_much", write_much, NULL },
  { "write_pieces", write_pieces, NULL },
  { "shut_down_and_close", shut_down_and_close, NULL },
  { "reset_stream", reset_stream, NULL },
  { "race_read_and_sleep", race_read_and_sleep, NULL },
  { "stat_root", stat_root, NULL },
  { "look_up", look_up, NULL },
};

enum {
  SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0])
};

START_TEST(every_call_survives_without_memory) {
  test_open_more = jobs_open_pool;
  test_oom(scenarios[_i].fn,
           (void*) (uintptr_t) scenarios[_i].arg,
           scenarios[_i].name);
}
END_TEST

START_TEST(accept_that_failed_can_be_tried_again) {
  TEST_OOM(accept_again, NULL);
}
END_TEST

/* libuv's own allocations. The first socket is there before one fails: libuv
 * aborts when it cannot grow its table of descriptors, which is why fluv grows
 * it at once for all that are to come. */

static _Atomic long uv_count;
static _Atomic long uv_fail_at;
static _Atomic bool uv_hit;

static bool uv_is_due(void) {
  if (atomic_fetch_add(&uv_count, 1) + 1 != atomic_load(&uv_fail_at))
    return false;

  atomic_store(&uv_hit, true);
  return true;
}

static void* uv_test_malloc(size_t size) {
  return uv_is_due() ? NULL : malloc(size);
}

static void* uv_test_calloc(size_t count, size_t size) {
  return uv_is_due() ? NULL : calloc(count, size);
}

static void* uv_test_realloc(void* ptr, size_t size) {
  return uv_is_due() ? NULL : realloc(ptr, size);
}

static void open_the_first_socket(void) {
  fluv_listener_t* listener = io_listen();

  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}

static void uv_sweep(fluv_task_fn fn, void* arg, const char* name) {
  int64_t result = -1;
  long n;

  for (n = 0; n < 1000; n++) {
    _mark_point("allocation", (int) n);
    test_setup_paused();
    open_the_first_socket();
    atomic_store(&uv_hit, false);
    atomic_store(&uv_count, 0);
    atomic_store(&uv_fail_at, n);
    result = test_run(fn, arg);
    atomic_store(&uv_fail_at, 0);
    test_teardown();
    ck_assert_msg(result >= 0 || (n > 0 && result == FLUV_ENOMEM),
                  "%s: %s after libuv's allocation %ld failed",
                  name,
                  fluv_err_name(result),
                  n);
    if (n > 0 && !atomic_load(&uv_hit))
      break;
  }
  ck_assert_msg(n < 1000 && result >= 0, "%s: %ld runs", name, n);
}

START_TEST(every_call_survives_without_memory_for_libuv) {
  jobs_open_pool();
  ck_assert_int_eq(uv_replace_allocator(uv_test_malloc,
                                        uv_test_realloc,
                                        uv_test_calloc,
                                        free),
                   0);
  uv_sweep(scenarios[_i].fn,
           (void*) (uintptr_t) scenarios[_i].arg,
           scenarios[_i].name);
}
END_TEST

/* More descriptors than a new loop has room for. */
static int64_t open_many(void* arg) {
  enum {
    MANY = 60
  };
  parts_t parts[MANY];
  int64_t err = 0;
  int count = 0;

  (void) arg;
  while (count < MANY && err == 0)
    err = open_wire(&parts[count++]);
  while (count > 0)
    parts_close(&parts[--count], 0);
  return err;
}

START_TEST(many_streams_survive_without_memory_for_libuv) {
  ck_assert_int_eq(uv_replace_allocator(uv_test_malloc,
                                        uv_test_realloc,
                                        uv_test_calloc,
                                        free),
                   0);
  uv_sweep(open_many, NULL, "open_many");
}
END_TEST

START_TEST(many_streams_survive_without_memory) {
  TEST_OOM(open_many, NULL);
}
END_TEST

static Suite* oom_io_suite(void) {
  Suite* s = suite_create("oom-io");
  TCase* tc = test_case(s, "oom", NULL, NULL);

  tcase_add_loop_test(tc, every_call_survives_without_memory, 0, SCENARIOS);
  tcase_add_loop_test(tc,
                      every_call_survives_without_memory_for_libuv,
                      0,
                      SCENARIOS);
  ADD(tc,
      accept_that_failed_can_be_tried_again,
      many_streams_survive_without_memory,
      many_streams_survive_without_memory_for_libuv);
  return s;
}

TEST_MAIN(oom_io_suite)
