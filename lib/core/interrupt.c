/* SPDX-License-Identifier: MIT */
/* Interrupts: computing them, and the cancel scopes that cause or hide them. */
#include "core/interrupt.h"

#include "core/self.h"

typedef struct cancel_scope {
  fluv__cleanup_t cleanup;
  fluv__task_t* task;
  fluv__timer_t timer;
  uint64_t end; /* when its time is over, in ns */
  bool is_shield;
  bool passed; /* its time is over */
} cancel_scope_t;

static const fluv__cleanup_ops_t cancel_scope_ops;

/* The innermost cancel scope of a task, or NULL. */
static cancel_scope_t* innermost(const fluv__task_t* task) {
  return (cancel_scope_t*) fluv__cleanup_find(task->cleanups,
                                              &cancel_scope_ops);
}

static cancel_scope_t* outer(const cancel_scope_t* scope) {
  return (cancel_scope_t*) fluv__cleanup_find(scope->cleanup.outer,
                                              &cancel_scope_ops);
}

static int compute(const fluv__task_t* task) {
  const cancel_scope_t* scope;
  int interrupt = 0;

  for (scope = innermost(task); scope != NULL; scope = outer(scope)) {
    if (scope->is_shield && !scope->passed)
      return interrupt;
    if (!scope->is_shield && scope->passed)
      interrupt = FLUV_ETIMEDOUT;
  }
  return task->base.flags & FLUV__CANCELLED ? FLUV_ECANCELED : interrupt;
}

/* Tasks that await each other, a thousand deep, are cancelled one by one from a
 * queue, not by a recursion of that depth. */
void fluv__interrupt_update(fluv__task_t* task) {
  fluv_loop_t* loop = task->base.loop;

  task->interrupt = compute(task);
  if (task->interrupt == 0 || task->waiting == NULL || task->cancel_queued)
    return;
  task->cancel_queued = true;
  task->next_to_cancel = NULL;
  *loop->to_cancel_end = task;
  loop->to_cancel_end = &task->next_to_cancel;
  if (loop->cancelling)
    return;
  loop->cancelling = true;
  while ((task = loop->to_cancel) != NULL) {
    loop->to_cancel = task->next_to_cancel;
    if (loop->to_cancel == NULL)
      loop->to_cancel_end = &loop->to_cancel;
    task->cancel_queued = false;
    fluv__cancel(task->waiting);
  }
  loop->cancelling = false;
}

static void on_timer(fluv__timer_t* timer) {
  cancel_scope_t* scope = fluv__container_of(timer, cancel_scope_t, timer);

  scope->passed = true;
  fluv__interrupt_update(scope->task);
}

int fluv__cancel_scope_begin(const char* what,
                             bool is_shield,
                             uint64_t limit_ms) {
  fluv__task_t* task = fluv__task_require(what, NULL);
  fluv_loop_t* loop = task->base.loop;
  cancel_scope_t* scope = fluv__malloc(sizeof(*scope));

  if (scope == NULL)
    return FLUV_ENOMEM;
  scope->task = task;
  scope->is_shield = is_shield;
  scope->passed = limit_ms == 0;
  fluv__timer_init(&scope->timer, on_timer);
  scope->end = fluv__ns_after(fluv__timers_now(&loop->timers), limit_ms);
  if (limit_ms != 0 && scope->end != FLUV_FOREVER)
    fluv__timer_at(loop, &scope->timer, scope->end);
  fluv__cleanup_push(task, &scope->cleanup, &cancel_scope_ops);
  fluv__interrupt_update(task);
  return 0;
}

void fluv__interrupt_check_deadlines(fluv__task_t* task) {
  fluv_loop_t* loop = task->base.loop;
  cancel_scope_t* scope = innermost(task);
  uint64_t now;

  if (scope == NULL)
    return;
  now = fluv__timers_now(&loop->timers);
  for (; scope != NULL; scope = outer(scope)) {
    if (scope->passed || now < scope->end)
      continue;
    fluv__timer_stop(loop, &scope->timer);
    scope->passed = true;
  }
  fluv__interrupt_update(task);
}

static void cancel_scope_run(fluv__task_t* task, fluv__cleanup_t* entry) {
  cancel_scope_t* scope = (cancel_scope_t*) entry;
  bool is_shield = scope->is_shield;

  fluv__timer_stop(task->base.loop, &scope->timer);
  fluv__cleanup_remove(task, entry);
  fluv__free(scope);
  fluv__interrupt_update(task);
  /* The refusals were those of this deadline, which is over. */
  if (!is_shield && task->interrupt == 0) {
    task->refusals = 0;
    task->refusal_reported = false;
  }
}

static void cancel_scope_abandon(fluv__cleanup_t* entry) {
  fluv__free(entry);
}

static const fluv__cleanup_ops_t cancel_scope_ops = {
  .run = cancel_scope_run,
  .abandon = cancel_scope_abandon,
};

bool fluv__cancel_scope_end(const char* what, bool is_shield) {
  fluv__task_t* task = fluv__task_require(what, NULL);
  cancel_scope_t* scope;
  bool passed;

  fluv__interrupt_check_deadlines(task);
  scope = innermost(task);
  if (scope == NULL || scope->is_shield != is_shield)
    fluv__die("%s without its begin being the innermost, in task \"%s\"",
              what,
              fluv__task_name(task));
  passed = scope->passed;
  cancel_scope_run(task, &scope->cleanup);
  return passed;
}
