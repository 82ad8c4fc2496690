/* SPDX-License-Identifier: MIT */
/* Mutex: one holder at a time, first come, first served, across awaits. */
#ifndef FLUV_MUTEX_H
#define FLUV_MUTEX_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A lock that a task may hold while it awaits. Any thread may use it.
 *
 * It records which task or thread holds it, and where it was locked. If no
 * await happens under the lock, prefer a pthread_mutex_t. */
typedef struct fluv_mutex fluv_mutex_t;

/**
 * Make a mutex, unlocked.
 *
 * @param out_mutex  Gets the mutex; free it with fluv_mutex_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  `out_mutex` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_mutex_new(fluv_mutex_t** out_mutex);

/**
 * Free a mutex. Aborts if it is locked or waited for.
 *
 * @param mutex  The mutex. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_mutex_free(fluv_mutex_t* mutex);

/**
 * Wait for a mutex and lock it.
 *
 * The task that starts the future becomes the holder: the task that awaits it,
 * or a combinator around it. To limit the wait use fluv_timeout().
 *
 * @param mutex  The mutex; must stay until the future has ended.
 * @param loc    Place of the call; fluv_mutex_lock() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Unlock the mutex with
 *          fluv_mutex_unlock().
 * @errors  FLUV_EDEADLK  this task holds it already; stderr names where it was
 *                        locked and where this call is. Debug builds also find
 *                        cycles of tasks and locks, and name each.
 *          FLUV_EINVAL   `mutex` is NULL.
 * @cancel  Leaves the wait queue; the mutex is not locked.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_mutex_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_lock(mutex) fluv_mutex_lock_loc((mutex), FLUV_LOC)

/**
 * Lock a mutex if it is unlocked.
 *
 * @param mutex  The mutex. Borrowed.
 * @param loc    Place of the call; fluv_mutex_try_lock() fills it in.
 *
 * @return  0: locked.
 * @errors  FLUV_EAGAIN  it is locked, be it by the caller.
 *          FLUV_EINVAL  `mutex` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_mutex_try_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_try_lock(mutex) fluv_mutex_try_lock_loc((mutex), FLUV_LOC)

/**
 * Lock a mutex, blocking this thread until it is free.
 *
 * @param mutex       The mutex. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_mutex_lock_blocking() fills it
 *                    in.
 *
 * @return  0: locked.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK    this thread holds it already, or has a loop, which
 *                          the call would block.
 *          FLUV_EINVAL     `mutex` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_mutex_lock_blocking_loc(fluv_mutex_t* mutex,
                                 uint64_t timeout_ms,
                                 const fluv_loc_t* loc);
#define fluv_mutex_lock_blocking(mutex, timeout_ms)                            \
 fluv_mutex_lock_blocking_loc((mutex), (timeout_ms), FLUV_LOC)

/**
 * Unlock a mutex. The first in its wait queue gets it.
 *
 * @param mutex  The mutex. Borrowed.
 * @param loc    Place of the call; fluv_mutex_unlock() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM   it is not locked, or another task or thread holds it;
 *                       stderr names both locations.
 *          FLUV_EINVAL  `mutex` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_mutex_unlock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_unlock(mutex) fluv_mutex_unlock_loc((mutex), FLUV_LOC)

/**
 * Check whether a mutex is locked.
 *
 * @param mutex  The mutex. Borrowed.
 *
 * @return  True while it is held, or granted to a waiting task.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_mutex_is_locked(fluv_mutex_t* mutex);

#endif /* FLUV_MUTEX_H */
