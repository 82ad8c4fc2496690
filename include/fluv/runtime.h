/* SPDX-License-Identifier: MIT */
/* Runtime: worker threads with a loop each, which share tasks. */
#ifndef FLUV_RUNTIME_H
#define FLUV_RUNTIME_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Worker threads that share tasks. Any thread may use it. */
typedef struct fluv_runtime fluv_runtime_t;

/** Options of a runtime. Zero means the default in every field. */
typedef struct fluv_runtime_options {
  /** sizeof(fluv_runtime_options_t); set by the initialiser. */
  size_t size;
  /** Threads, at most 64; default: the environment variable FLUV_WORKERS or,
   *  without it, the number of cores that this process may use. A FLUV_WORKERS
   *  that is no such number is an error, and reported on stderr. */
  unsigned workers;
  /** A thread's name is this and a number; default "fluv". Cut at 11
   *  characters. */
  const char* name;
  /** For each worker's loop. NULL: defaults. Copied. */
  const fluv_loop_options_t* loop;
  /** Bind worker n to the n-th core that the process may use, starting again
   *  with the first after the last. */
  bool pin;
  /** Called on each worker's thread, in its main task: at its start, and at its
   *  end, before its other tasks are cancelled. */
  void (*on_start)(unsigned worker, void* arg);
  void (*on_stop)(unsigned worker, void* arg);
  /** User pointer for both. */
  void* arg;
} fluv_runtime_options_t;

#define FLUV_RUNTIME_OPTIONS_INIT                                              \
 { sizeof(fluv_runtime_options_t), 0, NULL, NULL, false, NULL, NULL, NULL }

/** Counters of a worker, or the sums of a runtime. They are read one by one
 *  while the threads keep running. */
typedef struct fluv_metrics {
  /** sizeof(fluv_metrics_t); set by the initialiser. */
  size_t size;
  /** Workers that were started. */
  uint64_t workers;
  /** Tasks that have not returned; the main tasks of the runtime's own threads
   *  are left out. */
  uint64_t tasks;
  /** Tasks spawned for any worker that this one started, and that had been
   *  queued at it. */
  uint64_t taken;
  /** Tasks that it started, and that had been queued at another worker. */
  uint64_t stolen;
  /** Tasks spawned for any worker and not yet taken. */
  uint64_t queued;
  /** Times that the worker was woken to take a task. */
  uint64_t calls;
  /** Turns of the loop. */
  uint64_t turns;
  /** Functions and tasks that other threads sent to this loop and that have
   *  arrived. */
  uint64_t handed_over;
  /** Nanoseconds that the loop has waited for events; for a loop that joined,
   *  only if the program has enabled UV_METRICS_IDLE_TIME. */
  uint64_t idle_ns;
  /** The rest of the worker's time, in nanoseconds. */
  uint64_t busy_ns;
} fluv_metrics_t;

#define FLUV_METRICS_INIT                                                      \
 { sizeof(fluv_metrics_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Make a runtime. Its threads start when they are first needed.
 *
 * @param options      NULL: defaults.
 * @param out_runtime  Gets the runtime; free it with fluv_runtime_free().
 *
 * @return  0.
 * @errors  FLUV_ENOMEM; FLUV_EINVAL  `out_runtime` is NULL, or an option is
 *            out of range.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_runtime_new(const fluv_runtime_options_t* options,
                     fluv_runtime_t** out_runtime);

/**
 * Start the threads now, and wait until all loops run.
 *
 * @param runtime  The runtime. Borrowed.
 *
 * @return  0.
 * @errors  FLUV_EAGAIN, FLUV_ENOMEM, FLUV_EMFILE  a thread or its loop could
 *            not be made; the threads made before it keep running.
 *          FLUV_EINVAL  `runtime` is NULL.
 *          FLUV_ESTOPPED  the runtime is shut down.
 *          FLUV_EPERM  this process was forked from the one that made it.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_runtime_start(fluv_runtime_t* runtime);

/**
 * Get the number of workers.
 *
 * @param runtime  The runtime. Borrowed.
 *
 * @return  The number that was asked for.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
unsigned fluv_runtime_count_workers(const fluv_runtime_t* runtime);

/**
 * Get the loop of a worker, for fluv_spawn_on() and fluv_post(). Starts the
 * runtime.
 *
 * @param runtime  The runtime. Borrowed.
 * @param worker   Number, from 0.
 *
 * @return  Borrowed, until the runtime is freed. NULL if the runtime could not
 *          be started or is shut down, if there is no such worker, or, in
 *          on_start, if the worker has not started yet.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_loop_t* fluv_runtime_get_loop(fluv_runtime_t* runtime, unsigned worker);

/**
 * Run a task on the first worker that is free, and get its result on this loop.
 *
 * Until the task starts, any worker may take it. Once started it stays on its
 * worker.
 *
 * @param runtime  The runtime; NULL: fluv_runtime_current(), or else the one
 *                 of this process, which is then made.
 * @param fn       The task.
 * @param arg      User pointer for `fn`, used on that worker's thread.
 * @param options  As of fluv_spawn_with(); copied. NULL: defaults.
 * @param loc      Place of the call; fluv_runtime_spawn() fills it in.
 *
 * @return  Future of this thread's loop, never NULL, with what `fn` returns.
 * @errors  FLUV_ESTOPPED  the runtime was shut down before the task ran: it
 *            never ran, and options.free_arg has been called, as for every
 *            error but the task's own.
 *          FLUV_ENOLOOP  this thread has no loop; FLUV_EINVAL  `fn` is NULL.
 *          As fluv_runtime_start().
 * @cancel  Cancels the task; the future ends when the task has returned. A task
 *          that has not started still runs, cancelled: it owns its argument.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_runtime_spawn_loc(fluv_runtime_t* runtime,
                                      fluv_task_fn fn,
                                      void* arg,
                                      const fluv_task_options_t* options,
                                      const fluv_loc_t* loc);
#define fluv_runtime_spawn(runtime, fn, arg)                                   \
 fluv_runtime_spawn_loc((runtime), (fn), (arg), NULL, FLUV_LOC_NAMED(#fn))
#define fluv_runtime_spawn_with(runtime, fn, arg, options)                     \
 fluv_runtime_spawn_loc((runtime), (fn), (arg), (options), FLUV_LOC_NAMED(#fn))
/* On the runtime of this loop, or else the one of this process. */
#define fluv_spawn_any(fn, arg)                                                \
 fluv_runtime_spawn_loc(NULL, (fn), (arg), NULL, FLUV_LOC_NAMED(#fn))
#define fluv_spawn_any_with(fn, arg, options)                                  \
 fluv_runtime_spawn_loc(NULL, (fn), (arg), (options), FLUV_LOC_NAMED(#fn))

/**
 * Run a task on a given worker, and get its result on this loop.
 *
 * Tasks stay where they were started. fluv_runtime_spawn() prefers workers that
 * have fewer tasks, but does not promise how tasks are spread. To spread
 * long-lived tasks evenly, give them to one worker after the other:
 *
 *   n = fluv_runtime_count_workers(runtime);
 *   for (i = 0; i < count; i++)
 *     f[i] = fluv_runtime_spawn_on(runtime, i % n, fn, arg);
 *
 * @param runtime  The runtime; NULL: fluv_runtime_current(), or else the one
 *                 of this process, which is then made.
 * @param worker   Number, from 0.
 * @param fn       The task.
 * @param arg      User pointer for `fn`, used on that worker's thread.
 * @param options  As of fluv_spawn_with(); copied. NULL: defaults.
 * @param loc      Place of the call; fluv_runtime_spawn_on() fills it in.
 *
 * @return  Future of this thread's loop, never NULL, with what `fn` returns.
 * @errors  FLUV_EINVAL  there is no such worker, or `fn` is NULL.
 *          FLUV_EAGAIN  called in on_start, and that worker starts later.
 *          As fluv_spawn_on() and fluv_runtime_start(). If the task never runs,
 *          options.free_arg has been called.
 * @cancel  Cancels the task; ends when it has returned. One that was not
 *          started runs nevertheless, cancelled, since it owns its argument.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_runtime_spawn_on_loc(fluv_runtime_t* runtime,
                                         unsigned worker,
                                         fluv_task_fn fn,
                                         void* arg,
                                         const fluv_task_options_t* options,
                                         const fluv_loc_t* loc);
#define fluv_runtime_spawn_on(runtime, worker, fn, arg)                        \
 fluv_runtime_spawn_on_with((runtime), (worker), fn, (arg), NULL)
#define fluv_runtime_spawn_on_with(runtime, worker, fn, arg, options)          \
 fluv_runtime_spawn_on_loc((runtime),                                          \
                           (worker),                                           \
                           (fn),                                               \
                           (arg),                                              \
                           (options),                                          \
                           FLUV_LOC_NAMED(#fn))

/**
 * Run a task on the first worker that is free, from any thread.
 *
 * @param runtime     The runtime; NULL: fluv_runtime_current(), or else the
 *                    one of this process, which is then made.
 * @param fn          The task.
 * @param arg         User pointer for `fn`.
 * @param options     As of fluv_spawn_with(); copied. NULL: defaults.
 * @param out_remote  Gets the task, for fluv_wait(). NULL: not wanted.
 * @param loc         Place of the call; fluv_runtime_spawn_remote() fills it
 *                    in.
 *
 * @return  0: it will run.
 * @errors  As fluv_runtime_spawn(); FLUV_ENOMEM.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_runtime_spawn_remote_loc(fluv_runtime_t* runtime,
                                  fluv_task_fn fn,
                                  void* arg,
                                  const fluv_task_options_t* options,
                                  fluv_remote_t** out_remote,
                                  const fluv_loc_t* loc);
#define fluv_runtime_spawn_remote(runtime, fn, arg, out_remote)                \
 fluv_runtime_spawn_remote_with((runtime), fn, (arg), NULL, (out_remote))
#define fluv_runtime_spawn_remote_with(runtime, fn, arg, options, out_remote)  \
 fluv_runtime_spawn_remote_loc((runtime),                                      \
                               (fn),                                           \
                               (arg),                                          \
                               (options),                                      \
                               (out_remote),                                   \
                               FLUV_LOC_NAMED(#fn))

/**
 * Get the runtime of this thread's loop.
 *
 * A loop of fluv_run() has a runtime of its own. The first call makes it, with
 * the defaults. The loop itself is worker 0; the other threads start when they
 * are first needed. fluv_run() shuts the runtime down when the main task has
 * returned.
 *
 * @return  The runtime that the loop is a member of. Borrowed. NULL: the loop
 *          is in no runtime, the thread has no loop, or memory ran out.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_runtime_t* fluv_runtime_current(void);

/**
 * Make this thread's loop a member of a runtime: while it turns, it runs tasks
 * of the runtime like a worker.
 *
 * This is for a loop that the program runs itself; a loop of fluv_run() has a
 * runtime of its own. Tasks that the loop has started stay on it when it
 * leaves.
 *
 * @param runtime  The runtime; it must not be freed before the loop has left.
 *
 * @return  0.
 * @errors  FLUV_EALREADY  the loop is a member of a runtime already.
 *          FLUV_ENOBUFS  sixteen loops have joined already.
 *          FLUV_ENOLOOP  this thread has no loop.
 *          As fluv_runtime_start().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
int fluv_runtime_join(fluv_runtime_t* runtime);

/**
 * Take this thread's loop out of its runtime; closing the loop does the same.
 * Tasks in its queue go to another member.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  it has not joined a runtime; FLUV_ENOLOOP.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_runtime_leave(void);

/**
 * Shut a runtime down: cancel all tasks, let them clean up, join the threads.
 *
 * Tasks that have not ended when the shutdown time of the loop's options is
 * over are reported on stderr by name and location. A thread that a task blocks
 * is reported and abandoned.
 *
 * @param runtime     The runtime. Borrowed.
 * @param timeout_ms  How long to wait for threads, in milliseconds;
 *                    FLUV_FOREVER: no limit.
 *
 * @return  0.
 * @errors  FLUV_ETIMEDOUT  threads were abandoned.
 *          FLUV_EDEADLK  this is the thread of one of its members.
 *          FLUV_EINVAL  `runtime` is NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_BLOCKS FLUV_ANY_THREAD
int fluv_runtime_shutdown(fluv_runtime_t* runtime, uint64_t timeout_ms);

/**
 * Shut a runtime down, without a time limit, and free it.
 *
 * If this thread's loop has joined the runtime, it leaves it first. A call on a
 * worker of the runtime aborts, and so does one for a runtime of fluv_run().
 *
 * @param runtime  The runtime. Taken over. NULL is ignored.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_BLOCKS FLUV_ANY_THREAD
void fluv_runtime_free(fluv_runtime_t* runtime);

/**
 * Get the counters of one worker, or the sums of all.
 *
 * @param runtime      The runtime. Borrowed.
 * @param worker       Number, from 0; -1: all.
 * @param out_metrics  Initialised by FLUV_METRICS_INIT; gets the counters.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  there is no such worker; `runtime` or `out_metrics` is
 *                       NULL; `out_metrics` is not initialised.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_runtime_get_metrics(fluv_runtime_t* runtime,
                             int worker,
                             fluv_metrics_t* out_metrics);

#endif /* FLUV_RUNTIME_H */
