/* SPDX-License-Identifier: MIT */
/* Deferred calls: what a task does when it ends. */
#include "core/cleanup.h"
#include "core/self.h"

typedef struct deferred {
  fluv__cleanup_t cleanup;
  void (*fn)(void* arg);
  void* arg;
} deferred_t;

static void deferred_run(fluv__task_t* task, fluv__cleanup_t* entry) {
  deferred_t* deferred = (deferred_t*) entry;

  fluv__cleanup_remove(task, entry);
  deferred->fn(deferred->arg);
  fluv__free(deferred);
}

static void deferred_abandon(fluv__cleanup_t* entry) {
  fluv__free(entry);
}

static const fluv__cleanup_ops_t deferred_ops = {
  .run = deferred_run,
  .abandon = deferred_abandon,
};

int fluv_defer(void (*fn)(void* arg), void* arg) {
  fluv__task_t* task = fluv__task_require("fluv_defer()", NULL);
  deferred_t* deferred;

  if (fn == NULL)
    return FLUV_EINVAL;
  deferred = fluv__malloc(sizeof(*deferred));
  if (deferred == NULL)
    return FLUV_ENOMEM;
  deferred->fn = fn;
  deferred->arg = arg;
  fluv__cleanup_push(task, &deferred->cleanup, &deferred_ops);
  return 0;
}
