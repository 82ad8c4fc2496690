/* SPDX-License-Identifier: MIT */
/* Sending into a channel: now, later, with a permit, from a plain thread. */
#include <stdio.h>

#include "sync/channel.h"

/* Put a message into a slot that is counted in `used`. */
FLUV__INLINE void put_locked(fluv__channel_t* ch,
                             const void* item,
                             fluv__wake_list_t* wakes) {
  fluv__guard_assert_held(&ch->guard);
  fluv__assert(ch->length < ch->used && ch->used <= ch->mask + 1);
  fluv__channel_copy(fluv__channel_slot(ch, ch->head + ch->length),
                     item,
                     ch->item_size);
  ch->length++;
  /* Release: pairs with the load in take_own(); the message is in its slot. */
  atomic_store_explicit(&ch->tail, ch->head + ch->length, memory_order_release);
  if (fluv__unlikely(!fluv__list_is_empty(&ch->rx_queue)))
    fluv__channel_wake_receiver(ch, wakes);
}

/* Reserve n slots: 0, or why it cannot be done now. */
FLUV__INLINE int reserve_locked(fluv__channel_t* ch, size_t n) {
  if (fluv__unlikely(ch->closed))
    return FLUV_ECLOSED;
  if (fluv__unlikely(!fluv__list_is_empty(&ch->tx_queue)))
    return FLUV_EAGAIN;
  if (fluv__unlikely(!fluv__channel_has_room(ch, n))) {
    fluv__channel_settle(ch);
    if (!fluv__channel_has_room(ch, n))
      return FLUV_EAGAIN;
  }
  if (fluv__unlikely(!fluv__channel_has_memory(ch, n)))
    return FLUV_ENOMEM;
  ch->used += n;
  return 0;
}

/* A send has joined the queue. On a shared channel, announce it and check
 * again: see "Across threads". */
static void recheck_locked(fluv__channel_t* ch, fluv__wake_list_t* wakes) {
  if (!fluv__guard_is_shared(&ch->guard))
    return;
  /* Both sequentially consistent: see "Across threads". */
  atomic_store(&ch->tx_waits, true);
  fluv__channel_settle_to(ch, atomic_load(&ch->taken));
  fluv__channel_serve(ch, wakes);
}

/* Give back reserved slots that will not be filled. */
static void give_back_locked(fluv__channel_t* ch,
                             size_t n,
                             fluv__wake_list_t* wakes) {
  fluv__assert(ch->used >= ch->length + n);
  ch->used -= n;
  fluv__channel_serve(ch, wakes);
  fluv__channel_peek_ended(ch, wakes);
}

static void send_arrive(fluv__inbox_node_t* node) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) fluv__sync_op_arrive(node);
  fluv__channel_t* ch = op->ch;
  int64_t result = op->sync.wait.given;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (result == 0 &&
      (ch->no_receivers || fluv__sync_op_was_cancelled(&op->sync))) {
    result = ch->no_receivers ? FLUV_ECLOSED : FLUV_ECANCELED;
    give_back_locked(ch, 1, &wakes);
  } else if (result == 0) {
    put_locked(ch, op->u.item, &wakes);
  }
  fluv__channel_unref_unlock(ch);
  fluv__wake_list_send(&wakes);
  fluv__complete(&op->sync.base, result);
}

static FLUV__NOINLINE void send_slow(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  fluv__wake_list_t wakes;
  int err;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  err = reserve_locked(ch, 1);
  if (fluv__likely(err == 0)) {
    put_locked(ch, op->u.item, &wakes);
  } else if (err == FLUV_EAGAIN) {
    ch->refs++;
    op->sync.wait.n = 1;
    fluv__sync_op_join(&op->sync, &ch->tx_queue, send_arrive);
    recheck_locked(ch, &wakes);
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void send_start(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;

  if (fluv__likely(fluv__guard_enter_home(&ch->guard, f->loop))) {
    if (fluv__likely(ch->used < ch->limit &&
                     fluv__list_is_empty(&ch->tx_queue) && !ch->closed)) {
      if (fluv__likely(fluv__list_is_empty(&ch->rx_queue))) {
        fluv__channel_copy(fluv__channel_slot(ch, ch->head + ch->length),
                           op->u.item,
                           ch->item_size);
        ch->length++;
        ch->used++;
        fluv__guard_leave_home(&ch->guard);
        fluv__complete(f, 0);
        return;
      }
      if (fluv__channel_handoff(ch, op->u.item, f->loop)) {
        fluv__complete(f, 0);
        return;
      }
    }
    fluv__guard_leave_home(&ch->guard);
  }
  send_slow(f);
}

/* Leave the queue. The sends behind may be granted now, or it is the end of the
 * channel. */
static bool withdraw(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&ch->guard);
    return false;
  }
  fluv__channel_serve(ch, &wakes);
  fluv__channel_peek_ended(ch, &wakes);
  fluv__channel_unref_unlock(ch);
  fluv__wake_list_send(&wakes);
  return true;
}

static void tx_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void tx_release(fluv_future_t* f) {
  if (!withdraw(f)) /* its wait was abandoned */
    fluv__channel_unref(((fluv__channel_op_t*) f)->ch);
}

static const fluv__ops_t send_ops = {
  .kind = "send",
  .start = send_start,
  .cancel = tx_cancel,
  .release = tx_release,
};

fluv_future_t* fluv_send_loc(fluv_sender_t* tx,
                             const void* item,
                             const fluv_loc_t* loc) {
  fluv__channel_op_t* op;

  if (fluv__unlikely(tx == NULL) ||
      !fluv__item_is_valid(item, fluv__channel_of(tx)->item_size))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tx, CHANNEL);
  op = (fluv__channel_op_t*) fluv__sync_op_new(&send_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->ch = fluv__channel_of(tx);
  op->u.item = item;
  return &op->sync.base;
}

int fluv_try_send(fluv_sender_t* tx, const void* item) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  fluv__wake_list_t wakes;
  int err;

  if (fluv__unlikely(tx == NULL))
    return FLUV_EINVAL;
  fluv__check(tx, CHANNEL);
  if (!fluv__item_is_valid(item, ch->item_size))
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  err = reserve_locked(ch, 1);
  if (err == 0)
    put_locked(ch, item, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

/* The slot was granted, or the time is over, or the channel is closed. */
static int end_blocking(fluv__channel_t* ch, const void* item, int err) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (err == 0 && ch->no_receivers) {
    err = FLUV_ECLOSED;
    give_back_locked(ch, 1, &wakes);
  } else if (err == 0) {
    put_locked(ch, item, &wakes);
  } else {
    fluv__channel_serve(ch, &wakes);
    fluv__channel_peek_ended(ch, &wakes);
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

int fluv_send_blocking(fluv_sender_t* tx,
                       const void* item,
                       uint64_t timeout_ms) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  fluv__parked_t parked;
  fluv__wake_list_t wakes;
  int err = fluv__may_block();

  if (fluv__unlikely(tx == NULL))
    return FLUV_EINVAL;
  fluv__check(tx, CHANNEL);
  if (err != 0)
    return err;
  if (!fluv__item_is_valid(item, ch->item_size))
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  err = reserve_locked(ch, 1);
  if (err == 0) {
    put_locked(ch, item, &wakes);
  } else if (err == FLUV_EAGAIN) {
    parked.wait.n = 1;
    fluv__park_join(&parked, &ch->tx_queue);
    recheck_locked(ch, &wakes);
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &ch->guard, fluv__limit_after(timeout_ms));
  return end_blocking(ch, item, err);
}

/* Fill in a permit for n reserved slots. */
static void make_permit_locked(fluv__channel_t* ch,
                               size_t n,
                               fluv_permit_t* permit) {
  ch->refs++;
  permit->tx = (fluv_sender_t*) (void*) ch;
  permit->count = n;
}

static void reserve_arrive(fluv__inbox_node_t* node) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) fluv__sync_op_arrive(node);
  fluv__channel_t* ch = op->ch;
  int64_t result = op->sync.wait.given;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (result == 0 && fluv__sync_op_was_cancelled(&op->sync)) {
    result = FLUV_ECANCELED;
    give_back_locked(ch, op->sync.wait.n, &wakes);
  } else if (result == 0) {
    make_permit_locked(ch, op->sync.wait.n, op->u.permit);
  }
  fluv__channel_unref_unlock(ch);
  fluv__wake_list_send(&wakes);
  fluv__complete(&op->sync.base, result);
}

static void reserve_start(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  fluv__wake_list_t wakes;
  int err;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  err = reserve_locked(ch, op->sync.wait.n);
  if (err == 0) {
    make_permit_locked(ch, op->sync.wait.n, op->u.permit);
  } else if (err == FLUV_EAGAIN) {
    ch->refs++;
    fluv__sync_op_join(&op->sync, &ch->tx_queue, reserve_arrive);
    recheck_locked(ch, &wakes);
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void reserve_describe(const fluv_future_t* f, char* buf, size_t size) {
  snprintf(buf, size, "of %zu", ((const fluv__channel_op_t*) f)->sync.wait.n);
}

static void reserve_give_back(fluv_future_t* f) {
  if (f->result == 0)
    fluv_permit_release(((fluv__channel_op_t*) f)->u.permit);
}

static const fluv__ops_t reserve_ops = {
  .kind = "reserve",
  .start = reserve_start,
  .give_back = reserve_give_back,
  .cancel = tx_cancel,
  .release = tx_release,
  .describe = reserve_describe,
};

static bool may_reserve(const fluv_sender_t* tx,
                        size_t n,
                        const fluv_permit_t* permit) {
  const fluv__channel_t* ch = (const fluv__channel_t*) (const void*) tx;

  return tx != NULL && permit != NULL && n > 0 &&
         n <= (ch->capacity == 0 ? 1 : ch->capacity);
}

fluv_future_t* fluv_reserve_loc(fluv_sender_t* tx,
                                size_t n,
                                fluv_permit_t* out_permit,
                                const fluv_loc_t* loc) {
  fluv__channel_op_t* op;

  if (tx != NULL)
    fluv__check(tx, CHANNEL);
  if (!may_reserve(tx, n, out_permit))
    return fluv__future_fail(FLUV_EINVAL, loc);
  op = (fluv__channel_op_t*) fluv__sync_op_new(&reserve_ops, sizeof(*op), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->ch = fluv__channel_of(tx);
  op->u.permit = out_permit;
  op->sync.wait.n = n;
  return &op->sync.base;
}

int fluv_try_reserve(fluv_sender_t* tx, size_t n, fluv_permit_t* out_permit) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  int err;

  if (fluv__unlikely(tx == NULL))
    return FLUV_EINVAL;
  fluv__check(tx, CHANNEL);
  if (!may_reserve(tx, n, out_permit))
    return FLUV_EINVAL;
  fluv__guard_lock(&ch->guard);
  err = reserve_locked(ch, n);
  if (err == 0)
    make_permit_locked(ch, n, out_permit);
  fluv__guard_unlock(&ch->guard);
  return err;
}

int fluv_permit_send(fluv_permit_t* permit, const void* item) {
  fluv__channel_t* ch;
  fluv__wake_list_t wakes;
  int err = 0;

  if (permit == NULL || permit->tx == NULL || permit->count == 0)
    return FLUV_EINVAL;
  ch = fluv__channel_of(permit->tx);
  if (!fluv__item_is_valid(item, ch->item_size))
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (ch->no_receivers) {
    err = FLUV_ECLOSED;
  } else {
    permit->count--;
    put_locked(ch, item, &wakes);
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

void fluv_permit_release(fluv_permit_t* permit) {
  fluv__channel_t* ch;
  fluv__wake_list_t wakes;

  if (permit == NULL || permit->tx == NULL)
    return;
  ch = fluv__channel_of(permit->tx);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  give_back_locked(ch, permit->count, &wakes);
  permit->tx = NULL;
  permit->count = 0;
  fluv__channel_unref_unlock(ch);
  fluv__wake_list_send(&wakes);
}
