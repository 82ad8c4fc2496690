/* SPDX-License-Identifier: MIT */
/* fluv's state beside one uv_loop_t: attach to a program's loop, or run one. */
#ifndef FLUV_LOOP_H
#define FLUV_LOOP_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

struct uv_handle_s;
struct uv_loop_s;

/** fluv's side of a loop. One thread has at most one. */
typedef struct fluv_loop fluv_loop_t;

/** A function that runs on its own stack and may await. */
typedef int64_t (*fluv_task_fn)(void* arg);

/** How a loop behaves. Zero means the default in every field. */
typedef struct fluv_loop_options {
  /** sizeof(fluv_loop_options_t); set by the initialiser. */
  size_t size;
  /** Usable bytes of the stack of a task whose options give no size; default
   *  64 KiB, at least 16 KiB. */
  size_t stack_size;
  /** Most tasks resumed before the loop polls again; default 1024. */
  unsigned turn_count;
  /** Longest that tasks run before the loop polls again, in microseconds;
   *  default 1000. */
  unsigned turn_us;
  /** Seed of the random numbers that select() uses; default from the
   *  clock. */
  uint64_t seed;
  /** How long fluv_run() waits for other tasks once the main task has
   *  returned and they were cancelled, in milliseconds; default 1000. */
  unsigned shutdown_ms;
  /** Start with the clock paused, as by fluv_clock_pause(). */
  bool clock_paused;
  /** How long the loop may spin before it sleeps, polling for what other
   *  threads send, in microseconds; default 20, FLUV_SPIN_NEVER: not at all.
   *  It spins only while recent spins have succeeded, and not on a single
   *  core. */
  unsigned spin_us;
  /** How long a task or a continuation may block the loop before that is
   *  reported, in milliseconds: see fluv_watchdog_set_hook(). Default: the
   *  environment variable FLUV_WATCHDOG_MS, 0 for never; without it, 100 in
   *  debug builds, and never in others, under ThreadSanitizer and under
   *  valgrind. FLUV_WATCHDOG_NEVER: never. */
  unsigned watchdog_ms;
  /** Install no handlers of SIGSEGV and SIGBUS and no alternate signal stack.
   *  A stack overflow is then an ordinary fault that names no task. */
  bool leave_sigsegv;
  /** Leave SIGPIPE alone. The program must then ignore or handle it, or a
   *  write to a connection that the peer has closed ends the process. */
  bool leave_sigpipe;
} fluv_loop_options_t;

/** For fluv_loop_options_t.spin_us: sleep at once. */
#define FLUV_SPIN_NEVER (~0u)
/** For fluv_loop_options_t.watchdog_ms: do not watch. */
#define FLUV_WATCHDOG_NEVER (~0u)

#define FLUV_LOOP_OPTIONS_INIT                                                 \
 { sizeof(fluv_loop_options_t), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/**
 * Run a whole program: make a loop, run a task on it, close the loop.
 *
 * When the task returns, all others are cancelled and waited for. Those that
 * do not end in time are reported on stderr by name and location.
 *
 * @param fn       The main task.
 * @param arg      User pointer for `fn`.
 * @param options  NULL: defaults.
 * @param loc      Place of the call; fluv_run() fills it in.
 *
 * @return  What `fn` returned.
 * @errors  FLUV_EINVAL  `fn` is NULL or an option is out of range.
 *          FLUV_EBUSY   this thread has a loop already.
 *          FLUV_EDEADLK the loop ran out of work while the main task waited.
 *                       A wait for a channel or a lock ends like this only
 *                       if nothing can end it otherwise: the loop has no other
 *                       work, and there never was another thread.
 *          FLUV_ENOMEM, FLUV_EMFILE  no loop could be made.
 * @since   0.1
 */
FLUV_EXTERN FLUV_BLOCKS FLUV_ANY_THREAD
int64_t fluv_run_loc(fluv_task_fn fn,
                     void* arg,
                     const fluv_loop_options_t* options,
                     const fluv_loc_t* loc);
#define fluv_run(fn, arg, options)                                             \
 fluv_run_loc((fn), (arg), (options), FLUV_LOC_NAMED(#fn))

/**
 * Attach fluv to a loop that the program runs itself, on this thread.
 *
 * The loop's data pointer and the meaning of uv_run() stay as they are. An
 * operation that can still wake a task keeps the loop alive; an idle fluv does
 * not.
 *
 * Attaching changes two things in the process, until the last loop is closed:
 * - SIGPIPE is ignored, unless the program has a handler for it. The option
 *   leave_sigpipe prevents this.
 * - A handler for SIGSEGV and SIGBUS reports stack overflows of tasks by name.
 *   It passes all other faults to the program's own handler. The option
 *   leave_sigsegv prevents this.
 * The last close restores both, unless the program has changed them meanwhile.
 * A loop without the option changes them for the whole process.
 *
 * The loop then has handles that belong to fluv. A program that walks over all
 * handles of its loop must not close these: see fluv_owns_handle().
 *
 * In a child of fork(2) no thread has a loop of fluv's. If the child continues
 * with the program's loop, by uv_loop_fork(), fluv's handles are closed there
 * and the loop runs without fluv, which may be attached again. Memory of the
 * parent's tasks stays allocated.
 *
 * @param uv       The host's loop. Borrowed until fluv_loop_close().
 * @param options  NULL: defaults.
 *
 * @return  0.
 * @errors  FLUV_EINVAL    `uv` is NULL or an option is out of range.
 *          FLUV_EALREADY  this thread has a loop already.
 *          FLUV_ENOMEM, FLUV_EMFILE  its handles could not be made.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_attach_with(struct uv_loop_s* uv, const fluv_loop_options_t* options);
#define fluv_attach(uv) fluv_attach_with((uv), NULL)

/**
 * Detach fluv from this thread's loop.
 *
 * If the loop has joined a runtime, it leaves it. Every task is cancelled, and
 * those that are ready run. If no object of fluv's is left, fluv's handles are
 * closed: run the loop once more, as after any uv_close(). If one is left, the
 * loop stays attached: run it and call this function again.
 *
 * @return  0: closed. Spawning fails from now on.
 * @errors  FLUV_EBUSY    tasks, futures, streams or listeners are left; they
 *                        were reported on stderr by name, file and line. Or
 *                        the call comes from a task or a continuation, or
 *                        fluv_run() or fluv_block_on() is running the loop.
 *          FLUV_ENOLOOP  this thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_loop_close(void);

/**
 * Wait for a future outside tasks, by running this thread's loop.
 *
 * @param f    The future. Taken over.
 * @param loc  Place of the call; fluv_block_on() fills it in.
 *
 * @return  The future's result.
 * @errors  FLUV_EDEADLK  the loop ran out of work first; the future was
 *                        cancelled.
 *          FLUV_ECANCELED the future was cancelled; uv_stop() cancels it too.
 *          Any error of the future. A call from inside a task, a continuation,
 *          another fluv_block_on() of this thread, or a function that fluv
 *          calls while futures end (that of fluv_promise_on_cancel(), or one
 *          that frees an argument or a message) aborts. A call from a
 *          callback of the program's own uv_run() nests uv_run(), which libuv
 *          forbids.
 * @since   0.1
 */
FLUV_EXTERN FLUV_BLOCKS FLUV_LOOP_THREAD
int64_t fluv_block_on_loc(fluv_future_t* f, const fluv_loc_t* loc);
#define fluv_block_on(f) fluv_block_on_loc((f), FLUV_LOC)

/**
 * Get this thread's loop.
 *
 * @return  Borrowed; NULL if the thread has none.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_loop_t* fluv_loop_current(void);

/**
 * Get the uv_loop_t of a loop.
 *
 * @param loop  The loop. Borrowed.
 *
 * @return  Borrowed; the one given to fluv_attach(), or fluv_run()'s own.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
struct uv_loop_s* fluv_loop_get_uv(const fluv_loop_t* loop);

/**
 * Check whether a libuv handle belongs to fluv, not to the program.
 *
 * fluv_attach() adds handles of fluv's to the program's loop; streams,
 * listeners and fluv_shutdown_signal() add more. Code that walks over all
 * handles must neither close these nor touch their data:
 *
 *     static void close_mine(uv_handle_t* handle, void* arg) {
 *       if (!uv_is_closing(handle) && !fluv_owns_handle(handle))
 *         uv_close(handle, NULL);
 *     }
 *
 *     uv_walk(uv, close_mine, NULL);
 *     fluv_loop_close();
 *     uv_run(uv, UV_RUN_DEFAULT);
 *     uv_loop_close(uv);
 *
 * Closing them does not crash or hang, but fluv is dead on that loop: no task
 * runs again, and what the tasks held stays allocated. fluv_loop_close() then
 * reports these tasks, and returns 0.
 *
 * @param handle  A handle of this thread's loop, not yet freed. May be NULL.
 *
 * @return  True if it is fluv's. False on a thread without a loop, and for a
 *          handle that fluv is closing.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
bool fluv_owns_handle(const struct uv_handle_s* handle);

/**
 * Get the number of tasks on a loop that have not returned yet.
 *
 * @param loop  The loop. Borrowed.
 *
 * @return  The number.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
size_t fluv_loop_count_tasks(const fluv_loop_t* loop);

#endif /* FLUV_LOOP_H */
