/* SPDX-License-Identifier: MIT */
/* What all test programs share: fixtures, assertions, failing allocations. */
#ifndef FLUV_TEST_H
#define FLUV_TEST_H

#ifdef HAVE_CONFIG_H
# include "config.h"
#endif

#include <check.h>
#include <fluv.h>
#include <fluv/uv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
# define TEST_SANITIZED 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#  define TEST_SANITIZED 1
# endif
#endif

/* The loop of the fixture; fluv is attached to it. */
extern uv_loop_t* test_uv;

/* Called, if set, before descriptors are counted: it opens what the process
 * then keeps. */
extern void (*test_open_more)(void);

/* Checked fixtures. Teardown fails on whatever the test left behind: tasks,
 * streams, promises, handles, descriptors. */
void test_setup(void);
void test_setup_paused(void);
void test_setup_with(const fluv_loop_options_t* options);
void test_teardown(void);

/* Run a task on the fixture's loop until it has returned. */
int64_t test_run_loc(fluv_task_fn fn, void* arg, const fluv_loc_t* loc);
#define test_run(fn, arg) test_run_loc((fn), (arg), FLUV_LOC)

/* Let the loop turn `n` times without waiting; a paused clock stays paused. */
void test_turn(int n);

/* Move the fixture's paused clock, from outside tasks. */
#define test_advance(ms) ck_assert_err(fluv_block_on(fluv_clock_advance(ms)), 0)

/* A test whose body is a task's function; it returns 0. */
#define TEST_TASK(name)                                                        \
 static int64_t name##_task(void* arg);                                        \
 START_TEST(name) {                                                            \
  ck_assert_err(test_run(name##_task, NULL), 0);                               \
 }                                                                             \
 END_TEST                                                                      \
 static int64_t name##_task(void* arg CK_ATTRIBUTE_UNUSED)

/* A text as a task's argument, which is no pointer to const. */
#define TEXT(text) ((void*) (uintptr_t) (text))

/* What happened, in order: tests add words and compare the whole. Empty at
 * the start of a fixture. */
extern char test_trace[4096];
void test_note(const char* word);
#define ck_assert_trace(want) ck_assert_str_eq(test_trace, (want))

/* A task that waits for its interrupt and then for 20 ms behind a shield, and
 * returns `arg`. The trace gets "[" first and "]" last. */
int64_t test_clean_up_slow(void* arg);

/* Is the processor emulated, by what lacks this? Then the log says so and the
 * test is left out: "if (test_is_emulated("why")) return;". */
bool test_is_emulated(const char* lack);

/* Run `fn` on a thread of its own and wait for the thread to end. */
void test_on_thread(void (*fn)(void* arg), void* arg);

/* Number of open descriptors. */
int test_count_fds(void);

/* Compares results; says "is EAGAIN, wanted ECANCELED". */
#define ck_assert_err(expr, want)                                              \
 do {                                                                          \
  int64_t test_is = (expr);                                                    \
  int64_t test_want = (want);                                                  \
  char test_a[32];                                                             \
  char test_b[32];                                                             \
  ck_assert_msg(test_is == test_want,                                          \
                "%s is %s, wanted %s",                                         \
                #expr,                                                         \
                test_result_name(test_is, test_a),                             \
                test_result_name(test_want, test_b));                          \
 } while (0)
const char* test_result_name(int64_t result, char buf[32]);

/* Fails and shows the whole text if it does not hold `part`. */
#define ck_assert_has(text, part)                                              \
 ck_assert_msg(strstr((text), (part)) != NULL,                                 \
               "\"%s\" is not in: %s",                                         \
               (part),                                                         \
               (text))
#define ck_assert_has_not(text, part)                                          \
 ck_assert_msg(strstr((text), (part)) == NULL,                                 \
               "\"%s\" is in: %s",                                             \
               (part),                                                         \
               (text))

/* Runs `fn` in a process of its own and gives back what it wrote to stderr;
 * free it. `fn` makes its own loop: call this outside the fixtures.
 * `out_status` gets what waitpid(2) says; 0 if `fn` returned. */
char* test_stderr_of(void (*fn)(void* arg), void* arg, int* out_status);

/* Fails unless `fn` aborts with both texts on stderr. NULL: any text. */
void test_aborts(void (*fn)(void* arg),
                 void* arg,
                 const char* part,
                 const char* other);

/* Runs a task again and again, with the first allocation failing, then the
 * second, and so on until none is left to fail. Each run has its own loop,
 * with the clock paused, and must end with FLUV_ENOMEM, FLUV_ESTACK or well,
 * give back all its memory and close cleanly; the last must end well. Call it
 * outside the fixtures. With TEST_OOM_TRACE in the environment each run says
 * its number first. */
void test_oom(fluv_task_fn fn, void* arg, const char* name);
#define TEST_OOM(fn, arg) test_oom((fn), (arg), #fn)

/* The same for a function that is called outside tasks. */
void test_oom_plain(fluv_task_fn fn, void* arg, const char* name);
#define TEST_OOM_PLAIN(fn, arg) test_oom_plain((fn), (arg), #fn)

/* Add several tests to a case. */
#define ADD(tc, ...)                                                           \
 do {                                                                          \
  const TTest* test_list[] = { __VA_ARGS__ };                                  \
  size_t test_i;                                                               \
  for (test_i = 0; test_i < sizeof(test_list) / sizeof(void*); test_i++)       \
   tcase_add_test((tc), test_list[test_i]);                                    \
 } while (0)

/* Make a case with a fixture and add it to a suite. */
TCase* test_case(Suite* s,
                 const char* name,
                 void (*setup)(void),
                 void (*teardown)(void));

int test_main(Suite* s);
#define TEST_MAIN(suite_function)                                              \
 int main(void) {                                                              \
  return test_main(suite_function());                                          \
 }

#endif /* FLUV_TEST_H */
