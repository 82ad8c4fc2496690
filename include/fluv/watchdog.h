/* SPDX-License-Identifier: MIT */
/* Watchdog: reports tasks that block a loop. */
#ifndef FLUV_WATCHDOG_H
#define FLUV_WATCHDOG_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A report about a loop that was blocked for longer than its limit. Valid only
 * during the call of the hook. */
typedef struct fluv_stuck {
  /** Bytes that the library has filled: a newer library may fill more than the
   *  header that the hook was compiled with declares. */
  size_t size;
  /** The loop. Not to be used, only compared. */
  const fluv_loop_t* loop;
  /** How long it has been blocked, in milliseconds. */
  uint64_t stuck_ms;
  /** The task's name; NULL: a continuation runs, or the loop's thread has not
   *  answered. */
  const char* task;
  /** Where the task was spawned; NULL: as above, or not recorded. */
  const fluv_loc_t* spawned;
  /** Its last await; NULL: it has not awaited yet. */
  const fluv_loc_t* awaited;
  /** Return addresses on its stack, innermost first. */
  void* const* frames;
  /** Number of frames; 0 if the stack could not be read. */
  size_t frame_count;
} fluv_stuck_t;

/** Called on the watchdog's thread. It must not wait for a loop, nor attach or
 * close one. */
typedef void (*fluv_stuck_fn)(const fluv_stuck_t* stuck, void* arg);

/**
 * Set the hook that gets the watchdog's reports, instead of stderr.
 *
 * fluv_loop_options_t.watchdog_ms turns the watchdog on for a loop. One thread
 * watches all loops of the process. Only tasks and continuations are watched: a
 * loop that sleeps, or runs callbacks of the program's own, is not reported.
 * Tasks that were spawned at the same location are reported once. To find the
 * task, the watchdog sends the loop's thread a real-time signal, the first from
 * SIGRTMAX down that has no handler. The signal interrupts a nanosleep(2) or
 * poll(2) in which the task blocks.
 *
 * @param fn   The hook. NULL: report on stderr, which is the default.
 * @param arg  User pointer for `fn`.
 *
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
void fluv_watchdog_set_hook(fluv_stuck_fn fn, void* arg);

#endif /* FLUV_WATCHDOG_H */
