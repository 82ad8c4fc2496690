/* SPDX-License-Identifier: MIT */
/* Broadcast: a ring of the last messages, and a queue of waiting receives.
 *
 * Messages are numbered. `tail` is the number of the next message to be sent;
 * message n is in slot n & mask until message n + mask + 1 is sent. A receiver
 * has a struct of its own with the number of its next message. Sending wakes
 * all waiting receives; each checks the ring. `refs` counts the ends and the
 * queued futures.
 */
#include "sync/item.h"
#include "sync/wait.h"

typedef struct broadcast {
  fluv__object_t object;
  fluv__guard_t guard;

  /* The ring. The messages and `tail` are under the guard, the rest is
   * constant. */
  char* slots;
  size_t item_size;
  size_t mask; /* number of slots - 1 */
  uint64_t tail;

  /* Under the guard. */
  fluv__list_t waiters;
  fluv__list_t closed_queue;
  size_t senders;
  size_t receivers;
  size_t refs;
} broadcast_t;

struct fluv_broadcast_rx {
  fluv__object_t object;
  broadcast_t* b;

  /* Used by one thread at a time, that of the receiver. `next` under the
   * guard. */
  uint64_t next; /* number of the next message */
  uint64_t lag;  /* missed messages, as last reported */
};

typedef struct broadcast_op {
  fluv__sync_op_t sync;
  broadcast_t* b;
  fluv_broadcast_rx_t* rx;
  void* out;
} broadcast_op_t;

#define broadcast_of(handle) ((broadcast_t*) (void*) (handle))

/* Drop a reference and unlock the guard; the last one frees the broadcast. */
static void unref_unlock(broadcast_t* b) {
  bool last;

  fluv__guard_assert_held(&b->guard);
  fluv__assert(b->refs > 0);
  last = --b->refs == 0;
  fluv__guard_unlock(&b->guard);
  if (fluv__likely(!last))
    return;
  fluv__guard_deinit(&b->guard);
  fluv__free(b->slots);
  fluv__object_free(b, NULL);
}

static void* slot(const broadcast_t* b, uint64_t n) {
  return b->slots + (n & b->mask) * b->item_size;
}

/* 0 and a message, FLUV_EAGAIN, FLUV_ELAGGED or FLUV_ECLOSED. */
static int take_locked(fluv_broadcast_rx_t* rx, void* out) {
  broadcast_t* b = rx->b;

  fluv__guard_assert_held(&b->guard);
  fluv__assert(rx->next <= b->tail);
  if (rx->next == b->tail)
    return b->senders > 0 ? FLUV_EAGAIN : FLUV_ECLOSED;
  if (fluv__unlikely(b->tail - rx->next > b->mask + 1)) {
    rx->lag = b->tail - rx->next - (b->mask + 1);
    rx->next += rx->lag;
    return FLUV_ELAGGED;
  }
  fluv__item_copy(out, slot(b, rx->next), b->item_size);
  rx->next++;
  return 0;
}

static void recv_arrive(fluv__inbox_node_t* node);

static int take_or_wait_locked(broadcast_op_t* op) {
  int err = take_locked(op->rx, op->out);

  if (err == FLUV_EAGAIN) {
    op->b->refs++;
    fluv__sync_op_join(&op->sync, &op->b->waiters, recv_arrive);
  }
  return err;
}

static void recv_arrive(fluv__inbox_node_t* node) {
  broadcast_op_t* op = (broadcast_op_t*) fluv__sync_op_arrive(node);
  int err = FLUV_ECANCELED;

  fluv__guard_lock(&op->b->guard);
  if (!fluv__sync_op_was_cancelled(&op->sync))
    err = take_or_wait_locked(op);
  unref_unlock(op->b);
  if (err != FLUV_EAGAIN)
    fluv__complete(&op->sync.base, err);
}

static void recv_start(fluv_future_t* f) {
  broadcast_op_t* op = (broadcast_op_t*) f;
  int err;

  fluv__guard_lock(&op->b->guard);
  err = take_or_wait_locked(op);
  fluv__guard_unlock(&op->b->guard);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static bool withdraw(fluv_future_t* f) {
  broadcast_op_t* op = (broadcast_op_t*) f;

  fluv__guard_lock(&op->b->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&op->b->guard);
    return false;
  }
  unref_unlock(op->b);
  return true;
}

static void broadcast_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void broadcast_release(fluv_future_t* f) {
  broadcast_op_t* op = (broadcast_op_t*) f;

  if (!withdraw(f)) { /* its wait was abandoned */
    fluv__guard_lock(&op->b->guard);
    unref_unlock(op->b);
  }
}

static const fluv__ops_t recv_ops = {
  .kind = "broadcast recv",
  .start = recv_start,
  .cancel = broadcast_cancel,
  .release = broadcast_release,
};

static void closed_arrive(fluv__inbox_node_t* node) {
  broadcast_op_t* op = (broadcast_op_t*) fluv__sync_op_arrive(node);

  fluv__guard_lock(&op->b->guard);
  unref_unlock(op->b);
  fluv__complete(&op->sync.base,
                 fluv__sync_op_was_cancelled(&op->sync) ? FLUV_ECANCELED : 0);
}

static void closed_start(fluv_future_t* f) {
  broadcast_op_t* op = (broadcast_op_t*) f;
  bool closed;

  fluv__guard_lock(&op->b->guard);
  closed = op->b->receivers == 0;
  if (!closed) {
    op->b->refs++;
    fluv__sync_op_join(&op->sync, &op->b->closed_queue, closed_arrive);
  }
  fluv__guard_unlock(&op->b->guard);
  if (closed)
    fluv__complete(f, 0);
}

static const fluv__ops_t closed_ops = {
  .kind = "broadcast closed",
  .start = closed_start,
  .cancel = broadcast_cancel,
  .release = broadcast_release,
};

/* Make a receiver of the messages that are sent from now on. */
static int rx_new(broadcast_t* b, fluv_broadcast_rx_t** out_rx) {
  fluv_broadcast_rx_t* rx;

  if (out_rx == NULL)
    return FLUV_EINVAL;
  rx = fluv__malloc(sizeof(*rx));
  if (rx == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(rx, BROADCAST_RX, NULL);
  rx->b = b;
  rx->lag = 0;
  fluv__guard_lock(&b->guard);
  rx->next = b->tail;
  b->receivers++;
  b->refs++;
  fluv__guard_unlock(&b->guard);
  *out_rx = rx;
  return 0;
}

static size_t round_up(size_t n) {
  size_t power = 1;

  while (power < n)
    power *= 2;
  return power;
}

int fluv_broadcast_new(size_t capacity,
                       size_t item_size,
                       fluv_broadcast_tx_t** out_tx,
                       fluv_broadcast_rx_t** out_rx) {
  broadcast_t* b;
  int err = FLUV_ENOMEM;

  if (capacity == 0 || out_tx == NULL || out_rx == NULL ||
      item_size > SIZE_MAX / 4 || capacity > SIZE_MAX / 4 / (item_size + 1))
    return FLUV_EINVAL;
  b = fluv__calloc(1, sizeof(*b));
  if (b == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(b, BROADCAST, NULL);
  fluv__guard_init(&b->guard);
  fluv__list_init(&b->waiters);
  fluv__list_init(&b->closed_queue);
  b->item_size = item_size;
  b->mask = round_up(capacity) - 1;
  b->senders = 1;
  b->refs = 1;
  b->slots = fluv__malloc((b->mask + 1) * item_size + 1);
  if (b->slots != NULL)
    err = rx_new(b, out_rx);
  if (err != 0) {
    fluv__guard_lock(&b->guard);
    unref_unlock(b);
    return err;
  }
  *out_tx = (fluv_broadcast_tx_t*) (void*) b;
  return 0;
}

fluv_broadcast_tx_t* fluv_broadcast_tx_clone(fluv_broadcast_tx_t* tx) {
  broadcast_t* b = broadcast_of(tx);

  fluv__require(tx, BROADCAST);
  fluv__guard_lock(&b->guard);
  b->senders++;
  b->refs++;
  fluv__guard_unlock(&b->guard);
  return tx;
}

void fluv_broadcast_tx_free(fluv_broadcast_tx_t* tx) {
  broadcast_t* b = broadcast_of(tx);
  fluv__wake_list_t wakes;

  if (tx == NULL)
    return;
  fluv__check(tx, BROADCAST);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&b->guard);
  if (fluv__unlikely(b->senders == 0))
    fluv__object_overfreed(b, "senders", __func__);
  if (--b->senders == 0)
    fluv__wait_queue_grant_all(&b->waiters, 0, &wakes);
  unref_unlock(b);
  fluv__wake_list_send(&wakes);
}

fluv_broadcast_weak_t* fluv_broadcast_downgrade(fluv_broadcast_tx_t* tx) {
  broadcast_t* b = broadcast_of(tx);

  fluv__require(tx, BROADCAST);
  fluv__guard_lock(&b->guard);
  b->refs++;
  fluv__guard_unlock(&b->guard);
  return (fluv_broadcast_weak_t*) (void*) b;
}

fluv_broadcast_tx_t* fluv_broadcast_upgrade(fluv_broadcast_weak_t* weak) {
  broadcast_t* b = broadcast_of(weak);
  bool open;

  fluv__require(weak, BROADCAST);
  fluv__guard_lock(&b->guard);
  open = b->senders > 0;
  if (open) {
    b->senders++;
    b->refs++;
  }
  fluv__guard_unlock(&b->guard);
  return open ? (fluv_broadcast_tx_t*) (void*) b : NULL;
}

void fluv_broadcast_weak_free(fluv_broadcast_weak_t* weak) {
  broadcast_t* b = broadcast_of(weak);

  if (weak == NULL)
    return;
  fluv__check(weak, BROADCAST);
  fluv__guard_lock(&b->guard);
  unref_unlock(b);
}

int fluv_broadcast_subscribe(fluv_broadcast_tx_t* tx,
                             fluv_broadcast_rx_t** out_rx) {
  if (tx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  fluv__check(tx, BROADCAST);
  return rx_new(broadcast_of(tx), out_rx);
}

int fluv_broadcast_resubscribe(fluv_broadcast_rx_t* rx,
                               fluv_broadcast_rx_t** out_rx) {
  if (rx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  fluv__check(rx, BROADCAST_RX);
  return rx_new(rx->b, out_rx);
}

void fluv_broadcast_rx_free(fluv_broadcast_rx_t* rx) {
  fluv__wake_list_t wakes;
  broadcast_t* b;

  if (rx == NULL)
    return;
  fluv__check(rx, BROADCAST_RX);
  b = rx->b;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&b->guard);
  if (--b->receivers == 0)
    fluv__wait_queue_grant_all(&b->closed_queue, 0, &wakes);
  unref_unlock(b);
  fluv__wake_list_send(&wakes);
  fluv__object_free(rx, NULL);
}

int64_t fluv_broadcast_send(fluv_broadcast_tx_t* tx, const void* item) {
  broadcast_t* b = broadcast_of(tx);
  fluv__wake_list_t wakes;
  int64_t n;

  if (fluv__unlikely(tx == NULL))
    return FLUV_EINVAL;
  fluv__check(tx, BROADCAST);
  if (!fluv__item_is_valid(item, b->item_size))
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&b->guard);
  n = b->receivers > 0 ? (int64_t) b->receivers : FLUV_ECLOSED;
  if (n > 0) {
    fluv__item_copy(slot(b, b->tail), item, b->item_size);
    b->tail++;
    if (!fluv__list_is_empty(&b->waiters))
      fluv__wait_queue_grant_all(&b->waiters, 0, &wakes);
  }
  fluv__guard_unlock(&b->guard);
  fluv__wake_list_send(&wakes);
  return n;
}

static fluv_future_t* op_new(const fluv__ops_t* ops,
                             broadcast_t* b,
                             fluv_broadcast_rx_t* rx,
                             void* out,
                             const fluv_loc_t* loc) {
  broadcast_op_t* op =
      (broadcast_op_t*) fluv__sync_op_new(ops, sizeof(*op), loc);

  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->b = b;
  op->rx = rx;
  op->out = out;
  return &op->sync.base;
}

fluv_future_t* fluv_broadcast_closed_loc(fluv_broadcast_tx_t* tx,
                                         const fluv_loc_t* loc) {
  if (tx == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tx, BROADCAST);
  return op_new(&closed_ops, broadcast_of(tx), NULL, NULL, loc);
}

fluv_future_t* fluv_broadcast_recv_loc(fluv_broadcast_rx_t* rx,
                                       void* out_item,
                                       const fluv_loc_t* loc) {
  if (fluv__unlikely(rx == NULL) ||
      !fluv__item_is_valid(out_item, rx->b->item_size))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(rx, BROADCAST_RX);
  return op_new(&recv_ops, rx->b, rx, out_item, loc);
}

int fluv_broadcast_try_recv(fluv_broadcast_rx_t* rx, void* out_item) {
  int err;

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, BROADCAST_RX);
  if (!fluv__item_is_valid(out_item, rx->b->item_size))
    return FLUV_EINVAL;
  fluv__guard_lock(&rx->b->guard);
  err = take_locked(rx, out_item);
  fluv__guard_unlock(&rx->b->guard);
  return err;
}

int fluv_broadcast_recv_blocking(fluv_broadcast_rx_t* rx,
                                 void* out_item,
                                 uint64_t timeout_ms) {
  broadcast_t* b;
  fluv__parked_t parked;
  int err = fluv__may_block();

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, BROADCAST_RX);
  b = rx->b;
  if (err != 0)
    return err;
  if (!fluv__item_is_valid(out_item, b->item_size))
    return FLUV_EINVAL;
  fluv__guard_lock(&b->guard);
  err = take_locked(rx, out_item);
  if (err == FLUV_EAGAIN)
    fluv__park_join(&parked, &b->waiters);
  fluv__guard_unlock(&b->guard);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &b->guard, fluv__limit_after(timeout_ms));
  /* Only this receiver takes its messages: one is still here. */
  return err != 0 ? err : fluv_broadcast_try_recv(rx, out_item);
}

uint64_t fluv_broadcast_get_lag(fluv_broadcast_rx_t* rx) {
  fluv__require(rx, BROADCAST_RX);
  return rx->lag;
}

uint64_t fluv_broadcast_get_length(fluv_broadcast_rx_t* rx) {
  uint64_t n;

  fluv__require(rx, BROADCAST_RX);
  fluv__guard_lock(&rx->b->guard);
  n = rx->b->tail - rx->next;
  fluv__guard_unlock(&rx->b->guard);
  return n;
}
