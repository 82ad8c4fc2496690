/* SPDX-License-Identifier: MIT */
/* The gate for all memory but stacks. */
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "core/internal.h"

static void* (*malloc_now)(size_t size) = malloc;
static void (*free_now)(void* ptr) = free;
static fluv__atomic_bool_t used;

int fluv_set_allocator(void* (*malloc_fn)(size_t size),
                       void* (*realloc_fn)(void* ptr, size_t size),
                       void (*free_fn)(void* ptr)) {
  if (malloc_fn == NULL || realloc_fn == NULL || free_fn == NULL)
    return FLUV_EINVAL;
  /* Relaxed: the caller ensures that no other thread uses fluv yet. */
  if (atomic_load_explicit(&used, memory_order_relaxed))
    return FLUV_EBUSY;
  malloc_now = malloc_fn;
  free_now = free_fn;
  return 0;
}

static void mark_used(void) {
  if (!atomic_load_explicit(&used, memory_order_relaxed))
    atomic_store_explicit(&used, true, memory_order_relaxed);
}

void* fluv__malloc(size_t size) {
  mark_used();
  return malloc_now(size);
}

void* fluv__calloc(size_t count, size_t size) {
  void* ptr;

  if (size != 0 && count > SIZE_MAX / size)
    return NULL;
  ptr = fluv__malloc(count * size);
  if (ptr != NULL)
    memset(ptr, 0, count * size);
  return ptr;
}

void fluv__free(void* ptr) {
  if (ptr != NULL)
    free_now(ptr);
}
