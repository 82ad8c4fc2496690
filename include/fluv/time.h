/* SPDX-License-Identifier: MIT */
/* Time: sleeps, intervals, and a clock that tests can pause and advance.
 *
 * The clock counts nanoseconds and never goes back. No sleep ends early; the
 * resolution is one millisecond, rounded up. A sleep in milliseconds counts
 * from the moment it is started, or from when the loop next reads its clock,
 * which is at most one turn later.
 */
#ifndef FLUV_TIME_H
#define FLUV_TIME_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/* No limit, or a point in time that never comes. */
#define FLUV_FOREVER UINT64_MAX

/**
 * Get the current time of this thread's loop.
 *
 * @return  Nanoseconds since some point in the past: uv_hrtime(), or the test
 *          clock of this thread's loop while it is paused.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
uint64_t fluv_now(void);

/**
 * Sleep for a while.
 *
 * @param delay_ms  Milliseconds; 0 lets all ready tasks run first;
 *                  FLUV_FOREVER never ends.
 * @param loc       Place of the call; fluv_sleep() fills it in.
 *
 * @return  Future, never NULL. Its value is 0.
 * @errors  FLUV_ECANCELED.
 * @cancel  Ends it at once; a sleep of 0 ms ends after the other ready tasks.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_sleep_loc(uint64_t delay_ms, const fluv_loc_t* loc);
#define fluv_sleep(delay_ms) fluv_sleep_loc((delay_ms), FLUV_LOC)

/**
 * Sleep until a point in time.
 *
 * @param deadline_ns  Nanoseconds on the clock of fluv_now(); one that has
 *                     passed ends as fluv_sleep(0) does.
 * @param loc          Place of the call; fluv_sleep_until() fills it in.
 *
 * @return  Future, never NULL. Its value is 0.
 * @errors  FLUV_ECANCELED.
 * @cancel  Ends it at once; if its time has passed, after the other ready
 *          tasks.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_sleep_until_loc(uint64_t deadline_ns,
                                    const fluv_loc_t* loc);
#define fluv_sleep_until(deadline_ns)                                          \
 fluv_sleep_until_loc((deadline_ns), FLUV_LOC)

/** Ticks at a steady rate. Made by fluv_interval_new(). */
typedef struct fluv_interval fluv_interval_t;

/** What an interval does about ticks that were missed. */
typedef enum fluv_interval_missed {
  /** Deliver them one after the other until the interval has caught up. */
  FLUV_INTERVAL_BURST,
  /** The next tick is one period after the late one was taken. */
  FLUV_INTERVAL_DELAY,
  /** Skip them; later ticks stay at multiples of the period. */
  FLUV_INTERVAL_SKIP
} fluv_interval_missed_t;

/**
 * Make an interval on this thread's loop. Its first tick comes at once.
 *
 * @param period_ms  Milliseconds between ticks, at least 1. FLUV_FOREVER, or
 *                   more than 146 years: only the first tick comes.
 * @param missed     What to do about ticks more than 5 ms late.
 *
 * @return  The interval; NULL if `period_ms` is 0, memory ran out or this
 *          thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
fluv_interval_t* fluv_interval_new(uint64_t period_ms,
                                   fluv_interval_missed_t missed);

/**
 * Wait for the next tick.
 *
 * @param interval  The interval; must stay until the future has ended.
 * @param loc       Place of the call; fluv_interval_tick() fills it in.
 *
 * @return  Future, never NULL. Its value is the point in time, in ns, at
 *          which the tick was due.
 * @errors  FLUV_ECANCELED; FLUV_EBUSY  another tick is waited for already;
 *          FLUV_EINVAL  `interval` is NULL.
 * @cancel  Ends it at once; the tick is not lost.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_interval_tick_loc(fluv_interval_t* interval,
                                      const fluv_loc_t* loc);
#define fluv_interval_tick(interval)                                           \
 fluv_interval_tick_loc((interval), FLUV_LOC)

/**
 * Restart an interval: its next tick comes one period from now.
 *
 * @param interval  The interval. Borrowed.
 *
 * @return  0.
 * @errors  FLUV_EBUSY  a tick is waited for; FLUV_EINVAL  `interval` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_interval_reset(fluv_interval_t* interval);

/**
 * Free an interval. A tick that is being waited for is cancelled.
 *
 * @param interval  The interval. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_interval_free(fluv_interval_t* interval);

/**
 * Pause this loop's clock. For tests.
 *
 * Time then passes only by fluv_clock_advance(), and automatically when nothing
 * else can happen: no task is ready, and only sleeps and waits for promises
 * keep the loop alive.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  it is paused; FLUV_ENOLOOP  this thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_clock_pause(void);

/**
 * Resume this loop's clock, from where it was paused or advanced to.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  it runs; FLUV_ENOLOOP  this thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_clock_resume(void);

/**
 * Advance the paused clock. Sleeps end in their order, and tasks run in
 * between.
 *
 * @param delay_ms  Milliseconds.
 * @param loc       Place of the call; fluv_clock_advance() fills it in.
 *
 * @return  Future, never NULL. Its value is 0, when the clock has arrived and
 *          the tasks whose sleeps ended have run.
 * @errors  FLUV_EINVAL  the clock is not paused.
 * @cancel  The clock stays at the time it has reached.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_clock_advance_loc(uint64_t delay_ms, const fluv_loc_t* loc);
#define fluv_clock_advance(delay_ms)                                           \
 fluv_clock_advance_loc((delay_ms), FLUV_LOC)

#endif /* FLUV_TIME_H */
