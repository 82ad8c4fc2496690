/* SPDX-License-Identifier: MIT */
/* Tasks: functions on their own stacks that may await. A task is a future. */
#ifndef FLUV_TASK_H
#define FLUV_TASK_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Options of a task. Zero means the default in every field. */
typedef struct fluv_task_options {
  /** sizeof(fluv_task_options_t); set by the initialiser. */
  size_t size;
  /** For messages and reports; copied, cut at 31 bytes. NULL: the name of the
   *  task's function; see fluv_task_get_name(). */
  const char* name;
  /** Usable bytes of stack, rounded up; default the loop's, at least
   *  16 KiB. */
  size_t stack_size;
  /** Called with the task's argument if the task cannot be made or will never
   *  start. */
  void (*free_arg)(void* arg);
  /** The task writes the processor's floating-point control register by
   *  compiler intrinsics (flush to zero and the like) and wants that kept
   *  while it waits. What <fenv.h> changes is kept for every task. */
  bool float_control;
} fluv_task_options_t;

#define FLUV_TASK_OPTIONS_INIT                                                 \
 { sizeof(fluv_task_options_t), NULL, 0, NULL, false }

/**
 * Start a task on this thread's loop.
 *
 * The task is queued: it does not run before the caller awaits, yields or
 * returns to the loop. A task always runs, even if it was cancelled before: it
 * owns its argument, and its first await reports the cancellation.
 *
 * @param fn       The task's function; what it returns is the result.
 * @param arg      User pointer for `fn`.
 * @param options  NULL: defaults.
 * @param loc      Place of the call; fluv_spawn() fills it in.
 *
 * @return  The task as a future, never NULL.
 * @errors  FLUV_EINVAL   `fn` is NULL, or the stack size is below the minimum
 *                        or impossibly large.
 *          FLUV_ENOLOOP  this thread has no loop, or it is being closed.
 *          FLUV_ESTACK   no stack could be mapped when it was to start.
 *          Any error that `fn` returns.
 * @cancel  The current await of the task, and every later one of a future that
 *          is not done, returns FLUV_ECANCELED: see fluv_await(). The future
 *          ends when `fn` has returned.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_spawn_loc(fluv_task_fn fn,
                              void* arg,
                              const fluv_task_options_t* options,
                              const fluv_loc_t* loc);
#define fluv_spawn(fn, arg)                                                    \
 fluv_spawn_loc((fn), (arg), NULL, FLUV_LOC_NAMED(#fn))
#define fluv_spawn_with(fn, arg, options)                                      \
 fluv_spawn_loc((fn), (arg), (options), FLUV_LOC_NAMED(#fn))

/**
 * Let all other ready tasks run first.
 *
 * Ready tasks run in the order in which they became ready, and the loop polls
 * for I/O after a bounded number of them.
 *
 * @param loc  Place of the call; fluv_yield() fills it in.
 *
 * @return  0.
 * @errors  FLUV_ECANCELED, FLUV_ETIMEDOUT  the task was cancelled or its
 *          deadline passed. Only every 128th such call still yields.
 * @cancel  Returns FLUV_ECANCELED.
 * @since   0.1
 */
FLUV_EXTERN FLUV_SUSPENDS FLUV_LOOP_THREAD
int64_t fluv_yield_loc(const fluv_loc_t* loc);
#define fluv_yield() fluv_yield_loc(FLUV_LOC)

/**
 * Get the running task.
 *
 * @return  Borrowed, valid while the task runs; NULL outside tasks.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_future_t* fluv_task_self(void);

/**
 * Get the name of a task.
 *
 * @param task  A future made by fluv_spawn(). Borrowed.
 *
 * @return  Its name. If it was given none: the name of its function as written
 *          in the spawn, or of the spawning function if that was not a plain
 *          name. "" for a future that is no task. Valid as long as the future.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
const char* fluv_task_get_name(const fluv_future_t* task);

/**
 * Name the running task.
 *
 * @param name  Copied, cut at 31 bytes.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  `name` is NULL. FLUV_ENOMEM. Outside a task: aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_task_set_name(const char* name);

/**
 * Check whether an await of a future that is not done would be refused now.
 *
 * @return  0: no.
 * @errors  FLUV_ECANCELED  the task was cancelled and is not shielded.
 *          FLUV_ETIMEDOUT  its deadline has passed, likewise.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_task_get_interrupt(void);

/**
 * Store a value in the running task under a key.
 *
 * @param key      Any address that is the caller's own, such as that of a
 *                 static variable.
 * @param value    The value; NULL removes it.
 * @param destroy  Called with `value` when the task ends or the value is
 *                 replaced by another. NULL: nothing.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM  and `destroy` is not called. Outside a task: aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_task_set_local(const void* key,
                        void* value,
                        void (*destroy)(void* value));

/**
 * Get the running task's value under a key.
 *
 * @param key  As given to fluv_task_set_local().
 *
 * @return  The value; NULL if there is none, or outside tasks.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void* fluv_task_get_local(const void* key);

/**
 * Run a function when the running task returns.
 *
 * Deferred functions, deadlines, shields and scopes that are still open when
 * the task returns end in the reverse order of their begin. The functions run
 * on the task's stack, before its task-locals are destroyed. They may await,
 * but the awaits of a cancelled task are refused: see fluv_shield_begin().
 *
 * @param fn   The function.
 * @param arg  User pointer for `fn`.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM  it will not run. FLUV_EINVAL  `fn` is NULL. Outside a
 *          task: aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_defer(void (*fn)(void* arg), void* arg);

/**
 * Defer cancellation and outer deadlines, so that clean-up can await.
 *
 * Shields and deadlines nest; each must be ended, in reverse order. Those that
 * are open when the task returns end then.
 *
 * @param limit_ms  After this many milliseconds the shield no longer holds;
 *                  FLUV_FOREVER: no limit.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM  nothing is shielded and nothing must be ended.
 *          Outside a task: aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_shield_begin(uint64_t limit_ms);

/**
 * End the innermost shield.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
void fluv_shield_end(void);

/**
 * Bound every await from here to fluv_deadline_end() in time.
 *
 * When the deadline passes, the current await, and every later one of a future
 * that is not done, returns FLUV_ETIMEDOUT. The awaited future, or task with
 * all that it awaits, has then been cancelled and has ended. Of nested
 * deadlines the earliest counts.
 *
 * @param limit_ms  Milliseconds from now.
 *
 * @return  0.
 * @errors  FLUV_ENOMEM  there is no deadline and nothing must be ended.
 *          Outside a task: aborts.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_deadline_begin(uint64_t limit_ms);

/**
 * End the innermost deadline.
 *
 * @return  Whether it had passed.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
bool fluv_deadline_end(void);

#endif /* FLUV_TASK_H */
