/* SPDX-License-Identifier: MIT */
/* Receiving from a channel: now, later, many at once, from a plain thread. */
#include "sync/channel.h"

enum {
  /* Reads of `tail` in a row that found messages, after which they stream.
   * Fewer delay messages that come one by one, more make the start of a stream
   * slower. */
  STREAM = 8,
  /* Some 200 ns, in which a sender sends ten messages. Less lets fewer gather,
   * more adds latency. */
  GATHER_RELAX = 24
};

/* Claim the messages of the ring for this thread, if this is the only receiver,
 * the ring cannot move, and other threads use the channel. */
FLUV__INLINE void claim_locked(fluv__channel_t* ch) {
  if (ch->receivers > 1 || ch->capacity == FLUV_UNBOUNDED ||
      ch->capacity == 0 || !fluv__guard_is_shared(&ch->guard))
    return;
  ch->owns = true;
  ch->claimed_head = ch->head;
  ch->claimed_end = ch->head;
  /* Relaxed: this thread reads it. It may be out of date, since a send on the
   * fast path does not write it. */
  atomic_store_explicit(&ch->tail, ch->head + ch->length, memory_order_relaxed);
  if (fluv__unlikely(!fluv__list_is_empty(&ch->tx_queue)))
    /* Relaxed: this thread reads it. */
    atomic_store_explicit(&ch->tx_waits, true, memory_order_relaxed);
}

/* Take what there is, at most `most` (> 0) messages. Their number,
 * FLUV_ECLOSED, or FLUV_EAGAIN. */
FLUV__INLINE int64_t take_locked(fluv__channel_t* ch,
                                 void* out,
                                 size_t most,
                                 fluv__wake_list_t* wakes) {
  size_t size = ch->item_size;
  char* to = out;
  size_t n;
  size_t i;

  fluv__assert(most > 0);
  fluv__channel_settle(ch);
  n = ch->length < most ? ch->length : most;
  if (fluv__unlikely(n == 0))
    return fluv__channel_is_ended(ch) ? FLUV_ECLOSED : FLUV_EAGAIN;
  for (i = 0; i < n && size > 0; i++)
    fluv__channel_copy(to + i * size,
                       fluv__channel_slot(ch, ch->head + i),
                       size);
  ch->head += n;
  ch->length -= n;
  ch->used -= n;
  claim_locked(ch);
  if (fluv__unlikely(!fluv__list_is_empty(&ch->tx_queue)))
    fluv__channel_serve(ch, wakes);
  if (fluv__unlikely(ch->used == 0 && ch->notify_on_empty))
    fluv__channel_emptied(ch, wakes);
  return (int64_t) n;
}

static void recv_arrive(fluv__inbox_node_t* node);

/* Wait for a message; in front of the queue after a spurious wakeup. */
static void wait_for_message_locked(fluv__channel_op_t* op,
                                    bool in_front,
                                    fluv__wake_list_t* wakes) {
  fluv__channel_t* ch = op->ch;

  ch->refs++;
  fluv__sync_op_join(&op->sync, &ch->rx_queue, recv_arrive);
  if (in_front) {
    fluv__list_remove(&op->sync.wait.link);
    fluv__list_prepend(&ch->rx_queue, &op->sync.wait.link);
  }
  fluv__channel_rx_joins(ch);
  if (ch->capacity == 0) /* a slot for as long as this receive waits */
    fluv__channel_serve(ch, wakes);
}

/* The result of a receive that took n messages, or an error. wait.n is 0 for a
 * receive of one message, which yields 0. */
static int64_t result_of(const fluv__channel_op_t* op, int64_t n) {
  return n > 0 && op->sync.wait.n == 0 ? 0 : n;
}

static size_t max_messages(const fluv__channel_op_t* op) {
  return op->sync.wait.n == 0 ? 1 : op->sync.wait.n;
}

static void recv_arrive(fluv__inbox_node_t* node) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) fluv__sync_op_arrive(node);
  fluv__channel_t* ch = op->ch;
  int64_t result = op->sync.wait.given;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (result == 0 && fluv__sync_op_was_cancelled(&op->sync)) {
    result = FLUV_ECANCELED;
    if (ch->length > 0)
      fluv__channel_wake_receiver(ch, &wakes);
  } else if (result == 0) {
    result = take_locked(ch, op->u.out, max_messages(op), &wakes);
    if (result == FLUV_EAGAIN)
      wait_for_message_locked(op, true, &wakes);
  }
  if (result >= 0 && (op->sync.base.flags & FLUV__AWAITED) == 0) {
    /* Unread for a while: as recv_retain(), with the reference of the wait. */
    op->sync.base.flags |= FLUV__NEEDS_RELEASE;
    fluv__guard_unlock(&ch->guard);
  } else {
    fluv__channel_unref_unlock(ch);
  }
  fluv__wake_list_send(&wakes);
  if (result != FLUV_EAGAIN)
    fluv__complete(&op->sync.base, result_of(op, result));
}

static FLUV__NOINLINE void recv_slow(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  fluv__wake_list_t wakes;
  int64_t result;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  result = take_locked(ch, op->u.out, max_messages(op), &wakes);
  if (fluv__unlikely(result == FLUV_EAGAIN))
    wait_for_message_locked(op, false, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(result != FLUV_EAGAIN))
    fluv__complete(f, result_of(op, result));
}

/* A sender waits for the slot that has just become free. */
static FLUV__NOINLINE void serve_sender(fluv__channel_t* ch) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  fluv__channel_settle(ch);
  fluv__channel_serve(ch, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
}

/* Messages stream in, and this thread is faster than the senders. Reading
 * `tail` for each message would take its cache line, and that of the guard,
 * from the sender each time. That costs both more than to let a few messages
 * gather. */
static void gather(void) {
  unsigned i;

  for (i = 0; i < GATHER_RELAX; i++)
    fluv__relax();
}

/* Without the guard: take a message that this receiver owns. False: none. */
FLUV__INLINE bool take_own(fluv__channel_t* ch, void* out) {
  size_t taken;

  if (!ch->owns)
    return false;
  if (ch->claimed_head == ch->claimed_end) {
    if (ch->streak > STREAM)
      gather();
    /* Acquire: pairs with the store in put_locked(). */
    ch->claimed_end = atomic_load_explicit(&ch->tail, memory_order_acquire);
    if (ch->claimed_head == ch->claimed_end) {
      ch->streak = 0;
      return false;
    }
    ch->streak++;
  }
  fluv__channel_copy(out,
                     fluv__channel_slot(ch, ch->claimed_head),
                     ch->item_size);
  ch->claimed_head++;
  /* Relaxed: only this thread writes it. */
  taken = atomic_load_explicit(&ch->taken, memory_order_relaxed);
  /* Both sequentially consistent: see "Across threads". An exchange, since it
   * costs less than a store followed by a fence on x86-64. */
  (void) atomic_exchange(&ch->taken, taken + 1);
  if (fluv__unlikely(atomic_load(&ch->tx_waits)))
    serve_sender(ch);
  return true;
}

static void recv_start(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;

  if (fluv__likely(fluv__guard_enter_home(&ch->guard, f->loop))) {
    if (fluv__likely(ch->length > 0 && fluv__list_is_empty(&ch->tx_queue) &&
                     !ch->notify_on_empty && op->sync.wait.n == 0)) {
      fluv__channel_copy(op->u.out,
                         fluv__channel_slot(ch, ch->head),
                         ch->item_size);
      ch->head++;
      ch->length--;
      ch->used--;
      fluv__guard_leave_home(&ch->guard);
      fluv__complete(f, 0);
      return;
    }
    if (fluv__likely(ch->length == 0 && !ch->notify_on_empty &&
                     ch->capacity > 0)) {
      ch->refs++;
      fluv__sync_op_join(&op->sync, &ch->rx_queue, recv_arrive);
      fluv__guard_leave_home(&ch->guard);
      return;
    }
    fluv__guard_leave_home(&ch->guard);
  } else if (op->sync.wait.n == 0 && take_own(ch, op->u.out)) {
    fluv__complete(f, 0);
    return;
  }
  recv_slow(f);
}

/* Leave the queue; a rendezvous has one slot less. */
static bool withdraw(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;

  fluv__guard_lock(&ch->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&ch->guard);
    return false;
  }
  fluv__channel_rx_leaves(ch);
  fluv__channel_unref_unlock(ch);
  return true;
}

static void recv_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void recv_retain(fluv_future_t* f) {
  fluv__channel_t* ch = ((fluv__channel_op_t*) f)->ch;

  if (f->result < 0)
    return;
  f->flags |= FLUV__NEEDS_RELEASE;
  fluv__guard_lock(&ch->guard);
  ch->refs++;
  fluv__guard_unlock(&ch->guard);
}

static void recv_release(fluv_future_t* f) {
  if (!withdraw(f)) /* it is done, or its wait was abandoned */
    fluv__channel_unref(((fluv__channel_op_t*) f)->ch);
}

/* Put a message back, in front. False: no receiver is left, or no memory. */
static bool put_back_locked(fluv__channel_t* ch, const void* item) {
  fluv__channel_settle(ch);
  if (ch->no_receivers || !fluv__channel_has_memory(ch, 1))
    return false;
  ch->head--;
  ch->length++;
  ch->used++;
  if (ch->owns) { /* by this thread */
    ch->claimed_head = ch->head;
    ch->claimed_end = ch->head;
    /* Relaxed: this thread reads it, and it has the guard. */
    atomic_store_explicit(&ch->tail,
                          ch->head + ch->length,
                          memory_order_relaxed);
  }
  if (ch->item_size > 0)
    fluv__channel_copy(fluv__channel_slot(ch, ch->head), item, ch->item_size);
  return true;
}

/* Messages that were not read go back, even beyond the capacity. */
static void recv_give_back(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  size_t n = op->sync.wait.n == 0 ? 1 : (size_t) f->result;
  fluv__wake_list_t wakes;
  char* item;
  bool back;

  if (f->result < 0)
    return;
  while (n > 0) {
    item = (char*) op->u.out + --n * ch->item_size;
    fluv__wake_list_init(&wakes);
    fluv__guard_lock(&ch->guard);
    back = put_back_locked(ch, item);
    if (back)
      fluv__channel_wake_receiver(ch, &wakes);
    fluv__guard_unlock(&ch->guard);
    fluv__wake_list_send(&wakes);
    if (!back && ch->destroy != NULL)
      ch->destroy(item);
  }
}

static const fluv__ops_t recv_ops = {
  .kind = "recv",
  .start = recv_start,
  .give_back = recv_give_back,
  .retain = recv_retain,
  .cancel = recv_cancel,
  .release = recv_release,
};

FLUV__INLINE fluv_future_t* recv_new(fluv_receiver_t* rx,
                                     void* out,
                                     size_t most,
                                     const char* function,
                                     const fluv_loc_t* loc) {
  fluv__channel_op_t* op;

  if (fluv__unlikely(rx == NULL) ||
      !fluv__item_is_valid(out, fluv__channel_of(rx)->item_size))
    return fluv__future_fail(FLUV_EINVAL, loc);
  if (fluv__unlikely(fluv__object_of(rx)->kind != FLUV__KIND_CHANNEL))
    fluv__object_bad(rx, FLUV__KIND_CHANNEL, function);
  op = (fluv__channel_op_t*) fluv__sync_op_new(&recv_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->ch = fluv__channel_of(rx);
  op->u.out = out;
  op->sync.wait.n = most;
  return &op->sync.base;
}

fluv_future_t* fluv_recv_loc(fluv_receiver_t* rx,
                             void* out_item,
                             const fluv_loc_t* loc) {
  return recv_new(rx, out_item, 0, __func__, loc);
}

fluv_future_t* fluv_recv_many_loc(fluv_receiver_t* rx,
                                  void* out_items,
                                  size_t most,
                                  const fluv_loc_t* loc) {
  if (rx != NULL && most == 0)
    return fluv_ready_loc(0, loc);
  return recv_new(rx, out_items, most, __func__, loc);
}

int fluv_try_recv(fluv_receiver_t* rx, void* out_item) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__wake_list_t wakes;
  int64_t n;

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, CHANNEL);
  if (!fluv__item_is_valid(out_item, ch->item_size))
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  n = take_locked(ch, out_item, 1, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  return n > 0 ? 0 : (int) n;
}

/* A plain thread waits for a message; in front after a spurious wakeup. */
static void park_for_message_locked(fluv__channel_t* ch,
                                    fluv__parked_t* parked,
                                    bool in_front,
                                    fluv__wake_list_t* wakes) {
  fluv__park_join(parked, &ch->rx_queue);
  if (in_front) {
    fluv__list_remove(&parked->wait.link);
    fluv__list_prepend(&ch->rx_queue, &parked->wait.link);
  }
  if (ch->capacity == 0) {
    ch->rx_waiting++;
    parked->left = &ch->rx_waiting;
    fluv__channel_serve(ch, wakes);
  }
}

int64_t fluv_recv_blocking(fluv_receiver_t* rx,
                           void* out_items,
                           size_t most,
                           uint64_t timeout_ms) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__parked_t parked;
  fluv__wake_list_t wakes;
  int64_t result = fluv__may_block();
  uint64_t limit_ns = fluv__limit_after(timeout_ms);
  bool woken = false;

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, CHANNEL);
  if (result != 0 || most == 0)
    return result;
  if (!fluv__item_is_valid(out_items, ch->item_size))
    return FLUV_EINVAL;
  do {
    fluv__wake_list_init(&wakes);
    fluv__guard_lock(&ch->guard);
    result = take_locked(ch, out_items, most, &wakes);
    if (result == FLUV_EAGAIN)
      park_for_message_locked(ch, &parked, woken, &wakes);
    fluv__guard_unlock(&ch->guard);
    fluv__wake_list_send(&wakes);
    if (result != FLUV_EAGAIN)
      return result;
    result = fluv__park(&parked, &ch->guard, limit_ns);
    woken = true;
  } while (result == 0);
  return result;
}
