/* SPDX-License-Identifier: MIT */
/* The guard: the lock of every channel and lock. It costs the thread of the
 * loop it was made on (its home) no atomic read-modify-write and no fence, as
 * long as no other thread has used it.
 *
 * The home thread enters by a plain store to `busy` and a load of `shared`. The
 * first other thread sets `shared`, has the kernel run a memory barrier on
 * every thread of the process (membarrier(2)), and waits until `busy` is clear.
 * After that barrier either the home thread reads `shared` as true, or the
 * other thread reads `busy` as true. From then on every thread takes the mutex.
 * doc/models/guard.pml is a model of this.
 *
 * A guard is shared from the start if it is made on a thread without a loop, if
 * the kernel has no such barrier, and under TSan.
 *
 * A guard is held for a few dozen instructions, and no second guard is taken
 * under it. Two things take longer. A watch calls the user's function under its
 * guard; that function may not use the watch. A channel that grows allocates
 * its larger ring, and an empty one frees a large ring; the allocator may be
 * the user's, and must not use fluv. (Debug builds allocate a record for each
 * reader of an rwlock.)
 */
#ifndef FLUV_SYNC_GUARD_H
#define FLUV_SYNC_GUARD_H

#include <pthread.h>

#include "base/atomic.h"
#include "core/loop.h"
#include "core/object.h"

typedef struct fluv__guard {
  /* The fast path of the home thread. `home` is constant, `busy` is written by
   * the home thread only. */
  fluv_loop_t* home;
  fluv__atomic_bool_t busy; /* the home thread holds the guard, not the mutex */

  /* The slow path. `shared` becomes true under the mutex, once. */
  fluv__atomic_bool_t shared; /* every thread takes the mutex */
  pthread_mutex_t mutex;

#if FLUV_DEBUG
  /* The thread that holds the guard, and whether one does; written under the
   * guard. */
  pthread_t holder;
  bool held;
#endif
} fluv__guard_t;

void fluv__guard_init(fluv__guard_t* guard);
void fluv__guard_deinit(fluv__guard_t* guard);

void fluv__guard_lock_shared(fluv__guard_t* guard);
void fluv__guard_unlock_shared(fluv__guard_t* guard);

/* The caller holds the guard. */
static inline void fluv__guard_assert_held(const fluv__guard_t* guard) {
#if FLUV_DEBUG
  fluv__assert(guard->held && pthread_equal(guard->holder, pthread_self()));
#else
  (void) guard;
#endif
}

/* Called with the guard held, after it was taken and before it is released. */
static inline void fluv__guard_set_held(fluv__guard_t* guard, bool held) {
#if FLUV_DEBUG
  fluv__assert(guard->held != held);
  guard->held = held;
  guard->holder = pthread_self();
#else
  (void) guard;
  (void) held;
#endif
}

/* Lock the guard if that takes no mutex; `loop` is the loop of this thread.
 * False: it is not locked. For fast paths; others call fluv__guard_lock(). */
static inline bool fluv__guard_enter_home(fluv__guard_t* guard,
                                          const fluv_loop_t* loop) {
  if (fluv__unlikely(guard->home != loop))
    return false;
  atomic_store_explicit(&guard->busy, true, memory_order_relaxed);
  /* This orders the compiler. The barrier of the other thread orders the
   * processor. */
  atomic_signal_fence(memory_order_seq_cst);
  /* Acquire: pairs with the store in fluv__guard_lock_shared(). */
  if (fluv__likely(
          !atomic_load_explicit(&guard->shared, memory_order_acquire))) {
    fluv__guard_set_held(guard, true);
    return true;
  }
  atomic_store_explicit(&guard->busy, false, memory_order_release);
  return false;
}

/* Unlock a guard that fluv__guard_enter_home() has locked. */
static inline void fluv__guard_leave_home(fluv__guard_t* guard) {
  fluv__guard_set_held(guard, false);
  /* Release: pairs with the load in fluv__guard_lock_shared(). */
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

/* Has another thread ever used it? With the guard held, or by its last user. */
static inline bool fluv__guard_is_shared(const fluv__guard_t* guard) {
  return atomic_load_explicit(&guard->shared, memory_order_relaxed);
}

#endif /* FLUV_SYNC_GUARD_H */
