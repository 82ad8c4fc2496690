/* SPDX-License-Identifier: MIT */
/* The pool that futures come from. */
#include "core/pool.h"

/* Bytes of a chunk. Smaller: more calls of malloc; larger: a loop with one
 * future of a kind holds more than it uses. */
enum {
  CHUNK_SIZE = 16 * 1024,
  /* The futures of a chunk begin on a cache line. */
  CACHE_LINE = 64
};

struct fluv__pool_chunk {
  fluv__pool_chunk_t* next;
  size_t class;
  char* memory; /* where the futures begin */
};

typedef struct single {
  fluv__list_t link;
  char future[] __attribute__((aligned(16)));
} single_t;

void fluv__pool_init(fluv__pool_t* pool) {
  *pool = (fluv__pool_t){ 0 };
  fluv__list_init(&pool->singles);
}

#if !FLUV__POOL_SINGLE

static size_t grain_up(size_t size) {
  return (size + FLUV__POOL_GRAIN - 1) & ~(size_t) (FLUV__POOL_GRAIN - 1);
}

static size_t per_chunk(size_t class) {
  return (CHUNK_SIZE - sizeof(fluv__pool_chunk_t) - CACHE_LINE) /
         ((class + 1) * FLUV__POOL_GRAIN);
}

/* malloc() aligns to 16 bytes. So a chunk has room to begin its futures at the
 * next cache line. */
static char* first_line(fluv__pool_chunk_t* chunk) {
  uintptr_t end = (uintptr_t) (chunk + 1);

  return (char*) (chunk + 1) + (CACHE_LINE - end % CACHE_LINE) % CACHE_LINE;
}

static bool add_chunk(fluv__pool_t* pool, size_t class) {
  size_t bytes = per_chunk(class) * (class + 1) * FLUV__POOL_GRAIN;
  fluv__pool_chunk_t* chunk = fluv__malloc(sizeof(*chunk) + CACHE_LINE + bytes);

  if (chunk == NULL)
    return false;
  chunk->memory = first_line(chunk);
  fluv__assert((uintptr_t) chunk->memory % CACHE_LINE == 0);
  chunk->next = pool->chunks;
  chunk->class = class;
  pool->chunks = chunk;
  pool->classes[class].bump = chunk->memory;
  pool->classes[class].end = chunk->memory + bytes;
  return true;
}

static fluv_future_t* alloc_from_chunk(fluv__pool_t* pool, size_t size) {
  size_t class = (size - 1) / FLUV__POOL_GRAIN;
  fluv_future_t* f;

  if (pool->classes[class].bump == pool->classes[class].end &&
      !add_chunk(pool, class))
    return NULL;
  f = (fluv_future_t*) (void*) pool->classes[class].bump;
  pool->classes[class].bump += grain_up(size);
  return f;
}

static void each_in_chunks(fluv__pool_t* pool,
                           void (*fn)(fluv_future_t* f, void* arg),
                           void* arg) {
  fluv__pool_chunk_t* chunk;

  for (chunk = pool->chunks; chunk != NULL; chunk = chunk->next) {
    size_t size = (chunk->class + 1) * FLUV__POOL_GRAIN;
    char* end = chunk->memory + per_chunk(chunk->class) * size;
    char* bump = pool->classes[chunk->class].bump;
    char* it;

    for (it = chunk->memory; it != end && it != bump; it += size) {
      fluv_future_t* f = (fluv_future_t*) (void*) it;

      if (f->state != FLUV__FREED)
        fn(f, arg);
    }
  }
}

#endif

static fluv_future_t* alloc_single(fluv__pool_t* pool, size_t size) {
  single_t* single = fluv__malloc(sizeof(*single) + size);

  if (single == NULL)
    return NULL;
  fluv__list_append(&pool->singles, &single->link);
  return (fluv_future_t*) (void*) single->future;
}

static void free_single(fluv_future_t* f) {
  fluv__free(fluv__container_of(f, single_t, future));
}

fluv_future_t* fluv__pool_alloc_slow(fluv__pool_t* pool, size_t size) {
#if !FLUV__POOL_SINGLE
  if (size <= FLUV__POOL_MAX)
    return alloc_from_chunk(pool, size);
#endif
  return alloc_single(pool, size);
}

void fluv__pool_free_slow(fluv__pool_t* pool, fluv_future_t* f) {
  fluv__list_remove(&fluv__container_of(f, single_t, future)->link);
#if FLUV__POOL_SINGLE
  {
    fluv_future_t** place = &pool->quarantine[pool->quarantine_next];

    pool->quarantine_next = (pool->quarantine_next + 1) % FLUV__POOL_QUARANTINE;
    if (*place != NULL)
      free_single(*place);
    *place = f;
  }
#else
  (void) pool;
  free_single(f);
#endif
}

void fluv__pool_each(fluv__pool_t* pool,
                     void (*fn)(fluv_future_t* f, void* arg),
                     void* arg) {
  fluv__list_t* it;

#if !FLUV__POOL_SINGLE
  each_in_chunks(pool, fn, arg);
#endif
  fluv__list_foreach (it, &pool->singles)
    fn((fluv_future_t*) (void*) fluv__container_of(it, single_t, link)->future,
       arg);
}

static void find_one(fluv_future_t* f, void* arg) {
  fluv__pool_batch_t* batch = arg;

  if (batch->count < FLUV__POOL_BATCH && batch->match(f))
    batch->f[batch->count++] = f;
}

size_t fluv__pool_find(fluv__pool_t* pool, fluv__pool_batch_t* batch) {
  batch->count = 0;
  fluv__pool_each(pool, find_one, batch);
  return batch->count;
}

void fluv__pool_deinit(fluv__pool_t* pool) {
#if FLUV__POOL_SINGLE
  unsigned i;

  for (i = 0; i < FLUV__POOL_QUARANTINE; i++)
    if (pool->quarantine[i] != NULL)
      free_single(pool->quarantine[i]);
#endif
  while (!fluv__list_is_empty(&pool->singles)) {
    fluv__list_t* link = pool->singles.next;

    fluv__list_remove(link);
    fluv__free(fluv__container_of(link, single_t, link));
  }
  while (pool->chunks != NULL) {
    fluv__pool_chunk_t* chunk = pool->chunks;

    pool->chunks = chunk->next;
    fluv__free(chunk);
  }
}
