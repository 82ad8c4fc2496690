/* SPDX-License-Identifier: MIT */
/* Notify: a wakeup without a value, with the rules of Tokio's Notify.
 *
 * A notification without a waiter is stored for the next one. At most one is
 * stored.
 */
#ifndef FLUV_NOTIFY_H
#define FLUV_NOTIFY_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Wakes tasks and threads. Any thread may use it. */
typedef struct fluv_notify fluv_notify_t;

/**
 * Make a notify without a stored notification.
 *
 * @param out_notify  Gets it; free it with fluv_notify_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_notify_new(fluv_notify_t** out_notify);

/**
 * Free a notify. Aborts if it is waited for.
 *
 * @param notify  The notify. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_free(fluv_notify_t* notify);

/**
 * Wait to be notified.
 *
 * fluv_notify_waiters() notifies every such future that exists, also a cold
 * one. fluv_notify_one() and fluv_notify_last() notify only started ones;
 * fluv_start() enters the wait queue explicitly.
 *
 * @param notify  The notify; must stay until the future has ended.
 * @param loc     Place of the call; fluv_notified() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Leaves the wait queue. A notification that was granted but has not
 *          arrived goes to the next waiter; one that has arrived is consumed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_notified_loc(fluv_notify_t* notify, const fluv_loc_t* loc);
#define fluv_notified(notify) fluv_notified_loc((notify), FLUV_LOC)

/**
 * Block this thread until it is notified.
 *
 * @param notify      The notify. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: notified.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EINVAL  `notify` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_notified_blocking(fluv_notify_t* notify, uint64_t timeout_ms);

/**
 * Notify the waiter that has waited longest; without one, store the
 * notification for the next.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_one(fluv_notify_t* notify);

/**
 * Notify the waiter that came last; without one, store the notification for the
 * next.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_last(fluv_notify_t* notify);

/**
 * Notify all that wait now. Nothing is stored for later ones.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_waiters(fluv_notify_t* notify);

#endif /* FLUV_NOTIFY_H */
