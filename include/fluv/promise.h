/* SPDX-License-Identifier: MIT */
/* Promises: the other end of a future, to be resolved from any thread. */
#ifndef FLUV_PROMISE_H
#define FLUV_PROMISE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Resolves one future. Made by fluv_promise_new(). */
typedef struct fluv_promise fluv_promise_t;

/**
 * Make a promise and its future.
 *
 * The loop stays alive while a task or a combinator waits for the future.
 *
 * @param out_promise  Gets the promise; free it with fluv_promise_free().
 * @param out_future   Gets the future; its home is this thread's loop.
 * @param loc          Place of the call; fluv_promise_new() fills it in.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_ENOLOOP  this thread has no loop;
 *          FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
int fluv_promise_new_loc(fluv_promise_t** out_promise,
                         fluv_future_t** out_future,
                         const fluv_loc_t* loc);
#define fluv_promise_new(out_promise, out_future)                              \
 fluv_promise_new_loc((out_promise), (out_future), FLUV_LOC)

/**
 * Give a promise's future its result. Only the first call has an effect.
 *
 * Everything that the calling thread wrote before is visible to the task that
 * waits for the future. On a thread other than the future's, the call takes no
 * lock and never waits.
 *
 * @param p       The promise. Borrowed: free it when done with it.
 * @param result  A value >= 0 or an error.
 *
 * @return  0: the future will get it.
 * @errors  FLUV_EALREADY   it was resolved before.
 *          FLUV_ECANCELED  the future was cancelled or dropped.
 *          FLUV_EINVAL     `p` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_promise_resolve(fluv_promise_t* p, int64_t result);

/**
 * Free a promise. If it was not resolved, its future fails with FLUV_EBROKEN.
 *
 * Several threads may race to resolve a promise. Only one of them may free it,
 * after all the others have returned.
 *
 * @param p  The promise. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_promise_free(fluv_promise_t* p);

/**
 * Check whether the promise's future has been cancelled or dropped.
 *
 * @param p  The promise. Borrowed.
 *
 * @return  True if it has: the result would be discarded.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_promise_is_cancelled(const fluv_promise_t* p);

/**
 * Set a function that is called when the future is cancelled or dropped.
 *
 * Without a hook a cancelled future ends at once. With one it ends when the
 * promise is resolved or freed, by the hook or later. This lets a producer that
 * uses the waiting task's memory finish first.
 *
 * @param p    The promise. Borrowed. Set the hook before the future is
 *             waited for.
 * @param fn   Called at most once, on the future's home loop. It must not
 *             await. It may resolve `p`, but must not free it.
 * @param arg  User pointer for `fn`.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_promise_on_cancel(fluv_promise_t* p,
                            void (*fn)(fluv_promise_t* p, void* arg),
                            void* arg);

#endif /* FLUV_PROMISE_H */
