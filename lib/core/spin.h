/* SPDX-License-Identifier: MIT */
/* Looking for a while before sleeping.
 *
 * A loop that has just heard from another thread looks at its inbox for some
 * microseconds before it polls: waking a sleeping core takes longer. It does so
 * on credit. A look that finds something gives a credit, one in vain costs one.
 * Without credits, a sleep that another thread ended soon is a reason to try
 * again; tries that never pay become seldom, for the other thread may need this
 * very core. While looking, the loop asks now and then whether libuv has
 * something, and stops if so.
 */
#ifndef FLUV_CORE_LOOK_H
#define FLUV_CORE_LOOK_H

#include "core/loop.h"

/* spin_us as in fluv_loop_options_t. */
void fluv__spin_init(fluv__spin_t* spin, unsigned spin_us);

/* Look, if that is worth it. True: something has arrived. */
bool fluv__spin(fluv_loop_t* loop);

/* The poll was ended by another thread. */
void fluv__spin_woken(fluv_loop_t* loop);

/* Something has arrived from another thread, or not. */
static inline void fluv__spin_pays(fluv_loop_t* loop, bool arrived) {
  enum {
    RECENT_TURNS = 64
  };

  if (arrived)
    loop->spin.recent = RECENT_TURNS;
}

#endif /* FLUV_CORE_LOOK_H */
