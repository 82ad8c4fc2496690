/* SPDX-License-Identifier: MIT */
/* The guard: a lock that is free of charge until it is shared. */
#define _GNU_SOURCE
#include "sync/guard.h"

#include <sched.h>

#if defined(__linux__) && !FLUV_TSAN
# include <linux/membarrier.h>
# include <sys/syscall.h>
# include <unistd.h>
#endif

/* The home of a guard that is shared from the start: no loop's address. */
static char no_home;

/* Held for so short that to spin a little is better than to sleep. */
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
static const pthread_mutex_t unlocked = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
#else
static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_barrier;
static fluv__atomic_bool_t looked; /* the same as `once`, without a call */

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

  if (fluv__unlikely(!atomic_load_explicit(&looked, memory_order_acquire))) {
    pthread_once(&once, find_barrier);
    atomic_store_explicit(&looked, true, memory_order_release);
  }
  shared = fluv__loop == NULL || !have_barrier;
  guard->home = shared ? (fluv_loop_t*) (void*) &no_home : fluv__loop;
  atomic_init(&guard->busy, false);
  atomic_init(&guard->shared, shared);
  guard->mutex = unlocked;
}

void fluv__guard_deinit(fluv__guard_t* guard) {
  if (fluv__guard_is_shared(guard))
    pthread_mutex_destroy(&guard->mutex);
}

void fluv__guard_lock_shared(fluv__guard_t* guard) {
  pthread_mutex_lock(&guard->mutex);
  if (fluv__likely(fluv__guard_is_shared(guard)))
    return;
  atomic_store(&guard->shared, true);
  barrier_on_all_threads();
  /* Acquire: pairs with the release at the end of the home thread's turn. */
  while (atomic_load_explicit(&guard->busy, memory_order_acquire))
    sched_yield();
}

void fluv__guard_unlock_shared(fluv__guard_t* guard) {
  pthread_mutex_unlock(&guard->mutex);
}
