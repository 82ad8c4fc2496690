/* SPDX-License-Identifier: MIT */
/* The inbox: what other threads hand to a loop. */
#include "core/inbox.h"

#include <sched.h>

static fluv__inbox_node_t closed;

void fluv__inbox_init(fluv__inbox_t* inbox) {
  atomic_init(&inbox->head, NULL);
  atomic_init(&inbox->inside, 0);
}

int fluv__inbox_push(fluv__inbox_t* inbox,
                     fluv__inbox_node_t* node,
                     uv_async_t* async) {
  fluv__inbox_node_t* head;
  int err = 0;

  /* Before the exchange on `head`, which orders it: a closer that comes after
   * our push sees it, and one that came before is seen by us as `closed`. */
  atomic_fetch_add(&inbox->inside, 1);
  head = atomic_load(&inbox->head);
  do {
    if (head == &closed) {
      err = FLUV_ECANCELED;
      break;
    }
    node->next = head;
  } while (!atomic_compare_exchange_weak(&inbox->head, &head, node));
  if (head == NULL) {
    atomic_thread_fence(memory_order_seq_cst);
    uv_async_send(async);
  }
  /* Release: pairs with the load in fluv__inbox_close(), so that the send is
   * over when the closer goes on. */
  atomic_fetch_sub_explicit(&inbox->inside, 1, memory_order_release);
  return err;
}

static void run_all(fluv__inbox_node_t* newest) {
  fluv__inbox_node_t* oldest = NULL;
  fluv__inbox_node_t* next;

  if (newest == &closed)
    return;
  while (newest != NULL) {
    next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != NULL) {
    next = oldest->next;
    oldest->run(oldest);
    oldest = next;
  }
}

void fluv__inbox_run(fluv__inbox_t* inbox) {
  run_all(atomic_exchange(&inbox->head, NULL));
}

void fluv__inbox_close(fluv__inbox_t* inbox) {
  run_all(atomic_exchange(&inbox->head, &closed));
  /* Acquire: pairs with the release at the end of a push. */
  while (atomic_load_explicit(&inbox->inside, memory_order_acquire) != 0)
    sched_yield();
}
