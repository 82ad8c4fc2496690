/* SPDX-License-Identifier: MIT */
/* Blocking work: functions that wait or compute for long, on a thread pool. */
#ifndef FLUV_BLOCKING_H
#define FLUV_BLOCKING_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Options of a blocking job. Zero means the default in every field. */
typedef struct fluv_blocking_options {
  /** sizeof(fluv_blocking_options_t); set by the initialiser. */
  size_t size;
  /** For messages and reports; copied, cut at 63 bytes. NULL: the name of
   *  the job's function, or of the calling one. */
  const char* name;
  /** Called with the function's argument if the function will never run: the
   *  job could not be made, or ended while it was queued. On the loop's
   *  thread; it must not wait. */
  void (*free_arg)(void* arg);
  /** Called when the function has returned after its future had ended: it
   *  must free what the result, or the argument, owns. On the pool's thread
   *  or the loop's. */
  void (*drop_result)(int64_t result, void* arg);
} fluv_blocking_options_t;

#define FLUV_BLOCKING_OPTIONS_INIT                                             \
 { sizeof(fluv_blocking_options_t), NULL, NULL, NULL }

/**
 * Run a function that blocks on a thread of libuv's pool.
 *
 * The jobs of all loops share one queue, first come, first served. They use all
 * threads of the pool but one, which is left to libuv's file and DNS requests.
 * If the pool has a single thread, jobs and libuv's requests alternate on it.
 * The pool has UV_THREADPOOL_SIZE threads, as set in the environment when it
 * was first used, or 4.
 *
 * @param fn       The function. It runs on a thread without a loop, not in a
 *                 task, and may block. What it returns is the result.
 * @param arg      User pointer for `fn`. It must stay until `fn` has returned,
 *                 which may be long after the future has ended: do not put it
 *                 on the stack, unless the task is never cancelled.
 * @param options  NULL: defaults.
 * @param loc      Place of the call; fluv_spawn_blocking() fills it in.
 *
 * @return  Future, never NULL; the job is queued at once, and the loop stays
 *          alive until the future has ended.
 * @errors  FLUV_EINVAL   `fn` is NULL or the options are not initialised.
 *          FLUV_EAGAIN   as many jobs are queued as may be: see
 *                        fluv_blocking_set_limit().
 *          FLUV_ENOLOOP  this thread has no loop.
 *          FLUV_EMFILE   the pool could not be set up.
 *          Any error that `fn` returns.
 * @cancel  Ends at once with FLUV_ECANCELED, or with the result of a job
 *          that has returned. A job that is queued never runs.
 *          A job that runs is abandoned: fluv_blocking_is_cancelled() returns
 *          true in it, and its result is dropped. fluv_run() waits for
 *          abandoned jobs until its shutdown time is over, and then reports
 *          those that still run. exit() starts no queued job. At its end, when
 *          libuv joins its pool, it waits a second for running jobs, reports
 *          those that still run and ends the process.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_spawn_blocking_loc(int64_t (*fn)(void* arg),
                                       void* arg,
                                       const fluv_blocking_options_t* options,
                                       const fluv_loc_t* loc);
#define fluv_spawn_blocking(fn, arg)                                           \
 fluv_spawn_blocking_loc((fn), (arg), NULL, FLUV_LOC_NAMED(#fn))
#define fluv_spawn_blocking_with(fn, arg, options)                             \
 fluv_spawn_blocking_loc((fn), (arg), (options), FLUV_LOC_NAMED(#fn))

/**
 * Check whether the job that runs on this thread has been abandoned.
 *
 * Long jobs should call this regularly. It costs one load.
 *
 * @return  True once its future was cancelled or dropped; false outside jobs.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_blocking_is_cancelled(void);

/**
 * Limit the number of queued jobs in the whole process.
 *
 * Running jobs do not count. A job above the limit is refused with FLUV_EAGAIN;
 * to wait instead, hold a permit of a semaphore around each job.
 *
 * @param most  Jobs; the default is 1,048,576. Those queued already stay.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_blocking_set_limit(size_t most);

/** Counters of the blocking jobs of the process. */
typedef struct fluv_blocking_stats {
  /** sizeof(fluv_blocking_stats_t); set by the initialiser. */
  size_t size;
  /** Jobs that wait for a thread. */
  size_t queued;
  /** Largest number that ever waited at a time. */
  size_t most_queued;
  /** Jobs that run, including abandoned ones. */
  size_t running;
  /** Jobs that run after their future has ended. */
  size_t abandoned;
  /** Jobs that have returned. */
  uint64_t done;
  /** Threads in libuv's pool; 0 before the first job. */
  size_t pool_size;
  /** Jobs that may run at a time. */
  size_t slots;
} fluv_blocking_stats_t;

#define FLUV_BLOCKING_STATS_INIT                                               \
 { sizeof(fluv_blocking_stats_t), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Get the counters of the blocking jobs of the process.
 *
 * @param out_stats  Initialised by FLUV_BLOCKING_STATS_INIT; gets the figures,
 *                   all of one moment.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  `out_stats` is NULL or not initialised.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_blocking_get_stats(fluv_blocking_stats_t* out_stats);

#endif /* FLUV_BLOCKING_H */
