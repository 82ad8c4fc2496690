/* SPDX-License-Identifier: MIT */
/* Channel: making and closing it, its ring, and what sends and receives use. */
#include "sync/channel.h"

/* Rings of more slots are freed when they are empty. Fewer would allocate more
 * often, more would keep more memory after a burst. */
enum {
  LARGE_RING = 1024
};

/* Destroy the messages of a ring that has no receiver any more. */
static void destroy_all(fluv__channel_t* ch, size_t length) {
  size_t i;

  if (ch->destroy != NULL)
    for (i = 0; i < length; i++)
      ch->destroy(fluv__channel_slot(ch, ch->head + i));
}

void fluv__channel_unref_unlock(fluv__channel_t* ch) {
  bool last;

  fluv__guard_assert_held(&ch->guard);
  fluv__assert(ch->refs > 0);
  last = --ch->refs == 0;
  fluv__guard_unlock(&ch->guard);
  if (fluv__likely(!last))
    return;
  fluv__guard_deinit(&ch->guard);
  fluv__free(ch->slots);
  fluv__object_free(ch, NULL);
}

void fluv__channel_unref(fluv__channel_t* ch) {
  fluv__guard_lock(&ch->guard);
  fluv__channel_unref_unlock(ch);
}

bool fluv__channel_grow(fluv__channel_t* ch, size_t n) {
  size_t slots = ch->slots == NULL ? 8 : ch->mask + 1;
  size_t i;
  char* to;

  if (n > SIZE_MAX / 2 / (ch->item_size + 1))
    return false;
  while (slots < n)
    slots *= 2;
  to = fluv__malloc(slots * ch->item_size + 1);
  if (to == NULL)
    return false;
  for (i = 0; i < ch->length; i++)
    memcpy(to + i * ch->item_size,
           fluv__channel_slot(ch, ch->head + i),
           ch->item_size);
  fluv__free(ch->slots);
  ch->slots = to;
  ch->mask = slots - 1;
  ch->limit = slots < ch->capacity ? slots : ch->capacity;
  fluv__assert(ch->used <= slots);
  ch->head = 0;
  if (ch->capacity == FLUV_UNBOUNDED && ch->mask >= LARGE_RING)
    ch->notify_on_empty = true;
  return true;
}

void fluv__channel_emptied(fluv__channel_t* ch, fluv__wake_list_t* wakes) {
  if (ch->capacity == FLUV_UNBOUNDED && ch->mask >= LARGE_RING) {
    fluv__free(ch->slots);
    ch->slots = NULL;
    ch->mask = 0;
    ch->limit = 0;
    ch->notify_on_empty = ch->closed || ch->senders == 0;
  }
  fluv__channel_peek_ended(ch, wakes);
}

void fluv__channel_serve(fluv__channel_t* ch, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  while ((wait = fluv__wait_queue_first(&ch->tx_queue)) != NULL &&
         fluv__channel_has_room(ch, wait->n)) {
    if (!fluv__channel_has_memory(ch, wait->n))
      (void) fluv__wait_grant(wait, FLUV_ENOMEM, wakes);
    else if (fluv__wait_grant(wait, 0, wakes))
      ch->used += wait->n;
  }
  if (wait == NULL)
    /* Relaxed: a receiver that reads true finds no queued send, harmless. */
    atomic_store_explicit(&ch->tx_waits, false, memory_order_relaxed);
}

static void end_receivers_locked(fluv__channel_t* ch,
                                 fluv__wake_list_t* wakes) {
  fluv__wait_queue_grant_all(&ch->rx_queue, FLUV_ECLOSED, wakes);
  ch->rx_waiting = 0;
}

void fluv__channel_peek_ended(fluv__channel_t* ch, fluv__wake_list_t* wakes) {
  if (fluv__list_is_empty(&ch->rx_queue) || !fluv__channel_is_ended(ch))
    return;
  end_receivers_locked(ch, wakes);
}

void fluv__channel_wake_receiver(fluv__channel_t* ch,
                                 fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  while ((wait = fluv__wait_queue_first(&ch->rx_queue)) != NULL) {
    fluv__channel_rx_leaves(ch);
    if (fluv__wait_grant(wait, 0, wakes))
      return;
  }
}

bool fluv__channel_handoff(fluv__channel_t* ch,
                           const void* item,
                           fluv_loop_t* loop) {
  fluv__wait_t* wait = fluv__wait_queue_first(&ch->rx_queue);
  fluv__channel_op_t* op;

  /* While arms are started, both may be arms of one select. */
  if (ch->length > 0 || wait->loop != loop || loop->starting_arms > 0)
    return false;
  op = fluv__container_of(wait, fluv__channel_op_t, sync.wait);
  fluv__channel_copy(op->u.out, item, ch->item_size);
  (void) fluv__sync_op_withdraw(&op->sync);
  ch->refs--; /* the sender has one */
  fluv__guard_leave_home(&ch->guard);
  fluv__complete(&op->sync.base, wait->n == 0 ? 0 : 1);
  return true;
}

int fluv_channel_new(size_t capacity,
                     size_t item_size,
                     void (*destroy)(void* item),
                     fluv_sender_t** out_tx,
                     fluv_receiver_t** out_rx) {
  fluv__channel_t* ch;
  size_t slots = capacity == FLUV_UNBOUNDED || capacity == 0 ? 8 : capacity;

  if (out_tx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  if (slots > SIZE_MAX / 4 / (item_size + 1))
    return FLUV_EINVAL;
  ch = fluv__calloc(1, sizeof(*ch));
  if (ch == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(ch, CHANNEL, NULL);
  ch->item_size = item_size;
  ch->capacity = capacity;
  ch->destroy = destroy;
  if (!fluv__channel_grow(ch, slots)) {
    fluv__free(ch);
    return FLUV_ENOMEM;
  }
  fluv__guard_init(&ch->guard);
  fluv__list_init(&ch->tx_queue);
  fluv__list_init(&ch->rx_queue);
  fluv__list_init(&ch->closed_queue);
  ch->senders = 1;
  ch->receivers = 1;
  ch->refs = 2;
  *out_tx = (fluv_sender_t*) (void*) ch;
  *out_rx = (fluv_receiver_t*) (void*) ch;
  return 0;
}

fluv_sender_t* fluv_sender_clone(fluv_sender_t* tx) {
  fluv__channel_t* ch = fluv__channel_of(tx);

  fluv__require(tx, CHANNEL);
  fluv__guard_lock(&ch->guard);
  ch->senders++;
  ch->refs++;
  fluv__guard_unlock(&ch->guard);
  return tx;
}

void fluv_sender_free(fluv_sender_t* tx) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  fluv__wake_list_t wakes;

  if (tx == NULL)
    return;
  fluv__check(tx, CHANNEL);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (fluv__unlikely(ch->senders == 0))
    fluv__object_overfreed(ch, "senders", __func__);
  if (--ch->senders == 0)
    ch->notify_on_empty = true;
  fluv__channel_peek_ended(ch, &wakes);
  fluv__channel_unref_unlock(ch);
  fluv__wake_list_send(&wakes);
}

fluv_weak_sender_t* fluv_sender_downgrade(fluv_sender_t* tx) {
  fluv__channel_t* ch = fluv__channel_of(tx);

  fluv__require(tx, CHANNEL);
  fluv__guard_lock(&ch->guard);
  ch->refs++;
  fluv__guard_unlock(&ch->guard);
  return (fluv_weak_sender_t*) (void*) ch;
}

fluv_sender_t* fluv_weak_sender_upgrade(fluv_weak_sender_t* weak) {
  fluv__channel_t* ch = fluv__channel_of(weak);
  bool open;

  fluv__require(weak, CHANNEL);
  fluv__guard_lock(&ch->guard);
  open = ch->senders > 0;
  if (open) {
    ch->senders++;
    ch->refs++;
  }
  fluv__guard_unlock(&ch->guard);
  return open ? (fluv_sender_t*) (void*) ch : NULL;
}

void fluv_weak_sender_free(fluv_weak_sender_t* weak) {
  if (weak == NULL)
    return;
  fluv__check(weak, CHANNEL);
  fluv__channel_unref(fluv__channel_of(weak));
}

fluv_receiver_t* fluv_receiver_clone(fluv_receiver_t* rx) {
  fluv__channel_t* ch = fluv__channel_of(rx);

  fluv__require(rx, CHANNEL);
  fluv__guard_lock(&ch->guard);
  if (ch->receivers == 1) {
    /* This is the thread of the only receiver, or the receiver is not in use:
     * no thread reads `owns` now. From here on every receiver takes the guard,
     * and several threads may read `owns`, which stays false. */
    fluv__channel_settle(ch);
    ch->owns = false;
  }
  fluv__assert(!ch->owns);
  ch->receivers++;
  ch->refs++;
  fluv__guard_unlock(&ch->guard);
  return rx;
}

/* No send without a reserved slot succeeds from here on. */
static void close_for_senders_locked(fluv__channel_t* ch,
                                     fluv__wake_list_t* wakes) {
  fluv__channel_settle(ch);
  ch->closed = true;
  ch->notify_on_empty = true;
  fluv__wait_queue_grant_all(&ch->tx_queue, FLUV_ECLOSED, wakes);
  fluv__wait_queue_grant_all(&ch->closed_queue, 0, wakes);
  fluv__channel_peek_ended(ch, wakes);
}

void fluv_receiver_close(fluv_receiver_t* rx) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__wake_list_t wakes;

  fluv__require(rx, CHANNEL);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  close_for_senders_locked(ch, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
}

void fluv_receiver_free(fluv_receiver_t* rx) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__wake_list_t wakes;
  size_t length = 0;

  if (rx == NULL)
    return;
  fluv__check(rx, CHANNEL);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  if (fluv__unlikely(ch->receivers == 0))
    fluv__object_overfreed(ch, "receivers", __func__);
  if (--ch->receivers == 0) {
    ch->no_receivers = true;
    ch->owns = false;
    close_for_senders_locked(ch, &wakes);
    end_receivers_locked(ch, &wakes);
    /* No message is put into the ring or taken out of it any more. */
    length = ch->length;
    ch->length = 0;
    ch->used -= length;
  }
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
  destroy_all(ch, length);
  fluv__channel_unref(ch);
}

static void closed_arrive(fluv__inbox_node_t* node) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) fluv__sync_op_arrive(node);

  fluv__channel_unref(op->ch);
  fluv__complete(&op->sync.base,
                 fluv__sync_op_was_cancelled(&op->sync) ? FLUV_ECANCELED
                                                        : op->sync.wait.given);
}

static void closed_start(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;
  fluv__channel_t* ch = op->ch;
  bool closed;

  fluv__guard_lock(&ch->guard);
  closed = ch->closed;
  if (!closed) {
    ch->refs++;
    fluv__sync_op_join(&op->sync, &ch->closed_queue, closed_arrive);
  }
  fluv__guard_unlock(&ch->guard);
  if (closed)
    fluv__complete(f, 0);
}

static bool closed_withdraw(fluv_future_t* f) {
  fluv__channel_op_t* op = (fluv__channel_op_t*) f;

  fluv__guard_lock(&op->ch->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&op->ch->guard);
    return false;
  }
  fluv__channel_unref_unlock(op->ch);
  return true;
}

static void closed_cancel(fluv_future_t* f) {
  if (closed_withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void closed_release(fluv_future_t* f) {
  if (!closed_withdraw(f))
    fluv__channel_unref(((fluv__channel_op_t*) f)->ch);
}

static const fluv__ops_t closed_ops = {
  .kind = "channel closed",
  .start = closed_start,
  .cancel = closed_cancel,
  .release = closed_release,
};

fluv_future_t* fluv_sender_closed_loc(fluv_sender_t* tx,
                                      const fluv_loc_t* loc) {
  fluv__channel_op_t* op;

  if (fluv__unlikely(tx == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tx, CHANNEL);
  op = (fluv__channel_op_t*) fluv__sync_op_new(&closed_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->ch = fluv__channel_of(tx);
  return &op->sync.base;
}

bool fluv_sender_is_closed(fluv_sender_t* tx) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  bool closed;

  fluv__require(tx, CHANNEL);
  fluv__guard_lock(&ch->guard);
  closed = ch->closed;
  fluv__guard_unlock(&ch->guard);
  return closed;
}

size_t fluv_sender_get_room(fluv_sender_t* tx) {
  fluv__channel_t* ch = fluv__channel_of(tx);
  size_t room;

  fluv__require(tx, CHANNEL);
  if (ch->capacity == FLUV_UNBOUNDED)
    return FLUV_UNBOUNDED;
  fluv__guard_lock(&ch->guard);
  fluv__channel_settle(ch);
  room = ch->capacity == 0 ? ch->rx_waiting : ch->capacity;
  room = ch->used < room ? room - ch->used : 0;
  fluv__guard_unlock(&ch->guard);
  return room;
}

size_t fluv_sender_get_capacity(fluv_sender_t* tx) {
  fluv__require(tx, CHANNEL);
  return fluv__channel_of(tx)->capacity;
}

size_t fluv_receiver_get_length(fluv_receiver_t* rx) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  size_t length;

  fluv__require(rx, CHANNEL);
  fluv__guard_lock(&ch->guard);
  fluv__channel_settle(ch);
  length = ch->length;
  fluv__guard_unlock(&ch->guard);
  return length;
}
