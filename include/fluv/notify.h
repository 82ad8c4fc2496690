/* SPDX-License-Identifier: MIT */
/* Notify: a wake without a value, with the rules of Tokio's.
 *
 * At most one wake is kept for whoever comes next.
 */
#ifndef FLUV_NOTIFY_H
#define FLUV_NOTIFY_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Wakes tasks and threads. Any thread may use it. */
typedef struct fluv_notify fluv_notify_t;

/**
 * Make a notify without a wake in store.
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
 * Free a notify. That somebody waits for it is a mistake, and aborts.
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
 * fluv_notify_waiters() reaches every such future that exists, also one that
 * is not waited for yet. The others reach those that have been started;
 * fluv_start() joins the line by hand.
 *
 * @param notify  The notify; must stay until the future has ended.
 * @param loc     Place of the call; fluv_notified() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Loses the place in the line. A wake that was on its way goes to the
 *          next one; one that had arrived counts as read.
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
 *          FLUV_EDEADLK  this thread has a loop, which would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_notified_blocking(fluv_notify_t* notify, uint64_t timeout_ms);

/**
 * Wake the one that has waited longest, or keep one wake for whoever comes.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_one(fluv_notify_t* notify);

/**
 * Wake the one that came last, or keep one wake for whoever comes.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_last(fluv_notify_t* notify);

/**
 * Wake all that wait now. Nothing is kept for those who come later.
 *
 * @param notify  The notify. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_notify_waiters(fluv_notify_t* notify);

#endif /* FLUV_NOTIFY_H */
