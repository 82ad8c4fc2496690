/* SPDX-License-Identifier: MIT */
/* The inbox: what other threads have pushed to a loop.
 *
 * Many producers push on an intrusive stack by compare-and-swap; the loop
 * takes all of it by one exchange and runs it in the order of arrival, a part
 * at a time: a task that is started is out of the cache again if a thousand
 * others are started before it runs.
 *
 * Waking. `asleep` means that the loop will not check the stack unless it is
 * woken. The loop sets `asleep` before it may poll, and then checks the stack
 * once more. A producer that found the stack empty pushes, and then checks
 * `asleep`. Both have a sequentially consistent fence between their two steps,
 * so at least one of them sees the other. Only the producer that clears
 * `asleep` wakes the loop. A producer that found the stack not empty leaves the
 * wakeup to the producer that pushed the first node. A wakeup may be spurious:
 * the loop has run the node before the producer checked `asleep`. After any
 * wakeup the loop must set `asleep` again before it polls.
 *
 * Closing. `gate` counts the producers inside, by twos, and has CLOSED set
 * when none may enter any more. A producer that has entered may push, and its
 * node is run: fluv__inbox_close() waits for those inside and then drains the
 * stack for the last time. doc/models/inbox.pml checks all of this.
 */
#ifndef FLUV_CORE_INBOX_H
#define FLUV_CORE_INBOX_H

#include "base/atomic.h"
#include "core/wakeup.h"

typedef struct fluv__inbox_node {
  struct fluv__inbox_node* next;
  /* Called on the loop's thread; the node may be freed in it. */
  void (*run)(struct fluv__inbox_node* node);
} fluv__inbox_node_t;

typedef struct fluv__inbox {
  /* Any thread reads and writes these three. They have a cache line apart from
   * the fields of the loop's thread. */
  char pad_before[64];
  _Atomic(fluv__inbox_node_t*) head;
  fluv__atomic_uint_t gate;
  fluv__atomic_uint_t asleep;
  char pad_after[64];
  fluv__inbox_node_t* taken; /* loop thread: to be run next, oldest first */
  fluv__wakeup_t wakeup;     /* any thread inside may send */
} fluv__inbox_t;

/* 0, or libuv's error. */
int fluv__inbox_init(fluv__inbox_t* inbox,
                     uv_loop_t* uv,
                     void (*on_wakeup)(fluv__wakeup_t* wakeup));

/* Any thread that knows the loop's memory to be there. False: the loop is
 * closed. Otherwise the loop stays open until fluv__inbox_push() or
 * fluv__inbox_leave(), which must come soon: its thread waits for it. */
bool fluv__inbox_enter(fluv__inbox_t* inbox);
void fluv__inbox_leave(fluv__inbox_t* inbox);

/* Push a node, and leave. */
void fluv__inbox_push(fluv__inbox_t* inbox, fluv__inbox_node_t* node);

/* Enter, push, leave. 0, or FLUV_ESTOPPED if the loop is closed. */
int fluv__inbox_post(fluv__inbox_t* inbox, fluv__inbox_node_t* node);

/* Loop thread: run up to `max` nodes that have arrived. False: none had. */
bool fluv__inbox_run(fluv__inbox_t* inbox, unsigned max);

/* Loop thread: from here on a producer that pushes wakes the loop. False: a
 * node has arrived meanwhile, and must be run before the loop sleeps. */
bool fluv__inbox_sleep(fluv__inbox_t* inbox);

/* Loop thread: the loop checks the inbox again without being woken. */
static inline void fluv__inbox_awake(fluv__inbox_t* inbox) {
  /* Relaxed: a producer that misses it causes a spurious wakeup. */
  atomic_store_explicit(&inbox->asleep, 0, memory_order_relaxed);
}

/* Loop thread: refuse new producers, and run what has arrived. */
void fluv__inbox_close(fluv__inbox_t* inbox);

static inline bool fluv__inbox_is_empty(fluv__inbox_t* inbox) {
  /* Relaxed: the producer of a node that is missed here sees `asleep`, or
   * fluv__inbox_sleep() sees the node. */
  return inbox->taken == NULL &&
         atomic_load_explicit(&inbox->head, memory_order_relaxed) == NULL;
}

/* Loop thread, after a poll: has a node arrived, or was the loop woken, so that
 * fluv__inbox_sleep() is due before the next poll? */
static inline bool fluv__inbox_wants_turn(fluv__inbox_t* inbox) {
  /* Relaxed: a producer that has cleared `asleep` and is not seen here has not
   * sent the wakeup yet, and its wakeup ends the next poll. */
  return !fluv__inbox_is_empty(inbox) ||
         atomic_load_explicit(&inbox->asleep, memory_order_relaxed) == 0;
}

#endif /* FLUV_CORE_INBOX_H */
