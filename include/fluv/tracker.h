/* SPDX-License-Identifier: MIT */
/* Task tracker: count running work, and wait until all of it is done.
 *
 * The wait ends only when the tracker is closed and its count is 0.
 */
#ifndef FLUV_TRACKER_H
#define FLUV_TRACKER_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Counts running work. Any thread may use it. */
typedef struct fluv_tracker fluv_tracker_t;

/**
 * Make a tracker, open and empty.
 *
 * @param out_tracker  Gets it; free it with fluv_tracker_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_tracker_new(fluv_tracker_t** out_tracker);

/**
 * Free a tracker. Aborts if its count is not 0 or it is waited for.
 *
 * @param tracker  The tracker. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_tracker_free(fluv_tracker_t* tracker);

/**
 * Spawn a task that is counted until it has returned.
 *
 * @param tracker  The tracker; must stay until the task has returned.
 * @param fn       The task.
 * @param arg      User pointer for `fn`.
 * @param loc      Place of the call; fluv_tracker_spawn() fills it in.
 *
 * @return  Future, never NULL, of the task.
 * @errors  FLUV_ENOMEM, FLUV_ESTACK; FLUV_EINVAL  an argument is NULL.
 * @cancel  As for any task: its awaits are cancelled.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_tracker_spawn_loc(fluv_tracker_t* tracker,
                                      fluv_task_fn fn,
                                      void* arg,
                                      const fluv_loc_t* loc);
#define fluv_tracker_spawn(tracker, fn, arg)                                   \
 fluv_tracker_spawn_loc((tracker), (fn), (arg), FLUV_LOC_NAMED(#fn))

/**
 * Add 1 to the count. A closed tracker counts too.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_tracker_enter(fluv_tracker_t* tracker);

/**
 * Subtract 1 from the count.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @return  0.
 * @errors  FLUV_EPERM  the count is 0; FLUV_EINVAL  `tracker` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_tracker_leave(fluv_tracker_t* tracker);

/**
 * Close a tracker: waits end when its count is 0.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @return  True if it was open.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_tracker_close(fluv_tracker_t* tracker);

/**
 * Reopen a tracker: waits do not end before it is closed again.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @return  True if it was closed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_tracker_reopen(fluv_tracker_t* tracker);

/**
 * Check whether a tracker is closed.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @return  True after fluv_tracker_close().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_tracker_is_closed(fluv_tracker_t* tracker);

/**
 * Get the count.
 *
 * @param tracker  The tracker. Borrowed.
 *
 * @return  The number.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_tracker_get_count(fluv_tracker_t* tracker);

/**
 * Wait until the tracker is closed and its count is 0.
 *
 * @param tracker  The tracker; must stay until the future has ended.
 * @param loc      Place of the call; fluv_tracker_wait() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_tracker_wait_loc(fluv_tracker_t* tracker,
                                     const fluv_loc_t* loc);
#define fluv_tracker_wait(tracker) fluv_tracker_wait_loc((tracker), FLUV_LOC)

/**
 * Block this thread until the tracker is closed and its count is 0.
 *
 * @param tracker     The tracker. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EINVAL  `tracker` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_tracker_wait_blocking(fluv_tracker_t* tracker, uint64_t timeout_ms);

#endif /* FLUV_TRACKER_H */
