/* SPDX-License-Identifier: MIT */
/* Adaptive spinning before the loop sleeps.
 *
 * A loop that has recently received something from another thread spins: it
 * polls its inbox for some microseconds before it sleeps in libuv's poll,
 * because waking a sleeping core takes longer. The number of spins is limited
 * by credits. A successful spin earns a credit, a failed spin costs one. When
 * no credits are left, a short sleep that another thread ended is a reason to
 * try again. Tries that keep failing become rare, because the other thread may
 * need this core. While it spins, the loop checks at intervals whether libuv
 * has events, and stops if so.
 */
#ifndef FLUV_CORE_SPIN_H
#define FLUV_CORE_SPIN_H

#include "core/loop.h"

/* spin_us as in fluv_loop_options_t. */
void fluv__spin_init(fluv__spin_t* spin, unsigned spin_us);

/* Spin if there are credits. True: something has arrived. */
bool fluv__spin(fluv_loop_t* loop);

/* Another thread has ended the poll. */
void fluv__spin_woken(fluv_loop_t* loop);

/* A drain has run the inbox: note whether anything had arrived. */
static inline void fluv__spin_pays(fluv_loop_t* loop, bool arrived) {
  enum {
    RECENT_TURNS = 64
  };

  if (arrived)
    loop->spin.recent = RECENT_TURNS;
}

#endif /* FLUV_CORE_SPIN_H */
