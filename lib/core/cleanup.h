/* SPDX-License-Identifier: MIT */
/* What a task has open, and what must happen when it ends: one list for
 * deadlines, shields, scopes and deferred calls. What was opened last ends
 * first.
 *
 * An entry is embedded in the struct that it belongs to. Only the task's own
 * thread uses the list.
 */
#ifndef FLUV_CORE_CLEANUP_H
#define FLUV_CORE_CLEANUP_H

#include "core/task.h"

typedef struct fluv__cleanup_ops {
  /* The task has returned and left the entry open. Runs on the task's stack,
   * takes the entry off the list and frees it. May await. */
  void (*run)(fluv__task_t* task, fluv__cleanup_t* entry);
  /* The task will never return, since its loop is gone. The entry is off the
   * list; frees it without calling what the user deferred. */
  void (*abandon)(fluv__cleanup_t* entry);
} fluv__cleanup_ops_t;

struct fluv__cleanup {
  fluv__cleanup_t* outer; /* opened before this one */
  const fluv__cleanup_ops_t* ops;
};

static inline void fluv__cleanup_push(fluv__task_t* task,
                                      fluv__cleanup_t* entry,
                                      const fluv__cleanup_ops_t* ops) {
  entry->ops = ops;
  entry->outer = task->cleanups;
  task->cleanups = entry;
  task->base.flags |= FLUV__NEEDS_RELEASE;
}

/* The innermost entry of that kind at `entry` or outside it, or NULL. */
static inline fluv__cleanup_t* fluv__cleanup_find(
    fluv__cleanup_t* entry,
    const fluv__cleanup_ops_t* ops) {
  while (entry != NULL && entry->ops != ops)
    entry = entry->outer;
  return entry;
}

/* Take an entry off the list. It need not be the innermost: a deadline may end
 * inside a scope that began after it. */
static inline void fluv__cleanup_remove(fluv__task_t* task,
                                        fluv__cleanup_t* entry) {
  fluv__cleanup_t** link = &task->cleanups;

  while (*link != entry) {
    fluv__assert(*link != NULL);
    link = &(*link)->outer;
  }
  *link = entry->outer;
}

#endif /* FLUV_CORE_CLEANUP_H */
