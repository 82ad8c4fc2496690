/* SPDX-License-Identifier: MIT */
/* Handoff: run functions and tasks on another thread's loop. */
#ifndef FLUV_HANDOFF_H
#define FLUV_HANDOFF_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A task on another loop, for a thread that has no loop. */
typedef struct fluv_remote fluv_remote_t;

/**
 * Add a reference to a loop, so that other threads may use the pointer.
 *
 * This does not keep the loop open. A closed loop refuses new work.
 *
 * @param loop  The loop.
 *
 * @return  `loop`; release it with fluv_loop_unref().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_loop_t* fluv_loop_ref(fluv_loop_t* loop);

/**
 * Release a reference to a loop.
 *
 * @param loop  The loop. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_loop_unref(fluv_loop_t* loop);

/**
 * Call a plain function on a loop's thread.
 *
 * The function runs outside tasks and must not await. Functions that one thread
 * posts run in their order. A loop that sleeps is woken. Takes no lock.
 *
 * @param loop  The loop. It must not be freed during the call: it is this
 *              thread's own, or the caller holds a reference.
 * @param fn    The function.
 * @param arg   User pointer for `fn`.
 *
 * @return  0: it will run.
 * @errors  FLUV_ESTOPPED  the loop is closed; it will not run.
 *          FLUV_EPERM  this process was forked from the loop's.
 *          FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_post(fluv_loop_t* loop, void (*fn)(void* arg), void* arg);

/**
 * Run a task on another loop, and get its result on this one.
 *
 * @param loop  The loop. It must not be freed during the call: it is this
 *              thread's own, or the caller holds a reference.
 * @param fn    The task.
 * @param arg   User pointer for `fn`, used on that loop's thread.
 * @param options  As of fluv_spawn_with(); copied. NULL: defaults.
 * @param loc   Place of the call; fluv_spawn_on() fills it in.
 *
 * @return  Future of this thread's loop, never NULL, with what `fn` returns.
 *          The task runs whether it is awaited or not.
 * @errors  FLUV_ESTOPPED  the loop is closed: the task never ran, and
 *            options.free_arg has been called, as for every error but the
 *            task's own.
 *          FLUV_ECANCELED  the loop was closed before the task returned.
 *          FLUV_EPERM  this process was forked from the loop's.
 *          FLUV_ENOLOOP  this thread has no loop: use fluv_spawn_remote().
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Cancels the task; the future ends when the task has returned.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_spawn_on_loc(fluv_loop_t* loop,
                                 fluv_task_fn fn,
                                 void* arg,
                                 const fluv_task_options_t* options,
                                 const fluv_loc_t* loc);
#define fluv_spawn_on(loop, fn, arg)                                           \
 fluv_spawn_on_loc((loop), (fn), (arg), NULL, FLUV_LOC_NAMED(#fn))
#define fluv_spawn_on_with(loop, fn, arg, options)                             \
 fluv_spawn_on_loc((loop), (fn), (arg), (options), FLUV_LOC_NAMED(#fn))

/**
 * Run a task on another loop, from any thread.
 *
 * @param loop        The loop. It must not be freed during the call: it is this
 *                    thread's own, or the caller holds a reference.
 * @param fn          The task.
 * @param arg         User pointer for `fn`, used on that loop's thread.
 * @param options     As of fluv_spawn_with(); copied. NULL: defaults.
 * @param out_remote  Gets the task, for fluv_wait(). NULL: not wanted; an error
 *                    of the task goes to the hook of fluv_set_unhandled().
 * @param loc         Place of the call; fluv_spawn_remote() fills it in.
 *
 * @return  0: it will run.
 * @errors  FLUV_ESTOPPED  the loop is closed.
 *          FLUV_EPERM  this process was forked from the loop's.
 *          FLUV_ENOMEM; FLUV_EINVAL  `loop` or `fn` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_spawn_remote_loc(fluv_loop_t* loop,
                          fluv_task_fn fn,
                          void* arg,
                          const fluv_task_options_t* options,
                          fluv_remote_t** out_remote,
                          const fluv_loc_t* loc);
#define fluv_spawn_remote(loop, fn, arg, out_remote)                           \
 fluv_spawn_remote_with((loop), fn, (arg), NULL, (out_remote))
#define fluv_spawn_remote_with(loop, fn, arg, options, out_remote)             \
 fluv_spawn_remote_loc((loop),                                                 \
                       (fn),                                                   \
                       (arg),                                                  \
                       (options),                                              \
                       (out_remote),                                           \
                       FLUV_LOC_NAMED(#fn))

/**
 * Block this thread until a task on another loop has returned.
 *
 * @param remote      The task. Taken over, unless the time is over first.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  What the task returned.
 * @errors  FLUV_ETIMEDOUT  the time was over first. `remote` stays the
 *            caller's.
 *          FLUV_ECANCELED  the task was cancelled, or its loop was closed
 *            first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EINVAL  `remote` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_BLOCKS FLUV_ANY_THREAD
int64_t fluv_wait(fluv_remote_t* remote, uint64_t timeout_ms);

/**
 * Cancel a task on another loop. fluv_wait() still waits for it.
 *
 * @param remote  The task. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_remote_cancel(fluv_remote_t* remote);

/**
 * Release a task on another loop without waiting; it keeps running.
 *
 * @param remote  The task. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_remote_free(fluv_remote_t* remote);

#endif /* FLUV_HANDOFF_H */
