/* SPDX-License-Identifier: MIT */
/* Stacks of tasks: sizes, what a switch keeps, and having none. */
#include "core/loop.h"
#include "fluv-test.h"

#include <fenv.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __SSE2__
# include <xmmintrin.h>
#endif
#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND 0
#endif

static int64_t note_arg(void* arg) {
  test_note(arg);
  return 0;
}

static int64_t give(void* arg) {
  return *(int64_t*) arg;
}

static void count_free(void* arg) {
  (*(int*) arg)++;
}

static int64_t use_stack(void* arg) {
  size_t size = *(size_t*) arg;
  volatile char* block = __builtin_alloca(size);
  size_t i;

  for (i = 0; i < size; i += 1024)
    block[i] = (char) i;
  fluv_yield();
  for (i = 0; i < size; i += 1024)
    ck_assert_int_eq(block[i], (char) i);
  return 1;
}

START_TEST(stack_has_the_size_that_was_asked_for) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  size_t sizes[] = { 16 << 10, 20000, 64 << 10, 1 << 20, 8 << 20 };
  size_t i;

  for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    /* A quarter is left for what the functions themselves need. */
    size_t used = sizes[i] / 4 * 3;
    options.stack_size = sizes[i];
#ifdef TEST_SANITIZED
    used = sizes[i] / 4;
#endif
    ck_assert_err(fluv_block_on(fluv_spawn_with(use_stack, &used, &options)),
                  1);
  }
}
END_TEST

START_TEST(stack_sizes_out_of_range_are_refused) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  size_t sizes[] = { 1, 4096, (16 << 10) - 1, SIZE_MAX, SIZE_MAX / 2 };
  int freed = 0;
  size_t i;

  options.free_arg = count_free;
  for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
    fluv_future_t* f;
    options.stack_size = sizes[i];
    f = fluv_spawn_with(give, &freed, &options);
    ck_assert(fluv_future_is_done(f));
    ck_assert_err(fluv_block_on(f), FLUV_EINVAL);
  }
  ck_assert_int_eq(freed, 5);
}
END_TEST

START_TEST(stacks_of_several_sizes_live_side_by_side) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  size_t used[60];
  fluv_future_t* tasks[60];
  int64_t results[60];
  int i;

  for (i = 0; i < 60; i++) {
    options.stack_size = (size_t) (16 << 10) << i % 5;
    used[i] = options.stack_size / 4;
    tasks[i] = fluv_spawn_with(use_stack, &used[i], &options);
  }
  ck_assert_err(fluv_block_on(fluv_join_all(tasks, 60, results)), 0);
  for (i = 0; i < 60; i++)
    ck_assert_err(results[i], 1);
}
END_TEST

static void setup_large_stacks(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.stack_size = 1 << 20;
  test_setup_with(&options);
}

START_TEST(loops_stack_size_is_the_default) {
  size_t used = 700 << 10;

  ck_assert_err(test_run(use_stack, &used), 1);
}
END_TEST

static int64_t mix_floats(void* arg) {
  double sum = *(double*) arg;
  int i;

  for (i = 0; i < 100; i++) {
    sum = sum * 0.5 + 1.25;
    fluv_yield();
  }
  return (int64_t) (sum * 1000 + 0.5);
}

START_TEST(floating_point_survives_a_switch) {
  double first = 3.5;
  double second = -17.25;
  fluv_future_t* both[2];
  int64_t results[2];

  both[0] = fluv_spawn(mix_floats, &first);
  both[1] = fluv_spawn(mix_floats, &second);
  ck_assert_err(fluv_block_on(fluv_join_all(both, 2, results)), 0);
  ck_assert_err(results[0], 2500);
  ck_assert_err(results[1], 2500);
}
END_TEST

/* Emulators and valgrind do not do as the control words say. */
static bool rounds_up(void) {
  volatile double one = 1.0;
  volatile double three = 3.0;
  volatile double up; /* or the division moves down */

  fesetround(FE_UPWARD);
  up = one / three;
  fesetround(FE_TONEAREST);
  return up > one / three;
}

/* Divide with a rounding mode of one's own, giving way in between. */
static int64_t divide(void* arg) {
  int mode = *(int*) arg;
  volatile double one = 1.0;
  volatile double three = 3.0;
  volatile double before;
  int i;

  ck_assert_int_eq(fegetround(), FE_TONEAREST);
  fesetround(mode);
  before = one / three;
  for (i = 0; i < 5; i++) {
    fluv_yield();
    ck_assert_int_eq(fegetround(), mode);
    ck_assert(one / three == before);
  }
  return mode == FE_TONEAREST || before > 0x1.5555555555555p-2;
}

START_TEST(rounding_mode_belongs_to_the_task) {
  int modes[] = { FE_UPWARD, FE_TONEAREST, FE_UPWARD };
  fluv_future_t* f[3];
  int64_t results[3];
  int i;

  for (i = 0; i < 3; i++)
    f[i] = fluv_spawn(divide, &modes[i]);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 3, results)), 0);
  for (i = 0; i < 3; i++)
    ck_assert_err(results[i], modes[i] == FE_TONEAREST || rounds_up());
  ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

#ifdef __SSE2__
/* Yield with the register as it is, or changed. */
static int64_t keep_register(void* arg) {
  const unsigned flush = 0x8040; /* flush to zero, denormals are zero */
  unsigned want = _mm_getcsr() & flush;
  int i;

  ck_assert_uint_eq(want, 0);
  if (arg != NULL) {
    _mm_setcsr(_mm_getcsr() | flush);
    want = _mm_getcsr() & flush;
  }
  for (i = 0; i < 5; i++) {
    fluv_yield();
    ck_assert_uint_eq(_mm_getcsr() & flush, want);
  }
  return 1;
}

START_TEST(control_register_is_kept_where_it_was_asked_for) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_future_t* f[4];
  int64_t results[4];
  int i;

  options.float_control = true;
  for (i = 0; i < 4; i++)
    f[i] =
        fluv_spawn_with(keep_register, i % 2 == 0 ? &options : NULL, &options);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 4, results)), 0);
  for (i = 0; i < 4; i++)
    ck_assert_err(results[i], 1);
}
END_TEST
#endif

/* No stack to be had: a limit that leaves no room for one of a gigabyte. */

static const fluv_task_options_t too_big = {
  .size = sizeof(fluv_task_options_t),
  .stack_size = (size_t) 1 << 30,
  .free_arg = count_free,
};

static void setup_little_memory(void) {
  struct rlimit limit;
  unsigned long pages = 0;
  FILE* statm;

  test_setup();
  statm = fopen("/proc/self/statm", "r");
  ck_assert_ptr_nonnull(statm);
  ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
  fclose(statm);
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
  limit.rlim_cur = pages * (rlim_t) sysconf(_SC_PAGESIZE) + (800u << 20);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

START_TEST(a_task_without_a_stack_fails_and_frees_its_argument) {
  if (test_is_emulated("keeps no RLIMIT_AS"))
    return;

  int freed = 0;
  fluv_future_t* f = fluv_spawn_with(give, &freed, &too_big);

  ck_assert(!fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), FLUV_ESTACK);
  ck_assert_int_eq(freed, 1);
  ck_assert_err(test_run(note_arg, TEXT("a")), 0);
}
END_TEST

TEST_TASK(a_task_without_a_stack_fails_behind_a_yield_and_an_await) {
  if (test_is_emulated("keeps no RLIMIT_AS"))
    return 0;

  int freed = 0;
  fluv_future_t* f = fluv_spawn_with(give, &freed, &too_big);

  ck_assert_err(fluv_yield(), 0);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_await(f), FLUV_ESTACK);
  f = fluv_spawn_with(give, &freed, &too_big);
  ck_assert_err(fluv_await(f), FLUV_ESTACK);
  ck_assert_int_eq(freed, 2);
  return 0;
}

START_TEST(tasks_around_one_without_a_stack_are_well) {
  if (test_is_emulated("keeps no RLIMIT_AS"))
    return;

  fluv_future_t* f[9];
  int64_t results[9];
  size_t used = 10000;
  int freed = 0;
  int i;

  for (i = 0; i < 9; i++)
    f[i] = i % 3 == 1 ? fluv_spawn_with(give, &freed, &too_big)
                      : fluv_spawn(i % 3 == 0 ? note_arg : use_stack,
                                   i % 3 == 0 ? TEXT("n") : &used);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 9, results)), FLUV_ESTACK);
  for (i = 0; i < 9; i++)
    ck_assert_err(results[i], i % 3 == 1 ? FLUV_ESTACK : i % 3 == 2);
  ck_assert_int_eq(freed, 3);
  ck_assert_trace("nnn");
}
END_TEST

#ifndef TEST_SANITIZED
static int64_t sleep_a_little(void* arg) {
  (void) arg;
  return fluv_await(fluv_sleep(1));
}

static void setup_room_for_400(void) {
  struct rlimit limit;
  unsigned long pages = 0;
  FILE* statm;

  test_setup();
  statm = fopen("/proc/self/statm", "r");
  ck_assert_ptr_nonnull(statm);
  ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
  fclose(statm);
  ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
  /* A stack of 64 KiB has a guard of up to as much beside it. */
  limit.rlim_cur = pages * (rlim_t) sysconf(_SC_PAGESIZE) + 400 * (128u << 10);
  ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
}

START_TEST(stacks_use_the_room_that_there_is) {
  fluv_future_t* f[1000];
  int64_t results[1000];
  int had = 0;
  int i;

  for (i = 0; i < 1000; i++)
    f[i] = fluv_spawn(sleep_a_little, NULL);
  fluv_block_on(fluv_join_all(f, 1000, results));
  for (i = 0; i < 1000; i++) {
    ck_assert(results[i] == 0 || results[i] == FLUV_ESTACK);
    had += results[i] == 0;
  }
  ck_assert_int_ge(had, 350);
}
END_TEST
#endif

static int64_t begin_to_nearest(void* arg) {
  if (arg != NULL)
    fesetround(FE_UPWARD);
  else
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
  return fluv_await(fluv_sleep(1));
}

START_TEST(new_stacks_begin_with_the_loops_rounding_mode) {
  fluv_future_t* f[200];
  int i;

  for (i = 0; i < 200; i++)
    f[i] = fluv_spawn(begin_to_nearest, i % 2 == 0 ? &f : NULL);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 200, NULL)), 0);
  /* And the stacks that are used again. */
  for (i = 0; i < 200; i++)
    f[i] = fluv_spawn(begin_to_nearest, NULL);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 200, NULL)), 0);
}
END_TEST

/* Stacks of a burst, by themselves. */

#if !FLUV_TSAN
static size_t count_slabs(const fluv__stack_cache_t* cache) {
  const fluv__list_t* slabs =
      &cache->classes[FLUV__STACK_DEFAULT_BITS - FLUV__STACK_MIN_BITS].slabs;
  const fluv__list_t* it;
  size_t count = 0;

  for (it = slabs->next; it != slabs; it = it->next)
    count++;
  return count;
}

static void never_entered(void) {
  abort();
}

/* ThreadSanitizer can tell only some 8,000 stacks and threads apart. */
START_TEST(stacks_of_a_burst_go_back_in_any_order) {
  enum {
    BURST = 12000
  };
  static fluv__stack_t* stacks[BURST];
  fluv__stack_cache_t cache;
  fluv__fp_t fp;
  size_t most;
  uint32_t random = 1;
  int i;

  memset(&cache, 0, sizeof(cache));
  fluv__fp_read(&fp);
  fluv__stack_cache_init(&cache, never_entered, &fp);
  for (i = 0; i < BURST; i++) {
    stacks[i] = fluv__stack_get(&cache, FLUV__STACK_DEFAULT_BITS);
    ck_assert_ptr_nonnull(stacks[i]);
  }
  most = count_slabs(&cache);
  for (i = BURST; i > 0; i--) {
    fluv__stack_t* stack;
    int k;

    random = random * 1664525 + 1013904223;
    k = (int) (random >> 8) % i;
    stack = stacks[k];
    stacks[k] = stacks[i - 1];
    fluv__stack_put(&cache, stack);
  }
  ck_assert(cache.may_trim);
  for (i = 0; fluv__stack_has_spare(&cache); i++) {
    ck_assert_int_lt(i, 100);
    fluv__stack_trim(&cache);
  }
  ck_assert_uint_ge(most, 12);
  ck_assert_uint_le(count_slabs(&cache), 3);
  fluv__stack_cache_deinit(&cache);
}
END_TEST
#endif

#ifndef TEST_SANITIZED
/* No turn of the loop is needed for it. */
START_TEST(an_idle_loop_gives_stacks_back) {
  enum {
    BURST = 5000
  };
  static fluv_future_t* f[BURST];
  fluv_future_t* limit;
  size_t most;
  int i;

  for (i = 0; i < BURST; i++)
    f[i] = fluv_spawn(sleep_a_little, NULL);
  ck_assert_err(fluv_block_on(fluv_join_all(f, BURST, NULL)), 0);
  most = count_slabs(&fluv__loop->stacks);
  ck_assert_uint_ge(most, 5);
  limit = fluv_sleep(60000);
  fluv_start(limit);
  while (!fluv_future_is_done(limit) &&
         count_slabs(&fluv__loop->stacks) > most / 2)
    uv_run(test_uv, UV_RUN_ONCE);
  ck_assert(!fluv_future_is_done(limit));
  fluv_drop(limit);
}
END_TEST
#endif

static Suite* stack_suite(void) {
  Suite* s = suite_create("stack");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      stack_has_the_size_that_was_asked_for,
      stacks_of_several_sizes_live_side_by_side,
      floating_point_survives_a_switch,
      rounding_mode_belongs_to_the_task);
#ifdef __SSE2__
  ADD(tc, control_register_is_kept_where_it_was_asked_for);
#endif

  tc = test_case(s, "basic", setup_large_stacks, test_teardown);
  ADD(tc, loops_stack_size_is_the_default);

  tc = test_case(s, "oom", setup_little_memory, test_teardown);
  ADD(tc,
      a_task_without_a_stack_fails_and_frees_its_argument,
      a_task_without_a_stack_fails_behind_a_yield_and_an_await,
      tasks_around_one_without_a_stack_are_well);

  tc = test_case(s, "misuse", test_setup, test_teardown);
  ADD(tc, stack_sizes_out_of_range_are_refused);

#ifndef TEST_SANITIZED
  /* Tools need address space of their own. */
  if (!RUNNING_ON_VALGRIND) {
    tc = test_case(s, "regress", setup_room_for_400, test_teardown);
    ADD(tc, stacks_use_the_room_that_there_is);
  }
#endif
  tc = test_case(s, "regress", test_setup, test_teardown);
  ADD(tc, new_stacks_begin_with_the_loops_rounding_mode);
#ifndef TEST_SANITIZED
  if (!RUNNING_ON_VALGRIND)
    ADD(tc, an_idle_loop_gives_stacks_back);
#endif
#if !FLUV_TSAN
  tc = test_case(s, "regress", NULL, NULL);
  if (!RUNNING_ON_VALGRIND)
    ADD(tc, stacks_of_a_burst_go_back_in_any_order);
#endif
  return s;
}

TEST_MAIN(stack_suite)
