/* SPDX-License-Identifier: MIT */
/* Adaptive spinning before the loop sleeps. */
#define _GNU_SOURCE
#include "core/spin.h"

#include <poll.h>
#include <sched.h>
#include <unistd.h>

enum {
  DEFAULT_SPIN_US = 20,
  MAX_SPIN_US = 1000,
  /* Checks of the inbox between two readings of the clock and of libuv. */
  CHECKS_PER_POLL = 128,
  MAX_CREDITS = 32,
  CREDITS_TO_TRY = 2,
  /* Short sleeps between two tries when none of them has ever paid. */
  MAX_GAP = 1024
};

/* A sleep shorter than this, wake included, was not worth it. */
#define SHORT_SLEEP_NS UINT64_C(150000)

/* Is this thread bound to one core, and probably all others to the same one? A
 * thread that was given a core of its own differs from the main thread. */
static bool one_core(void) {
#ifdef __linux__
  cpu_set_t own;
  cpu_set_t main_thread;

  if (sched_getaffinity(0, sizeof(own), &own) == 0 && CPU_COUNT(&own) == 1)
    return sched_getaffinity(getpid(), sizeof(main_thread), &main_thread) !=
               0 ||
           CPU_EQUAL(&own, &main_thread);
#endif
  return false;
}

void fluv__spin_init(fluv__spin_t* spin, unsigned spin_us) {
  if (spin_us == 0)
    spin_us = DEFAULT_SPIN_US;
  if (spin_us == FLUV_SPIN_NEVER || one_core())
    spin_us = 0;
  else if (spin_us > MAX_SPIN_US)
    spin_us = MAX_SPIN_US;
  spin->limit = spin_us * UINT64_C(1000);
  spin->gap = 1;
}

static bool uv_has_events(fluv_loop_t* loop) {
  struct pollfd fd = { uv_backend_fd(loop->uv), POLLIN, 0 };

  return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

/* Spin until something arrives, libuv has events, or the time is over. */
static bool spin_until(fluv_loop_t* loop, uint64_t end) {
  unsigned i;

  do {
    for (i = 0; i < CHECKS_PER_POLL; i++) {
      if (!fluv__inbox_is_empty(&loop->inbox))
        return true;
      fluv__relax();
    }
  } while (!uv_has_events(loop) && uv_hrtime() < end);
  return false;
}

bool fluv__spin(fluv_loop_t* loop) {
  fluv__spin_t* spin = &loop->spin;
  uint64_t now;

  spin->slept = 0;
  /* The result of a job comes from a thread that has to be woken first. That
   * takes as long as a spin, and is faster if this thread's core is free. */
  if (fluv__likely(spin->recent == 0) || spin->limit == 0 || loop->jobs > 0)
    return false;
  spin->recent--;
  now = uv_hrtime();
  if (spin->credits > 0) {
    if (spin_until(loop, now + spin->limit)) {
      if (spin->credits < MAX_CREDITS)
        spin->credits++;
      spin->gap = 1;
      return true;
    }
    spin->credits--;
  }
  spin->slept = now;
  return false;
}

void fluv__spin_woken(fluv_loop_t* loop) {
  fluv__spin_t* spin = &loop->spin;

  if (spin->slept == 0 || spin->credits > 0 ||
      uv_hrtime() - spin->slept > SHORT_SLEEP_NS)
    return;
  if (++spin->short_sleeps < spin->gap)
    return;
  spin->short_sleeps = 0;
  spin->credits = CREDITS_TO_TRY;
  if (spin->gap < MAX_GAP)
    spin->gap *= 2;
}
