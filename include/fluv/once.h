/* SPDX-License-Identifier: MIT */
/* Once: a value that the first task that needs it makes; others wait for it. */
#ifndef FLUV_ONCE_H
#define FLUV_ONCE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A value that is set once. Any thread may use it. */
typedef struct fluv_once fluv_once_t;

/**
 * Make a cell without a value.
 *
 * @param out_once  Gets it; free it with fluv_once_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_once_new(fluv_once_t** out_once);

/**
 * Free a cell. Aborts if it is waited for.
 *
 * @param once  The cell. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_once_free(fluv_once_t* once);

/**
 * Get the value; if there is none, make it.
 *
 * The first call runs `fn` as a task. Later calls wait for it. If `fn` fails,
 * or is cancelled, the first call gets the error, and the next in the wait
 * queue runs its own `fn`.
 *
 * @param once  The cell; must stay until the future has ended.
 * @param fn    Makes the value, >= 0, or returns an error.
 * @param arg   User pointer for `fn`; must stay until the future has ended.
 * @param loc   Place of the call; fluv_once_get() fills it in.
 *
 * @return  Future, never NULL, with the value that was set.
 * @errors  Any error of `fn`; FLUV_EINVAL  an argument is NULL.
 * @cancel  A waiting call stops waiting. The call that runs `fn` cancels that
 *          task, and ends when it has ended.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_once_get_loc(fluv_once_t* once,
                                 fluv_task_fn fn,
                                 void* arg,
                                 const fluv_loc_t* loc);
#define fluv_once_get(once, fn, arg)                                           \
 fluv_once_get_loc((once), (fn), (arg), FLUV_LOC_NAMED(#fn))

/**
 * Wait until another task or thread has set the value.
 *
 * @param once  The cell; must stay until the future has ended.
 * @param loc   Place of the call; fluv_once_wait() fills it in.
 *
 * @return  Future, never NULL, with the value.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_once_wait_loc(fluv_once_t* once, const fluv_loc_t* loc);
#define fluv_once_wait(once) fluv_once_wait_loc((once), FLUV_LOC)

/**
 * Set the value.
 *
 * @param once   The cell. Borrowed.
 * @param value  The value, >= 0.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  it has one.
 *          FLUV_EBUSY  a fluv_once_get() is making it.
 *          FLUV_EINVAL  `value` is negative, or `once` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_once_set(fluv_once_t* once, int64_t value);

/**
 * Get the value, if it is set.
 *
 * @param once  The cell. Borrowed.
 *
 * @return  The value.
 * @errors  FLUV_EAGAIN  it is not set; FLUV_EINVAL  `once` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int64_t fluv_once_try_get(fluv_once_t* once);

#endif /* FLUV_ONCE_H */
