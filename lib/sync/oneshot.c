/* SPDX-License-Identifier: MIT */
/* Oneshot: one struct for both ends, with the message behind it.
 *
 * `full` is true from the send until the message is received or destroyed.
 * `refs` counts the ends and the queued futures.
 */
#include "sync/item.h"
#include "sync/wait.h"

typedef struct oneshot {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Constant. */
  void (*destroy)(void* item);
  size_t item_size;

  /* Under the guard. */
  fluv__list_t rx_queue;
  fluv__list_t closed_queue;
  unsigned refs;
  bool full;   /* the message is here */
  bool used;   /* the message was sent, and the sender is gone */
  bool broken; /* the sender is gone without having sent */
  bool closed; /* the receiver accepts no message */
  bool no_receiver;

  max_align_t item[]; /* the message; under the guard */
} oneshot_t;

typedef struct oneshot_op {
  fluv__sync_op_t sync;
  oneshot_t* shot;
  void* out; /* where a receive writes the message */
} oneshot_op_t;

#define oneshot_of(handle) ((oneshot_t*) (void*) (handle))

/* Drop a reference and unlock the guard; the last one frees the oneshot. */
FLUV__INLINE void unref_unlock(oneshot_t* shot) {
  bool last;

  fluv__guard_assert_held(&shot->guard);
  fluv__assert(shot->refs > 0);
  last = --shot->refs == 0;
  fluv__guard_unlock(&shot->guard);
  if (!last)
    return;
  fluv__guard_deinit(&shot->guard);
  fluv__object_free(shot, NULL);
}

/* 0 and the message, FLUV_EAGAIN, or why there is none. */
static int take_locked(oneshot_t* shot, void* out) {
  fluv__guard_assert_held(&shot->guard);
  if (shot->full) {
    fluv__item_copy(out, shot->item, shot->item_size);
    shot->full = false;
    return 0;
  }
  if (shot->used || shot->closed)
    return FLUV_ECLOSED;
  return shot->broken ? FLUV_EBROKEN : FLUV_EAGAIN;
}

static void recv_arrive(fluv__inbox_node_t* node);

static int take_or_wait_locked(oneshot_op_t* op) {
  int err = take_locked(op->shot, op->out);

  if (err == FLUV_EAGAIN) {
    op->shot->refs++;
    fluv__sync_op_join(&op->sync, &op->shot->rx_queue, recv_arrive);
  }
  return err;
}

/* The oneshot has changed: check it. A cancelled receive leaves the message. */
static void recv_arrive(fluv__inbox_node_t* node) {
  oneshot_op_t* op = (oneshot_op_t*) fluv__sync_op_arrive(node);
  int err = FLUV_ECANCELED;

  fluv__guard_lock(&op->shot->guard);
  if (!fluv__sync_op_was_cancelled(&op->sync))
    err = take_or_wait_locked(op);
  if (err == 0 && (op->sync.base.flags & FLUV__AWAITED) == 0) {
    /* Unread for a while: as recv_retain(), with the reference of the wait. */
    op->sync.base.flags |= FLUV__NEEDS_RELEASE;
    fluv__guard_unlock(&op->shot->guard);
  } else {
    unref_unlock(op->shot);
  }
  if (err != FLUV_EAGAIN)
    fluv__complete(&op->sync.base, err);
}

static FLUV__NOINLINE void recv_slow(fluv_future_t* f) {
  oneshot_op_t* op = (oneshot_op_t*) f;
  int err;

  fluv__guard_lock(&op->shot->guard);
  err = take_or_wait_locked(op);
  fluv__guard_unlock(&op->shot->guard);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void recv_start(fluv_future_t* f) {
  oneshot_t* shot = ((oneshot_op_t*) f)->shot;

  if (fluv__likely(fluv__guard_enter_home(&shot->guard, f->loop))) {
    if (shot->full) {
      fluv__item_copy(((oneshot_op_t*) f)->out, shot->item, shot->item_size);
      shot->full = false;
      fluv__guard_leave_home(&shot->guard);
      fluv__complete(f, 0);
      return;
    }
    fluv__guard_leave_home(&shot->guard);
  }
  recv_slow(f);
}

static bool withdraw(fluv_future_t* f) {
  oneshot_op_t* op = (oneshot_op_t*) f;

  fluv__guard_lock(&op->shot->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&op->shot->guard);
    return false;
  }
  unref_unlock(op->shot);
  return true;
}

static void oneshot_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void oneshot_release(fluv_future_t* f) {
  oneshot_op_t* op = (oneshot_op_t*) f;

  if (!withdraw(f)) { /* it is done, or its wait was abandoned */
    fluv__guard_lock(&op->shot->guard);
    unref_unlock(op->shot);
  }
}

/* The message is there again for the next receive. If the receiver is gone
 * there will be none, and the message is destroyed. */
static void recv_give_back(fluv_future_t* f) {
  oneshot_op_t* op = (oneshot_op_t*) f;
  oneshot_t* shot = op->shot;
  bool wanted;

  if (f->result != 0)
    return;
  fluv__guard_lock(&shot->guard);
  wanted = !shot->no_receiver;
  if (wanted) {
    fluv__assert(!shot->full);
    fluv__item_copy(shot->item, op->out, shot->item_size);
    shot->full = true;
  }
  fluv__guard_unlock(&shot->guard);
  if (!wanted && shot->destroy != NULL)
    shot->destroy(op->out);
}

static void recv_retain(fluv_future_t* f) {
  oneshot_t* shot = ((oneshot_op_t*) f)->shot;

  if (f->result != 0)
    return;
  f->flags |= FLUV__NEEDS_RELEASE;
  fluv__guard_lock(&shot->guard);
  shot->refs++;
  fluv__guard_unlock(&shot->guard);
}

static const fluv__ops_t recv_ops = {
  .kind = "oneshot recv",
  .start = recv_start,
  .give_back = recv_give_back,
  .retain = recv_retain,
  .cancel = oneshot_cancel,
  .release = oneshot_release,
};

static void closed_arrive(fluv__inbox_node_t* node) {
  oneshot_op_t* op = (oneshot_op_t*) fluv__sync_op_arrive(node);

  fluv__guard_lock(&op->shot->guard);
  unref_unlock(op->shot);
  fluv__complete(&op->sync.base,
                 fluv__sync_op_was_cancelled(&op->sync) ? FLUV_ECANCELED : 0);
}

static void closed_start(fluv_future_t* f) {
  oneshot_op_t* op = (oneshot_op_t*) f;
  bool closed;

  fluv__guard_lock(&op->shot->guard);
  closed = op->shot->closed;
  if (!closed) {
    op->shot->refs++;
    fluv__sync_op_join(&op->sync, &op->shot->closed_queue, closed_arrive);
  }
  fluv__guard_unlock(&op->shot->guard);
  if (closed)
    fluv__complete(f, 0);
}

static const fluv__ops_t closed_ops = {
  .kind = "oneshot closed",
  .start = closed_start,
  .cancel = oneshot_cancel,
  .release = oneshot_release,
};

int fluv_oneshot_new(size_t item_size,
                     void (*destroy)(void* item),
                     fluv_oneshot_tx_t** out_tx,
                     fluv_oneshot_rx_t** out_rx) {
  oneshot_t* shot;

  if (out_tx == NULL || out_rx == NULL || item_size > SIZE_MAX / 2)
    return FLUV_EINVAL;
  shot = fluv__malloc(sizeof(*shot) + item_size);
  if (shot == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(shot, ONESHOT, NULL);
  fluv__guard_init(&shot->guard);
  fluv__list_init(&shot->rx_queue);
  fluv__list_init(&shot->closed_queue);
  shot->destroy = destroy;
  shot->item_size = item_size;
  shot->refs = 2;
  shot->full = false;
  shot->used = false;
  shot->broken = false;
  shot->closed = false;
  shot->no_receiver = false;
  *out_tx = (fluv_oneshot_tx_t*) (void*) shot;
  *out_rx = (fluv_oneshot_rx_t*) (void*) shot;
  return 0;
}

int fluv_oneshot_send(fluv_oneshot_tx_t* tx, const void* item) {
  oneshot_t* shot = oneshot_of(tx);
  fluv__wake_list_t wakes;

  if (tx == NULL || !fluv__item_is_valid(item, shot->item_size))
    return FLUV_EINVAL;
  fluv__check(tx, ONESHOT);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&shot->guard);
  if (fluv__unlikely(shot->used || shot->broken))
    fluv__object_overfreed(shot, "senders", __func__);
  if (shot->closed) {
    fluv__guard_unlock(&shot->guard);
    return FLUV_ECLOSED;
  }
  fluv__item_copy(shot->item, item, shot->item_size);
  shot->full = true;
  shot->used = true;
  fluv__wait_queue_grant_all(&shot->rx_queue, 0, &wakes);
  unref_unlock(shot);
  fluv__wake_list_send(&wakes);
  return 0;
}

void fluv_oneshot_tx_free(fluv_oneshot_tx_t* tx) {
  oneshot_t* shot = oneshot_of(tx);
  fluv__wake_list_t wakes;

  if (tx == NULL)
    return;
  fluv__check(tx, ONESHOT);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&shot->guard);
  if (fluv__unlikely(shot->used || shot->broken))
    fluv__object_overfreed(shot, "senders", __func__);
  shot->broken = true;
  fluv__wait_queue_grant_all(&shot->rx_queue, 0, &wakes);
  unref_unlock(shot);
  fluv__wake_list_send(&wakes);
}

FLUV__INLINE fluv_future_t* op_new(const fluv__ops_t* ops,
                                   void* handle,
                                   void* out,
                                   const char* function,
                                   const fluv_loc_t* loc) {
  oneshot_op_t* op;

  if (fluv__unlikely(handle == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  if (fluv__unlikely(fluv__object_of(handle)->kind != FLUV__KIND_ONESHOT))
    fluv__object_bad(handle, FLUV__KIND_ONESHOT, function);
  op = (oneshot_op_t*) fluv__sync_op_new(ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->shot = handle;
  op->out = out;
  return &op->sync.base;
}

fluv_future_t* fluv_oneshot_closed_loc(fluv_oneshot_tx_t* tx,
                                       const fluv_loc_t* loc) {
  return op_new(&closed_ops, tx, NULL, __func__, loc);
}

bool fluv_oneshot_is_closed(fluv_oneshot_tx_t* tx) {
  oneshot_t* shot = oneshot_of(tx);
  bool closed;

  fluv__require(tx, ONESHOT);
  fluv__guard_lock(&shot->guard);
  closed = shot->closed;
  fluv__guard_unlock(&shot->guard);
  return closed;
}

fluv_future_t* fluv_oneshot_recv_loc(fluv_oneshot_rx_t* rx,
                                     void* out_item,
                                     const fluv_loc_t* loc) {
  if (rx != NULL && !fluv__item_is_valid(out_item, oneshot_of(rx)->item_size))
    return fluv__future_fail(FLUV_EINVAL, loc);
  return op_new(&recv_ops, rx, out_item, __func__, loc);
}

int fluv_oneshot_try_recv(fluv_oneshot_rx_t* rx, void* out_item) {
  oneshot_t* shot = oneshot_of(rx);
  int err;

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, ONESHOT);
  if (!fluv__item_is_valid(out_item, shot->item_size))
    return FLUV_EINVAL;
  fluv__guard_lock(&shot->guard);
  err = take_locked(shot, out_item);
  fluv__guard_unlock(&shot->guard);
  return err;
}

int fluv_oneshot_recv_blocking(fluv_oneshot_rx_t* rx,
                               void* out_item,
                               uint64_t timeout_ms) {
  oneshot_t* shot = oneshot_of(rx);
  fluv__parked_t parked;
  int err = fluv__may_block();

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, ONESHOT);
  if (err != 0)
    return err;
  if (!fluv__item_is_valid(out_item, shot->item_size))
    return FLUV_EINVAL;
  fluv__guard_lock(&shot->guard);
  err = take_locked(shot, out_item);
  if (err == FLUV_EAGAIN)
    fluv__park_join(&parked, &shot->rx_queue);
  fluv__guard_unlock(&shot->guard);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &shot->guard, fluv__limit_after(timeout_ms));
  return err != 0 ? err : fluv_oneshot_try_recv(rx, out_item);
}

static void close_rx_locked(oneshot_t* shot, fluv__wake_list_t* wakes) {
  shot->closed = true;
  fluv__wait_queue_grant_all(&shot->closed_queue, 0, wakes);
  fluv__wait_queue_grant_all(&shot->rx_queue, 0, wakes);
}

void fluv_oneshot_close(fluv_oneshot_rx_t* rx) {
  oneshot_t* shot = oneshot_of(rx);
  fluv__wake_list_t wakes;

  fluv__require(rx, ONESHOT);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&shot->guard);
  close_rx_locked(shot, &wakes);
  fluv__guard_unlock(&shot->guard);
  fluv__wake_list_send(&wakes);
}

void fluv_oneshot_rx_free(fluv_oneshot_rx_t* rx) {
  oneshot_t* shot = oneshot_of(rx);
  fluv__wake_list_t wakes;

  if (rx == NULL)
    return;
  fluv__check(rx, ONESHOT);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&shot->guard);
  if (fluv__unlikely(shot->no_receiver))
    fluv__object_overfreed(shot, "receivers", __func__);
  shot->no_receiver = true;
  close_rx_locked(shot, &wakes);
  if (shot->full && shot->destroy != NULL) {
    /* No other thread uses the message: it is sent, and no receiver is left. */
    shot->full = false;
    fluv__guard_unlock(&shot->guard);
    shot->destroy(shot->item);
    fluv__guard_lock(&shot->guard);
  }
  unref_unlock(shot);
  fluv__wake_list_send(&wakes);
}
