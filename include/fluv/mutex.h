/* SPDX-License-Identifier: MIT */
/* Mutex: one holder at a time, first come, first served, across awaits. */
#ifndef FLUV_MUTEX_H
#define FLUV_MUTEX_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A lock that a task may hold while it awaits. Any thread may use it.
 *
 * It knows who holds it, and where that was locked. Where no await happens
 * under a lock, a pthread_mutex_t is the better one. */
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
 * Free a mutex. That it is locked, or waited for, is a mistake, and aborts.
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
 * The holder is the task that the future is started in, by awaiting it or
 * something around it. Bound in time by fluv_timeout().
 *
 * @param mutex  The mutex; must stay until the future has ended.
 * @param loc    Place of the call; fluv_mutex_lock() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Give it back with
 *          fluv_mutex_unlock().
 * @errors  FLUV_EDEADLK  this task holds it already; both places are named on
 *                        stderr. Debug builds also find cycles of tasks and
 *                        locks, and name each.
 *          FLUV_EINVAL   `mutex` is NULL.
 * @cancel  Loses the place in the line; the mutex is not locked.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_mutex_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_lock(mutex) fluv_mutex_lock_loc((mutex), FLUV_LOC)

/**
 * Lock a mutex if nobody holds it.
 *
 * @param mutex  The mutex. Borrowed.
 * @param loc    Place of the call; fluv_mutex_try_lock() fills it in.
 *
 * @return  0: locked.
 * @errors  FLUV_EAGAIN  it is locked, also by the caller.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_mutex_try_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_try_lock(mutex) fluv_mutex_try_lock_loc((mutex), FLUV_LOC)

/**
 * Block this thread until it has locked a mutex.
 *
 * @param mutex       The mutex. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_mutex_lock_blocking() fills it
 *                    in.
 *
 * @return  0: locked.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK    this thread holds it already, or has a loop, which
 *                          would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_mutex_lock_blocking_loc(fluv_mutex_t* mutex,
                                 uint64_t timeout_ms,
                                 const fluv_loc_t* loc);
#define fluv_mutex_lock_blocking(mutex, timeout_ms)                            \
 fluv_mutex_lock_blocking_loc((mutex), (timeout_ms), FLUV_LOC)

/**
 * Give a mutex back; the first in line gets it.
 *
 * @param mutex  The mutex. Borrowed.
 * @param loc    Place of the call; fluv_mutex_unlock() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM  it is not locked, or another task or thread holds it;
 *                      both places are named on stderr.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_mutex_unlock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc);
#define fluv_mutex_unlock(mutex) fluv_mutex_unlock_loc((mutex), FLUV_LOC)

/**
 * Is it locked?
 *
 * @param mutex  The mutex. Borrowed.
 *
 * @return  True while somebody holds it, or is about to.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_mutex_is_locked(fluv_mutex_t* mutex);

#endif /* FLUV_MUTEX_H */
