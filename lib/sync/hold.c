/* SPDX-License-Identifier: MIT */
/* Holds: reports about them, and the search for tasks that wait for each
 * other. */
#include "sync/hold.h"

#include <stdio.h>
#include <string.h>

#include "core/self.h"

#if FLUV_DEBUG
pthread_mutex_t fluv__hold_mutex = PTHREAD_MUTEX_INITIALIZER;
#endif

void fluv__hold_complain(const fluv_loc_t* held,
                         const fluv_loc_t* loc,
                         const char* what) {
  char held_at[FLUV__LOC_SIZE];
  char at[FLUV__LOC_SIZE];

  fluv__loc_format(loc, at, sizeof(at));
  if (held == NULL)
    fluv__warn("%s at %s", what, at);
  else
    fluv__warn("%s at %s; it was locked at %s",
               what,
               at,
               fluv__loc_format(held, held_at, sizeof(held_at)));
}

/* The task ends, and its locks stay locked permanently. */
void fluv__holds_task_ends(fluv__task_t* task) {
  char place[FLUV__LOC_SIZE];
  fluv__hold_t* hold;
  fluv__hold_t* next;

  FLUV__HOLD_LOCK();
  for (hold = task->holds; hold != NULL; hold = next) {
    next = hold->next;
    hold->task = NULL;
    hold->thread = pthread_self();
    if (hold->of == NULL)
      fluv__warn("task \"%s\" has returned with a %s that it locked at %s",
                 fluv__task_name(task),
                 hold->ops->kind,
                 fluv__loc_format(hold->loc, place, sizeof(place)));
  }
  task->holds = NULL;
  FLUV__HOLD_UNLOCK();
}

void fluv__holds_describe(const fluv__task_t* task, char* buf, size_t size) {
  char place[FLUV__LOC_SIZE];
  const fluv__hold_t* hold;
  size_t used;

  for (hold = task->holds; hold != NULL; hold = hold->next) {
    used = strlen(buf);
    if (hold->of == NULL)
      snprintf(buf + used,
               size - used,
               ", holding a %s locked at %s",
               hold->ops->kind,
               fluv__loc_format(hold->loc, place, sizeof(place)));
  }
}

#if FLUV_DEBUG

/* Longer chains of tasks are not followed: recursion needs stack. */
enum {
  MAX_DEPTH = 64
};

static void say_link(const fluv__task_t* task,
                     const fluv__hold_t* hold,
                     const fluv_loc_t* loc) {
  char asked[FLUV__LOC_SIZE];
  char held[FLUV__LOC_SIZE];

  fluv__warn("  task \"%s\" waits at %s for a %s that \"%s\" locked at %s",
             fluv__task_name(task),
             fluv__loc_format(loc, asked, sizeof(asked)),
             hold->ops->kind,
             fluv__task_name(hold->task),
             fluv__loc_format(hold->loc, held, sizeof(held)));
}

static bool waits_for(const fluv__task_t* task,
                      const fluv__task_t* target,
                      unsigned depth);

/* Does the task await a task of this loop that waits for the target? */
static bool awaits_for(const fluv__task_t* task,
                       const fluv__task_t* target,
                       unsigned depth) {
  const fluv_future_t* f;
  char place[FLUV__LOC_SIZE];

  if (task->base.loop != fluv__loop)
    return false; /* what it awaits may change: its thread is running */
  f = task->waiting;
  if (f == NULL || !fluv__is_task(f) ||
      !waits_for((const fluv__task_t*) f, target, depth + 1))
    return false;
  fluv__warn("  task \"%s\" awaits task \"%s\" at %s",
             fluv__task_name(task),
             fluv__task_name((const fluv__task_t*) f),
             fluv__loc_format(task->await_loc, place, sizeof(place)));
  return true;
}

static bool waits_for(const fluv__task_t* task,
                      const fluv__task_t* target,
                      unsigned depth) {
  const fluv__hold_t* hold;

  if (task == target)
    return true;
  if (depth > MAX_DEPTH)
    return false;
  for (hold = task->holds; hold != NULL; hold = hold->next) {
    if (hold->of == NULL || hold->of->task == NULL ||
        !waits_for(hold->of->task, target, depth + 1))
      continue;
    say_link(task, hold->of, hold->loc);
    return true;
  }
  return awaits_for(task, target, depth);
}

bool fluv__hold_is_cycle(const fluv__hold_t* hold,
                         const fluv__task_t* task,
                         const fluv_loc_t* loc) {
  bool found;

  if (task == NULL || hold->task == NULL)
    return false;
  FLUV__HOLD_LOCK();
  found = waits_for(hold->task, task, 0);
  if (found) {
    say_link(task, hold, loc);
    fluv__warn("these tasks wait for each other");
  }
  FLUV__HOLD_UNLOCK();
  return found;
}

#else

bool fluv__hold_is_cycle(const fluv__hold_t* hold,
                         const fluv__task_t* task,
                         const fluv_loc_t* loc) {
  (void) hold;
  (void) task;
  (void) loc;
  return false;
}

#endif
