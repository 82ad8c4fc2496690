/* SPDX-License-Identifier: MIT */
/* The inbox: what other threads hand to a loop.
 *
 * Many producers push on an intrusive stack by compare-and-swap; the loop
 * takes all of it by one exchange and runs it in the order of arrival, a part
 * at a time: a task that is started is out of the cache again if a thousand
 * others are started before it runs.
 *
 * Waking. `asleep` says that nobody will look at the stack by himself. The
 * loop sets it before it may poll, and then looks once more; a producer that
 * found the stack empty pushes, and then looks at `asleep`. Both put a
 * sequentially consistent fence between the two, so at least one of them sees
 * the other. Only the producer that takes `asleep` back calls the loop, and one
 * that found something in the stack leaves it all to whoever put that there.
 * A call may be in vain: the loop has run the node before the producer looked.
 * It must say anew that it sleeps before it polls again.
 *
 * Closing. `gate` counts the producers inside, by twos, and has CLOSED set
 * when nobody may enter any more. Whoever got in may push, and what he pushes
 * is run: the closer waits for those inside and then empties the stack for the
 * last time. doc/models/inbox.pml is checked for all of this.
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
  char pad_before[64]; /* what others write stays apart from the loop's own */
  _Atomic(fluv__inbox_node_t*) head;
  fluv__atomic_uint_t gate;
  fluv__atomic_uint_t asleep;
  char pad_after[64];
  fluv__inbox_node_t* taken; /* the loop's; to be run next, oldest first */
  fluv__wakeup_t wakeup;
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

/* Hand over a node, and leave. */
void fluv__inbox_push(fluv__inbox_t* inbox, fluv__inbox_node_t* node);

/* Enter, push, leave. 0, or FLUV_ESTOPPED if the loop is closed. */
int fluv__inbox_post(fluv__inbox_t* inbox, fluv__inbox_node_t* node);

/* Loop thread: run what has arrived, so many at most. False: nothing had. */
bool fluv__inbox_run(fluv__inbox_t* inbox, unsigned most);

/* Loop thread: whoever pushes from here on calls. False: something has arrived
 * meanwhile, and is to be run first. */
bool fluv__inbox_sleep(fluv__inbox_t* inbox);

/* Loop thread: we look by ourselves again. */
static inline void fluv__inbox_awake(fluv__inbox_t* inbox) {
  /* Relaxed: who misses it calls in vain. */
  atomic_store_explicit(&inbox->asleep, 0, memory_order_relaxed);
}

/* Loop thread: let nobody in any more, and run what has arrived. */
void fluv__inbox_close(fluv__inbox_t* inbox);

static inline bool fluv__inbox_is_empty(fluv__inbox_t* inbox) {
  /* Relaxed: whoever pushes what is missed here sees `asleep`, or is seen by
   * fluv__inbox_sleep(). */
  return inbox->taken == NULL &&
         atomic_load_explicit(&inbox->head, memory_order_relaxed) == NULL;
}

/* Loop thread, after a poll: has something arrived, or was the loop called, so
 * that fluv__inbox_sleep() is due before the next poll? */
static inline bool fluv__inbox_wants_turn(fluv__inbox_t* inbox) {
  /* Relaxed: whoever has taken `asleep` back and is not seen here has not
   * called yet, and his call ends the poll. */
  return !fluv__inbox_is_empty(inbox) ||
         atomic_load_explicit(&inbox->asleep, memory_order_relaxed) == 0;
}

#endif /* FLUV_CORE_INBOX_H */
