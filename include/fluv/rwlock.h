/* SPDX-License-Identifier: MIT */
/* RwLock: many readers or one writer, first come, first served.
 *
 * A writer in line holds back the readers behind it, so that it is not
 * starved. A task that reads and asks to read again behind it waits for ever.
 */
#ifndef FLUV_RWLOCK_H
#define FLUV_RWLOCK_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A lock for reading or writing, held across awaits. Any thread may use it. */
typedef struct fluv_rwlock fluv_rwlock_t;

/**
 * Make a lock that nobody holds.
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
 * Free a lock. That it is held, or waited for, is a mistake, and aborts.
 *
 * @param lock  The lock. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_rwlock_free(fluv_rwlock_t* lock);

/**
 * Wait for a lock and take it for reading.
 *
 * @param lock  The lock; must stay until the future has ended.
 * @param loc   Place of the call; fluv_rwlock_read() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Give it back with
 *          fluv_rwlock_unlock_read().
 * @errors  FLUV_EDEADLK  this task holds it for writing or, in debug builds,
 *            reads already and would wait behind a writer who waits for that;
 *            both places are named on stderr.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Loses the place in the line; the lock is not taken.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_rwlock_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_read(lock) fluv_rwlock_read_loc((lock), FLUV_LOC)

/**
 * Take a lock for reading if it can be had now.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_try_read() fills it in.
 *
 * @return  0: taken.
 * @errors  FLUV_EAGAIN  it is held for writing, or others wait.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_rwlock_try_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_try_read(lock) fluv_rwlock_try_read_loc((lock), FLUV_LOC)

/**
 * Block this thread until it has taken a lock for reading.
 *
 * @param lock        The lock. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_rwlock_read_blocking() fills it
 *                    in.
 *
 * @return  0: taken.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread holds it for writing, or has a loop,
 *            which would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_rwlock_read_blocking_loc(fluv_rwlock_t* lock,
                                  uint64_t timeout_ms,
                                  const fluv_loc_t* loc);
#define fluv_rwlock_read_blocking(lock, timeout_ms)                            \
 fluv_rwlock_read_blocking_loc((lock), (timeout_ms), FLUV_LOC)

/**
 * Give back a lock taken for reading.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_unlock_read() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM  it is not held so; the places are named on stderr.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_unlock_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_unlock_read(lock)                                          \
 fluv_rwlock_unlock_read_loc((lock), FLUV_LOC)

/**
 * Wait for a lock and take it for writing.
 *
 * @param lock  The lock; must stay until the future has ended.
 * @param loc   Place of the call; fluv_rwlock_write() fills it in.
 *
 * @return  Future, never NULL, with the value 0. Give it back with
 *          fluv_rwlock_unlock_write().
 * @errors  FLUV_EDEADLK  this task holds it for writing or, in debug builds,
 *            for reading; both places are named on stderr.
 *          FLUV_EINVAL  an argument is NULL.
 * @cancel  Loses the place in the line; the lock is not taken.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_rwlock_write_loc(fluv_rwlock_t* lock,
                                     const fluv_loc_t* loc);
#define fluv_rwlock_write(lock) fluv_rwlock_write_loc((lock), FLUV_LOC)

/**
 * Take a lock for writing if it can be had now.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_try_write() fills it in.
 *
 * @return  0: taken.
 * @errors  FLUV_EAGAIN  it is held, or others wait.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_rwlock_try_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_try_write(lock) fluv_rwlock_try_write_loc((lock), FLUV_LOC)

/**
 * Block this thread until it has taken a lock for writing.
 *
 * @param lock        The lock. Borrowed.
 * @param timeout_ms  Milliseconds; FLUV_FOREVER: no limit.
 * @param loc         Place of the call; fluv_rwlock_write_blocking() fills it
 *                    in.
 *
 * @return  0: taken.
 * @errors  FLUV_ETIMEDOUT  the time was over first.
 *          FLUV_EDEADLK  this thread holds it for writing, or has a loop,
 *            which would stand still.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_rwlock_write_blocking_loc(fluv_rwlock_t* lock,
                                   uint64_t timeout_ms,
                                   const fluv_loc_t* loc);
#define fluv_rwlock_write_blocking(lock, timeout_ms)                           \
 fluv_rwlock_write_blocking_loc((lock), (timeout_ms), FLUV_LOC)

/**
 * Give back a lock taken for writing.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_unlock_write() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM  it is not held so, or by somebody else; the places are
 *            named on stderr.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_unlock_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_unlock_write(lock)                                         \
 fluv_rwlock_unlock_write_loc((lock), FLUV_LOC)

/**
 * Turn a lock held for writing into one for reading, without a gap.
 *
 * Readers at the head of the line go on too.
 *
 * @param lock  The lock. Borrowed.
 * @param loc   Place of the call; fluv_rwlock_downgrade() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EPERM  the caller does not hold it for writing.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_rwlock_downgrade_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc);
#define fluv_rwlock_downgrade(lock) fluv_rwlock_downgrade_loc((lock), FLUV_LOC)

#endif /* FLUV_RWLOCK_H */
