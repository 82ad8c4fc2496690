/* SPDX-License-Identifier: MIT */
/* Combinators: several futures as one.
 *
 * The arrays of futures are read only during the call. The futures in them are
 * taken over, also when the call fails. Arms are started in the order of the
 * array when the combinator is started. A select reports its winner when the
 * other arms have ended.
 */
#ifndef FLUV_COMBINE_H
#define FLUV_COMBINE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/**
 * Wait for all futures, whether they succeed or fail.
 *
 * @param futures  `n` futures. Taken over.
 * @param n        Number of futures; 0 gives a future that is done.
 * @param results  Gets the `n` results as they arrive; must stay until the
 *                 future has ended. NULL: not wanted.
 * @param loc      Place of the call; fluv_join_all() fills it in.
 *
 * @return  Future, never NULL. Its value is 0 if all succeeded.
 * @errors  The error of the first in the array that failed; FLUV_EINVAL
 *          `futures` is NULL or holds a NULL.
 * @cancel  Cancels all and waits for all; their results are filled in, unless
 *          the future was dropped.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_join_all_loc(fluv_future_t* const* futures,
                                 size_t n,
                                 int64_t* results,
                                 const fluv_loc_t* loc);
#define fluv_join_all(futures, n, results)                                     \
 fluv_join_all_loc((futures), (n), (results), FLUV_LOC)

/**
 * Wait for all futures, or for the first error.
 *
 * The first error cancels the rest, and they are waited for.
 *
 * @param futures  `n` futures. Taken over.
 * @param n        Number of futures; 0 gives a future that is done.
 * @param results  As in fluv_join_all().
 * @param loc      Place of the call; fluv_try_join_all() fills it in.
 *
 * @return  Future, never NULL. Its value is 0 if all succeeded.
 * @errors  The error that came first in time; FLUV_EINVAL as fluv_join_all().
 * @cancel  As fluv_join_all().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_try_join_all_loc(fluv_future_t* const* futures,
                                     size_t n,
                                     int64_t* results,
                                     const fluv_loc_t* loc);
#define fluv_try_join_all(futures, n, results)                                 \
 fluv_try_join_all_loc((futures), (n), (results), FLUV_LOC)

/** Flags of fluv_select_with(). */
enum {
  /** Poll the arms in the order of the array, not from a random one on. */
  FLUV_SELECT_BIASED = 1 << 0,
  /** The first arm that succeeds wins; errors count only when all fail. */
  FLUV_SELECT_OK = 1 << 1
};

/**
 * Wait for the first of several futures.
 *
 * The arms are polled in the order of the array, from a random one on, or from
 * the first one if the select is biased; the first that is ready wins. The
 * random number comes from the loop's seeded generator. Cold arms behind the
 * winner are never started, so nothing is taken for them.
 *
 * @param futures  `n` futures. Taken over.
 * @param n        Number of futures, at least 1.
 * @param flags    FLUV_SELECT_* or 0.
 * @param result   Gets the winner's result; must stay until the future has
 *                 ended. NULL: not wanted.
 * @param loc      Place of the call; fluv_select() fills it in.
 *
 * @return  Future, never NULL. Its value is the winner's index.
 * @errors  FLUV_ECANCELED  it was cancelled before there was a winner.
 *          With FLUV_SELECT_OK: the last error, if all failed.
 *          FLUV_EINVAL  `n` is 0, a future is NULL or a flag is unknown.
 * @cancel  Cancels all arms and waits for them. If one ends with a value
 *          nevertheless, it is the winner.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_select_loc(fluv_future_t* const* futures,
                               size_t n,
                               unsigned flags,
                               int64_t* result,
                               const fluv_loc_t* loc);
#define fluv_select(futures, n, result)                                        \
 fluv_select_loc((futures), (n), 0, (result), FLUV_LOC)
#define fluv_select_biased(futures, n, result)                                 \
 fluv_select_loc((futures), (n), FLUV_SELECT_BIASED, (result), FLUV_LOC)
#define fluv_select_ok(futures, n, result)                                     \
 fluv_select_loc((futures), (n), FLUV_SELECT_OK, (result), FLUV_LOC)
#define fluv_select_with(futures, n, flags, result)                            \
 fluv_select_loc((futures), (n), (flags), (result), FLUV_LOC)

/**
 * Limit the time that a future may take.
 *
 * A result that is ready counts, also if the future got it while it was being
 * cancelled because of the timeout.
 *
 * @param f         The future. Taken over.
 * @param limit_ms  Milliseconds from when it is started; FLUV_FOREVER: none.
 * @param loc       Place of the call; fluv_timeout() fills it in.
 *
 * @return  Future with the result of `f`, never NULL.
 * @errors  FLUV_ETIMEDOUT  the time passed; `f` was cancelled and has ended.
 *          Any error of `f`.
 * @cancel  Cancels `f` and waits for it.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_timeout_loc(fluv_future_t* f,
                                uint64_t limit_ms,
                                const fluv_loc_t* loc);
#define fluv_timeout(f, limit_ms) fluv_timeout_loc((f), (limit_ms), FLUV_LOC)

/**
 * Limit a future by a point in time. Otherwise as fluv_timeout().
 *
 * @param f            The future. Taken over.
 * @param deadline_ns  Nanoseconds on the clock of fluv_now().
 * @param loc          Place of the call; fluv_timeout_at() fills it in.
 *
 * @return  Future with the result of `f`, never NULL.
 * @errors  As fluv_timeout().
 * @cancel  As fluv_timeout().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_timeout_at_loc(fluv_future_t* f,
                                   uint64_t deadline_ns,
                                   const fluv_loc_t* loc);
#define fluv_timeout_at(f, deadline_ns)                                        \
 fluv_timeout_at_loc((f), (deadline_ns), FLUV_LOC)

#endif /* FLUV_COMBINE_H */
