/* SPDX-License-Identifier: MIT */
/* The channel: a ring of messages, a line of those who want a place in it, and
 * a line of those who want a message.
 *
 * Places. `used` counts the messages in the ring and the places promised to
 * somebody: to permits, and to sends that have been given their place and are
 * on their way home to fill it. Nobody is promised a place that the ring has no
 * memory for. Whenever the guard is free, either nobody waits for a place or
 * there are too few for the first in line.
 *
 * Messages. They stay in the ring until their receiver takes them on its own
 * thread. Each message that comes wakes one receiver, which looks for itself;
 * one that wakes in vain waits on, in front, and one that was cancelled on its
 * way wakes the next.
 *
 * Across threads. The only receiver of a channel that cannot grow does not take
 * the guard for each message. Once it had it, with `owns` set, the messages
 * from claimed_head up to `tail`, which senders move on when one is in its
 * place, are for its thread alone, and `taken` tells how many it has taken out.
 * Senders still count these as in the ring until somebody with the guard
 * settles, which everybody does who finds no place. A sender that waits says so
 * in `tx_waits` and settles once more; the receiver counts up `taken` and then
 * looks at `tx_waits`:
 *
 *     sender, under the guard      receiver
 *     tx_waits = true              taken = taken + 1
 *     read taken                   read tx_waits
 *
 * At least one of them must see the other. C11 promises that only if all four
 * are sequentially consistent: then they have one order, and whichever write
 * is the first in it comes before the read of the other side. With an acquire
 * load in place of any of the two reads both may read what was there before;
 * clang leaves out the fence for riscv64 and ppc64le then, and the wakeup is
 * lost (test/check-fences.sh). That `tx_waits` becomes false by a relaxed store
 * does no harm: it happens under the guard, before the store of whoever joins
 * the queue next, so who reads it has not seen that store. A queue that is not
 * empty when the receiver claims its messages has not said so if the guard was
 * not shared before: the receiver then says it for them.
 * doc/models/channel.pml.
 *
 * The end. Nobody can send any more (`closed`, or no senders and none in line),
 * nothing is promised, nothing is in the ring: then receivers get FLUV_ECLOSED.
 *
 * A sender, a receiver and a weak sender all point to this. `refs` counts
 * them, permits and futures in line.
 */
#ifndef FLUV_SYNC_CHANNEL_H
#define FLUV_SYNC_CHANNEL_H

#include "sync/item.h"
#include "sync/wait.h"

typedef struct fluv__channel {
  fluv__object_t object;
  fluv__guard_t guard;
  char* slots;
  size_t item_size;
  size_t mask;     /* slots - 1; slots are a power of two */
  size_t limit;    /* the lower of slots, 0 without memory, and capacity */
  size_t head;     /* counts on; & mask: the oldest message */
  size_t length;   /* messages */
  size_t used;     /* messages and promised places */
  size_t capacity; /* FLUV_UNBOUNDED: no limit */
  fluv__list_t tx_queue; /* wait.n: places wanted */
  fluv__list_t rx_queue;
  size_t rx_waiting;         /* in rx_queue; counted for a rendezvous only */
  fluv__list_t closed_queue; /* wait until it is closed */
  bool closed;               /* refuses what has no promised place */
  bool notify_on_empty;      /* something is to be done when `used` is 0 */
  bool no_receivers;         /* without receivers */
  size_t senders;
  size_t receivers;
  size_t refs;
  void (*destroy)(void* item);
  size_t settled; /* of `taken`, what `head`, `length`, `used` know */
  fluv__atomic_bool_t tx_waits;
  char pad_before_tail[64];
  fluv__atomic_size_t tail; /* head + length */
  char pad_after_tail[64];  /* what follows is written by the receiver */
  fluv__atomic_size_t taken;
  size_t claimed_head;
  size_t claimed_end; /* `tail` when it was last looked at */
  bool owns;
  unsigned streak; /* looks at `tail` that found something */
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

/* All that follow, under the guard. */

/* Drop a reference and let the guard go; the last one frees the channel. */
void fluv__channel_unref_unlock(fluv__channel_t* ch);

/* Give places to those first in line. */
void fluv__channel_serve(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* Tell the receivers, if this is the end. */
void fluv__channel_peek_ended(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* A message has come, or a receiver that was woken for one does not want it. */
void fluv__channel_wake_receiver(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* Inside by fluv__guard_enter_home(), with a receiver in line: if that is one
 * of this loop, and the ring is empty, hand it the message and leave. False:
 * neither. */
bool fluv__channel_handoff(fluv__channel_t* ch,
                           const void* item,
                           fluv_loop_t* loop);

/* Memory for n messages and promised places; false: there is none. */
bool fluv__channel_grow(fluv__channel_t* ch, size_t n);

/* The last message or promise is gone. */
void fluv__channel_emptied(fluv__channel_t* ch, fluv__wake_list_t* wakes);

/* The channel that a handle is of. */
#define fluv__channel_of(handle) ((fluv__channel_t*) (void*) (handle))

static inline bool fluv__channel_has_memory(fluv__channel_t* ch, size_t n) {
  return fluv__likely(ch->slots != NULL && ch->used + n <= ch->mask + 1) ||
         fluv__channel_grow(ch, ch->used + n);
}

static inline void* fluv__channel_slot(const fluv__channel_t* ch,
                                       size_t index) {
  return ch->slots + (index & ch->mask) * ch->item_size;
}

/* Count out what the receiver has taken by itself. */
static inline void fluv__channel_settle_to(fluv__channel_t* ch, size_t taken) {
  size_t n = taken - ch->settled;

  fluv__assert(n <= ch->length && n <= ch->used);
  ch->settled = taken;
  ch->head += n;
  ch->length -= n;
  ch->used -= n;
}

static inline void fluv__channel_settle(fluv__channel_t* ch) {
  /* Acquire: pairs with the receiver's, whose places are filled again. */
  fluv__channel_settle_to(
      ch,
      atomic_load_explicit(&ch->taken, memory_order_acquire));
}

/* A constant size is copied without a call. */
static inline void fluv__channel_copy(void* to, const void* from, size_t size) {
  if (fluv__likely(size == sizeof(uint64_t)))
    memcpy(to, from, sizeof(uint64_t));
  else
    fluv__item_copy(to, from, size);
}

static inline bool fluv__channel_is_ended(fluv__channel_t* ch) {
  return ch->used == 0 && (ch->closed || (ch->senders == 0 &&
                                          fluv__list_is_empty(&ch->tx_queue)));
}

/* A rendezvous has as many places as receivers wait: they come, and they go. */
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

/* Are there n places more? */
static inline bool fluv__channel_has_room(fluv__channel_t* ch, size_t n) {
  size_t capacity = ch->capacity;

  if (fluv__unlikely(capacity == 0))
    capacity = ch->rx_waiting;
  return n <= capacity && ch->used <= capacity - n;
}

#endif /* FLUV_SYNC_CHANNEL_H */
