/* SPDX-License-Identifier: MIT */
/* Condition variable: wait under a mutex to be notified of a change.
 *
 * Test the condition in a loop: another task may have changed it again before
 * the mutex was locked.
 */
#ifndef FLUV_CONDVAR_H
#define FLUV_CONDVAR_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** For use with a fluv_mutex_t. Any thread may notify; tasks wait. */
typedef struct fluv_condvar fluv_condvar_t;

/**
 * Make a condition variable.
 *
 * @param out_cv  Gets it; free it with fluv_condvar_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_condvar_new(fluv_condvar_t** out_cv);

/**
 * Free a condition variable. Aborts if it is waited for.
 *
 * @param cv  The condition variable. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_condvar_free(fluv_condvar_t* cv);

/**
 * Unlock a mutex, wait to be notified, and lock it again.
 *
 * No notification is missed between the unlocking and the waiting. The mutex
 * is locked again before the future ends, whatever its result, unless that is
 * FLUV_EPERM.
 *
 * @param cv     The condition variable; must stay until the future has ended.
 * @param mutex  The mutex, held by this task.
 * @param loc    Place of the call; fluv_condvar_wait() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EPERM  this task does not hold the mutex.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Leaves the wait queue; a notification that was granted goes to the
 *          next waiter. The future ends when the mutex is locked again. If it
 *          is dropped, the mutex stays unlocked.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_condvar_wait_loc(fluv_condvar_t* cv,
                                     fluv_mutex_t* mutex,
                                     const fluv_loc_t* loc);
#define fluv_condvar_wait(cv, mutex)                                           \
 fluv_condvar_wait_loc((cv), (mutex), FLUV_LOC)

/**
 * Notify the task that has waited longest.
 *
 * @param cv  The condition variable. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_condvar_notify_one(fluv_condvar_t* cv);

/**
 * Notify all waiting tasks.
 *
 * @param cv  The condition variable. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_condvar_notify_all(fluv_condvar_t* cv);

#endif /* FLUV_CONDVAR_H */
