/* SPDX-License-Identifier: MIT */
/* Cancellation token: asks many tasks to stop, with a reason.
 *
 * Tokens form a tree. Cancelling a token cancels all below it; when the call
 * returns, all of them are cancelled.
 */
#ifndef FLUV_TOKEN_H
#define FLUV_TOKEN_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Is cancelled once, permanently; reference-counted. Any thread may use it. */
typedef struct fluv_token fluv_token_t;

/**
 * Make a token, the root of a tree.
 *
 * @param out_token  Gets it; free it with fluv_token_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_token_new(fluv_token_t** out_token);

/**
 * Make a child token: cancelling its parent cancels it too.
 *
 * It may be cancelled alone. If the parent is cancelled already, so is the
 * child.
 *
 * @param parent     The token above. Borrowed; may be freed before its
 *                   children.
 * @param out_token  Gets it; free it with fluv_token_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_token_child(fluv_token_t* parent, fluv_token_t** out_token);

/**
 * Add a reference to a token.
 *
 * @param token  The token. Borrowed.
 *
 * @return  `token`, counted once more; free each.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_token_t* fluv_token_clone(fluv_token_t* token);

/**
 * Release a reference to a token. This does not cancel it.
 *
 * @param token  The token. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_token_free(fluv_token_t* token);

/**
 * Cancel a token and all below it. Only the first call has an effect.
 *
 * @param token   The token. Borrowed.
 * @param reason  A negative error number, the reason; FLUV_ECANCELED if there
 *                is no special one.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_token_cancel(fluv_token_t* token, int reason);

/**
 * Check whether a token is cancelled.
 *
 * @param token  The token. Borrowed.
 *
 * @return  True after fluv_token_cancel() of it or of one above it.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_token_is_cancelled(const fluv_token_t* token);

/**
 * Get the reason that a token was cancelled with.
 *
 * @param token  The token. Borrowed.
 *
 * @return  The reason; 0 if it is not cancelled.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_token_get_reason(const fluv_token_t* token);

/**
 * Wait until a token is cancelled.
 *
 * @param token  The token; must stay until the future has ended.
 * @param loc    Place of the call; fluv_token_cancelled() fills it in.
 *
 * @return  Future, never NULL, with the value 0.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: only stops waiting.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_token_cancelled_loc(fluv_token_t* token,
                                        const fluv_loc_t* loc);
#define fluv_token_cancelled(token) fluv_token_cancelled_loc((token), FLUV_LOC)

/**
 * Block this thread until a token is cancelled.
 *
 * @param token       The token. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: cancelled.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EINVAL  `token` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_token_cancelled_blocking(fluv_token_t* token, uint64_t timeout_ms);

/**
 * Wait for a future until a token is cancelled.
 *
 * A result that is ready counts, even if the token is cancelled. Otherwise the
 * future is cancelled and waited for.
 *
 * @param token  The token; must stay until the future has ended.
 * @param f      The future. Taken over.
 * @param loc    Place of the call; fluv_run_until_cancelled() fills it in.
 *
 * @return  Future, never NULL, with the result of `f`.
 * @errors  The token's reason  it was cancelled first; FLUV_EINVAL  `token` is
 *            NULL.
 * @cancel  Cancels `f`.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_run_until_cancelled_loc(fluv_token_t* token,
                                            fluv_future_t* f,
                                            const fluv_loc_t* loc);
#define fluv_run_until_cancelled(token, f)                                     \
 fluv_run_until_cancelled_loc((token), (f), FLUV_LOC)

/**
 * Cancel a token when the running task returns, or a scope of it ends.
 *
 * @param token   The token. The task keeps a reference to it.
 * @param reason  As in fluv_token_cancel().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  `token` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
int fluv_token_cancel_at_end(fluv_token_t* token, int reason);

#endif /* FLUV_TOKEN_H */
