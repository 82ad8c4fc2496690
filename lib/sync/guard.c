/* SPDX-License-Identifier: MIT */
/* The guard: making it, and its slow path. */
#define _GNU_SOURCE
#include "sync/guard.h"

#include <sched.h>

#if defined(__linux__) && !FLUV_TSAN
# include <linux/membarrier.h>
# include <sys/syscall.h>
# include <unistd.h>
#endif

/* The home of a guard that is shared from the start: it equals no loop. */
static char no_home;

/* A guard is held for so short that spinning a little is cheaper than a
 * sleep. */
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
static const pthread_mutex_t unlocked = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
#else
static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_barrier;
static fluv__atomic_bool_t probed; /* find_barrier() has run: saves a call */

#if defined(__linux__) && !FLUV_TSAN

static void find_barrier(void) {
  have_barrier = syscall(__NR_membarrier,
                         MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                         0,
                         0) == 0;
}

static void barrier_on_all_threads(void) {
  if (syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
    fluv__die("membarrier() has stopped working");
}

#else

static void find_barrier(void) {
  have_barrier = false;
}

static void barrier_on_all_threads(void) {
}

#endif

void fluv__guard_init(fluv__guard_t* guard) {
  bool shared;

  /* Acquire and release: have_barrier is written before. */
  if (fluv__unlikely(!atomic_load_explicit(&probed, memory_order_acquire))) {
    pthread_once(&once, find_barrier);
    atomic_store_explicit(&probed, true, memory_order_release);
  }
  shared = fluv__loop == NULL || !have_barrier;
  guard->home = shared ? (fluv_loop_t*) (void*) &no_home : fluv__loop;
  atomic_init(&guard->busy, false);
  atomic_init(&guard->shared, shared);
  guard->mutex = unlocked;
#if FLUV_DEBUG
  guard->held = false;
#endif
}

void fluv__guard_deinit(fluv__guard_t* guard) {
  if (fluv__guard_is_shared(guard))
    pthread_mutex_destroy(&guard->mutex);
}

void fluv__guard_lock_shared(fluv__guard_t* guard) {
  pthread_mutex_lock(&guard->mutex);
  if (fluv__unlikely(!fluv__guard_is_shared(guard))) {
    atomic_store(&guard->shared, true);
    barrier_on_all_threads();
    /* Acquire: pairs with the release in fluv__guard_leave_home(). */
    while (atomic_load_explicit(&guard->busy, memory_order_acquire))
      sched_yield();
  }
  fluv__guard_set_held(guard, true);
}

void fluv__guard_unlock_shared(fluv__guard_t* guard) {
  fluv__guard_set_held(guard, false);
  pthread_mutex_unlock(&guard->mutex);
}
