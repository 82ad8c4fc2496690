/* SPDX-License-Identifier: MIT */
/* Blocking work: functions that wait or compute for long, on a thread pool. */
#ifndef FLUV_BLOCKING_H
#define FLUV_BLOCKING_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** How blocking work is done. Zero means the default in every field. */
typedef struct fluv_blocking_options {
  /** sizeof(fluv_blocking_options_t); set by the initialiser. */
  size_t size;
  /** For messages and reports; copied, cut at 63 bytes. NULL: the name of
   *  the calling function stands in. */
  const char* name;
  /** Called with the function's argument if the function will never run: the
   *  job could not be made, or ended while it was queued. On the loop's
   *  thread; it must not wait. */
  void (*free_arg)(void* arg);
  /** Called when the function has returned and nobody will get its result,
   *  since the future ended before: the place to free what the result, or
   *  the argument, owns. On the pool's thread or the loop's. */
  void (*drop_result)(int64_t result, void* arg);
} fluv_blocking_options_t;

#define FLUV_BLOCKING_OPTIONS_INIT                                             \
 { sizeof(fluv_blocking_options_t), NULL, NULL, NULL }

/**
 * Run a function that blocks on a thread of libuv's pool.
 *
 * The jobs of all loops stand in one line, first come, first served. They get
 * all threads of the pool but one, which is left to libuv's files and names;
 * of a pool with a single thread they take turns with those. The pool has
 * UV_THREADPOOL_SIZE threads, as the environment said when it was first used,
 * or 4.
 *
 * @param fn       The function. It runs on a thread without a loop, not in a
 *                 task, and may block. What it returns is the result.
 * @param arg      User pointer for `fn`. From when `fn` runs it must stay
 *                 until `fn` has returned, which may be long after the future
 *                 has ended: so not on the stack, unless the task is never
 *                 cancelled.
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
 *          What `fn` returns.
 * @cancel  Ends at once with FLUV_ECANCELED, or with the result of a job
 *          that has returned. A job that is queued never runs.
 *          One that runs is abandoned: fluv_blocking_is_cancelled() tells it,
 *          and its result is dropped. fluv_run() waits for those it leaves
 *          behind until its time for shutdown is over, and then names them.
 *          exit() begins no job that is queued. It waits for those that run
 *          for a second at its very end, since libuv then joins its pool, and
 *          ends the process without the rest, which it names.
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
 * Does nobody wait any more for the job that runs on this thread?
 *
 * For jobs that take long to ask now and then. It costs a load.
 *
 * @return  True once its future was cancelled or dropped; false outside jobs.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
bool fluv_blocking_is_cancelled(void);

/**
 * Bound how many jobs may be queued, in the whole process.
 *
 * Those that run do not count. What comes on top is refused with FLUV_EAGAIN;
 * to wait for room instead, hold a permit of a semaphore around each job.
 *
 * @param most  Jobs; the default is 1,048,576. Those queued already stay.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_blocking_set_limit(size_t most);

/** What the jobs of the process are doing. */
typedef struct fluv_blocking_stats {
  /** sizeof(fluv_blocking_stats_t); set by the initialiser. */
  size_t size;
  /** Jobs that wait for a thread. */
  size_t queued;
  /** Most that ever waited at a time. */
  size_t most_queued;
  /** Jobs that run, abandoned ones among them. */
  size_t running;
  /** Of those, the ones that nobody waits for any more. */
  size_t abandoned;
  /** Jobs that have run to their end. */
  uint64_t done;
  /** Threads in libuv's pool; 0 before the first job. */
  size_t pool_size;
  /** Jobs that may run at a time. */
  size_t slots;
} fluv_blocking_stats_t;

#define FLUV_BLOCKING_STATS_INIT                                               \
 { sizeof(fluv_blocking_stats_t), 0, 0, 0, 0, 0, 0, 0 }

/**
 * Count the jobs of the process.
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
