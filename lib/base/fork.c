/* SPDX-License-Identifier: MIT */
/* What must happen in a child of fork(2). */
#include "base/fork.h"

#include <pthread.h>
#include <stddef.h>

unsigned fluv__forks;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fluv__fork_t* first; /* these two under the lock */
static fluv__fork_t** end = &first;

/* Held over the fork, so that the child finds the list whole. */
static void on_prepare(void) {
  pthread_mutex_lock(&lock);
}

static void on_parent(void) {
  pthread_mutex_unlock(&lock);
}

static void on_child(void) {
  fluv__fork_t* watch;

  pthread_mutex_unlock(&lock);
  fluv__forks++;
  for (watch = first; watch != NULL; watch = watch->next)
    watch->child();
}

static void install(void) {
  (void) pthread_atfork(on_prepare, on_parent, on_child);
}

void fluv__fork_watch(fluv__fork_t* watch) {
  pthread_once(&once, install);
  pthread_mutex_lock(&lock);
  if (!watch->watched) {
    watch->watched = true;
    *end = watch;
    end = &watch->next;
  }
  pthread_mutex_unlock(&lock);
}
