/* SPDX-License-Identifier: MIT */
/* The inbox: what other threads hand to a loop.
 *
 * Many producers push on an intrusive stack by compare-and-swap; the loop
 * takes all of it by one exchange and runs it in the order of arrival. Only
 * the producer that found the stack empty wakes the loop: every later one
 * knows that its node will be taken by the same exchange.
 *
 * libuv looks at its "wake-up pending" flag by a plain load, so a sequentially
 * consistent fence stands between the push and uv_async_send(): without it
 * the load may be done before the push is visible, and the wake-up is lost.
 *
 * Closing exchanges the stack for CLOSED, which no push replaces, and then
 * waits until no producer is inside (`inside`): libuv 1.44 writes to the
 * loop's descriptor in uv_async_send() whether or not the handle is closed.
 */
#ifndef FLUV_CORE_INBOX_H
#define FLUV_CORE_INBOX_H

#include <uv.h>

#include "base/atomic.h"
#include "core/internal.h"

typedef struct fluv__inbox_node {
  struct fluv__inbox_node* next;
  /* Called on the loop's thread; the node may be freed in it. */
  void (*run)(struct fluv__inbox_node* node);
} fluv__inbox_node_t;

typedef struct fluv__inbox {
  _Atomic(fluv__inbox_node_t*) head;
  fluv__atomic_uint_t inside; /* producers between push and wake-up */
} fluv__inbox_t;

void fluv__inbox_init(fluv__inbox_t* inbox);

/* Any thread. Returns 0, or FLUV_ECANCELED if the loop is closed. */
int fluv__inbox_push(fluv__inbox_t* inbox,
                     fluv__inbox_node_t* node,
                     uv_async_t* async);

/* Loop thread: run all that has arrived. When libuv calls because of a
 * wake-up this must be done without a look first: a plain load may still miss
 * the push whose wake-up has just been taken, an exchange may not. */
void fluv__inbox_run(fluv__inbox_t* inbox);

/* Loop thread: run what has arrived and refuse the rest. */
void fluv__inbox_close(fluv__inbox_t* inbox);

static inline bool fluv__inbox_is_empty(fluv__inbox_t* inbox) {
  /* Relaxed: whoever pushes what is missed here sends a wake-up. */
  return atomic_load_explicit(&inbox->head, memory_order_relaxed) == NULL;
}

#endif /* FLUV_CORE_INBOX_H */
