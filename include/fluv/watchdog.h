/* SPDX-License-Identifier: MIT */
/* Watchdog: who keeps a loop from turning. */
#ifndef FLUV_WATCHDOG_H
#define FLUV_WATCHDOG_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** What held a loop for longer than its limit, when that was noticed. Valid
 * during the call of the hook only. */
typedef struct fluv_stuck {
  /** Bytes that this library has filled: it may know more than the header that
   *  the hook was compiled with. */
  size_t size;
  /** The loop. Not to be used, only compared. */
  const fluv_loop_t* loop;
  /** How long it has not turned, in milliseconds. */
  uint64_t stuck_ms;
  /** The task's name; NULL: no task runs, but a continuation, or the loop's
   *  thread has not answered. */
  const char* task;
  /** Where the task was spawned; NULL: as above, or not recorded. */
  const fluv_loc_t* spawned;
  /** Its last await; NULL: it has not awaited yet. */
  const fluv_loc_t* awaited;
  /** Return addresses on its stack, innermost first. */
  void* const* frames;
  /** How many; 0 where nobody can tell. */
  size_t frame_count;
} fluv_stuck_t;

/** Called on the watchdog's thread. It must not wait for a loop, nor attach or
 * close one. */
typedef void (*fluv_stuck_fn)(const fluv_stuck_t* stuck, void* arg);

/**
 * Be told of what keeps loops from turning, instead of stderr.
 *
 * fluv_loop_options_t.watchdog_ms says which loops are watched. One thread of
 * the process looks after all of them. A loop that sleeps, or runs callbacks of
 * the host's own, is not stuck: only tasks and continuations are watched. Each
 * place that spawns tasks is reported once. To learn who it is, the loop's
 * thread is sent a real-time signal that nobody used before, counted from
 * SIGRTMAX down: it ends a nanosleep(2) or poll(2) in which the task blocks.
 *
 * @param fn   The hook. NULL: "fluv: ..." on stderr again.
 * @param arg  User pointer for `fn`.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watchdog_set_hook(fluv_stuck_fn fn, void* arg);

#endif /* FLUV_WATCHDOG_H */
