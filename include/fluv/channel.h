/* SPDX-License-Identifier: MIT */
/* Channel: messages from many senders to one receiver, or several.
 *
 * One core serves bounded, unbounded and rendezvous channels. Messages are
 * copied by size. A message that no receiver takes is destroyed once. With size
 * 0 messages are only counted: only then may pointers to them be NULL.
 *
 * The channel ends in one of two ways. When no senders, permits and waiting
 * sends are left, receivers drain the channel and then get FLUV_ECLOSED. When a
 * receiver closes the channel, it refuses new messages; messages that were sent
 * before, and those that permits still send, can be received.
 *
 * Senders may be used on any thread, by several at once. A receiver may be
 * used on any thread, but by one at a time: clone it for more. Messages of one
 * sender arrive in order. A sender or receiver must not be freed before the
 * futures made with it have ended.
 */
#ifndef FLUV_CHANNEL_H
#define FLUV_CHANNEL_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** The sending end; reference-counted. */
typedef struct fluv_sender fluv_sender_t;
/** The receiving end; reference-counted. For one thread at a time. */
typedef struct fluv_receiver fluv_receiver_t;
/** A reference to a channel that does not keep it open. */
typedef struct fluv_weak_sender fluv_weak_sender_t;

/** Reserved slots of a channel: see fluv_reserve(). */
typedef struct fluv_permit {
  /** The channel; NULL: no slots left. */
  fluv_sender_t* tx;
  /** Slots not yet used. */
  size_t count;
} fluv_permit_t;

/** Capacity of a channel whose senders never wait. */
#define FLUV_UNBOUNDED ((size_t) -1)

/**
 * Make a channel.
 *
 * With capacity 0 a send completes only when a receiver takes the message.
 *
 * @param capacity   Messages it holds; FLUV_UNBOUNDED: any number.
 * @param item_size  Bytes of a message; 0: messages are only counted.
 * @param destroy    Called once with each message that will not be received, on
 *                   the thread that closes or frees the channel's last end;
 *                   under no lock. NULL: nothing.
 * @param out_tx     Gets the sender; free it with fluv_sender_free().
 * @param out_rx     Gets the receiver; free it with fluv_receiver_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL or a size too large.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_channel_new(size_t capacity,
                     size_t item_size,
                     void (*destroy)(void* item),
                     fluv_sender_t** out_tx,
                     fluv_receiver_t** out_rx);

/**
 * Add a reference to a sender.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  `tx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_sender_t* fluv_sender_clone(fluv_sender_t* tx);

/**
 * Release a sender. After the last, receivers drain the channel.
 *
 * @param tx  The sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_sender_free(fluv_sender_t* tx);

/**
 * Make a weak sender, which does not keep the channel open.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The weak sender; free it with fluv_weak_sender_free().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_weak_sender_t* fluv_sender_downgrade(fluv_sender_t* tx);

/**
 * Get a sender from a weak one, if the channel still has a sender.
 *
 * @param weak  The weak sender. Borrowed.
 *
 * @return  A sender; free it. NULL if the last one has been freed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
fluv_sender_t* fluv_weak_sender_upgrade(fluv_weak_sender_t* weak);

/**
 * Release a weak sender.
 *
 * @param weak  The weak sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_weak_sender_free(fluv_weak_sender_t* weak);

/**
 * Add a reference to a receiver: each message goes to one of them.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  `rx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_receiver_t* fluv_receiver_clone(fluv_receiver_t* rx);

/**
 * Release a receiver. After the last, the channel is closed and its messages
 * are destroyed.
 *
 * @param rx  The receiver. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_receiver_free(fluv_receiver_t* rx);

/**
 * Send a message, waiting for a free slot.
 *
 * Waiting sends and fluv_reserve() share one queue, first come, first served.
 *
 * @param tx    The sender; must stay until the future has ended.
 * @param item  The message; must stay until the future has ended.
 * @param loc   Place of the call; fluv_send() fills it in.
 *
 * @return  Future, never NULL, with the value 0: the message is copied.
 * @errors  FLUV_ECLOSED  the channel is closed; the message stays with the
 *          caller, as with every error.
 *          FLUV_EINVAL   `tx` is NULL, or `item` and the size is not 0.
 * @cancel  Leaves the wait queue; the message stays with the caller.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_send_loc(fluv_sender_t* tx,
                             const void* item,
                             const fluv_loc_t* loc);
#define fluv_send(tx, item) fluv_send_loc((tx), (item), FLUV_LOC)

/**
 * Send a message if there is a free slot now.
 *
 * @param tx    The sender. Borrowed.
 * @param item  The message. Copied.
 *
 * @return  0: sent.
 * @errors  FLUV_EAGAIN   there is no free slot, or others wait for one.
 *          FLUV_ECLOSED  the channel is closed.
 *          FLUV_EINVAL   `tx` is NULL, or `item` and the size is not 0.
 *          FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_try_send(fluv_sender_t* tx, const void* item);

/**
 * Send a message, blocking this thread until there is a free slot.
 *
 * @param tx          The sender. Borrowed.
 * @param item        The message. Copied.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: sent.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_ECLOSED    the channel is closed.
 *          FLUV_EDEADLK    this thread has a loop, which the call would block.
 *          FLUV_EINVAL     as fluv_try_send(); FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_send_blocking(fluv_sender_t* tx,
                       const void* item,
                       uint64_t timeout_ms);

/**
 * Reserve slots for messages that are sent later, waiting for free slots.
 *
 * A send with a permit never waits, and works after a close too.
 *
 * @param tx          The sender; must stay until the future has ended.
 * @param n           Number of slots, at most the capacity. With capacity 0 it
 *                    must be 1: one waiting receiver, reserved for this permit.
 * @param out_permit  Gets the permit. Use it with fluv_permit_send(), and end
 *                    it with fluv_permit_release(). It must stay until the
 *                    future was read or dropped.
 * @param loc         Place of the call; fluv_reserve() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ECLOSED  the channel is closed.
 *          FLUV_EINVAL   an argument is NULL, 0 or larger than the capacity.
 * @cancel  Leaves the wait queue; nothing is reserved.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_reserve_loc(fluv_sender_t* tx,
                                size_t n,
                                fluv_permit_t* out_permit,
                                const fluv_loc_t* loc);
#define fluv_reserve(tx, n, out_permit)                                        \
 fluv_reserve_loc((tx), (n), (out_permit), FLUV_LOC)

/**
 * Reserve slots if enough are free now.
 *
 * @param tx          The sender. Borrowed.
 * @param n           Number of slots.
 * @param out_permit  Gets the permit.
 *
 * @return  0: reserved.
 * @errors  FLUV_EAGAIN   there are not enough, or others wait.
 *          FLUV_ECLOSED  the channel is closed.
 *          FLUV_EINVAL   as in fluv_reserve(); FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_try_reserve(fluv_sender_t* tx, size_t n, fluv_permit_t* out_permit);

/**
 * Send a message into a reserved slot.
 *
 * @param permit  The permit. One of its slots is used up.
 * @param item    The message. Copied.
 *
 * @return  0: sent.
 * @errors  FLUV_ECLOSED  no receiver is left; the permit keeps the slot.
 *          FLUV_EINVAL   the permit is NULL or has no slot left.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_permit_send(fluv_permit_t* permit, const void* item);

/**
 * Give back the slots that were not used. A second call does nothing.
 *
 * @param permit  The permit. Emptied.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_permit_release(fluv_permit_t* permit);

/**
 * Receive a message.
 *
 * As long as such a future is left, done or not, the receiver must not move to
 * another thread.
 *
 * @param rx        The receiver; must stay until the future has ended.
 * @param out_item  Gets the message; must stay until the future was read or
 *                  dropped.
 * @param loc       Place of the call; fluv_recv() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ECLOSED  the channel is drained, and no sender is left.
 *          FLUV_EINVAL   `rx` is NULL, or `out_item` and the size is not 0.
 * @cancel  Safe: the message stays in the channel.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_recv_loc(fluv_receiver_t* rx,
                             void* out_item,
                             const fluv_loc_t* loc);
#define fluv_recv(rx, out_item) fluv_recv_loc((rx), (out_item), FLUV_LOC)

/**
 * Receive all messages that are there, waiting for the first.
 *
 * @param rx         The receiver; must stay until the future has ended.
 * @param out_items  Gets the messages, one behind the other; room for `most`.
 *                   Must stay until the future was read or dropped.
 * @param most       Messages at most.
 * @param loc        Place of the call; fluv_recv_many() fills it in.
 *
 * @return  Future, never NULL. Its value is how many were received, at
 *          least 1 unless `most` is 0.
 * @errors  As fluv_recv().
 * @cancel  Safe: the messages stay in the channel.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_recv_many_loc(fluv_receiver_t* rx,
                                  void* out_items,
                                  size_t most,
                                  const fluv_loc_t* loc);
#define fluv_recv_many(rx, out_items, most)                                    \
 fluv_recv_many_loc((rx), (out_items), (most), FLUV_LOC)

/**
 * Receive a message if there is one now.
 *
 * @param rx        The receiver. Borrowed.
 * @param out_item  Gets the message.
 *
 * @return  0: received.
 * @errors  FLUV_EAGAIN   there is none now.
 *          FLUV_ECLOSED  the channel is drained, and no sender is left.
 *          FLUV_EINVAL   as fluv_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_try_recv(fluv_receiver_t* rx, void* out_item);

/**
 * Receive messages, blocking this thread until there is one.
 *
 * @param rx          The receiver. Borrowed.
 * @param out_items   Gets the messages, one behind the other; room for `most`.
 * @param most        Messages at most.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  How many were received, at least 1 unless `most` is 0.
 * @errors  FLUV_ETIMEDOUT  the time was over first; nothing is taken.
 *          FLUV_ECLOSED    the channel is drained, and no sender is left.
 *          FLUV_EDEADLK    this thread has a loop, which the call would block.
 *          FLUV_EINVAL     as fluv_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int64_t fluv_recv_blocking(fluv_receiver_t* rx,
                           void* out_items,
                           size_t most,
                           uint64_t timeout_ms);

/**
 * Close a channel for senders. Sends that wait fail with FLUV_ECLOSED.
 *
 * @param rx  The receiver. Borrowed: drain it and free it.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_receiver_close(fluv_receiver_t* rx);

/**
 * Wait until the channel is closed for senders.
 *
 * @param tx   The sender; must stay until the future has ended.
 * @param loc  Place of the call; fluv_sender_closed() fills it in.
 *
 * @return  Future, never NULL, with the value 0: the channel was closed, or
 *          its last receiver was freed.
 * @errors  FLUV_EINVAL  `tx` is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_sender_closed_loc(fluv_sender_t* tx, const fluv_loc_t* loc);
#define fluv_sender_closed(tx) fluv_sender_closed_loc((tx), FLUV_LOC)

/**
 * Check whether the channel is closed for senders.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  True after fluv_receiver_close(), or without receivers.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_sender_is_closed(fluv_sender_t* tx);

/**
 * Get the number of slots that are free now.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The number; FLUV_UNBOUNDED if there is no limit.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_sender_get_room(fluv_sender_t* tx);

/**
 * Get the capacity that the channel was made with.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The number of messages, or FLUV_UNBOUNDED.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_sender_get_capacity(fluv_sender_t* tx);

/**
 * Get the number of messages that are in the channel now.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  The number, without slots that are only reserved.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_receiver_get_length(fluv_receiver_t* rx);

#endif /* FLUV_CHANNEL_H */
