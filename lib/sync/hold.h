/* SPDX-License-Identifier: MIT */
/* Holds: who holds a lock (a task, a callback of a loop or a plain thread), and
 * where it was locked.
 *
 * A lock has one hold. It is written under the guard of the lock, on the
 * holder's own thread. A task has a list (task->holds) of the locks that it
 * holds and of the locks that it has asked for. The list has three uses: the
 * description of a task names the locks that it holds while it awaits, a task
 * that returns with a lock is reported, and a debug build finds tasks that wait
 * for each other. To search for such a cycle is to read the lists of tasks of
 * other threads, so debug builds change every hold under fluv__hold_mutex.
 *
 * The core knows holds by their table only (fluv__hold_ops_t in core/task.h).
 */
#ifndef FLUV_SYNC_HOLD_H
#define FLUV_SYNC_HOLD_H

#include <pthread.h>

#include "core/task.h"

struct fluv__hold {
  /* The kind of lock. First, and set before the hold is in a list: the core
   * reads it there. */
  const fluv__hold_ops_t* ops;

  /* The place in task->holds, while there is a task. Used by its thread; in
   * debug builds under fluv__hold_mutex. */
  fluv__hold_t* next;
  fluv__hold_t** prev;

  /* Who holds the lock, and since where. Under the guard of the lock. */
  fluv__task_t* task;    /* NULL: no task, or not held */
  pthread_t thread;      /* the holder, if there is no task */
  const fluv_loc_t* loc; /* where it was locked or asked for; NULL: not held */

  /* Not NULL: this is a request for that lock, and no lock is held by it. */
  const fluv__hold_t* of;
};

/* The table of a kind of lock. */
#define FLUV__HOLD_OPS(name)                                                   \
 {                                                                             \
  .kind = name, .task_ends = fluv__holds_task_ends,                            \
  .describe = fluv__holds_describe                                             \
 }

#if FLUV_DEBUG
extern pthread_mutex_t fluv__hold_mutex;
# define FLUV__HOLD_LOCK()   pthread_mutex_lock(&fluv__hold_mutex)
# define FLUV__HOLD_UNLOCK() pthread_mutex_unlock(&fluv__hold_mutex)
#else
# define FLUV__HOLD_LOCK()   ((void) 0)
# define FLUV__HOLD_UNLOCK() ((void) 0)
#endif

/* The task, or this thread if `task` is NULL, holds the lock or asks for it. */
static inline void fluv__hold_begin(fluv__hold_t* hold,
                                    fluv__task_t* task,
                                    const fluv_loc_t* loc) {
  FLUV__HOLD_LOCK();
  hold->loc = loc;
  hold->task = task;
  if (fluv__likely(task != NULL)) {
    hold->next = task->holds;
    hold->prev = &task->holds;
    if (hold->next != NULL)
      hold->next->prev = &hold->next;
    task->holds = hold;
  } else {
    hold->thread = pthread_self();
  }
  FLUV__HOLD_UNLOCK();
}

/* The lock is released, or no longer asked for. */
static inline void fluv__hold_end(fluv__hold_t* hold) {
  FLUV__HOLD_LOCK();
  if (fluv__likely(hold->task != NULL)) {
    *hold->prev = hold->next;
    if (hold->next != NULL)
      hold->next->prev = hold->prev;
    hold->task = NULL;
  }
  hold->loc = NULL;
  FLUV__HOLD_UNLOCK();
}

/* The task that runs on this thread, or NULL. */
static inline fluv__task_t* fluv__hold_self(void) {
  return fluv__loop != NULL ? fluv__loop->current : NULL;
}

/* Under the guard: is the lock held by this task or, if `task` is NULL, by this
 * thread outside tasks? */
static inline bool fluv__hold_is_by(const fluv__hold_t* hold,
                                    const fluv__task_t* task) {
  if (fluv__unlikely(hold->loc == NULL) || hold->task != task)
    return false;
  return task != NULL || pthread_equal(hold->thread, pthread_self());
}

/* Warn: what is wrong with the use of a lock at `loc`, and where it was locked
 * (`held`; NULL: it is not). */
void fluv__hold_complain(const fluv_loc_t* held,
                         const fluv_loc_t* loc,
                         const char* what);

/* Under the guard of a lock that is held: would `task` wait for itself if it
 * waited for that lock? If so, every task and lock of the cycle is named on
 * stderr. Always false in release builds. */
bool fluv__hold_is_cycle(const fluv__hold_t* hold,
                         const fluv__task_t* task,
                         const fluv_loc_t* loc);

/* The functions of every table: see fluv__hold_ops_t. */
void fluv__holds_task_ends(fluv__task_t* task);
void fluv__holds_describe(const fluv__task_t* task, char* buf, size_t size);

#endif /* FLUV_SYNC_HOLD_H */
