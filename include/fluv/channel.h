/* SPDX-License-Identifier: MIT */
/* Channel: messages from many senders to one receiver, or several.
 *
 * One core serves bounded, unbounded and rendezvous channels. Messages are
 * copied by size. Those that nobody receives are destroyed once. With size 0
 * they are only counted: then, and only then, pointers to them may be NULL.
 *
 * The channel ends in one of two ways. Without senders, permits and sends that
 * wait, the receiver drains it and then gets FLUV_ECLOSED. Closed by the
 * receiver, it refuses new messages, but what was sent, and what a permit
 * still sends, can be received.
 *
 * Senders may be used on any thread, by several at once. A receiver may be
 * used on any thread, but by one at a time: clone it for more. Messages of one
 * sender arrive in order. A handle must stay until the futures made with it
 * have ended.
 */
#ifndef FLUV_CHANNEL_H
#define FLUV_CHANNEL_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** The sending end; counted. */
typedef struct fluv_sender fluv_sender_t;
/** The receiving end; counted. For one thread at a time. */
typedef struct fluv_receiver fluv_receiver_t;
/** Knows a channel without keeping it open. */
typedef struct fluv_weak_sender fluv_weak_sender_t;

/** Places in a channel that nobody else can take; see fluv_reserve(). */
typedef struct fluv_permit {
  /** The channel; NULL: no places left. */
  fluv_sender_t* tx;
  /** Places not yet used. */
  size_t count;
} fluv_permit_t;

/** Capacity of a channel whose senders never wait. */
#define FLUV_UNBOUNDED ((size_t) -1)

/**
 * Make a channel.
 *
 * With capacity 0 a message is taken in only while a receiver waits for it.
 *
 * @param capacity   Messages it holds; FLUV_UNBOUNDED: any number.
 * @param item_size  Bytes of a message; 0: messages are only counted.
 * @param destroy    Called once, on whatever thread gives up, with each message
 *                   that will not be received; under no lock. NULL: nothing.
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
 * One sender more for the same channel.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  `tx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_sender_t* fluv_sender_clone(fluv_sender_t* tx);

/**
 * Give up a sender. After the last the receiver drains the channel.
 *
 * @param tx  The sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_sender_free(fluv_sender_t* tx);

/**
 * A reference that does not keep the channel open.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The weak sender; free it with fluv_weak_sender_free().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_weak_sender_t* fluv_sender_downgrade(fluv_sender_t* tx);

/**
 * A sender again, if there is still one.
 *
 * @param weak  The weak sender. Borrowed.
 *
 * @return  A sender to be freed; NULL if the last one is gone.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
fluv_sender_t* fluv_weak_sender_upgrade(fluv_weak_sender_t* weak);

/**
 * Give up a weak sender.
 *
 * @param weak  The weak sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_weak_sender_free(fluv_weak_sender_t* weak);

/**
 * One receiver more for the same channel: each message goes to one of them.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  `rx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_receiver_t* fluv_receiver_clone(fluv_receiver_t* rx);

/**
 * Give up a receiver. With the last the channel is closed, and what is in it
 * is destroyed.
 *
 * @param rx  The receiver. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_receiver_free(fluv_receiver_t* rx);

/**
 * Send a message, waiting for a place.
 *
 * Those who wait get places first come, first served, together with
 * fluv_reserve().
 *
 * @param tx    The sender; must stay until the future has ended.
 * @param item  The message; must stay until the future has ended.
 * @param loc   Place of the call; fluv_send() fills it in.
 *
 * @return  Future, never NULL, with the value 0: the message is copied.
 * @errors  FLUV_ECLOSED  the channel is closed; the message stays with the
 *          caller, as with every error.
 *          FLUV_EINVAL   `tx` is NULL, or `item` and the size is not 0.
 * @cancel  Loses the place in the line; the message stays with the caller.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_send_loc(fluv_sender_t* tx,
                             const void* item,
                             const fluv_loc_t* loc);
#define fluv_send(tx, item) fluv_send_loc((tx), (item), FLUV_LOC)

/**
 * Send a message if there is a place now.
 *
 * @param tx    The sender. Borrowed.
 * @param item  The message. Copied.
 *
 * @return  0: sent.
 * @errors  FLUV_EAGAIN   there is no place, or others wait for one.
 *          FLUV_ECLOSED  the channel is closed.
 *          FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_try_send(fluv_sender_t* tx, const void* item);

/**
 * Block this thread until a message is sent.
 *
 * @param tx          The sender. Borrowed.
 * @param item        The message. Copied.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: sent.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_ECLOSED    the channel is closed.
 *          FLUV_EDEADLK    this thread has a loop, which would stand still.
 *          FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_send_blocking(fluv_sender_t* tx,
                       const void* item,
                       uint64_t timeout_ms);

/**
 * Wait for places without a message at hand.
 *
 * What is sent with a permit always has a place, also after a close.
 *
 * @param tx          The sender; must stay until the future has ended.
 * @param n           Places; not more than the capacity, and 1 if that is 0:
 *                    a receiver that waits, which nobody else sends to.
 * @param out_permit  Gets them. Use it with fluv_permit_send(), and end it with
 *                    fluv_permit_release().
 * @param loc         Place of the call; fluv_reserve() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ECLOSED  the channel is closed.
 *          FLUV_EINVAL   an argument is NULL, 0 or larger than the
 *          capacity.
 * @cancel  Loses the place in the line; nothing is reserved.
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
 * Take places if there are enough now.
 *
 * @param tx          The sender. Borrowed.
 * @param n           Places.
 * @param out_permit  Gets them.
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
 * Send a message to a reserved place.
 *
 * @param permit  The permit. One place of it is used up.
 * @param item    The message. Copied.
 *
 * @return  0: sent.
 * @errors  FLUV_ECLOSED  there is no receiver any more; the place is kept.
 *          FLUV_EINVAL   no place is left.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_permit_send(fluv_permit_t* permit, const void* item);

/**
 * Give back the places that were not used. Does nothing the second time.
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
 * @param rx        The receiver; must stay until the future has ended.
 * @param out_item  Gets the message; must stay until the future has ended.
 * @param loc       Place of the call; fluv_recv() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ECLOSED  the channel is drained, and nobody can send.
 *          FLUV_EINVAL   `rx` is NULL.
 * @cancel  Safe: the message stays in the channel.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_recv_loc(fluv_receiver_t* rx,
                             void* out_item,
                             const fluv_loc_t* loc);
#define fluv_recv(rx, out_item) fluv_recv_loc((rx), (out_item), FLUV_LOC)

/**
 * Receive what there is, waiting for the first message.
 *
 * @param rx         The receiver; must stay until the future has ended.
 * @param out_items  Gets the messages, one behind the other; room for `most`.
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
 *          FLUV_ECLOSED  the channel is drained, and nobody can send.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_try_recv(fluv_receiver_t* rx, void* out_item);

/**
 * Block this thread until messages are there, and receive them.
 *
 * @param rx          The receiver. Borrowed.
 * @param out_items   Gets the messages, one behind the other; room for `most`.
 * @param most        Messages at most.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  How many were received, at least 1 unless `most` is 0.
 * @errors  FLUV_ETIMEDOUT  the time was over first; nothing is taken.
 *          FLUV_ECLOSED    the channel is drained, and nobody can send.
 *          FLUV_EDEADLK    this thread has a loop, which would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int64_t fluv_recv_blocking(fluv_receiver_t* rx,
                           void* out_items,
                           size_t most,
                           uint64_t timeout_ms);

/**
 * Refuse new messages. Those who wait for a place get FLUV_ECLOSED.
 *
 * @param rx  The receiver. Borrowed: drain it and free it.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_receiver_close(fluv_receiver_t* rx);

/**
 * Wait until nobody will receive what is sent.
 *
 * @param tx   The sender; must stay until the future has ended.
 * @param loc  Place of the call; fluv_sender_closed() fills it in.
 *
 * @return  Future, never NULL, with the value 0: the channel was closed, or
 *          its last receiver is gone.
 * @errors  FLUV_EINVAL  `tx` is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_sender_closed_loc(fluv_sender_t* tx, const fluv_loc_t* loc);
#define fluv_sender_closed(tx) fluv_sender_closed_loc((tx), FLUV_LOC)

/**
 * Is the channel closed for senders?
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  True after fluv_receiver_close(), or without receivers.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_sender_is_closed(fluv_sender_t* tx);

/**
 * Places that are free now.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The number; FLUV_UNBOUNDED if there is no limit.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_sender_get_room(fluv_sender_t* tx);

/**
 * The capacity that the channel was made with.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The number of messages, or FLUV_UNBOUNDED.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_sender_get_capacity(fluv_sender_t* tx);

/**
 * Messages that are in the channel now.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  The number, without places that are only reserved.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_receiver_get_length(fluv_receiver_t* rx);

#endif /* FLUV_CHANNEL_H */
