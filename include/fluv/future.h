/* SPDX-License-Identifier: MIT */
/* Futures: one result that will arrive on its home loop, used exactly once.
 *
 * A future is cold until it is waited for: making one takes nothing out of a
 * socket, a channel or a backlog. Waiting starts it. fluv_await, fluv_then and
 * fluv_detach wait for a future, and so does a combinator that is waited for.
 * Tasks, promises, libuv requests and closes are pending from the moment they
 * are made.
 *
 * Every function here that takes a future takes it over, except fluv_cancel,
 * fluv_start and the queries at the end.
 */
#ifndef FLUV_FUTURE_H
#define FLUV_FUTURE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** One result that will arrive. */
typedef struct fluv_future fluv_future_t;

/**
 * A continuation.
 *
 * It gets the result of the future before it and the user's pointer. It runs
 * on the home loop's own stack, outside any task: it must not await. It returns
 * a future, which is taken over and whose result becomes the result of the
 * chain, or NULL to pass the result through unchanged.
 */
typedef fluv_future_t* (*fluv_then_fn)(int64_t result, void* arg);

/**
 * Wait for a future in a task.
 *
 * Other tasks run meanwhile. A result that is already there is returned at
 * once, but a task that never has to wait yields every 128 awaits.
 *
 * @param f    The future. Taken over.
 * @param loc  Place of the call; fluv_await() fills it in.
 *
 * @return  The future's result.
 * @errors  FLUV_ECANCELED  the task was cancelled and the future could be
 *                          stopped. From then on every await of a future that
 *                          is not done returns this, until the task returns:
 *                          the future is cancelled and not started, even one
 *                          that would be done at once (a message is there, the
 *                          lock is free). A task that goes on awaiting for a
 *                          second is reported on stderr.
 *          FLUV_ETIMEDOUT  the task's deadline passed, likewise.
 *          Any error of the future.
 * @cancel  Cancels the future and waits until it has ended. If the future
 *          completes with a result nevertheless, that is returned, not lost.
 * @since   0.1
 */
FLUV_EXTERN FLUV_SUSPENDS FLUV_LOOP_THREAD
int64_t fluv_await_loc(fluv_future_t* f, const fluv_loc_t* loc);
#define fluv_await(f) fluv_await_loc((f), FLUV_LOC)

/**
 * Ask a future to end early. The caller keeps it, and awaits or drops it.
 *
 * A cold future ends at once. One that is done is left alone. A task's
 * current await, and every later one of a future that is not done, returns
 * FLUV_ECANCELED. A second call has no effect.
 *
 * @param f  The future. Borrowed.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_cancel(fluv_future_t* f);

/**
 * Cancel a future and forget it.
 *
 * After the call fluv no longer touches the caller's memory for this future.
 * An operation that cannot be stopped at once ends in fluv's own memory. A task
 * that is dropped keeps running, with its awaits cancelled, until it returns.
 * The result is discarded; an error is not reported.
 *
 * A future that is done, and whose result nobody has read, gives back what the
 * result stands for: a lock is unlocked, permits and reserved slots are free
 * again, a wakeup goes to the next, a connection is closed, and messages go
 * back to the front of their channel, or are destroyed if that has no receiver
 * any more. For this the drop still reads the out parameters of the future,
 * which must be untouched. The channel, semaphore or listener that the result
 * came from may be freed before; a lock may not, since it is locked.
 *
 * @param f    The future. Taken over. NULL is ignored.
 * @param loc  Place of the call; fluv_drop() fills it in.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_drop_loc(fluv_future_t* f, const fluv_loc_t* loc);
#define fluv_drop(f) fluv_drop_loc((f), FLUV_LOC)

/**
 * Leave a future running without waiting for it.
 *
 * A cold future is started. An error that it ends with goes to the hook of
 * fluv_set_unhandled().
 *
 * @param f    The future. Taken over. Memory that it was given (buffers, out
 *             parameters) must stay until it has ended.
 * @param loc  Place of the call; fluv_detach() fills it in.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_detach_loc(fluv_future_t* f, const fluv_loc_t* loc);
#define fluv_detach(f) fluv_detach_loc((f), FLUV_LOC)

/**
 * Start a cold future now and keep it, to wait for it later.
 *
 * This lets two connects run in parallel before either is awaited. What the
 * future takes (bytes, a connection) is kept until the future is awaited; if it
 * is dropped instead, its out parameter tells whether something had arrived.
 *
 * @param f  The future. Borrowed. One that is pending is left alone.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_start(fluv_future_t* f);

/**
 * Call a function with a future's value once the future has succeeded.
 *
 * An error is passed through and `fn` does not run.
 *
 * @param f         The future. Taken over, and started at once.
 * @param fn        The continuation; never called before this returns.
 * @param arg       User pointer for `fn`.
 * @param free_arg  Called with `arg` on this thread exactly once when it is
 *                  no longer needed, whether `fn` ran or not. NULL: nothing.
 * @param loc       Place of the call; fluv_then() fills it in.
 *
 * @return  Future with the result of the continuation, never NULL.
 * @errors  Any error of `f` or of the continuation; FLUV_EINVAL if `fn` is
 *          NULL.
 * @cancel  Cancels `f`, or the future that `fn` returned. If `fn` has not run,
 *          it never does.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_then_loc(fluv_future_t* f,
                             fluv_then_fn fn,
                             void* arg,
                             void (*free_arg)(void* arg),
                             const fluv_loc_t* loc);
#define fluv_then(f, fn, arg, free_arg)                                        \
 fluv_then_loc((f), (fn), (arg), (free_arg), FLUV_LOC)

/**
 * Call a function with a future's error once the future has failed.
 *
 * A value >= 0 is passed through and `fn` does not run. Otherwise as
 * fluv_then().
 *
 * @param f         The future. Taken over, and started at once.
 * @param fn        The continuation; gets the error.
 * @param arg       User pointer for `fn`.
 * @param free_arg  As in fluv_then().
 * @param loc       Place of the call; fluv_catch() fills it in.
 *
 * @return  Future with the result, never NULL.
 * @errors  Any error of the continuation; FLUV_EINVAL if `fn` is NULL.
 * @cancel  As fluv_then().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_catch_loc(fluv_future_t* f,
                              fluv_then_fn fn,
                              void* arg,
                              void (*free_arg)(void* arg),
                              const fluv_loc_t* loc);
#define fluv_catch(f, fn, arg, free_arg)                                       \
 fluv_catch_loc((f), (fn), (arg), (free_arg), FLUV_LOC)

/**
 * Call a function with a future's result, be it a value, an error or a
 * cancellation.
 *
 * Otherwise as fluv_then().
 *
 * @param f         The future. Taken over, and started at once.
 * @param fn        The continuation; gets the value or the error.
 * @param arg       User pointer for `fn`.
 * @param free_arg  As in fluv_then().
 * @param loc       Place of the call; fluv_finally() fills it in.
 *
 * @return  Future with the result, never NULL.
 * @errors  Any error of `f` or of the continuation; FLUV_EINVAL if `fn` is
 *          NULL.
 * @cancel  Cancels `f`; `fn` still runs when `f` has ended.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_finally_loc(fluv_future_t* f,
                                fluv_then_fn fn,
                                void* arg,
                                void (*free_arg)(void* arg),
                                const fluv_loc_t* loc);
#define fluv_finally(f, fn, arg, free_arg)                                     \
 fluv_finally_loc((f), (fn), (arg), (free_arg), FLUV_LOC)

/**
 * Make a future that is done.
 *
 * @param result  A value >= 0 or an error.
 * @param loc     Place of the call; fluv_ready() fills it in.
 *
 * @return  Future, never NULL.
 * @errors  `result`, if it is one.
 * @cancel  Too late: it is done.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_ready_loc(int64_t result, const fluv_loc_t* loc);
#define fluv_ready(result) fluv_ready_loc((result), FLUV_LOC)
/* The same under another name: a future that has failed with `err`. */
#define fluv_failed(err) fluv_ready_loc((err), FLUV_LOC)

/**
 * Make a future that ends only when it is cancelled.
 *
 * @param loc  Place of the call; fluv_never() fills it in.
 *
 * @return  Future, never NULL.
 * @errors  FLUV_ECANCELED  it was cancelled.
 * @cancel  Ends it at once.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_never_loc(const fluv_loc_t* loc);
#define fluv_never() fluv_never_loc(FLUV_LOC)

/**
 * Check whether a future is done. A task is done when it has returned.
 *
 * @param f  The future. Borrowed.
 *
 * @return  Whether an await would return at once.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
bool fluv_future_is_done(const fluv_future_t* f);

/**
 * Get a future's result without taking the future over.
 *
 * @param f  The future. Borrowed.
 *
 * @return  The result.
 * @errors  FLUV_EAGAIN  it is not done.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int64_t fluv_future_get_result(const fluv_future_t* f);

/**
 * Get the number of a future, which is unique on its loop and never reused.
 *
 * @param f  The future. Borrowed.
 *
 * @return  A number > 0.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
uint64_t fluv_future_get_id(const fluv_future_t* f);

/**
 * Describe a future in one line: its kind, name, state and where it was made.
 *
 * @param f     The future. Borrowed.
 * @param buf   Gets the text, always terminated when `size` > 0.
 * @param size  Size of `buf` in bytes.
 *
 * @return  Bytes that the whole text needs without its end, as snprintf(3).
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_future_describe(const fluv_future_t* f, char* buf, size_t size);

/** Called with the error of a detached future, and a description of it. */
typedef void (*fluv_unhandled_fn)(int64_t err, const char* what, void* arg);

/**
 * Set the process's hook for unhandled errors: those of detached futures.
 *
 * FLUV_ECANCELED is not reported. The default writes one line to stderr.
 *
 * @param fn   Called on the loop's thread with the error and a description
 *             of the future; it must not await. NULL: the default.
 * @param arg  User pointer for `fn`.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_set_unhandled(fluv_unhandled_fn fn, void* arg);

#endif /* FLUV_FUTURE_H */
