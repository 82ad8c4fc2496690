/* SPDX-License-Identifier: MIT */
/* The inbox: what other threads hand to a loop. */
#include "core/inbox.h"

#include <limits.h>
#include <sched.h>

enum {
  CLOSED = 1,
  ONE_INSIDE = 2
};

int fluv__inbox_init(fluv__inbox_t* inbox,
                     uv_loop_t* uv,
                     void (*on_wakeup)(fluv__wakeup_t* wakeup)) {
  atomic_init(&inbox->head, NULL);
  atomic_init(&inbox->gate, 0);
  atomic_init(&inbox->asleep, 1);
  return fluv__wakeup_init(&inbox->wakeup, uv, on_wakeup);
}

bool fluv__inbox_enter(fluv__inbox_t* inbox) {
  /* Acquire and release: pairs with fluv__inbox_close(), which waits for the
   * producers inside. */
  unsigned gate =
      atomic_fetch_add_explicit(&inbox->gate, ONE_INSIDE, memory_order_acq_rel);

  if (fluv__likely((gate & CLOSED) == 0))
    return true;
  fluv__inbox_leave(inbox);
  return false;
}

void fluv__inbox_leave(fluv__inbox_t* inbox) {
  /* Release: pairs with the load in fluv__inbox_close(); this thread does not
   * use the handle any more. */
  atomic_fetch_sub_explicit(&inbox->gate, ONE_INSIDE, memory_order_release);
}

void fluv__inbox_push(fluv__inbox_t* inbox, fluv__inbox_node_t* node) {
  fluv__inbox_node_t* head =
      atomic_load_explicit(&inbox->head, memory_order_relaxed);

  do
    node->next = head;
  while (!atomic_compare_exchange_weak(&inbox->head, &head, node));
  if (head == NULL) {
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&inbox->asleep, memory_order_relaxed) != 0 &&
        atomic_exchange(&inbox->asleep, 0) != 0)
      fluv__wakeup_send(&inbox->wakeup);
  }
  fluv__inbox_leave(inbox);
}

int fluv__inbox_post(fluv__inbox_t* inbox, fluv__inbox_node_t* node) {
  if (!fluv__inbox_enter(inbox))
    return FLUV_ESTOPPED;
  fluv__inbox_push(inbox, node);
  return 0;
}

/* Take all that has arrived since, oldest first. */
static fluv__inbox_node_t* take_all(fluv__inbox_t* inbox) {
  fluv__inbox_node_t* newest = atomic_exchange(&inbox->head, NULL);
  fluv__inbox_node_t* oldest = NULL;
  fluv__inbox_node_t* next;

  while (newest != NULL) {
    next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  return oldest;
}

bool fluv__inbox_run(fluv__inbox_t* inbox, unsigned max) {
  fluv__inbox_node_t* node;

  if (inbox->taken == NULL)
    inbox->taken = take_all(inbox);
  if (inbox->taken == NULL)
    return false;
  while (max-- > 0 && (node = inbox->taken) != NULL) {
    inbox->taken = node->next;
    node->run(node);
  }
  return true;
}

bool fluv__inbox_sleep(fluv__inbox_t* inbox) {
  atomic_store_explicit(&inbox->asleep, 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst);
  if (fluv__inbox_is_empty(inbox))
    return true;
  fluv__inbox_awake(inbox);
  return false;
}

void fluv__inbox_close(fluv__inbox_t* inbox) {
  atomic_fetch_or(&inbox->gate, CLOSED);
  /* Acquire: pairs with the release in fluv__inbox_leave(). */
  while (atomic_load_explicit(&inbox->gate, memory_order_acquire) != CLOSED)
    sched_yield();
  while (fluv__inbox_run(inbox, UINT_MAX))
    continue;
}
