/* SPDX-License-Identifier: MIT */
/* Watchdog: reports what keeps a loop from turning.
 *
 * A loop says by `draining` that it runs tasks, and by `beat` that it has
 * turned. The monitor checks both several times within the limit. If the loop
 * was draining each time and has not turned, a task or a callback holds it. If
 * the monitor itself was late, only a part of that time counts, because the
 * machine or the process may have been suspended.
 *
 * Only the loop's own thread knows which one. The monitor sends it a signal,
 * whose handler copies the task's names and places and the return addresses
 * into `capture`. The monitor puts the loop into capture.asked, and both sides
 * try to take it out again. If the handler wins it fills in the rest and sets
 * `filled`; if the monitor wins the answer took too long.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "core/monitor.h"
#include "core/self.h"
#include "core/task.h"
#include "core/watchdog.h"

#ifdef HAVE_EXECINFO_H
# include <execinfo.h>
#endif
#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#endif

enum {
  DEFAULT_DEBUG_MS = 100,
  /* Checks within the limit. With more of them a report comes sooner after the
   * limit, and the monitor wakes more often. */
  CHECKS = 4,
  /* Of the stack, the innermost. */
  MAX_FRAMES = 48,
  /* Places that spawn tasks, each reported once. When there are more, one has
   * other worries. */
  MAX_PLACES = 64,
  /* A loop that was held at a place which is known already is left alone for
   * so long, since asking ends system calls: doubled each time. */
  QUIET_MS = 1000,
  MAX_QUIET_MS = 3600000
};

/* How long the loop's thread has to answer. It does at once, unless it is
 * deep in the kernel, or blocks all signals. Tests change it: on a busy machine
 * the thread may have to wait for a processor first. */
fluv__atomic_uint_t fluv__watchdog_answer_ms = 100;

struct fluv__watchdog {
  fluv__monitor_entry_t entry;
  fluv_loop_t* loop;
  uint64_t limit;      /* ns */
  uint64_t last_check; /* ns */
  uint64_t held;       /* ns; since `beat` was seen first */
  uint64_t quiet_until;
  uint64_t quiet_ms;
  unsigned beat;
  bool draining;
  bool asked; /* in this turn */
};

/* What the handler has to say. */
static struct {
  _Atomic(const fluv_loop_t*) asked;
  fluv__event_t filled;
  bool answered;
  bool in_task;
  char task[64]; /* cut */
  const fluv_loc_t* spawned;
  const fluv_loc_t* awaited;
  void* frames[MAX_FRAMES];
  int frame_count;
} capture;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ask_signal; /* 0: none is free */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fluv_stuck_fn hook; /* these two under the lock */
static void* hook_arg;

/* Of the monitor's thread. */
static const fluv_loc_t* places[MAX_PLACES];
static size_t place_count;

static void fill(const fluv_loop_t* loop) {
  const fluv__task_t* task = loop->current;

  capture.answered = true;
  capture.in_task = task != NULL;
  if (task != NULL) {
    strncpy(capture.task, fluv__task_name(task), sizeof(capture.task) - 1);
    capture.spawned = task->base.loc;
    capture.awaited =
        task->await_loc != task->base.loc ? task->await_loc : NULL;
  }
#ifdef HAVE_EXECINFO_H
  capture.frame_count = backtrace(capture.frames, MAX_FRAMES);
#endif
}

/* On the thread that is asked: nothing here takes a lock or memory, once
 * backtrace() has loaded what it needs. */
static void on_ask(int signum, siginfo_t* info, void* context) {
  const fluv_loop_t* loop = fluv__loop;
  int saved = errno;

  (void) signum;
  (void) info;
  (void) context;
  /* Acquire: pairs with the monitor's store. */
  if (loop != NULL &&
      atomic_compare_exchange_strong_explicit(&capture.asked,
                                              &loop,
                                              NULL,
                                              memory_order_acquire,
                                              memory_order_relaxed)) {
    fill(fluv__loop);
    fluv__event_set(&capture.filled);
  }
  errno = saved;
}

static bool on_valgrind(void) {
#ifdef HAVE_VALGRIND_VALGRIND_H
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

/* A real-time signal that nobody uses; it stays ours. */
static int find_signal(void) {
  struct sigaction action;
  int signum;

  for (signum = SIGRTMAX; signum >= SIGRTMIN; signum--) {
    if (sigaction(signum, NULL, &action) != 0 ||
        (action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL)
      continue;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_ask;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    if (!on_valgrind())
      action.sa_flags |= SA_ONSTACK; /* it takes the task's own for gone */
    sigfillset(&action.sa_mask);
    if (sigaction(signum, &action, NULL) != 0)
      continue;
    /* Emulators and sandboxes keep some for themselves and say so only now. The
     * handler has nothing to do. */
    if (pthread_kill(pthread_self(), signum) == 0)
      return signum;
    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    sigaction(signum, &action, NULL);
  }
  return 0;
}

/* What the handler calls is called here once: it shall not be the one that
 * loads and binds it. */
static void init(void) {
#ifdef HAVE_EXECINFO_H
  (void) backtrace(capture.frames, MAX_FRAMES);
#endif
  strncpy(capture.task, "", sizeof(capture.task) - 1);
  fluv__event_init(&capture.filled);
  fluv__event_set(&capture.filled);
  (void) fluv__event_wait(&capture.filled, FLUV__NO_LIMIT);
  ask_signal = find_signal();
}

/* Wait for the handler, or take the question back. */
static void wait_for_answer(const fluv_loop_t* loop) {
  uint64_t limit = fluv__limit_after(atomic_load(&fluv__watchdog_answer_ms));

  if (fluv__event_wait(&capture.filled, limit) ||
      atomic_compare_exchange_strong(&capture.asked, &loop, NULL))
    return;
  (void) fluv__event_wait(&capture.filled, FLUV__NO_LIMIT); /* it is at it */
}

/* Fills in `capture`, as far as the thread answers. */
static void ask(const fluv_loop_t* loop) {
  capture.answered = false;
  capture.in_task = false;
  memset(capture.task, 0, sizeof(capture.task));
  capture.spawned = NULL;
  capture.awaited = NULL;
  capture.frame_count = 0;
  fluv__event_destroy(&capture.filled);
  fluv__event_init(&capture.filled);
  if (ask_signal == 0)
    return;
  /* Release: pairs with the handler's exchange. */
  atomic_store_explicit(&capture.asked, loop, memory_order_release);
  if (pthread_kill(loop->thread, ask_signal) == 0)
    wait_for_answer(loop);
  else
    atomic_store_explicit(&capture.asked, NULL, memory_order_relaxed);
}

/* Is it the first time for that place? Then it is noted. */
static bool is_new(const fluv_loc_t* place) {
  size_t i;

  for (i = 0; i < place_count; i++)
    if (places[i] == place)
      return false;
  if (place_count == MAX_PLACES)
    return false;
  places[place_count++] = place;
  return true;
}

static void print(const fluv_stuck_t* stuck) {
  char spawned[FLUV__LOC_SIZE];
  char awaited[FLUV__LOC_SIZE];

  if (stuck->task == NULL)
    fluv__warn("event loop stalled for %" PRIu64 " ms by %s",
               stuck->stuck_ms,
               capture.answered ? "a callback outside all tasks"
                                : "a thread that does not answer");
  else
    fluv__warn("event loop stalled for %" PRIu64
               " ms by task \"%s\", spawned at %s, %s%s",
               stuck->stuck_ms,
               stuck->task,
               fluv__loc_format(stuck->spawned, spawned, sizeof(spawned)),
               stuck->awaited != NULL ? "last awaiting at "
                                      : "which has not awaited yet",
               stuck->awaited != NULL
                   ? fluv__loc_format(stuck->awaited, awaited, sizeof(awaited))
                   : "");
#ifdef HAVE_EXECINFO_H
  if (stuck->frame_count > 0)
    backtrace_symbols_fd(stuck->frames,
                         (int) stuck->frame_count,
                         STDERR_FILENO);
#endif
}

static void report(const fluv_loop_t* loop, uint64_t stuck_ns) {
  fluv_stuck_t stuck = {
    .size = sizeof(stuck),
    .loop = loop,
    .stuck_ms = stuck_ns / FLUV__NS_PER_MS,
    .task = capture.in_task ? capture.task : NULL,
    .spawned = capture.spawned,
    .awaited = capture.awaited,
    .frames = capture.frames,
    .frame_count = (size_t) capture.frame_count,
  };
  fluv_stuck_fn fn;
  void* arg;

  pthread_mutex_lock(&lock);
  fn = hook;
  arg = hook_arg;
  pthread_mutex_unlock(&lock);
  if (fn != NULL)
    fn(&stuck, arg);
  else
    print(&stuck);
}

/* It has been held for too long. */
static void on_stuck(struct fluv__watchdog* dog, uint64_t now) {
  if (now < dog->quiet_until)
    return;
  dog->asked = true;
  ask(dog->loop);
  if (is_new(capture.spawned)) {
    report(dog->loop, dog->held);
    return;
  }
  dog->quiet_ms = dog->quiet_ms == 0 ? QUIET_MS : dog->quiet_ms * 2;
  if (dog->quiet_ms > MAX_QUIET_MS)
    dog->quiet_ms = MAX_QUIET_MS;
  dog->quiet_until = now + dog->quiet_ms * FLUV__NS_PER_MS;
}

static uint64_t check(fluv__monitor_entry_t* entry, uint64_t now) {
  struct fluv__watchdog* dog =
      fluv__container_of(entry, struct fluv__watchdog, entry);
  uint64_t period = dog->limit / CHECKS;
  uint64_t passed = now - dog->last_check;
  /* Relaxed: whether the loop is held is not known to the instant. */
  unsigned beat = atomic_load_explicit(&dog->loop->beat, memory_order_relaxed);
  bool draining = fluv__is_draining(dog->loop);

  dog->last_check = now;
  if (!draining || !dog->draining || beat != dog->beat) {
    dog->draining = draining;
    dog->beat = beat;
    dog->held = 0;
    dog->asked = false;
    return period;
  }
  dog->held += passed < 2 * period ? passed : 2 * period;
  if (!dog->asked && dog->held >= dog->limit)
    on_stuck(dog, now);
  return period;
}

/* The limit where the program says nothing; 0: none. */
static unsigned default_ms(void) {
  const char* text = getenv("FLUV_WATCHDOG_MS");

  if (text != NULL)
    return (unsigned) strtoul(text, NULL, 10);
  if (on_valgrind())
    return 0; /* everything takes long */
  /* TSan keeps signals back until the thread blocks. */
  return FLUV_DEBUG && !FLUV_TSAN ? DEFAULT_DEBUG_MS : 0;
}

void fluv__watchdog_begin(fluv_loop_t* loop, unsigned limit_ms) {
  struct fluv__watchdog* dog;

  if (limit_ms == 0)
    limit_ms = default_ms();
  if (limit_ms == 0 || limit_ms == FLUV_WATCHDOG_NEVER)
    return;
  pthread_once(&once, init);
  dog = fluv__calloc(1, sizeof(*dog));
  if (dog == NULL)
    return; /* the loop does without */
  dog->entry.check = check;
  dog->loop = loop;
  /* A turn may take as long as the program said it may. */
  dog->limit = limit_ms * FLUV__NS_PER_MS + loop->turn_ns;
  if (fluv__monitor_add(&dog->entry, dog->limit / CHECKS))
    loop->watchdog = dog;
  else
    fluv__free(dog);
}

void fluv__watchdog_end(fluv_loop_t* loop) {
  if (loop->watchdog == NULL)
    return;
  fluv__monitor_remove(&loop->watchdog->entry);
  fluv__free(loop->watchdog);
  loop->watchdog = NULL;
}

void fluv_watchdog_set_hook(fluv_stuck_fn fn, void* arg) {
  pthread_mutex_lock(&lock);
  hook = fn;
  hook_arg = arg;
  pthread_mutex_unlock(&lock);
}
