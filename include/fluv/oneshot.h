/* SPDX-License-Identifier: MIT */
/* Oneshot: one message from one sender to one receiver, on any threads.
 *
 * The message is copied by size. If it is not received, it is destroyed once.
 */
#ifndef FLUV_ONESHOT_H
#define FLUV_ONESHOT_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** The sending end, for one message. */
typedef struct fluv_oneshot_tx fluv_oneshot_tx_t;
/** The receiving end. */
typedef struct fluv_oneshot_rx fluv_oneshot_rx_t;

/**
 * Make a oneshot: a sender and a receiver.
 *
 * @param item_size  Bytes of the message; 0: the message carries no data, and
 *                   pointers to it may be NULL.
 * @param destroy    Called once with a message that will not be received,
 *                   under no lock. NULL: nothing.
 * @param out_tx     Gets the sender: send with it, or free it with
 *                   fluv_oneshot_tx_free().
 * @param out_rx     Gets the receiver; free it with fluv_oneshot_rx_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL or the size too
 *            large.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_oneshot_new(size_t item_size,
                     void (*destroy)(void* item),
                     fluv_oneshot_tx_t** out_tx,
                     fluv_oneshot_rx_t** out_rx);

/**
 * Send the message. Never waits.
 *
 * @param tx    The sender. Taken over on success.
 * @param item  The message. Copied.
 *
 * @return  0: sent; the sender is freed.
 * @errors  FLUV_ECLOSED  the receiver is closed or freed; the message and the
 *            sender stay with the caller.
 *          FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_oneshot_send(fluv_oneshot_tx_t* tx, const void* item);

/**
 * Free a sender that has not sent: the receiver gets FLUV_EBROKEN.
 *
 * @param tx  The sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_oneshot_tx_free(fluv_oneshot_tx_t* tx);

/**
 * Wait until the receiver is closed or freed.
 *
 * @param tx   The sender; must stay until the future has ended.
 * @param loc  Place of the call; fluv_oneshot_closed() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_oneshot_closed_loc(fluv_oneshot_tx_t* tx,
                                       const fluv_loc_t* loc);
#define fluv_oneshot_closed(tx) fluv_oneshot_closed_loc((tx), FLUV_LOC)

/**
 * Check whether the receiver is closed or freed.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  True if a message could not be received.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_oneshot_is_closed(fluv_oneshot_tx_t* tx);

/**
 * Receive the message.
 *
 * @param rx        The receiver; must stay until the future has ended.
 * @param out_item  Gets the message; must stay until the future was read or
 *                  dropped.
 * @param loc       Place of the call; fluv_oneshot_recv() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EBROKEN  the sender was freed without sending.
 *          FLUV_ECLOSED  it was received before, or this end is closed.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: the message stays for the next call.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_oneshot_recv_loc(fluv_oneshot_rx_t* rx,
                                     void* out_item,
                                     const fluv_loc_t* loc);
#define fluv_oneshot_recv(rx, out_item)                                        \
 fluv_oneshot_recv_loc((rx), (out_item), FLUV_LOC)

/**
 * Receive the message if it is there.
 *
 * @param rx        The receiver. Borrowed.
 * @param out_item  Gets the message.
 *
 * @return  0: received.
 * @errors  FLUV_EAGAIN  it is not there yet.
 *          FLUV_EBROKEN, FLUV_ECLOSED, FLUV_EINVAL  as fluv_oneshot_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_oneshot_try_recv(fluv_oneshot_rx_t* rx, void* out_item);

/**
 * Receive the message, blocking this thread until it is there.
 *
 * @param rx          The receiver. Borrowed.
 * @param out_item    Gets the message.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: received.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EBROKEN, FLUV_ECLOSED, FLUV_EINVAL  as fluv_oneshot_recv().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_oneshot_recv_blocking(fluv_oneshot_rx_t* rx,
                               void* out_item,
                               uint64_t timeout_ms);

/**
 * Close a receiver: a later send fails. A message that was sent before can
 * still be received.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_oneshot_close(fluv_oneshot_rx_t* rx);

/**
 * Free a receiver. A message that was not received is destroyed.
 *
 * @param rx  The receiver. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_oneshot_rx_free(fluv_oneshot_rx_t* rx);

#endif /* FLUV_ONESHOT_H */
