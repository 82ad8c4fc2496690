/* SPDX-License-Identifier: MIT */
/* Errors that nobody reads. */
#include <pthread.h>

#include "core/loop.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fluv_unhandled_fn hook; /* protected by lock, as its argument */
static void* hook_arg;

void fluv_set_unhandled(fluv_unhandled_fn fn, void* arg) {
  pthread_mutex_lock(&lock);
  hook = fn;
  hook_arg = arg;
  pthread_mutex_unlock(&lock);
}

void fluv__unhandled(const fluv_future_t* f) {
  char what[512];
  fluv_loop_t* loop = fluv__loop;
  fluv__task_t* task;
  fluv_unhandled_fn fn;
  void* arg;

  fluv__future_identify(f, what, sizeof(what));
  pthread_mutex_lock(&lock);
  fn = hook;
  arg = hook_arg;
  pthread_mutex_unlock(&lock);
  if (fn != NULL) {
    task = loop != NULL ? fluv__hook_begin(loop) : NULL;
    fn(f->result, what, arg);
    if (loop != NULL)
      fluv__hook_end(loop, task);
  } else {
    fluv__warn("unhandled error in %s: %s (%s)",
               what,
               fluv_err_name(f->result),
               fluv_strerror(f->result));
  }
}
