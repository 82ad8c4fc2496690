/* SPDX-License-Identifier: MIT */
/* Semaphore: a number of permits, granted first come, first served. */
#ifndef FLUV_SEMAPHORE_H
#define FLUV_SEMAPHORE_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Permits that tasks, callbacks and threads share. Any thread may use it.
 *
 * A request at the head of the wait queue that asks for more permits than are
 * free blocks smaller ones behind it, so that it is not starved. */
typedef struct fluv_semaphore fluv_semaphore_t;

/**
 * Make a semaphore.
 *
 * @param permits        Initial number of permits.
 * @param out_semaphore  Gets the semaphore; free it with
 *                       fluv_semaphore_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  `out_semaphore` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_semaphore_new(size_t permits, fluv_semaphore_t** out_semaphore);

/**
 * Free a semaphore. Aborts if it is waited for.
 *
 * @param semaphore  The semaphore. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_semaphore_free(fluv_semaphore_t* semaphore);

/**
 * Wait for `n` permits and take them together.
 *
 * @param semaphore  The semaphore; must stay until the future has ended.
 * @param n          Number of permits; 0 waits for its turn and takes none.
 * @param loc        Place of the call; fluv_semaphore_acquire() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Give the permits back with
 *          fluv_semaphore_release().
 * @errors  FLUV_ECLOSED  the semaphore is closed.
 *          FLUV_EINVAL   `semaphore` is NULL.
 * @cancel  Leaves the wait queue; no permit is taken.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_semaphore_acquire_loc(fluv_semaphore_t* semaphore,
                                          size_t n,
                                          const fluv_loc_t* loc);
#define fluv_semaphore_acquire(semaphore, n)                                   \
 fluv_semaphore_acquire_loc((semaphore), (n), FLUV_LOC)

/**
 * Take permits if enough are free now.
 *
 * @param semaphore  The semaphore. Borrowed.
 * @param n          Permits.
 *
 * @return  0: taken.
 * @errors  FLUV_EAGAIN   there are not enough, or others wait.
 *          FLUV_ECLOSED  the semaphore is closed.
 *          FLUV_EINVAL   `semaphore` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_semaphore_try_acquire(fluv_semaphore_t* semaphore, size_t n);

/**
 * Take permits, blocking this thread until enough are free.
 *
 * @param semaphore   The semaphore. Borrowed.
 * @param n           Permits.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 *
 * @return  0: taken.
 * @errors  FLUV_ETIMEDOUT  the time was over first; nothing is taken.
 *          FLUV_ECLOSED    the semaphore is closed.
 *          FLUV_EDEADLK    this thread has a loop, which the call would block.
 *          FLUV_EINVAL     `semaphore` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_semaphore_acquire_blocking(fluv_semaphore_t* semaphore,
                                    size_t n,
                                    uint64_t timeout_ms);

/**
 * Give permits back, or add new ones, and grant them to waiting requests.
 *
 * @param semaphore  The semaphore. Borrowed.
 * @param n          Permits.
 *
 * @return  0.
 * @errors  FLUV_EOVERFLOW  there would be more than SIZE_MAX; nothing changed.
 *          FLUV_EINVAL     `semaphore` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_semaphore_release(fluv_semaphore_t* semaphore, size_t n);

/**
 * Permanently remove up to `n` free permits.
 *
 * @param semaphore  The semaphore. Borrowed.
 * @param n          Number of permits at most.
 *
 * @return  The number of permits that were removed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_semaphore_forget(fluv_semaphore_t* semaphore, size_t n);

/**
 * Close a semaphore: all waits, and all later ones, fail with FLUV_ECLOSED.
 *
 * @param semaphore  The semaphore. Borrowed. Permits may still be released.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_semaphore_close(fluv_semaphore_t* semaphore);

/**
 * Check whether a semaphore is closed.
 *
 * @param semaphore  The semaphore. Borrowed.
 *
 * @return  True after fluv_semaphore_close().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_semaphore_is_closed(fluv_semaphore_t* semaphore);

/**
 * Get the number of permits that are free now.
 *
 * @param semaphore  The semaphore. Borrowed.
 *
 * @return  The number; others may have changed it when this returns.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_semaphore_get_permits(fluv_semaphore_t* semaphore);

#endif /* FLUV_SEMAPHORE_H */
