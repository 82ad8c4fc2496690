/* SPDX-License-Identifier: MIT */
/* Handoff: a task moves to another thread's loop.
 *
 *   in flight --(arrives)--> running --(returns)--> ended, notified once
 *        \--(refused, or its loop closed)---------------^
 *
 * A handoff is one block of memory. It travels as a node of the loop's inbox,
 * or is queued in a runtime until a worker takes it; there it becomes a task.
 * Its end calls `done`, which resolves a promise of another loop or sets the
 * event of a thread. `refs` counts one for the way and the task, one for the
 * maker, and one for a cancellation in flight.
 */
#ifndef FLUV_RUNTIME_HANDOFF_H
#define FLUV_RUNTIME_HANDOFF_H

#include "base/atomic.h"
#include "base/event.h"
#include "core/object.h"
#include "core/task.h"

typedef struct fluv__handoff fluv__handoff_t;

struct fluv__handoff {
  fluv__object_t object; /* of a thread's remote */
  fluv__inbox_node_t node;
  fluv__list_t link; /* in a runtime's queue */
  fluv_task_fn fn;
  void* arg;
  const fluv_loc_t* loc;
  fluv_task_options_t* options; /* a copy, with what it points to; NULL: none */
  fluv_future_t* task;          /* the loop's; NULL before and after */
  bool stolen; /* it has moved from one member's queue to another's */
  /* Called once at the end. NULL: detached, and the block ends here. */
  void (*done)(fluv__handoff_t* h, int64_t result);
  fluv_promise_t* promise;
  int64_t result;
  fluv__event_t ended;
  fluv__inbox_node_t cancel_node;
  _Atomic(fluv_loop_t*) loop; /* where it went; a reference */
  fluv__atomic_bool_t cancelled;
  fluv__atomic_uint_t refs;
};

/* Make a handoff whose end completes a future of this loop (*out_future is
 * that, or the failure), notifies a plain thread, or is ignored. NULL: out of
 * memory or invalid options, and `arg` was freed. */
fluv__handoff_t* fluv__handoff_for_future(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          fluv_future_t** out_future);
fluv__handoff_t* fluv__handoff_for_thread(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          int* out_err);
fluv__handoff_t* fluv__handoff_for_nobody(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          int* out_err);

/* Make a handoff whose end calls `done`, on the thread where it ends; it is
 * then freed. `size` bytes, of which it is the first part; the rest is zero. */
fluv__handoff_t* fluv__handoff_for_hook(size_t size,
                                        fluv_task_fn fn,
                                        void (*done)(fluv__handoff_t* h,
                                                     int64_t result),
                                        const fluv_loc_t* loc);

/* Any thread: send it to a loop. 0, or an error: it is still whole. */
int fluv__handoff_send(fluv__handoff_t* h, fluv_loop_t* loop);

/* On the thread of the loop that is to run it. */
void fluv__handoff_run(fluv__handoff_t* h, fluv_loop_t* loop);

/* Options and argument of a task that will never run: give it back. */
void fluv__handoff_unused(const fluv_task_options_t* options, void* arg);

/* It will not run: give back its argument, tell so, and drop the reference of
 * the way. */
void fluv__handoff_refuse(fluv__handoff_t* h, int err);

#endif /* FLUV_RUNTIME_HANDOFF_H */
