/* SPDX-License-Identifier: MIT */
/* RwLock: many readers or one writer, first come, first served.
 *
 * A waiting writer blocks the readers behind it in the wait queue, so that it
 * is not starved. A task that holds a read lock and asks for another one behind
 * a writer waits forever.
 */
#ifndef FLUV_RWLOCK_H
#define FLUV_RWLOCK_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A lock for reading or writing, held across awaits. Any thread may use it. */
typedef struct fluv_rwlock fluv_rwlock_t;

/**
 * Make a lock, unlocked.
 *
 * @param out_lock  Gets it; free it with fluv_rwlock_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  an argument is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_rwlock_new(fluv_rwlock_t** out_lock);

/**
 * Free a lock. Aborts if it is held or waited for.
 *
 * @param lock  The lock. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_rwlock_free(fluv_rwlock_t* lock);

/**
 * Wait for a lock and lock it for reading.
 *
 * @param lock  The lock; must stay until the future has ended.
 * @param loc   Place of the call; fluv_rwlock_read() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Unlock it with
 *          fluv_rwlock_unlock_read().
 * @errors  FLUV_EDEADLK  this task holds it for writing. In debug builds also:
 *            this task holds it for reading, and would wait behind a writer
 *            that waits for this task. stderr names both locations.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Loses the place in the line; the lock is not taken.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_rwlock_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_read(lock) fluv_rwlock_read_loc((lock), FLUV_LOC)

/**
 * Lock for reading if that is possible now.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_try_read() fills it in.
 *
 * @return  0: taken.
 * @errors  FLUV_EAGAIN  it is held for writing, or others wait.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_rwlock_try_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_try_read(lock) fluv_rwlock_try_read_loc((lock), FLUV_LOC)

/**
 * Lock for reading, blocking this thread until that is possible.
 *
 * @param lock        The lock. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_rwlock_read_blocking() fills it
 *                    in.
 *
 * @return  0: taken.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread holds it for writing, or has a loop,
 *            which the call would block.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_rwlock_read_blocking_loc(fluv_rwlock_t* lock,
                                  uint64_t timeout_ms,
                                  const fluv_loc_t* loc);
#define fluv_rwlock_read_blocking(lock, timeout_ms)                            \
 fluv_rwlock_read_blocking_loc((lock), (timeout_ms), FLUV_LOC)

/**
 * Unlock a lock that is held for reading.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_unlock_read() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM   it is not held for reading; stderr names the location.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_unlock_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_unlock_read(lock)                                          \
 fluv_rwlock_unlock_read_loc((lock), FLUV_LOC)

/**
 * Wait for a lock and lock it for writing.
 *
 * @param lock  The lock; must stay until the future has ended.
 * @param loc   Place of the call; fluv_rwlock_write() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Unlock it with
 *          fluv_rwlock_unlock_write().
 * @errors  FLUV_EDEADLK  this task holds it for writing or, in debug builds,
 *            for reading; stderr names both locations.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Loses the place in the line; the lock is not taken.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_rwlock_write_loc(fluv_rwlock_t* lock,
                                     const fluv_loc_t* loc);
#define fluv_rwlock_write(lock) fluv_rwlock_write_loc((lock), FLUV_LOC)

/**
 * Lock for writing if that is possible now.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_try_write() fills it in.
 *
 * @return  0: taken.
 * @errors  FLUV_EAGAIN  it is held, or others wait.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_rwlock_try_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_try_write(lock) fluv_rwlock_try_write_loc((lock), FLUV_LOC)

/**
 * Lock for writing, blocking this thread until that is possible.
 *
 * @param lock        The lock. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_rwlock_write_blocking() fills it
 *                    in.
 *
 * @return  0: taken.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread holds it for writing, or has a loop,
 *            which the call would block.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_rwlock_write_blocking_loc(fluv_rwlock_t* lock,
                                   uint64_t timeout_ms,
                                   const fluv_loc_t* loc);
#define fluv_rwlock_write_blocking(lock, timeout_ms)                           \
 fluv_rwlock_write_blocking_loc((lock), (timeout_ms), FLUV_LOC)

/**
 * Unlock a lock that is held for writing.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_unlock_write() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM   it is not held for writing, or by another task or
 *            thread; stderr names the locations.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_unlock_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_unlock_write(lock)                                         \
 fluv_rwlock_unlock_write_loc((lock), FLUV_LOC)

/**
 * Turn a lock held for writing into one held for reading, without a gap.
 *
 * Readers at the head of the wait queue get the lock too.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_downgrade() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM   the caller does not hold it for writing.
 *          FLUV_EINVAL  `lock` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_downgrade_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_downgrade(lock) fluv_rwlock_downgrade_loc((lock), FLUV_LOC)

#endif /* FLUV_RWLOCK_H */
