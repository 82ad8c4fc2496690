/* SPDX-License-Identifier: MIT */
/* Barrier: all go on when the last has come; reusable. */
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
 * @param n            How many meet; at least 1.
 * @param out_barrier  Gets it; free it with fluv_barrier_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL or 0.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_barrier_new(size_t n, fluv_barrier_t** out_barrier);

/**
 * Free a barrier. That somebody waits at it is a mistake, and aborts.
 *
 * @param barrier  The barrier. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_barrier_free(fluv_barrier_t* barrier);

/**
 * Wait until all have come.
 *
 * @param barrier  The barrier; must stay until the future has ended.
 * @param loc      Place of the call; fluv_barrier_wait() fills it in.
 *
 * @return  Future, never NULL. Its value is 1 for the one that came last, who
 *          leads, and 0 for the others.
 * @errors  FLUV_EINVAL  an argument is NULL.
 * @cancel  Safe: it does not count as having come. When all have come, it goes
 *          on as the others do.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_barrier_wait_loc(fluv_barrier_t* barrier,
                                     const fluv_loc_t* loc);
#define fluv_barrier_wait(barrier) fluv_barrier_wait_loc((barrier), FLUV_LOC)

/**
 * Block this thread until all have come.
 *
 * @param barrier     The barrier. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  1 for the one that came last, 0 for the others.
 * @errors  FLUV_ETIMEDOUT  the time was over first. It does not count as
 *            having come.
 *          FLUV_EDEADLK  this thread has a loop, which would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_barrier_wait_blocking(fluv_barrier_t* barrier, uint64_t timeout_ms);

#endif /* FLUV_BARRIER_H */
