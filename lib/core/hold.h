/* SPDX-License-Identifier: MIT */
/* Who holds a lock: a task, a loop's callback or a plain thread, and where it
 * was locked.
 *
 * Written under the lock's guard, on the holder's own thread. A task has a list
 * of what it holds and of what it has asked for, so that an await under a lock
 * shows in its description, a task that returns with one is told of, and a
 * debug build finds tasks that wait for each other. For the latter all of it is
 * changed under one mutex more.
 */
#ifndef FLUV_CORE_HOLD_H
#define FLUV_CORE_HOLD_H

#include <pthread.h>

#include "core/task.h"

struct fluv__hold {
  fluv__hold_t* next; /* in task->holds */
  fluv__hold_t** prev;
  fluv__task_t* task;     /* NULL: no task's, or nobody's */
  const fluv_loc_t* loc;  /* where it was locked or asked for; NULL: nobody's */
  const char* kind;       /* "mutex" */
  const fluv__hold_t* of; /* not a lock, but asking for that one */
  pthread_t thread;       /* if there is no task */
};

#if FLUV_DEBUG
extern pthread_mutex_t fluv__hold_mutex;
# define FLUV__HOLD_LOCK()   pthread_mutex_lock(&fluv__hold_mutex)
# define FLUV__HOLD_UNLOCK() pthread_mutex_unlock(&fluv__hold_mutex)
#else
# define FLUV__HOLD_LOCK()   ((void) 0)
# define FLUV__HOLD_UNLOCK() ((void) 0)
#endif

/* This thread, in `task` (NULL: in none), holds the lock or asks for it. */
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

/* Not any more. */
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

/* Under the guard: is it held by this task or, if that is NULL, by this thread
 * outside tasks? */
static inline bool fluv__hold_is_by(const fluv__hold_t* hold,
                                    const fluv__task_t* task) {
  if (fluv__unlikely(hold->loc == NULL) || hold->task != task)
    return false;
  return task != NULL || pthread_equal(hold->thread, pthread_self());
}

/* Say what is wrong with a lock at `loc`, and where it was locked. */
void fluv__hold_complain(const fluv_loc_t* held,
                         const fluv_loc_t* loc,
                         const char* what);

/* Under the guard of a lock that is held. Would `task` wait for itself if it
 * waited for that lock? If so, every task and lock of the cycle is named on
 * stderr. False in release builds. */
bool fluv__hold_is_cycle(const fluv__hold_t* hold,
                         const fluv__task_t* task,
                         const fluv_loc_t* loc);

/* What a task holds, for its description. */
void fluv__holds_describe(const fluv__task_t* task, char* buf, size_t size);

#endif /* FLUV_CORE_HOLD_H */
