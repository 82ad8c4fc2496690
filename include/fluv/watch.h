/* SPDX-License-Identifier: MIT */
/* Watch: a value that many may read, and whose changes they can wait for.
 *
 * Only the last value is kept. A receiver remembers which version it has seen.
 * A receiver may be used on any thread, but by one at a time.
 */
#ifndef FLUV_WATCH_H
#define FLUV_WATCH_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Changes the value; reference-counted. Any thread may use it. */
typedef struct fluv_watch_tx fluv_watch_tx_t;
/** Reads the value. */
typedef struct fluv_watch_rx fluv_watch_rx_t;

/**
 * Make a watch.
 *
 * @param value_size  Bytes of the value; 0: there is only a version, and
 *                    pointers to the value may be NULL.
 * @param value       The first value. Copied.
 * @param out_tx      Gets the sender; free it with fluv_watch_tx_free().
 * @param out_rx      Gets a receiver, which has seen the first value; free it
 *                    with fluv_watch_rx_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_watch_new(size_t value_size,
                   const void* value,
                   fluv_watch_tx_t** out_tx,
                   fluv_watch_rx_t** out_rx);

/**
 * Add a reference to a sender.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  `tx`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_watch_tx_t* fluv_watch_tx_clone(fluv_watch_tx_t* tx);

/**
 * Release a sender. After the last, the watch is closed.
 *
 * @param tx  The sender. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watch_tx_free(fluv_watch_tx_t* tx);

/**
 * Make a receiver that counts the current value as seen.
 *
 * @param tx      The sender. Borrowed.
 * @param out_rx  Gets the receiver.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_watch_subscribe(fluv_watch_tx_t* tx, fluv_watch_rx_t** out_rx);

/**
 * Make a receiver that has seen the same version as another one.
 *
 * @param rx      The receiver. Borrowed.
 * @param out_rx  Gets the receiver.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_watch_rx_clone(fluv_watch_rx_t* rx, fluv_watch_rx_t** out_rx);

/**
 * Free a receiver.
 *
 * @param rx  The receiver. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watch_rx_free(fluv_watch_rx_t* rx);

/**
 * Set the value, if there is a receiver.
 *
 * @param tx     The sender. Borrowed.
 * @param value  The value. Copied.
 *
 * @return  0: set, and the receivers are notified.
 * @errors  FLUV_ECLOSED  there is no receiver; the value is unchanged.
 *          FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_watch_send(fluv_watch_tx_t* tx, const void* value);

/**
 * Set the value, even if there is no receiver.
 *
 * @param tx       The sender. Borrowed.
 * @param value    The value. Copied.
 * @param out_old  Gets the previous value. NULL: not wanted.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watch_replace(fluv_watch_tx_t* tx, const void* value, void* out_old);

/**
 * Change the value in place, and notify the receivers if it was changed.
 *
 * @param tx   The sender. Borrowed.
 * @param fn   Gets the value, and returns whether it has changed it. It runs
 *             under a lock: it must be short, and must not use this watch.
 * @param arg  User pointer for `fn`.
 *
 * @return  What `fn` returned.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_watch_modify(fluv_watch_tx_t* tx,
                       bool (*fn)(void* value, void* arg),
                       void* arg);

/**
 * Wait until there are no receivers.
 *
 * @param tx   The sender; must stay until the future has ended.
 * @param loc  Place of the call; fluv_watch_closed() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_watch_closed_loc(fluv_watch_tx_t* tx,
                                     const fluv_loc_t* loc);
#define fluv_watch_closed(tx) fluv_watch_closed_loc((tx), FLUV_LOC)

/**
 * Get the number of receivers.
 *
 * @param tx  The sender. Borrowed.
 *
 * @return  The number; others may have changed it when this returns.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_watch_count_receivers(fluv_watch_tx_t* tx);

/**
 * Copy the current value without marking it as seen.
 *
 * @param rx         The receiver. Borrowed.
 * @param out_value  Gets the value.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watch_get(fluv_watch_rx_t* rx, void* out_value);

/**
 * Copy the current value and mark it as seen.
 *
 * @param rx         The receiver. Borrowed.
 * @param out_value  Gets the value.
 *
 * @return  True if it had not been seen.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_watch_get_and_see(fluv_watch_rx_t* rx, void* out_value);

/**
 * Check whether there is a version that was not seen.
 *
 * @param rx  The receiver. Borrowed.
 *
 * @return  1 or 0.
 * @errors  FLUV_ECLOSED  there is none, and no sender is left.
 *          FLUV_EINVAL  `rx` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_watch_has_changed(fluv_watch_rx_t* rx);

/**
 * Wait for a version that was not seen, and mark it as seen. It stays seen if
 * the future is done and dropped unread.
 *
 * @param rx   The receiver; must stay until the future has ended.
 * @param loc  Place of the call; fluv_watch_changed() fills it in.
 *
 * @return  Future, never NULL, with the value 0; get the value with
 *          fluv_watch_get().
 * @errors  FLUV_ECLOSED  all was seen, and no sender is left.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: nothing counts as seen.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_watch_changed_loc(fluv_watch_rx_t* rx,
                                      const fluv_loc_t* loc);
#define fluv_watch_changed(rx) fluv_watch_changed_loc((rx), FLUV_LOC)

/**
 * Wait until a condition holds for the value. The current one is tested first.
 *
 * @param rx         The receiver; must stay until the future has ended.
 * @param wanted     Returns whether the condition holds. It runs under a lock:
 *                   it must be short, and must not use this watch.
 * @param arg        User pointer for `wanted`.
 * @param out_value  Gets the value, which counts as seen. NULL: not wanted.
 * @param loc        Place of the call; fluv_watch_wait_for() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_ECLOSED  the condition does not hold, and no sender is left.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_watch_wait_for_loc(fluv_watch_rx_t* rx,
                                       bool (*wanted)(const void* value,
                                                      void* arg),
                                       void* arg,
                                       void* out_value,
                                       const fluv_loc_t* loc);
#define fluv_watch_wait_for(rx, wanted, arg, out_value)                        \
 fluv_watch_wait_for_loc((rx), (wanted), (arg), (out_value), FLUV_LOC)

/**
 * Block this thread until there is a version that was not seen.
 *
 * @param rx          The receiver. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: the new version is marked as seen.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_ECLOSED, FLUV_EINVAL  as fluv_watch_changed().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_watch_changed_blocking(fluv_watch_rx_t* rx, uint64_t timeout_ms);

#endif /* FLUV_WATCH_H */
