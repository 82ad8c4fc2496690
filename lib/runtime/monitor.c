/* SPDX-License-Identifier: MIT */
/* The monitor: one thread that looks at things now and then. */
#define _GNU_SOURCE
#include "runtime/monitor.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <uv.h>

#define NS_PER_S UINT64_C(1000000000)

/* What glibc asks for at least, and what formatting a line or two takes. */
enum {
  STACK_SIZE = 256 * 1024
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static fluv__list_t watches; /* these two under the lock */
static bool running;

static void begin(void) {
  pthread_condattr_t attr;

  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* as uv_hrtime() */
  pthread_cond_init(&changed, &attr);
  pthread_condattr_destroy(&attr);
  fluv__list_init(&watches);
  running = false;
}

/* There is no such thread in a child of fork(2), nor what it looked at. */
static void reinit_after_fork(void) {
  pthread_mutex_init(&lock, NULL);
  begin();
}

static void init(void) {
  begin();
  pthread_atfork(NULL, NULL, reinit_after_fork);
}

/* The watch whose turn is next. */
static fluv__watch_t* earliest(void) {
  fluv__watch_t* first = NULL;
  fluv__list_t* it;

  fluv__list_foreach (it, &watches) {
    fluv__watch_t* watch = fluv__container_of(it, fluv__watch_t, link);

    if (first == NULL || watch->due < first->due)
      first = watch;
  }
  return first;
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

static void* run(void* arg) {
  fluv__watch_t* watch;
  struct timespec until;
  uint64_t now;

  (void) arg;
  pthread_mutex_lock(&lock);
  while ((watch = earliest()) != NULL) {
    now = uv_hrtime();
    if (now >= watch->due) {
      look(watch, now);
      continue;
    }
    until.tv_sec = (time_t) (watch->due / NS_PER_S);
    until.tv_nsec = (long) (watch->due % NS_PER_S);
    pthread_cond_timedwait(&changed, &lock, &until);
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
    pthread_cond_signal(&changed);
  }
  pthread_mutex_unlock(&lock);
}
