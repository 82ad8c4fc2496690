/* SPDX-License-Identifier: MIT */
/* Broadcast: every receiver gets every message.
 *
 * Sending never waits: the oldest message is overwritten. A receiver that was
 * too slow gets FLUV_ELAGGED once, and continues with the oldest message that
 * is kept. Messages are plain data and are copied to each receiver; to send an
 * object with an owner, send a reference-counted pointer. A receiver may be
 * used on any thread, but by one at a time.
 */
#ifndef FLUV_BROADCAST_H
#define FLUV_BROADCAST_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** The sending end; reference-counted. Any thread may use it. */
typedef struct fluv_broadcast_tx fluv_broadcast_tx_t;
/** Receives the messages that are sent after it was made. */
typedef struct fluv_broadcast_rx fluv_broadcast_rx_t;
/** A reference to a broadcast that does not keep it open. */
typedef struct fluv_broadcast_weak fluv_broadcast_weak_t;

/**
 * Make a broadcast with one receiver.
 *
 * @param capacity   Messages that are kept; rounded up to a power of two.
 * @param item_size  Bytes of a message; 0: messages are only counted, and
 *                   pointers to them may be NULL.
 * @param out_tx     Gets the sender; free it with fluv_broadcast_tx_free().
 * @param out_rx     Gets a receiver; free it with fluv_broadcast_rx_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL or too large, or the
 *          capacity is 0.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_broadcast_new(size_t capacity,
                       size_t item_size,
                       fluv_broadcast_tx_t** out_tx,
                       fluv_broadcast_rx_t** out_rx);

/**
 * Add a reference to a sender.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  `tx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_broadcast_tx_t* fluv_broadcast_tx_clone(fluv_broadcast_tx_t* tx);

/**
 * Release a sender. After the last, receivers drain the messages that are kept.
 *
 * @param tx  The sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_broadcast_tx_free(fluv_broadcast_tx_t* tx);

/**
 * Make a weak sender, which does not keep the broadcast open.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The weak sender; free it with fluv_broadcast_weak_free().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_broadcast_weak_t* fluv_broadcast_downgrade(fluv_broadcast_tx_t* tx);

/**
 * Get a sender from a weak one, if the broadcast still has a sender.
 *
 * @param weak  The weak sender. Borrowed.
 *
 * @return  A sender; free it. NULL if the last one has been freed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
fluv_broadcast_tx_t* fluv_broadcast_upgrade(fluv_broadcast_weak_t* weak);

/**
 * Release a weak sender.
 *
 * @param weak  The weak sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_broadcast_weak_free(fluv_broadcast_weak_t* weak);

/**
 * Make a receiver of the messages that are sent from now on.
 *
 * @param tx      The sender. Borrowed.
 * @param out_rx  Gets the receiver.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_broadcast_subscribe(fluv_broadcast_tx_t* tx,
                             fluv_broadcast_rx_t** out_rx);

/**
 * Make a receiver of the messages that are sent from now on, from another
 * receiver.
 *
 * @param rx      The receiver. Borrowed.
 * @param out_rx  Gets the receiver.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_broadcast_resubscribe(fluv_broadcast_rx_t* rx,
                               fluv_broadcast_rx_t** out_rx);

/**
 * Free a receiver.
 *
 * @param rx  The receiver. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_broadcast_rx_free(fluv_broadcast_rx_t* rx);

/**
 * Send a message to all receivers. Never waits.
 *
 * @param tx    The sender. Borrowed.
 * @param item  The message. Copied.
 *
 * @return  The number of receivers.
 * @errors  FLUV_ECLOSED  there are none; nothing was sent.
 *          FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int64_t fluv_broadcast_send(fluv_broadcast_tx_t* tx, const void* item);

/**
 * Wait until there are no receivers.
 *
 * @param tx   The sender; must stay until the future has ended.
 * @param loc  Place of the call; fluv_broadcast_closed() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_broadcast_closed_loc(fluv_broadcast_tx_t* tx,
                                         const fluv_loc_t* loc);
#define fluv_broadcast_closed(tx) fluv_broadcast_closed_loc((tx), FLUV_LOC)

/**
 * Receive the next message.
 *
 * A message belongs to nobody alone, so nothing is given back: if the future is
 * done and dropped unread, this receiver skips the message.
 *
 * @param rx        The receiver; must stay until the future has ended.
 * @param out_item  Gets the message; must stay until the future has ended.
 * @param loc       Place of the call; fluv_broadcast_recv() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ELAGGED  messages were missed; fluv_broadcast_get_lag() returns
 *            how many. The next call gets the oldest that is kept.
 *          FLUV_ECLOSED  all was received, and no sender is left.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: the message stays for the next call.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_broadcast_recv_loc(fluv_broadcast_rx_t* rx,
                                       void* out_item,
                                       const fluv_loc_t* loc);
#define fluv_broadcast_recv(rx, out_item)                                      \
 fluv_broadcast_recv_loc((rx), (out_item), FLUV_LOC)

/**
 * Receive the next message if it is there.
 *
 * @param rx        The receiver. Borrowed.
 * @param out_item  Gets the message.
 *
 * @return  0: received.
 * @errors  FLUV_EAGAIN  there is none now.
 *          FLUV_ELAGGED, FLUV_ECLOSED, FLUV_EINVAL  as fluv_broadcast_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_broadcast_try_recv(fluv_broadcast_rx_t* rx, void* out_item);

/**
 * Receive the next message, blocking this thread until there is one.
 *
 * @param rx          The receiver. Borrowed.
 * @param out_item    Gets the message.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: received.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_ELAGGED, FLUV_ECLOSED, FLUV_EINVAL  as fluv_broadcast_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_broadcast_recv_blocking(fluv_broadcast_rx_t* rx,
                                 void* out_item,
                                 uint64_t timeout_ms);

/**
 * Get the number of messages that were missed at the last FLUV_ELAGGED.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  The number; 0 if there was none.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
uint64_t fluv_broadcast_get_lag(fluv_broadcast_rx_t* rx);

/**
 * Get the number of messages that a receiver has not received yet.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  The number, including messages that it has missed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
uint64_t fluv_broadcast_get_length(fluv_broadcast_rx_t* rx);

#endif /* FLUV_BROADCAST_H */
