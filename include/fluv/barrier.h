/* SPDX-License-Identifier: MIT */
/* Barrier: a number of tasks or threads wait for each other; reusable. */
#ifndef FLUV_BARRIER_H
#define FLUV_BARRIER_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A meeting point of tasks and threads. Any thread may use it. */
typedef struct fluv_barrier fluv_barrier_t;

/**
 * Make a barrier.
 *
 * @param n            Number of waits that end together; at least 1.
 * @param out_barrier  Gets it; free it with fluv_barrier_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL or 0.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_barrier_new(size_t n, fluv_barrier_t** out_barrier);

/**
 * Free a barrier. Aborts if it is waited for.
 *
 * @param barrier  The barrier. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_barrier_free(fluv_barrier_t* barrier);

/**
 * Wait until `n` tasks or threads wait at a barrier.
 *
 * @param barrier  The barrier; must stay until the future has ended.
 * @param loc      Place of the call; fluv_barrier_wait() fills it in.
 *
 * @return  Future, never NULL. Its value is 1 for the last to arrive, the
 *          leader, and 0 for the others.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: it no longer counts as having arrived. After the last has
 *          arrived it cannot be cancelled.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_barrier_wait_loc(fluv_barrier_t* barrier,
                                     const fluv_loc_t* loc);
#define fluv_barrier_wait(barrier) fluv_barrier_wait_loc((barrier), FLUV_LOC)

/**
 * Block this thread until `n` tasks or threads wait at a barrier.
 *
 * @param barrier     The barrier. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  1 for the last to arrive, 0 for the others.
 * @errors  FLUV_ETIMEDOUT  the time was over first. The thread no longer counts
 *            as having arrived.
 *          FLUV_EDEADLK  this thread has a loop, which the call would block.
 *          FLUV_EINVAL  `barrier` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_barrier_wait_blocking(fluv_barrier_t* barrier, uint64_t timeout_ms);

#endif /* FLUV_BARRIER_H */
