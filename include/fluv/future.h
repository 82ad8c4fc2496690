/* SPDX-License-Identifier: MIT */
/* Futures: one result that will arrive on its home loop, used exactly once.
 *
 * A future is cold until somebody waits for it: making one takes nothing out
 * of a socket, a channel or a backlog. Waiting starts it. Waiting is
 * fluv_await, fluv_then, fluv_detach, and being an arm of a combinator that
 * is waited for. Tasks, promises, libuv requests and closes are under way
 * from the moment they are made.
 *
 * Every function here that takes a future takes it over, except
 * fluv_cancel, fluv_start and the questions at the end.
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
 * It gets the result of the future before it and the user's pointer, and runs
 * on the home loop's own stack, outside any task: it must not await. What it
 * returns becomes the result of the chain: a future, which is taken over, or
 * NULL to hand the result on unchanged.
 */
typedef fluv_future_t* (*fluv_then_fn)(int64_t result, void* arg);

/**
 * Wait for a future in a task.
 *
 * Other tasks run meanwhile. A result that is already there is returned at
 * once, though a task that never has to wait gives way every 128 awaits.
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
 *          What the future says otherwise.
 * @cancel  Cancels the future and waits until it has ended; a result that is
 *          there all the same is returned and not lost.
 * @since   0.1
 */
FLUV_EXTERN FLUV_SUSPENDS FLUV_LOOP_THREAD
int64_t fluv_await_loc(fluv_future_t* f, const fluv_loc_t* loc);
#define fluv_await(f) fluv_await_loc((f), FLUV_LOC)

/**
 * Ask a future to end early. Keeps it: await it to see how it ended.
 *
 * A cold future ends at once. One that is done is left alone. A task's
 * current await, and every later one of a future that is not done, returns
 * FLUV_ECANCELED.
 * Asking twice is the same as asking once.
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
 * From here on fluv touches no memory of the caller's on behalf of this
 * future. What cannot be stopped at once ends on fluv's own memory; a task
 * that is dropped runs on until it returns, with its awaits cancelled. Its
 * result, also an error, is not reported.
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
 * Let a future run and forget it.
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
 * Two connects can so run side by side before either is awaited. What it
 * takes (bytes, a connection) is then held for whoever waits for it; if it is
 * dropped instead, its out parameter tells whether something had arrived.
 *
 * @param f  The future. Borrowed. One that is under way is left alone.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_start(fluv_future_t* f);

/**
 * Go on with a function when a future has ended well.
 *
 * An error is handed on and `fn` does not run.
 *
 * @param f         The future. Taken over, and started at once.
 * @param fn        The continuation; never called before this returns.
 * @param arg       User pointer for `fn`.
 * @param free_arg  Called with `arg` on this thread exactly once when it is
 *                  no longer needed, whether `fn` ran or not. NULL: nothing.
 * @param loc       Place of the call; fluv_then() fills it in.
 *
 * @return  Future with the result of the continuation, never NULL.
 * @errors  What `f` or the continuation says; FLUV_EINVAL if `fn` is NULL.
 * @cancel  Cancels `f`, or the future that `fn` returned; `fn` does not run
 *          any more.
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
 * Go on with a function when a future has failed.
 *
 * A value >= 0 is handed on and `fn` does not run. Otherwise as fluv_then().
 *
 * @param f         The future. Taken over, and started at once.
 * @param fn        The continuation; gets the error.
 * @param arg       User pointer for `fn`.
 * @param free_arg  As in fluv_then().
 * @param loc       Place of the call; fluv_catch() fills it in.
 *
 * @return  Future with the result, never NULL.
 * @errors  What the continuation says; FLUV_EINVAL if `fn` is NULL.
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
 * Go on with a function however a future has ended, also by being cancelled.
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
 * @errors  What `f` or the continuation says; FLUV_EINVAL if `fn` is NULL.
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
 * A future that has its result already.
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
/* The same, for the reader's eye: a future that has failed with `err`. */
#define fluv_failed(err) fluv_ready_loc((err), FLUV_LOC)

/**
 * A future that ends only by being cancelled.
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
 * Has a future its result? For a task: has it returned and left its stack?
 *
 * @param f  The future. Borrowed.
 *
 * @return  Whether an await would return at once.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
bool fluv_future_is_done(const fluv_future_t* f);

/**
 * Look at a future's result without using the future.
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
 * Number of a future: unique on its loop, never reused.
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

/** Called with what a detached future failed with. */
typedef void (*fluv_unhandled_fn)(int64_t err, const char* what, void* arg);

/**
 * Set who hears of errors that nobody reads, for the whole process.
 *
 * They come from detached futures. FLUV_ECANCELED is not reported. The
 * default writes one line to stderr.
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
