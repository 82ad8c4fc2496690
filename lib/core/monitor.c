/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that checks things at intervals. */
#define _GNU_SOURCE
#include "core/monitor.h"

#include <pthread.h>
#include <signal.h>
#include <uv.h>

#include "base/event.h"
#include "base/fork.h"

enum {
  /* Enough for glibc's minimum, and to format a few lines of a report. */
  STACK_SIZE = 256 * 1024,
  /* Between two passes over the entries. A longer rest makes checks late, which
   * a watchdog with the shortest limits would notice. A shorter one takes more
   * of a core when thousands of loops have a watchdog. */
  MIN_REST_NS = 1000000
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static fluv__list_t entries; /* the lock protects these three */
static uint64_t wake_at;     /* ns; until then the thread sleeps */
static bool running;

static void begin(void) {
  fluv__cond_init(&changed);
  fluv__list_init(&entries);
  running = false;
}

/* A child of fork(2) has neither the thread nor the objects that it checked. */
static void reinit_after_fork(void) {
  pthread_mutex_init(&lock, NULL);
  begin();
}

static void init(void) {
  static fluv__fork_t on_fork = { .child = reinit_after_fork };

  begin();
  fluv__fork_watch(&on_fork);
}

static void check(fluv__monitor_entry_t* entry, uint64_t now) {
  uint64_t delay = entry->check(entry, now);

  fluv__assert(entry->listed);
  if (delay != 0) {
    entry->due = uv_hrtime() + delay;
    return;
  }
  fluv__list_remove(&entry->link);
  entry->listed = false;
}

/* Under the lock: check all entries that are due. Returns when the next one
 * is due. */
static uint64_t check_due(void) {
  uint64_t now = uv_hrtime();
  uint64_t next = UINT64_MAX;
  fluv__list_t* it = entries.next;

  while (it != &entries) {
    fluv__monitor_entry_t* entry =
        fluv__container_of(it, fluv__monitor_entry_t, link);

    it = it->next; /* check() may remove this one */
    if (entry->due <= now)
      check(entry, now);
    if (entry->listed && entry->due < next)
      next = entry->due;
  }
  return next;
}

/* The thread. After each pass over the entries the lock is free for a while,
 * so that callers that add or remove entries do not starve. */
static void* run(void* arg) {
  uint64_t rested;

  (void) arg;
  pthread_mutex_lock(&lock);
  while (!fluv__list_is_empty(&entries)) {
    wake_at = check_due();
    rested = uv_hrtime() + MIN_REST_NS;
    if (wake_at < rested)
      wake_at = rested;
    (void) fluv__cond_wait(&changed, &lock, wake_at);
  }
  running = false;
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* Under the lock: start the thread. It blocks all signals, so that those of the
 * process go to other threads. */
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

bool fluv__monitor_add(fluv__monitor_entry_t* entry, uint64_t delay) {
  bool added = true;

  pthread_once(&once, init);
  pthread_mutex_lock(&lock);
  if (!entry->listed) {
    if (!running)
      running = added = start();
    if (added) {
      entry->due = uv_hrtime() + delay;
      entry->listed = true;
      fluv__list_append(&entries, &entry->link);
      if (entry->due < wake_at)
        pthread_cond_signal(&changed);
    }
  }
  pthread_mutex_unlock(&lock);
  return added;
}

void fluv__monitor_remove(fluv__monitor_entry_t* entry) {
  pthread_mutex_lock(&lock);
  if (entry->listed) {
    fluv__list_remove(&entry->link);
    entry->listed = false;
    if (fluv__list_is_empty(&entries))
      pthread_cond_signal(&changed); /* the thread ends */
  }
  pthread_mutex_unlock(&lock);
}
