/* SPDX-License-Identifier: MIT */
/* The channel: a ring of messages, a queue of sends that wait for slots, and a
 * queue of receives that wait for a message.
 *
 * Slots. `used` counts the messages in the ring and the reserved slots. A slot
 * is reserved for a permit, and for a send that was granted it and has not
 * arrived to fill it. The ring has memory for all of `used`. Whenever the guard
 * is free, either no send waits or there are too few slots for the first.
 *
 * Messages. They stay in the ring until their receiver takes them on its own
 * thread. Each message wakes one receiver, which checks the ring. After a
 * spurious wakeup it waits on, in front of the queue. A receiver that was
 * cancelled after it was granted wakes the next.
 *
 * Across threads. The only receiver of a channel that cannot grow does not lock
 * the guard for each message. After taking the guard once it owns the messages
 * from claimed_head to `tail` (`owns` is set): only its thread reads these, and
 * senders publish a message by advancing `tail`. `taken` counts the messages
 * that it has taken out. Senders count these as in the ring until a thread with
 * the guard settles, and every thread that finds no slot does. A sender that
 * waits sets `tx_waits` and settles once more. The receiver advances `taken`
 * and then reads `tx_waits`:
 *
 *     sender, under the guard      receiver
 *     tx_waits = true              taken = taken + 1
 *     read taken                   read tx_waits
 *
 * At least one of them must read what the other wrote. C11 promises that only
 * if all four are sequentially consistent: then they have one order, and the
 * first write in it comes before the read of the other side. With an acquire
 * load in place of one of the reads, both may read the old value: clang leaves
 * out the fence for riscv64 and ppc64le then, and the wakeup is lost
 * (test/check-fences.sh). `tx_waits` becomes false by a relaxed store. That is
 * harmless: the store is under the guard, before the store of the next sender
 * that joins the queue, so a receiver that reads false has not seen that store.
 * Senders that joined the queue before the guard was shared have not set
 * `tx_waits`: the receiver sets it when it claims its messages.
 * doc/models/channel.pml is a model of this.
 *
 * The end. Receivers get FLUV_ECLOSED when no message can be sent (`closed`, or
 * no senders and no queued sends), no slot is reserved and the ring is empty.
 *
 * A sender, a receiver and a weak sender all point to this struct. `refs`
 * counts them, permits and queued futures.
 */
#ifndef FLUV_SYNC_CHANNEL_H
#define FLUV_SYNC_CHANNEL_H

#include "sync/item.h"
#include "sync/wait.h"

typedef struct fluv__channel {
  fluv__object_t object;
  fluv__guard_t guard;

  /* The ring. Under the guard; the thread of a receiver that owns messages
   * reads these, too, since nothing changes them then. */
  char* slots;      /* NULL: no memory */
  size_t item_size; /* constant */
  size_t mask;      /* number of slots - 1; that number is a power of two */
  size_t limit;     /* the lower of the number of slots and `capacity` */

  /* What is in the ring. Under the guard. */
  size_t head;     /* of the oldest message; not masked, never goes back */
  size_t length;   /* messages */
  size_t used;     /* messages and reserved slots */
  size_t capacity; /* constant; FLUV_UNBOUNDED: no limit; 0: a rendezvous */

  /* The wait queues. Under the guard. */
  fluv__list_t tx_queue; /* wait.n: slots asked for */
  fluv__list_t rx_queue;
  size_t rx_waiting; /* the length of rx_queue, of a rendezvous only */
  fluv__list_t closed_queue;

  /* The life of the channel. Under the guard. */
  bool closed;          /* no send without a reserved slot succeeds */
  bool notify_on_empty; /* fluv__channel_emptied() is due when `used` gets 0 */
  bool no_receivers;
  size_t senders;
  size_t receivers;
  size_t refs;
  void (*destroy)(void* item); /* constant */

  /* How senders and the receiver on another thread meet. `settled` is under the
   * guard: the part of `taken` that is subtracted from `length` and `used`. */
  size_t settled;
  fluv__atomic_bool_t tx_waits; /* tx_queue may not be empty */

  /* Written by senders, under the guard: head + length. A cache line of its
   * own, since the receiver polls it. */
  char pad_before_tail[64];
  fluv__atomic_size_t tail;
  char pad_after_tail[64];

  /* Written by the receiver. All but `taken` are for its thread only; `owns` is
   * cleared under the guard when no receive can be running. */
  fluv__atomic_size_t taken;
  size_t claimed_head;
  size_t claimed_end; /* `tail` as last read */
  bool owns;
  unsigned streak; /* reads of `tail` in a row that found messages */
} fluv__channel_t;

typedef struct fluv__channel_op {
  fluv__sync_op_t sync;
  fluv__channel_t* ch;
  union {
    const void* item;      /* send */
    void* out;             /* recv */
    fluv_permit_t* permit; /* reserve */
  } u;
} fluv__channel_op_t;

/* Without the guard: drop a reference. */
void fluv__channel_unref(fluv__channel_t* ch);

/* All functions below are called under the guard. */

/* Drop a reference and unlock the guard; the last one frees the channel. */
void fluv__channel_unref_unlock(fluv__channel_t* ch);

/* Grant slots to the first sends of the queue. */
void fluv__channel_serve(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* End the queued receives if this is the end of the channel. */
void fluv__channel_peek_ended(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* Wake the next receiver: a message has come, or a receiver that was woken for
 * one was cancelled. */
void fluv__channel_wake_receiver(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* Under the guard, locked by fluv__guard_enter_home(), with a queued receive.
 * If that is of this loop and the ring is empty, complete it with the message
 * and unlock the guard. False: nothing was done. */
bool fluv__channel_handoff(fluv__channel_t* ch,
                           const void* item,
                           fluv_loop_t* loop);

/* Make room in memory for n messages and reserved slots. False: no memory. */
bool fluv__channel_grow(fluv__channel_t* ch, size_t n);

/* `used` has become 0, and notify_on_empty is set. */
void fluv__channel_emptied(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* The channel of a sender, a receiver or a weak sender. */
#define fluv__channel_of(handle) ((fluv__channel_t*) (void*) (handle))

static inline bool fluv__channel_has_memory(fluv__channel_t* ch, size_t n) {
  return fluv__likely(ch->slots != NULL && ch->used + n <= ch->mask + 1) ||
         fluv__channel_grow(ch, ch->used + n);
}

static inline void* fluv__channel_slot(const fluv__channel_t* ch,
                                       size_t index) {
  return ch->slots + (index & ch->mask) * ch->item_size;
}

/* Subtract the messages that the receiver has taken without the guard. */
static inline void fluv__channel_settle_to(fluv__channel_t* ch, size_t taken) {
  size_t n = taken - ch->settled;

  fluv__guard_assert_held(&ch->guard);
  fluv__assert(n <= ch->length && n <= ch->used);
  ch->settled = taken;
  ch->head += n;
  ch->length -= n;
  ch->used -= n;
}

static inline void fluv__channel_settle(fluv__channel_t* ch) {
  /* Acquire: pairs with the exchange in take_own(); the slots are reused. */
  fluv__channel_settle_to(
      ch,
      atomic_load_explicit(&ch->taken, memory_order_acquire));
}

/* Copy a message; one of 8 bytes without a call. */
static inline void fluv__channel_copy(void* to, const void* from, size_t size) {
  if (fluv__likely(size == sizeof(uint64_t)))
    memcpy(to, from, sizeof(uint64_t));
  else
    fluv__item_copy(to, from, size);
}

/* Is it the end: no message is here, and none can come? */
static inline bool fluv__channel_is_ended(fluv__channel_t* ch) {
  return ch->used == 0 && (ch->closed || (ch->senders == 0 &&
                                          fluv__list_is_empty(&ch->tx_queue)));
}

/* A receive joins or leaves rx_queue. A rendezvous has as many slots as queued
 * receives. */
static inline void fluv__channel_rx_joins(fluv__channel_t* ch) {
  if (fluv__unlikely(ch->capacity == 0))
    ch->rx_waiting++;
}

static inline void fluv__channel_rx_leaves(fluv__channel_t* ch) {
  if (fluv__unlikely(ch->capacity == 0)) {
    fluv__assert(ch->rx_waiting > 0);
    ch->rx_waiting--;
  }
}

/* Are n slots free? */
static inline bool fluv__channel_has_room(fluv__channel_t* ch, size_t n) {
  size_t capacity = ch->capacity;

  fluv__guard_assert_held(&ch->guard);
  fluv__assert(ch->length <= ch->used);
  if (fluv__unlikely(capacity == 0))
    capacity = ch->rx_waiting;
  return n <= capacity && ch->used <= capacity - n;
}

#endif /* FLUV_SYNC_CHANNEL_H */
