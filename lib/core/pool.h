/* SPDX-License-Identifier: MIT */
/* The pool that futures come from: free lists by size, one thread.
 *
 * Sizes are rounded up to 32 bytes; a freed future goes to the front of its
 * list and keeps its state FREED and both of its places until it is used
 * again, so that a second use can be detected. Debug and ASan builds allocate
 * each future by itself and hold freed ones back for a while, so that a second
 * use is always detected and the tools see every future.
 */
#ifndef FLUV_CORE_POOL_H
#define FLUV_CORE_POOL_H

#include "core/future.h"

enum {
  FLUV__POOL_GRAIN = 32,
  FLUV__POOL_CLASSES = 16,
  FLUV__POOL_MAX = FLUV__POOL_GRAIN * FLUV__POOL_CLASSES,
  /* Freed futures held back in debug builds. */
  FLUV__POOL_QUARANTINE = 256
};

#define FLUV__POOL_SINGLE (FLUV_DEBUG || FLUV_ASAN)

typedef struct fluv__pool_chunk fluv__pool_chunk_t;

typedef struct fluv__pool {
  struct {
    fluv_future_t* free; /* through future.next */
    char* bump;          /* not yet used part of the newest chunk */
    char* end;
  } classes[FLUV__POOL_CLASSES];
  fluv__pool_chunk_t* chunks;
  fluv__list_t singles; /* futures of their own allocation */
#if FLUV__POOL_SINGLE
  fluv_future_t* quarantine[FLUV__POOL_QUARANTINE];
  unsigned quarantine_next;
#endif
} fluv__pool_t;

void fluv__pool_init(fluv__pool_t* pool);
void fluv__pool_deinit(fluv__pool_t* pool);

/* The slow paths of the inline functions below. */
fluv_future_t* fluv__pool_alloc_slow(fluv__pool_t* pool, size_t size);
void fluv__pool_free_slow(fluv__pool_t* pool, fluv_future_t* f);

/* Some of the futures that match() selects. They are collected before any is
 * cancelled, because cancelling one may complete and free others. */
enum {
  FLUV__POOL_BATCH = 128
};

typedef struct fluv__pool_batch {
  bool (*match)(const fluv_future_t* f);
  fluv_future_t* f[FLUV__POOL_BATCH];
  size_t count;
} fluv__pool_batch_t;

/* Refill a batch. Returns batch->count. */
size_t fluv__pool_find(fluv__pool_t* pool, fluv__pool_batch_t* batch);

/* Call fn for each future that is alive. fn must not free any. */
void fluv__pool_each(fluv__pool_t* pool,
                     void (*fn)(fluv_future_t* f, void* arg),
                     void* arg);

static inline uint32_t fluv__pool_class(size_t size) {
  return (uint32_t) ((size - 1) / FLUV__POOL_GRAIN);
}

/* Nothing is set in the result. NULL when memory has run out. */
static inline fluv_future_t* fluv__pool_alloc(fluv__pool_t* pool, size_t size) {
  uint32_t class = fluv__pool_class(size);
  fluv_future_t* f;

  if (FLUV__POOL_SINGLE || class >= FLUV__POOL_CLASSES)
    return fluv__pool_alloc_slow(pool, size);
  f = pool->classes[class].free;
  if (fluv__unlikely(f == NULL))
    return fluv__pool_alloc_slow(pool, size);
  pool->classes[class].free = f->next;
  return f;
}

static inline void fluv__pool_free(fluv__pool_t* pool, fluv_future_t* f) {
  if (FLUV__POOL_SINGLE || fluv__unlikely(f->class >= FLUV__POOL_CLASSES)) {
    fluv__pool_free_slow(pool, f);
    return;
  }
  f->next = pool->classes[f->class].free;
  pool->classes[f->class].free = f;
}

#endif /* FLUV_CORE_POOL_H */
