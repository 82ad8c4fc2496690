/* SPDX-License-Identifier: MIT */
/* Structs that grow: programs that were compiled with other headers. */
#include "fluv-test.h"

#include "core/options.h"

/* fluv_tcp_options_t as an older header may have had it. */
typedef struct old_tcp_options {
  size_t size;
  int backlog;
  bool reuse_port;
  bool ipv6_only;
  bool nagle;
} old_tcp_options_t;

/* And as a newer one may. */
typedef struct new_tcp_options {
  fluv_tcp_options_t known;
  const char* device;
} new_tcp_options_t;

static int listen_with(const void* options) {
  fluv_listener_t* listener = NULL;
  int err = fluv_tcp_listen("127.0.0.1:0", options, &listener);

  if (err == 0)
    ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
  else
    ck_assert_ptr_null(listener);
  return err;
}

START_TEST(an_older_program_goes_on_working) {
  struct {
    old_tcp_options_t options;
    char beyond[sizeof(fluv_tcp_options_t)]; /* must not be read */
  } old = { { sizeof(old_tcp_options_t), 16, true, false, false }, { 0 } };

  memset(old.beyond, 0xff, sizeof(old.beyond));
  ck_assert_err(listen_with(&old), 0);
  old.options.backlog = -1;
  ck_assert_err(listen_with(&old), FLUV_EINVAL);
}
END_TEST

START_TEST(a_newer_program_may_not_use_what_is_not_known) {
  new_tcp_options_t new = { FLUV_TCP_OPTIONS_INIT, NULL };

  new.known.size = sizeof(new);
  ck_assert_err(listen_with(&new), 0);
  new.device = "eth0";
  ck_assert_err(listen_with(&new), FLUV_EINVAL);
}
END_TEST

START_TEST(a_size_that_cannot_be_one_is_refused) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;

  options.size = 1;
  ck_assert_err(listen_with(&options), FLUV_EINVAL);
  options.size = sizeof(options) + 1;
  ck_assert_err(listen_with(&options), FLUV_EINVAL);
  options.size = SIZE_MAX - 7;
  ck_assert_err(listen_with(&options), FLUV_EINVAL);
}
END_TEST

static int64_t get_seven(void* arg) {
  (void) arg;
  return 7;
}

static int64_t get_name(void* arg) {
  (void) arg;
  return strcmp(fluv_task_get_name(fluv_task_self()), "plain") == 0;
}

static int64_t serve(fluv_stream_t* peer, void* arg) {
  (void) peer;
  (void) arg;
  return 0;
}

static int64_t use_designated(void* arg) {
  fluv_tcp_options_t tcp = { .timeout_ms = 500, .backlog = 4 };
  fluv_task_options_t task = { .name = "plain" };
  fluv_blocking_options_t blocking = { .name = "plain" };
  fluv_loop_options_t loop = { .stack_size = 32 * 1024 };
  fluv_runtime_options_t runtime = { .workers = 1, .loop = &loop };
  fluv_server_options_t server_options = { .tcp = &tcp };
  fluv_listener_t* listener;
  fluv_runtime_t* rt;
  fluv_server_t* server;

  (void) arg;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", &tcp, &listener), 0);
  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
  ck_assert_err(fluv_await(fluv_spawn_with(get_name, NULL, &task)), 1);
  ck_assert_err(
      fluv_await(fluv_spawn_blocking_with(get_seven, NULL, &blocking)),
      7);
  ck_assert_err(fluv_runtime_new(&runtime, &rt), 0);
  ck_assert_err(fluv_await(fluv_runtime_spawn(rt, get_seven, NULL)), 7);
  fluv_runtime_free(rt);
  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", serve, NULL, &server_options, &server),
      0);
  ck_assert_err(fluv_await(fluv_server_close(server, 0)), 0);
  return 7;
}

START_TEST(designated_initialisers_work) {
  fluv_loop_options_t loop = { .stack_size = 32 * 1024 };

  ck_assert_err(fluv_run(use_designated, NULL, &loop), 7);
}
END_TEST

/* Counters of an older program, a newer one, and a zeroed struct. */
START_TEST(counters_are_written_as_far_as_the_caller_knows_them) {
  struct {
    size_t size;
    size_t queued;
    size_t beyond; /* must not be written */
  } old = { 2 * sizeof(size_t), 99, 99 };
  struct {
    fluv_blocking_stats_t known;
    uint64_t more;
  } new = { FLUV_BLOCKING_STATS_INIT, 99 };
  fluv_blocking_stats_t stats = { 0 };

  ck_assert_err(fluv_blocking_get_stats((void*) &old), 0);
  ck_assert_uint_eq(old.queued, 0);
  ck_assert_uint_eq(old.beyond, 99);
  new.known.size = sizeof(new);
  new.known.slots = 99;
  ck_assert_err(fluv_blocking_get_stats((void*) &new), 0);
  ck_assert_uint_eq(new.known.slots, 0);
  ck_assert_uint_eq(new.more, 0);
  ck_assert_err(fluv_blocking_get_stats(&stats), 0);
  stats.size = 3;
  ck_assert_err(fluv_blocking_get_stats(&stats), FLUV_EINVAL);
}
END_TEST

typedef struct grown {
  size_t size;
  int a;
  uint64_t later;
} grown_t;

/* What a library of version 0.2 does with a struct that has grown. */
START_TEST(size_0_is_the_struct_of_the_first_version) {
  static const fluv__sizes_t sizes = { sizeof(grown_t),
                                       offsetof(grown_t, later) };
  grown_t given = { 0, 1, 99 };
  grown_t read;

  ck_assert_err(fluv__options_read(&read, &given, &sizes), 0);
  ck_assert_int_eq(read.a, 1);
  ck_assert_uint_eq(read.later, 0);
  given.size = sizeof(given);
  ck_assert_err(fluv__options_read(&read, &given, &sizes), 0);
  ck_assert_uint_eq(read.later, 99);
  ck_assert_uint_eq(read.size, sizeof(read));
  ck_assert_err(fluv__options_read(&read, NULL, &sizes), 0);
  ck_assert_int_eq(read.a, 0);
  ck_assert_uint_eq(read.later, 0);
}
END_TEST

static Suite* options_suite(void) {
  Suite* s = suite_create("options");
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      an_older_program_goes_on_working,
      a_newer_program_may_not_use_what_is_not_known,
      a_size_that_cannot_be_one_is_refused,
      counters_are_written_as_far_as_the_caller_knows_them,
      size_0_is_the_struct_of_the_first_version);
  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, designated_initialisers_work);
  return s;
}

TEST_MAIN(options_suite)
