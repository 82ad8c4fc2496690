/* SPDX-License-Identifier: MIT */
/* The guard: the lock of every channel and lock, which costs the loop it was
 * made on no atomic operation as long as no other thread has come.
 *
 * The home thread enters by a plain store to `busy` and a look at `shared`.
 * The first other thread sets `shared`, has the kernel run a memory barrier on
 * every thread of the process (membarrier(2)), and waits until `busy` is clear.
 * After that barrier the home thread either sees `shared`, or its `busy` is
 * seen. From then on everybody takes the mutex. doc/models/guard.pml.
 *
 * Where the kernel has no such barrier, under TSan, or without a home, a guard
 * is shared from the start.
 *
 * Held for a few dozen instructions, and no second guard is taken under it. Two
 * things take longer: a watch calls the user's function under it, which may not
 * use that watch, and a channel that grows allocates its larger ring, or gives
 * back a large one; the allocator may be the user's, and must not use fluv.
 * (Debug builds allocate a record for each reader of an rwlock.)
 */
#ifndef FLUV_SYNC_GUARD_H
#define FLUV_SYNC_GUARD_H

#include <pthread.h>

#include "base/atomic.h"
#include "core/loop.h"
#include "core/object.h"

typedef struct fluv__guard {
  fluv_loop_t* home;
  fluv__atomic_bool_t busy;   /* the home thread is inside, without mutex */
  fluv__atomic_bool_t shared; /* the mutex is to be taken */
  pthread_mutex_t mutex;
} fluv__guard_t;

void fluv__guard_init(fluv__guard_t* guard);
void fluv__guard_deinit(fluv__guard_t* guard);

void fluv__guard_lock_shared(fluv__guard_t* guard);
void fluv__guard_unlock_shared(fluv__guard_t* guard);

/* Enter if that takes no mutex: `loop` is this thread's. For ways that must be
 * short; everybody else locks. */
static inline bool fluv__guard_enter_home(fluv__guard_t* guard,
                                          const fluv_loop_t* loop) {
  if (fluv__unlikely(guard->home != loop))
    return false;
  atomic_store_explicit(&guard->busy, true, memory_order_relaxed);
  /* For the processor, the other side's barrier does the same. */
  atomic_signal_fence(memory_order_seq_cst);
  /* Acquire: pairs with the store of whoever made it shared. */
  if (fluv__likely(!atomic_load_explicit(&guard->shared, memory_order_acquire)))
    return true;
  atomic_store_explicit(&guard->busy, false, memory_order_release);
  return false;
}

static inline void fluv__guard_leave_home(fluv__guard_t* guard) {
  /* Release: pairs with the load of whoever waits to make it shared. */
  atomic_store_explicit(&guard->busy, false, memory_order_release);
}

static inline void fluv__guard_lock(fluv__guard_t* guard) {
  if (!fluv__guard_enter_home(guard, fluv__loop))
    fluv__guard_lock_shared(guard);
}

static inline void fluv__guard_unlock(fluv__guard_t* guard) {
  if (fluv__likely(guard->home == fluv__loop) &&
      fluv__likely(atomic_load_explicit(&guard->busy, memory_order_relaxed)))
    fluv__guard_leave_home(guard);
  else
    fluv__guard_unlock_shared(guard);
}

/* Under the guard: has another thread ever come? */
static inline bool fluv__guard_is_shared(const fluv__guard_t* guard) {
  return atomic_load_explicit(&guard->shared, memory_order_relaxed);
}

#endif /* FLUV_SYNC_GUARD_H */
