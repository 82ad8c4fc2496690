/* SPDX-License-Identifier: MIT */
/* Time: sleeping, ticking, and the clock that tests hold in their hand.
 *
 * The clock counts nanoseconds and never goes back. Nothing here ends early;
 * sleeps have a grain of one millisecond, rounded up. A sleep in milliseconds
 * counts from when it is started, or from when the loop next reads its clock
 * in the same turn, which is at most one turn later.
 */
#ifndef FLUV_TIME_H
#define FLUV_TIME_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/* No limit, or a point in time that never comes. */
#define FLUV_FOREVER UINT64_MAX

/**
 * The loop's clock.
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
 * @cancel  Ends it at once; one of 0 ms when its turn comes.
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
 * @cancel  Ends it at once; one whose time has passed when its turn comes.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_sleep_until_loc(uint64_t deadline_ns,
                                    const fluv_loc_t* loc);
#define fluv_sleep_until(deadline_ns)                                          \
 fluv_sleep_until_loc((deadline_ns), FLUV_LOC)

/** Ticks at a steady rate. Made by fluv_interval_new(). */
typedef struct fluv_interval fluv_interval_t;

/** What an interval does about ticks that nobody was there to take. */
typedef enum fluv_interval_missed {
  /** Deliver them one after the other until caught up. */
  FLUV_INTERVAL_BURST,
  /** The next tick is one period after the late one was taken. */
  FLUV_INTERVAL_DELAY,
  /** Leave them out; keep to multiples of the period. */
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
 * @errors  FLUV_ECANCELED; FLUV_EBUSY  somebody waits for it already;
 *          FLUV_EINVAL  `interval` is NULL.
 * @cancel  Ends it at once; the tick is still to come.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_interval_tick_loc(fluv_interval_t* interval,
                                      const fluv_loc_t* loc);
#define fluv_interval_tick(interval)                                           \
 fluv_interval_tick_loc((interval), FLUV_LOC)

/**
 * Start anew: the next tick comes one period from now.
 *
 * @param interval  The interval. Borrowed.
 *
 * @return  0.
 * @errors  FLUV_EBUSY  somebody waits for a tick.
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
 * Stop this loop's clock; time then passes only by fluv_clock_advance(), and
 * by itself when nothing else can happen: no task is ready, and nothing keeps
 * the loop alive but sleeps and waits for promises. For tests.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  it is paused; FLUV_ENOLOOP.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_clock_pause(void);

/**
 * Let this loop's clock run again, from where it stands.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  it runs; FLUV_ENOLOOP.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_clock_resume(void);

/**
 * Move the paused clock forward, firing what comes due in order and letting
 * tasks run in between.
 *
 * @param delay_ms  Milliseconds.
 * @param loc       Place of the call; fluv_clock_advance() fills it in.
 *
 * @return  Future, never NULL: ends when the clock is there and all that came
 *          due before has had its turn. Its value is 0.
 * @errors  FLUV_EINVAL  the clock is not paused.
 * @cancel  The clock stays where it has got to.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_clock_advance_loc(uint64_t delay_ms, const fluv_loc_t* loc);
#define fluv_clock_advance(delay_ms)                                           \
 fluv_clock_advance_loc((delay_ms), FLUV_LOC)

#endif /* FLUV_TIME_H */
