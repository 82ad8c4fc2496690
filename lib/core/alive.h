/* SPDX-License-Identifier: MIT */
/* What keeps a loop alive.
 *
 * Of fluv's own handles only these are referenced: the idle handle while the
 * ready queue is not empty, the timer while a sleep is armed, and the wakeup
 * while something waits for another thread or for a callback of the host's.
 */
#ifndef FLUV_CORE_ALIVE_H
#define FLUV_CORE_ALIVE_H

#include "core/loop.h"

/* Start or stop the idle handle, which makes the next poll return at once. */
void fluv__loop_set_idle(fluv_loop_t* loop, bool active);

/* Begin and end a wait that only another thread, or a callback of the host's,
 * can end: the loop stays alive meanwhile. */
void fluv__remote_wait_begin(fluv_loop_t* loop);
void fluv__remote_wait_end(fluv_loop_t* loop);

/* Reference the wakeup's handle while something waits for it, or unreference
 * it. */
void fluv__wakeup_update_ref(fluv_loop_t* loop);

/* Can the loop wait for anything but its own sleeps and other threads? */
bool fluv__has_external_work(fluv_loop_t* loop);

/* Nothing is ready, and the loop is about to poll. If tasks wait in queues and
 * it is certain that nothing can wake them, they no longer keep the loop alive;
 * that is checked again before each poll that follows. */
void fluv__loop_rest(fluv_loop_t* loop);

/* Begin and end a wait in a queue. It keeps the loop alive: another thread may
 * end it, one that does not exist yet included. The exception is `alone`, which
 * is determined again before each poll. During a drain the reference is
 * updated at its end. */
static inline void fluv__sync_wait_begin(fluv_loop_t* loop) {
  loop->queued_waits++;
  if (fluv__unlikely(!loop->wakeup_refd)) {
    loop->alone = false;
    fluv__wakeup_update_ref(loop);
  }
}

static inline void fluv__sync_wait_end(fluv_loop_t* loop) {
  fluv__assert(loop->queued_waits > 0);
  if (--loop->queued_waits == 0 && fluv__unlikely(!fluv__is_draining(loop)))
    fluv__wakeup_update_ref(loop);
}

#endif /* FLUV_CORE_ALIVE_H */
