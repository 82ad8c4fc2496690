/* SPDX-License-Identifier: MIT */
/* The pool that futures come from, by itself. */
#include "core/pool.h"
#include "fluv-test.h"

#define MAX_FUTURES 200

/* Memory that is aligned to 16 bytes and no more, as malloc() promises. */
static void* odd_malloc(size_t size) {
  char* block = NULL;

  if (posix_memalign((void**) &block, 64, size + 64) != 0)
    return NULL;
  *(char**) (void*) block = block;
  return block + 16;
}

static void odd_free(void* memory) {
  if (memory != NULL)
    free((char*) memory - 16);
}

static void* odd_realloc(void* memory, size_t size) {
  (void) memory;
  (void) size;
  return NULL; /* nothing calls it */
}

static void count_one(fluv_future_t* f, void* arg) {
  (void) f;
  ++*(int*) arg;
}

START_TEST(pool_makes_futures_of_every_size_out_of_any_memory) {
  fluv_future_t* f[MAX_FUTURES];
  fluv__pool_t pool;
  size_t size;
  int alive;
  int i;

  fluv__pool_init(&pool);
  for (size = sizeof(fluv_future_t); size < 2 * FLUV__POOL_MAX; size += 40) {
    for (i = 0; i < MAX_FUTURES; i++) {
      f[i] = fluv__pool_alloc(&pool, size);
      ck_assert_ptr_nonnull(f[i]);
      ck_assert_uint_eq((uintptr_t) f[i] % 16, 0);
      memset(f[i], i, size);
      f[i]->class = fluv__pool_class(size);
      f[i]->state = FLUV__PENDING;
    }
    alive = 0;
    fluv__pool_each(&pool, count_one, &alive);
    ck_assert_int_eq(alive, MAX_FUTURES);
    for (i = 0; i < MAX_FUTURES; i++) {
      ck_assert_int_eq(*((unsigned char*) f[i] + size - 1), i);
      f[i]->state = FLUV__FREED;
      fluv__pool_free(&pool, f[i]);
    }
  }
  fluv__pool_deinit(&pool);
}
END_TEST

#if !FLUV__POOL_SINGLE
START_TEST(pool_begins_its_futures_on_cache_lines) {
  const size_t sizes[] = { 64, 128, 192, 256, 512 };
  fluv_future_t* f;
  fluv__pool_t pool;
  size_t i;
  int k;

  fluv__pool_init(&pool);
  for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
    for (k = 0; k < MAX_FUTURES; k++) {
      f = fluv__pool_alloc(&pool, sizes[i]);
      ck_assert_ptr_nonnull(f);
      ck_assert_uint_eq((uintptr_t) f % 64, 0);
      f->state = FLUV__FREED;
    }
  fluv__pool_deinit(&pool);
}
END_TEST
#endif

static void use_odd_memory(void) {
  ck_assert_err(fluv_set_allocator(odd_malloc, odd_realloc, odd_free), 0);
}

static Suite* pool_suite(void) {
  Suite* s = suite_create("pool");
  TCase* tc;

  tc = test_case(s, "basic", use_odd_memory, NULL);
  ADD(tc, pool_makes_futures_of_every_size_out_of_any_memory);
#if !FLUV__POOL_SINGLE
  ADD(tc, pool_begins_its_futures_on_cache_lines);
#endif
  return s;
}

TEST_MAIN(pool_suite)
