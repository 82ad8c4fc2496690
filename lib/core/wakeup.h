/* SPDX-License-Identifier: MIT */
/* The wakeup: the libuv handle by which another thread ends a loop's poll.
 *
 * On Linux an event descriptor of our own under a poll handle: uv_async_send()
 * of libuv before 1.45 makes the woken loop spin until the sender has run on,
 * which on one core takes until the kernel preempts it. Elsewhere, or with
 * --disable-eventfd, uv_async_t.
 */
#ifndef FLUV_CORE_WAKEUP_H
#define FLUV_CORE_WAKEUP_H

#include <uv.h>

#include "core/internal.h"

typedef struct fluv__wakeup {
  union {
    uv_handle_t handle;
    uv_poll_t poll;
    uv_async_t async;
  } uv;
  int fd;
  unsigned forks; /* of the process, when it was made */
  /* On the loop's thread, in the poll: another thread has sent a wakeup. */
  void (*on_wakeup)(struct fluv__wakeup* wakeup);
} fluv__wakeup_t;

/* Loop thread. 0, or libuv's error: nothing was made. */
int fluv__wakeup_init(fluv__wakeup_t* wakeup,
                      uv_loop_t* uv,
                      void (*on_wakeup)(fluv__wakeup_t* wakeup));

/* Any thread, before the handle is closed. */
void fluv__wakeup_send(fluv__wakeup_t* wakeup);

/* Loop thread, from the handle's close callback: give back what it held. */
void fluv__wakeup_deinit(fluv__wakeup_t* wakeup);

#endif /* FLUV_CORE_WAKEUP_H */
