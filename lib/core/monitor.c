/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that looks at things now and then. */
#define _GNU_SOURCE
#include "core/monitor.h"

#include <pthread.h>
#include <signal.h>
#include <uv.h>

#include "base/event.h"
#include "base/fork.h"

enum {
  /* What glibc asks for at least, and what formatting a line or two takes. */
  STACK_SIZE = 256 * 1024,
  /* Between two passes over the watches. A longer rest makes looks late, which
   * a watchdog with the shortest limits would tell; a shorter one takes more of
   * a core when thousands of loops are watched. */
  MIN_REST_NS = 1000000
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static fluv__list_t watches; /* these three under the lock */
static uint64_t wake_at;     /* ns; until then the thread sleeps */
static bool running;

static void begin(void) {
  fluv__cond_init(&changed);
  fluv__list_init(&watches);
  running = false;
}

/* There is no such thread in a child of fork(2), nor what it looked at. */
static void reinit_after_fork(void) {
  pthread_mutex_init(&lock, NULL);
  begin();
}

static void init(void) {
  static fluv__fork_t watch = { .child = reinit_after_fork };

  begin();
  fluv__fork_watch(&watch);
}

static void look(fluv__watch_t* watch, uint64_t now) {
  uint64_t delay = watch->look(watch, now);

  if (delay != 0) {
    watch->due = uv_hrtime() + delay;
    return;
  }
  fluv__list_remove(&watch->link);
  watch->listed = false;
}

/* Under the lock: look at all whose time has come. When is the next? */
static uint64_t look_at_all(void) {
  uint64_t now = uv_hrtime();
  uint64_t next = UINT64_MAX;
  fluv__list_t* it = watches.next;

  while (it != &watches) {
    fluv__watch_t* watch = fluv__container_of(it, fluv__watch_t, link);

    it = it->next; /* the look may take this one off the list */
    if (watch->due <= now)
      look(watch, now);
    if (watch->listed && watch->due < next)
      next = watch->due;
  }
  return next;
}

/* Whatever there is to look at, and however long that takes: after each pass
 * the lock is free for a while, for those who wait to add or remove. */
static void* run(void* arg) {
  uint64_t rested;

  (void) arg;
  pthread_mutex_lock(&lock);
  while (!fluv__list_is_empty(&watches)) {
    wake_at = look_at_all();
    rested = uv_hrtime() + MIN_REST_NS;
    if (wake_at < rested)
      wake_at = rested;
    (void) fluv__cond_wait(&changed, &lock, wake_at);
  }
  running = false;
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* Under the lock. The signals of the process are not for this thread. */
static bool start(void) {
  pthread_attr_t attr;
  pthread_t thread;
  sigset_t all;
  sigset_t before;
  int err;

  sigfillset(&all);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attr, STACK_SIZE);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  err = pthread_create(&thread, &attr, run, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return err == 0;
}

bool fluv__monitor_add(fluv__watch_t* watch, uint64_t delay) {
  bool added = true;

  pthread_once(&once, init);
  pthread_mutex_lock(&lock);
  if (!watch->listed) {
    if (!running)
      running = added = start();
    if (added) {
      watch->due = uv_hrtime() + delay;
      watch->listed = true;
      fluv__list_append(&watches, &watch->link);
      if (watch->due < wake_at)
        pthread_cond_signal(&changed);
    }
  }
  pthread_mutex_unlock(&lock);
  return added;
}

void fluv__monitor_remove(fluv__watch_t* watch) {
  pthread_mutex_lock(&lock);
  if (watch->listed) {
    fluv__list_remove(&watch->link);
    watch->listed = false;
    if (fluv__list_is_empty(&watches))
      pthread_cond_signal(&changed); /* the thread ends */
  }
  pthread_mutex_unlock(&lock);
}
