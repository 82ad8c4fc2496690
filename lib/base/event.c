/* SPDX-License-Identifier: MIT */
/* Waits that block a thread: events, and condition variables with a limit. */
#define _GNU_SOURCE
#include "base/event.h"

#include <time.h>

#ifdef __linux__
# include <linux/futex.h>
# include <sys/syscall.h>
# include <unistd.h>
#endif

#include "base/time.h"

enum {
  UNSET,
  AWAITED, /* not set, and a thread waits for it */
  SET
};

static uint64_t now_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t) now.tv_sec * FLUV__NS_PER_S + (uint64_t) now.tv_nsec;
}

uint64_t fluv__limit_after(uint64_t timeout_ms) {
  /* Thirty years: then no sum overflows, nor do seconds in 32 bits. */
  if (timeout_ms >= UINT64_C(30) * 365 * 86400 * 1000)
    return FLUV__NO_LIMIT;
  return fluv__ns_after(now_ns(), timeout_ms);
}

#ifdef __linux__

/* What SYS_futex takes, whatever the size of time_t. */
typedef struct kernel_time {
  long sec;
  long nsec;
} kernel_time_t;

/* Sleep while the state is AWAITED. False: the time is over. Wakes for other
 * reasons, too. */
static bool sleep_on(fluv__event_t* event, uint64_t limit_ns) {
  kernel_time_t limit;
  bool limited = limit_ns != FLUV__NO_LIMIT;

  if (limited && now_ns() >= limit_ns)
    return false;
  limit.sec = (long) (limit_ns / FLUV__NS_PER_S);
  limit.nsec = (long) (limit_ns % FLUV__NS_PER_S);
  /* With a bit set the limit is a point in time of CLOCK_MONOTONIC. */
  (void) syscall(SYS_futex,
                 &event->state,
                 FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                 AWAITED,
                 limited ? &limit : NULL,
                 NULL,
                 FUTEX_BITSET_MATCH_ANY);
  return true;
}

void fluv__event_init(fluv__event_t* event) {
  atomic_init(&event->state, UNSET);
}

void fluv__event_destroy(fluv__event_t* event) {
  (void) event;
}

void fluv__event_set(fluv__event_t* event) {
  /* Release: pairs with the load in fluv__event_wait(). */
  unsigned before =
      atomic_exchange_explicit(&event->state, SET, memory_order_release);

  /* The waiter may have freed it by now: the kernel then wakes
   * no thread, or causes a spurious wakeup, which every futex user handles. */
  if (before == AWAITED)
    (void)
        syscall(SYS_futex, &event->state, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

bool fluv__event_wait(fluv__event_t* event, uint64_t limit_ns) {
  for (;;) {
    unsigned unset = UNSET;

    /* Acquire: pairs with the exchange in fluv__event_set(). */
    if (atomic_load_explicit(&event->state, memory_order_acquire) == SET)
      return true;
    /* Relaxed: if it has been set meanwhile, the next load sees it. */
    (void) atomic_compare_exchange_strong_explicit(&event->state,
                                                   &unset,
                                                   AWAITED,
                                                   memory_order_relaxed,
                                                   memory_order_relaxed);
    if (!sleep_on(event, limit_ns))
      return atomic_load_explicit(&event->state, memory_order_acquire) == SET;
  }
}

#else /* __linux__ */

void fluv__event_init(fluv__event_t* event) {
  atomic_init(&event->state, UNSET);
  pthread_mutex_init(&event->lock, NULL);
  fluv__cond_init(&event->changed);
}

void fluv__event_destroy(fluv__event_t* event) {
  /* The thread that has set the event may still hold the lock. */
  pthread_mutex_lock(&event->lock);
  pthread_mutex_unlock(&event->lock);
  pthread_mutex_destroy(&event->lock);
  pthread_cond_destroy(&event->changed);
}

void fluv__event_set(fluv__event_t* event) {
  pthread_mutex_lock(&event->lock);
  atomic_store(&event->state, SET);
  pthread_cond_signal(&event->changed);
  pthread_mutex_unlock(&event->lock);
}

bool fluv__event_wait(fluv__event_t* event, uint64_t limit_ns) {
  bool in_time = true;
  bool set;

  pthread_mutex_lock(&event->lock);
  while (atomic_load(&event->state) != SET && in_time)
    in_time = fluv__cond_wait(&event->changed, &event->lock, limit_ns);
  set = atomic_load(&event->state) == SET;
  pthread_mutex_unlock(&event->lock);
  return set;
}

#endif /* __linux__ */

void fluv__cond_init(pthread_cond_t* cond) {
  pthread_condattr_t attr;

  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
}

bool fluv__cond_wait(pthread_cond_t* cond,
                     pthread_mutex_t* lock,
                     uint64_t limit_ns) {
  struct timespec limit;

  if (limit_ns == FLUV__NO_LIMIT)
    return pthread_cond_wait(cond, lock) == 0;
  limit.tv_sec = (time_t) (limit_ns / FLUV__NS_PER_S);
  limit.tv_nsec = (long) (limit_ns % FLUV__NS_PER_S);
  return pthread_cond_timedwait(cond, lock, &limit) == 0;
}
