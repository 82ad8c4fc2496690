/* SPDX-License-Identifier: MIT */
/* Tasks: a future with a function, a stack and what may interrupt it.
 *
 *   queued --(its turn)--> running <--(its turn)-- ready
 *                            |  \--- await ---> waiting --(woken)--^
 *                            \--- returns ---> cleaning up ---> done
 *
 * A queued task has no stack. It gets one when its turn comes, often the very
 * stack that the task before has just returned on. A started task stays on
 * its thread permanently.
 *
 * An interrupt is what the next await that must wait returns: FLUV_ECANCELED
 * once the task was cancelled, FLUV_ETIMEDOUT once a deadline of its own has
 * passed, 0 behind a shield. core/interrupt.h computes it.
 */
#ifndef FLUV_CORE_TASK_H
#define FLUV_CORE_TASK_H

#include "core/loop.h"

/* What a task has open: core/cleanup.h. */
typedef struct fluv__cleanup fluv__cleanup_t;

/* A name, locals and what else few tasks need: core/self.h. */
typedef struct fluv__task_ext fluv__task_ext_t;

/* A lock that a task holds or has asked for: sync/hold.h. It begins with a
 * pointer to the table of its kind, which is all that the core knows of it. */
typedef struct fluv__hold fluv__hold_t;

typedef struct fluv__hold_ops {
  const char* kind; /* "mutex" */
  /* The task has returned: report what it still holds, and clear the list. */
  void (*task_ends)(fluv__task_t* task);
  /* Append the locks that the task holds to its description. */
  void (*describe)(const fluv__task_t* task, char* buf, size_t size);
} fluv__hold_ops_t;

/* A task. Only its home loop's thread uses it; the watchdog's signal handler,
 * which runs on that thread, reads the names and places. */
struct fluv__task {
  fluv_future_t base;
  void* sp;             /* while switched away */
  fluv__stack_t* stack; /* NULL before the first turn and after the last */
  fluv__waiter_t waiter;
  fluv_future_t* waiting;      /* what the current await waits for */
  const fluv_loc_t* await_loc; /* where the current or last await is */
  fluv__cleanup_t* cleanups;   /* innermost first */
  fluv__task_ext_t* ext;       /* NULL until needed */
  fluv__hold_t* holds;         /* locks held or asked for; NULL: none */
  fluv_task_fn fn;
  void* arg;
  fluv__list_t all;             /* in loop->tasks */
  uint64_t parent;              /* id of the task that spawned it; 0: none */
  fluv__task_t* next_to_cancel; /* in loop->to_cancel */
  int interrupt;                /* 0, FLUV_ECANCELED or FLUV_ETIMEDOUT */
  uint32_t refused_ms;   /* loop's clock at the first refused await, cut off */
  uint16_t refusals;     /* refused awaits, until the clock is read again */
  bool refusal_reported; /* it was reported that it goes on awaiting */
  bool cancel_queued;
  uint8_t bits; /* class of its stack */
  bool keep_fp; /* check all floating-point control on each switch */
};

/* Ready awaits in a row before a task yields. Fewer cost more switches,
 * more let one task hold the loop for longer. */
enum {
  FLUV__BUDGET = 128
};

extern const fluv__ops_t fluv__task_ops;

static inline bool fluv__is_task(const fluv_future_t* f) {
  return f->ops->is_task;
}

/* The first function on every stack. */
void fluv__task_main(void);

/* Let the loop's own stack run a task that is next. */
void fluv__task_run(fluv_loop_t* loop, fluv__task_t* task);

/* The table of the first hold of a task that has one; all tables have the same
 * functions. */
static inline const fluv__hold_ops_t* fluv__task_hold_ops(
    const fluv__task_t* task) {
  return *(const fluv__hold_ops_t* const*) (const void*) task->holds;
}

/* The task ends: report the locks that it still holds. */
static inline void fluv__task_report_locks(fluv__task_t* task) {
  if (fluv__unlikely(task->holds != NULL))
    fluv__task_hold_ops(task)->task_ends(task);
}

#endif /* FLUV_CORE_TASK_H */
