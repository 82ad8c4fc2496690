/* SPDX-License-Identifier: MIT */
/* Tasks: a future with a function, a stack and what may interrupt it.
 *
 *   queued --(its turn)--> running <--(its turn)-- ready
 *                            |  \--- await ---> waiting --(woken)--^
 *                            \--- returns ---> cleaning up ---> done
 *
 * A queued task has no stack. It gets one when its turn comes, often the very
 * stack that the task before has just returned on. A started task stays on
 * its thread for good.
 *
 * An interrupt is what the next await that must wait returns: FLUV_ECANCELED
 * once the task was cancelled, FLUV_ETIMEDOUT once a deadline of its own has
 * passed, 0 behind a shield. It is worked out anew whenever one of them
 * changes.
 */
#ifndef FLUV_CORE_TASK_H
#define FLUV_CORE_TASK_H

#include "core/loop.h"

/* A deadline or a shield of a task, innermost first. */
typedef struct fluv__frame fluv__frame_t;

/* What few tasks have: a name, locals, deferred calls, open scopes. */
typedef struct fluv__extra fluv__extra_t;

/* A lock that it holds or asks for. */
typedef struct fluv__hold fluv__hold_t;

struct fluv__task {
  fluv_future_t base;
  void* sp;             /* while switched away */
  fluv__stack_t* stack; /* NULL before the first turn and after the last */
  fluv__waiter_t waiter;
  fluv_future_t* waiting;      /* what the current await waits for */
  const fluv_loc_t* await_loc; /* where the current or last await is */
  fluv__frame_t* frames;
  fluv__extra_t* extra; /* NULL until needed */
  fluv__hold_t* holds;
  fluv_task_fn fn;
  void* arg;
  fluv__list_t all;             /* in loop->tasks */
  uint64_t parent;              /* id of the task that spawned it; 0: none */
  fluv__task_t* next_to_cancel; /* in loop->to_cancel */
  int interrupt;                /* 0, FLUV_ECANCELED or FLUV_ETIMEDOUT */
  uint32_t refused_ms; /* loop's clock at the first refused await, cut off */
  uint16_t refusals;   /* refused awaits, until the clock is read again */
  bool refusal_told;   /* it was reported that it goes on awaiting */
  bool cancel_queued;
  uint8_t bits; /* class of its stack */
  bool keep_fp; /* look at all floating-point control on each switch */
};

/* Ready awaits in a row before a task gives way. Fewer cost more switches,
 * more let one task hold the loop for longer. */
enum {
  FLUV__BUDGET = 128
};

extern const fluv__ops_t fluv__task_ops;

static inline bool fluv__is_task(const fluv_future_t* f) {
  return f->ops == &fluv__task_ops;
}

/* The first function on every stack. */
void fluv__task_main(void);

/* Let the loop's own stack run a task that is next. */
void fluv__task_run(fluv_loop_t* loop, fluv__task_t* task);

/* The running task; aborts with "what outside a task" if there is none. */
fluv__task_t* fluv__task_require(const char* what, const fluv_loc_t* loc);

const char* fluv__task_name(const fluv__task_t* task);

/* Work out the interrupt anew, and cancel what is being awaited if it is
 * set now. */
void fluv__task_update_interrupt(fluv__task_t* task);

/* The function has returned: end what it left open, on its stack. */
void fluv__task_clean_up(fluv__task_t* task);

/* Forget the locks that a task still holds, and say so. */
void fluv__report_leaked_locks(fluv__task_t* task);

/* Free the extra part; of a task that did not return, without running what was
 * deferred. */
void fluv__extra_free(fluv__extra_t* extra);

/* The extra part, made if need be. NULL when memory has run out. */
fluv__extra_t* fluv__task_extra(fluv__task_t* task);

struct fluv__extra {
  char name[32];
  void (*free_arg)(void* arg);
  struct fluv__local* locals;
  struct fluv__deferred* deferred; /* last in, first out */
  fluv_scope_t* scopes;            /* innermost first */
};

/* End all frames without looking at them. */
void fluv__frames_end(fluv__task_t* task);

/* See whether a deadline or a shield has passed that the loop had no time to
 * notice. */
void fluv__check_deadlines(fluv__task_t* task);

/* Free the frames of a task that will not return, when its loop is gone. */
void fluv__frames_abandon(fluv__task_t* task);

/* What the frames make of a cancellation that was or was not asked for. */
int fluv__frames_interrupt(const fluv__task_t* task);

#endif /* FLUV_CORE_TASK_H */
