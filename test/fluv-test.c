/* SPDX-License-Identifier: MIT */
/* The harness: loops that must close cleanly, failing allocations, stderr. */
#include "fluv-test.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/object.h"

/* Descriptors above this are not counted. */
#define MAX_FDS 1024
/* A scenario that allocates more often than this never ends. */
#define MAX_ALLOCATIONS 20000

static uv_loop_t loop_memory;
/* Active during test_turn(): it keeps a paused clock from moving on. */
static uv_timer_t hold;
static int fds_before;

uv_loop_t* test_uv;
void (*test_open_more)(void);
char test_trace[4096];

int test_count_fds(void) {
  int count = 0;
  int fd;

  for (fd = 0; fd < MAX_FDS; fd++)
    if (fcntl(fd, F_GETFD) != -1)
      count++;

  return count;
}

/* libuv opens a pipe for signals with the first loop and keeps it. */
static void open_globals(void) {
  uv_loop_t first;

  ck_assert_int_eq(uv_loop_init(&first), 0);
  ck_assert_int_eq(uv_loop_close(&first), 0);
  if (test_open_more != NULL)
    test_open_more();
}

static void never_fires(uv_timer_t* handle) {
  (void) handle;
  abort();
}

void test_turn(int n) {
  uv_timer_start(&hold, never_fires, UINT32_MAX, 0);
  while (n-- > 0)
    uv_run(test_uv, UV_RUN_NOWAIT);
  uv_timer_stop(&hold);
}

/* A loop with nothing of fluv's. */
static void open_loop(void) {
  test_uv = &loop_memory;
  ck_assert_int_eq(uv_loop_init(test_uv), 0);
  ck_assert_int_eq(uv_timer_init(test_uv, &hold), 0);
}

static void close_loop(void) {
  uv_close((uv_handle_t*) &hold, NULL);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(uv_loop_close(test_uv), 0);
  test_uv = NULL;
}

void test_setup_with(const fluv_loop_options_t* options) {
  open_globals();
  fds_before = test_count_fds();
  test_trace[0] = '\0';

  open_loop();
  ck_assert_err(fluv_attach_with(test_uv, options), 0);
}

void test_setup(void) {
  test_setup_with(NULL);
}

void test_setup_paused(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.clock_paused = true;
  test_setup_with(&options);
}

void test_teardown(void) {
  /* What was dropped or closed last may need a turn to end. */
  test_turn(4);
  ck_assert_err(fluv_loop_close(), 0);
  close_loop();
  ck_assert_int_eq(test_count_fds(), fds_before);
}

void test_note(const char* word) {
  ck_assert_uint_lt(strlen(test_trace) + strlen(word), sizeof(test_trace));
  strcat(test_trace, word);
}

int64_t test_clean_up_slow(void* arg) {
  test_note("[");
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  fluv_shield_end();
  test_note("]");
  return (int64_t) (intptr_t) arg;
}

bool test_is_emulated(const char* lack) {
  const char* emulator = getenv("FLUV_EMULATOR");

  if (emulator == NULL || emulator[0] == '\0')
    return false;
  printf("# left out: emulator: %s\n", lack);
  return true;
}

void test_on_thread(void (*fn)(void* arg), void* arg) {
  uv_thread_t thread;

  ck_assert_int_eq(uv_thread_create(&thread, fn, arg), 0);
  ck_assert_int_eq(uv_thread_join(&thread), 0);
}

int64_t test_run_loc(fluv_task_fn fn, void* arg, const fluv_loc_t* loc) {
  return fluv_block_on_loc(fluv_spawn_loc(fn, arg, NULL, loc), loc);
}

const char* test_result_name(int64_t result, char buf[32]) {
  if (result < 0 && strcmp(fluv_err_name(result), "UNKNOWN") != 0)
    return fluv_err_name(result);

  snprintf(buf, 32, "%" PRId64, result);
  return buf;
}

/* Reads to the end; the other side is a process that may die at any time. */
static char* read_all(int fd) {
  size_t size = 4096;
  size_t len = 0;
  char* text = malloc(size);
  ssize_t n;

  ck_assert_ptr_nonnull(text);
  for (;;) {
    if (size - len < 2) {
      size *= 2;
      text = realloc(text, size);
      ck_assert_ptr_nonnull(text);
    }
    n = read(fd, text + len, size - len - 1);
    if (n == -1 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    len += (size_t) n;
  }

  text[len] = '\0';
  return text;
}

char* test_stderr_of(void (*fn)(void* arg), void* arg, int* out_status) {
  struct rlimit no_core = { 0, 0 };
  int fds[2];
  pid_t pid;
  char* text;

  fflush(NULL);
  ck_assert_int_eq(pipe(fds), 0);
  pid = fork();
  ck_assert_int_ne(pid, -1);

  if (pid == 0) {
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(fds[1], STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    fn(arg);
    fflush(NULL);
    _exit(0);
  }

  close(fds[1]);
  text = read_all(fds[0]);
  close(fds[0]);
  ck_assert_int_eq(waitpid(pid, out_status, 0), pid);
  return text;
}

void test_aborts(void (*fn)(void* arg),
                 void* arg,
                 const char* part,
                 const char* other) {
  int status = 0;
  char* text = test_stderr_of(fn, arg, &status);

  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
                "no abort, status %#x, stderr: %s",
                (unsigned) status,
                text);
  if (part != NULL)
    ck_assert_has(text, part);
  if (other != NULL)
    ck_assert_has(text, other);
  free(text);
}

/* The allocator of the failing runs. Other threads may allocate too. */

static _Atomic long oom_count;
static _Atomic long oom_fail_at;
static _Atomic long oom_live;
static _Atomic bool oom_hit;

static bool oom_is_due(void) {
  if (atomic_fetch_add(&oom_count, 1) + 1 != atomic_load(&oom_fail_at))
    return false;

  atomic_store(&oom_hit, true);
  return true;
}

static void* oom_malloc(size_t size) {
  void* ptr = oom_is_due() ? NULL : malloc(size);

  if (ptr != NULL)
    atomic_fetch_add(&oom_live, 1);
  return ptr;
}

static void* oom_realloc(void* ptr, size_t size) {
  void* moved = oom_is_due() ? NULL : realloc(ptr, size);

  if (ptr == NULL && moved != NULL)
    atomic_fetch_add(&oom_live, 1);
  return moved;
}

static void oom_free(void* ptr) {
  if (ptr != NULL)
    atomic_fetch_sub(&oom_live, 1);
  free(ptr);
}

static void oom_ignore(int64_t err, const char* what, void* arg) {
  (void) err;
  (void) what;
  (void) arg;
}

/* One run on a loop of its own. True if the loop was there to run on. */
static bool oom_run(fluv_task_fn fn, void* arg, bool in_task, int64_t* out) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int fds = test_count_fds();
  int err;

  options.clock_paused = true;
  open_loop();
  err = fluv_attach_with(test_uv, &options);
  if (err == 0) {
    *out = in_task ? test_run(fn, arg) : fn(arg);
    test_turn(4);
    ck_assert_err(fluv_loop_close(), 0);
  } else {
    ck_assert_err(err, FLUV_ENOMEM);
    *out = err;
  }

  close_loop();
  ck_assert_int_eq(test_count_fds(), fds);
  return err == 0;
}

static void oom_sweep(fluv_task_fn fn,
                      void* arg,
                      const char* name,
                      bool in_task) {
  long baseline;
  int64_t result;
  long n;

  ck_assert_err(fluv_set_allocator(oom_malloc, oom_realloc, oom_free), 0);
  fluv_set_unhandled(oom_ignore, NULL);
  open_globals();

  /* A run with nothing failing first: what is left after it is kept for the
   * life of the process, and no later run may add to it. */
  atomic_store(&oom_fail_at, 0);
  ck_assert(oom_run(fn, arg, in_task, &result));
  ck_assert_msg(result >= 0, "%s: %s", name, fluv_err_name(result));
  fluv__object_flush();
  fluv__object_flush();
  baseline = atomic_load(&oom_live);

  for (n = 1; n < MAX_ALLOCATIONS; n++) {
    if (getenv("TEST_OOM_TRACE") != NULL)
      fprintf(stderr, "%s: allocation %ld fails\n", name, n);
    atomic_store(&oom_count, 0);
    atomic_store(&oom_hit, false);
    atomic_store(&oom_fail_at, n);
    oom_run(fn, arg, in_task, &result);
    atomic_store(&oom_fail_at, 0);
    fluv__object_flush();

    ck_assert_msg(atomic_load(&oom_live) == baseline,
                  "%s: %ld blocks are left after allocation %ld failed",
                  name,
                  atomic_load(&oom_live) - baseline,
                  n);
    ck_assert_msg(result >= 0 || result == FLUV_ENOMEM || result == FLUV_ESTACK,
                  "%s: %s after allocation %ld failed",
                  name,
                  fluv_err_name(result),
                  n);
    if (!atomic_load(&oom_hit))
      break;
  }

  ck_assert_msg(n > 1 && n < MAX_ALLOCATIONS, "%s: %ld runs", name, n);
  ck_assert_msg(result >= 0, "%s: %s", name, fluv_err_name(result));
}

void test_oom(fluv_task_fn fn, void* arg, const char* name) {
  oom_sweep(fn, arg, name, true);
}

void test_oom_plain(fluv_task_fn fn, void* arg, const char* name) {
  oom_sweep(fn, arg, name, false);
}

TCase* test_case(Suite* s,
                 const char* name,
                 void (*setup)(void),
                 void (*teardown)(void)) {
  TCase* tc = tcase_create(name);

  if (setup != NULL)
    tcase_add_checked_fixture(tc, setup, teardown);
  suite_add_tcase(s, tc);
  return tc;
}

int test_main(Suite* s) {
  SRunner* runner = srunner_create(s);
  int failed;

  /* Many tests hold their loop on purpose. */
  setenv("FLUV_WATCHDOG_MS", "0", 0);
  srunner_run_all(runner, CK_ENV);
  failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
