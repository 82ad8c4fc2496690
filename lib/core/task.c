/* SPDX-License-Identifier: MIT */
/* Tasks: spawning, awaiting, switching. */
#include "core/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/interrupt.h"
#include "core/options.h"
#include "core/self.h"
#include "core/switch.h"

/* A switch waits for the task's struct and then for its stack. Ask for the
 * stack of the one after the next, and for the struct of the one after that,
 * while there is something else to do. */
static void prefetch(const fluv_future_t* f) {
  uintptr_t sp;

  if (f == NULL || !fluv__is_task(f))
    return;
  sp = (uintptr_t) ((const fluv__task_t*) f)->sp; /* 0: not started */
  __builtin_prefetch((const void*) sp);
  __builtin_prefetch((const void*) (sp + 64));
  __builtin_prefetch(f->next);
}

/* Take the next ready task that can be switched to from any stack. NULL: the
 * queue is empty, the turn is over, or user code comes first that must run on
 * the loop's own stack. */
FLUV__INLINE fluv__task_t* take_next(fluv_loop_t* loop) {
  fluv_future_t* f;

  while ((f = loop->ready_head) != NULL && loop->turn_left > 0) {
    if (fluv__likely(f->ops == &fluv__task_ops)) {
      loop->ready_head = f->next;
      loop->turn_left--;
      prefetch(f->next);
      return (fluv__task_t*) f;
    }
    if (f->ops->run_on_loop)
      return NULL;
    loop->ready_head = f->next;
    loop->turn_left--;
    f->ops->run(f);
  }
  return NULL;
}

/* The function has returned: end what it left open, the innermost first, and
 * its locals last. What runs here may open more. */
static void clean_up(fluv__task_t* task) {
  do
    while (task->cleanups != NULL)
      task->cleanups->ops->run(task, task->cleanups);
  while (fluv__locals_destroy(task));
}

/* Relaxed: other threads only want to know about how many there are. */
static void add_tasks(fluv_loop_t* loop, size_t n) {
  size_t count = atomic_load_explicit(&loop->task_count, memory_order_relaxed);

  atomic_store_explicit(&loop->task_count, count + n, memory_order_relaxed);
}

static void end_task(fluv__task_t* task, int64_t result) {
  fluv_loop_t* loop = task->base.loop;

  fluv__task_report_locks(task);
  fluv__list_remove(&task->all);
  add_tasks(loop, (size_t) -1);
  task->stack = NULL;
  fluv__complete(&task->base, result);
}

/* Give a task its stack; ends it if there is none. */
static __attribute__((noinline)) bool make_stack(fluv_loop_t* loop,
                                                 fluv__task_t* task) {
  fluv__stack_t* stack;

  stack = fluv__stack_get(&loop->stacks, task->bits);
  if (stack != NULL) {
    task->stack = stack;
    task->sp = stack->start;
    fluv__switch_renew(stack->start);
    return true;
  }
  if (task->ext != NULL && task->ext->free_arg != NULL)
    task->ext->free_arg(task->arg);
  end_task(task, FLUV_ESTACK);
  return false;
}

FLUV__INLINE bool has_stack(fluv_loop_t* loop, fluv__task_t* task) {
  return fluv__likely(task->stack != NULL) || make_stack(loop, task);
}

/* The next task to switch to, with a stack; NULL as take_next(). */
FLUV__INLINE fluv__task_t* take_runnable(fluv_loop_t* loop) {
  fluv__task_t* next;

  do
    next = take_next(loop);
  while (next != NULL && !has_stack(loop, next));
  return next;
}

/* Leave the running stack, saved in *save, for that of `next` or, if NULL, of
 * the loop. `self` is NULL unless the stack is a task's that will come
 * back. */
FLUV__NO_ASAN FLUV__INLINE void leave(fluv_loop_t* loop,
                                      fluv__task_t* self,
                                      void** save,
                                      fluv__ctx_t* from,
                                      fluv__task_t* next,
                                      bool dying) {
  fluv__fp_t fp;
  bool own_fp;

  own_fp = fluv__fp_leave(&loop->fp, self != NULL && self->keep_fp, &fp);
  loop->current = next;
  loop->budget = FLUV__BUDGET;
  if (next != NULL)
    fluv__switch_stack(save, from, next->sp, &next->stack->ctx, dying);
  else
    fluv__switch_stack(save, from, loop->main_sp, &loop->main_ctx, dying);
  if (fluv__unlikely(own_fp))
    fluv__fp_load(&fp);
}

/* The first function on every stack. Runs one task after the other as long as
 * the next one has not been started: they need no switch. */
void fluv__task_main(void) {
  fluv_loop_t* loop = fluv__loop;
  fluv__task_t* task;
  fluv__task_t* next;
  fluv__stack_t* stack;
  fluv__fp_t fp;
  int64_t result;
  void* nowhere;

  fluv__switch_arrived();
  for (;;) {
    task = loop->current;
    stack = task->stack;
    result = task->fn(task->arg);
    if (task->cleanups != NULL || task->ext != NULL)
      clean_up(task);
    /* Whatever it did to its own, the next one gets the loop's. */
    (void) fluv__fp_leave(&loop->fp, task->keep_fp, &fp);
    loop->current = NULL;
    end_task(task, result); /* frees it if it is detached */
    /* Before the stack is given back: it would be had again at once. */
    do
      next = take_next(loop);
    while (next != NULL && next->bits != stack->bits && !has_stack(loop, next));
    if (next == NULL || next->stack != NULL)
      break;
    next->stack = stack;
    loop->current = next;
    loop->budget = FLUV__BUDGET;
  }
  fluv__stack_put(&loop->stacks, stack);
  leave(loop, NULL, &nowhere, &stack->ctx, next, true);
  fluv__die("a finished task was resumed");
}

FLUV__NO_ASAN static inline void suspend(fluv_loop_t* loop,
                                         fluv__task_t* self) {
  fluv__task_t* next;

  loop->current = NULL; /* what runs in the queue before the next task is not
                           part of this one */
  next = take_runnable(loop);
  if (next == self) {
    loop->current = self;
    loop->budget = FLUV__BUDGET;
    return;
  }
  leave(loop, self, &self->sp, &self->stack->ctx, next, false);
}

void fluv__task_run(fluv_loop_t* loop, fluv__task_t* task) {
  if (has_stack(loop, task))
    leave(loop, NULL, &loop->main_sp, &loop->main_ctx, task, false);
}

static void wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv__task_t* task = fluv__container_of(waiter, fluv__task_t, waiter);

  (void) f;
  fluv__ready_push(task->base.loop, &task->base);
}

/* A future was ready at once: yield if the budget is used up. */
static void spend_budget(fluv_loop_t* loop, fluv__task_t* self) {
  if (fluv__likely(--loop->budget > 0))
    return;
  loop->budget = FLUV__BUDGET;
  fluv__ready_push(loop, &self->base);
  suspend(loop, self);
}

enum {
  /* Refused awaits between two readings of the clock. */
  REFUSALS_PER_CHECK = 1024,
  /* How long a task may go on with refused awaits before that is reported.
   * Clean-up is over long before; what goes on never ends by itself. */
  MAX_REFUSED_MS = 1000
};

/* The task was interrupted, awaits nevertheless, and is refused. A loop that
 * ignores the error would go on for ever: it uses up its budget, from then on
 * yields at each await, and is reported once. */
static FLUV__NOINLINE void note_refusal(fluv_loop_t* loop,
                                        fluv__task_t* self,
                                        const fluv_loc_t* loc) {
  char place[FLUV__LOC_SIZE];
  uint32_t now_ms;

  self->await_loc = loc;
  if (++self->refusals > FLUV__BUDGET)
    loop->budget = 1;
  if (self->refusals != 1 && self->refusals < REFUSALS_PER_CHECK)
    return;
  now_ms = (uint32_t) (fluv__timers_now(&loop->timers) / FLUV__NS_PER_MS);
  if (self->refusals == 1) {
    self->refused_ms = now_ms;
    return;
  }
  self->refusals = FLUV__BUDGET;
  if (self->refusal_reported || now_ms - self->refused_ms < MAX_REFUSED_MS)
    return;
  self->refusal_reported = true;
  fluv__warn("task \"%s\" #%" PRIu64
             " %s %u ms ago, ignores that, and goes on awaiting at %s",
             fluv__task_name(self),
             self->base.id,
             self->interrupt == FLUV_ECANCELED ? "was cancelled"
                                               : "has passed its deadline",
             (unsigned) (now_ms - self->refused_ms),
             fluv__loc_format(loc, place, sizeof(place)));
}

static int64_t take_result(fluv__task_t* self,
                           fluv_future_t* f,
                           const fluv_loc_t* loc) {
  int64_t result = f->result;

  fluv__future_free(f, loc);
  /* The deadline cancelled it. */
  if (fluv__unlikely(result == FLUV_ECANCELED && self->interrupt != 0))
    result = self->interrupt;
  return result;
}

int64_t fluv_await_loc(fluv_future_t* f, const fluv_loc_t* loc) {
  fluv__task_t* self = fluv__task_require("await", loc);
  fluv_loop_t* loop = fluv__loop;

  fluv__take_with(f, FLUV__TAKEN | FLUV__AWAITED, loop, loc);
  if (f->state != FLUV__DONE) {
    if (fluv__unlikely(self->interrupt != 0)) {
      note_refusal(loop, self, loc);
      fluv__cancel(f);
    }
    fluv__start(f);
    if (f->state != FLUV__DONE) {
      fluv__assert(f->waiter == NULL);
      f->waiter = &self->waiter;
      self->waiting = f;
      self->await_loc = loc;
      /* A hook that ran during the start may have cancelled this task. */
      if (fluv__unlikely(self->interrupt != 0))
        fluv__cancel(f);
      suspend(loop, self);
      fluv__assert(f->state == FLUV__DONE);
      self->waiting = NULL;
      return take_result(self, f, loc);
    }
  }
  spend_budget(loop, self);
  return take_result(self, f, loc);
}

int64_t fluv_yield_loc(const fluv_loc_t* loc) {
  fluv__task_t* self = fluv__task_require("yield", loc);
  fluv_loop_t* loop = fluv__loop;

  if (fluv__unlikely(self->interrupt != 0)) {
    note_refusal(loop, self, loc);
    spend_budget(loop, self);
    return self->interrupt;
  }
  self->await_loc = loc;
  fluv__ready_push(loop, &self->base);
  suspend(loop, self);
  return self->interrupt;
}

static void task_cancel(fluv_future_t* f) {
  fluv__interrupt_update((fluv__task_t*) f);
}

static void task_release(fluv_future_t* f) {
  fluv__task_t* task = (fluv__task_t*) f;
  fluv__task_ext_t* ext = task->ext;

  /* Entries are left only if the task never returned. */
  while (task->cleanups != NULL) {
    fluv__cleanup_t* entry = task->cleanups;

    task->cleanups = entry->outer;
    entry->ops->abandon(entry);
  }
  if (ext == NULL)
    return;
  if (f->state != FLUV__DONE && task->stack == NULL && ext->free_arg != NULL)
    ext->free_arg(task->arg); /* it never started */
  (void) fluv__locals_destroy(task);
  fluv__free(ext);
}

static void task_describe(const fluv_future_t* f, char* buf, size_t size) {
  const fluv__task_t* task = (const fluv__task_t*) f;
  char place[FLUV__LOC_SIZE];

  if (task->waiting != NULL)
    snprintf(buf,
             size,
             "waiting for %s at %s",
             task->waiting->ops->kind,
             fluv__loc_format(task->await_loc, place, sizeof(place)));
  if (task->holds != NULL)
    fluv__task_hold_ops(task)->describe(task, buf, size);
}

const fluv__ops_t fluv__task_ops = {
  .kind = "task",
  .live = true,
  .is_task = true,
  .cancel = task_cancel,
  .release = task_release,
  .describe = task_describe,
};

static fluv_future_t* refuse(int err,
                             void* arg,
                             const fluv_task_options_t* options,
                             const fluv_loc_t* loc) {
  fluv_task_options_t read;

  if (options != NULL &&
      fluv__options_read(&read, options, &fluv__task_options_sizes) == 0 &&
      read.free_arg != NULL)
    read.free_arg(arg);
  return err == FLUV_ENOMEM ? fluv__future_enomem()
                            : fluv__future_fail(err, loc);
}

/* What the options ask for. 0, or an error after which the task is as it
 * was. */
static int apply_options(fluv__task_t* task, const fluv_task_options_t* given) {
  fluv_task_options_t options;
  fluv__task_ext_t* ext;
  unsigned bits;

  if (fluv__options_read(&options, given, &fluv__task_options_sizes) != 0)
    return FLUV_EINVAL;
  if (options.stack_size != 0) {
    bits = fluv__stack_bits(options.stack_size);
    if (bits == 0)
      return FLUV_EINVAL;
    task->bits = (uint8_t) bits;
  }
  task->keep_fp = options.float_control;
  if (options.name == NULL && options.free_arg == NULL)
    return 0;
  ext = fluv__task_ext(task);
  if (ext == NULL)
    return FLUV_ENOMEM;
  if (options.name != NULL)
    snprintf(ext->name, sizeof(ext->name), "%s", options.name);
  ext->free_arg = options.free_arg;
  return 0;
}

fluv_future_t* fluv_spawn_loc(fluv_task_fn fn,
                              void* arg,
                              const fluv_task_options_t* options,
                              const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;
  fluv__task_t* task;
  int err;

  if (fn == NULL)
    return refuse(FLUV_EINVAL, arg, options, loc);
  task = (fluv__task_t*) fluv__future_new(&fluv__task_ops, sizeof(*task), loc);
  if (task == NULL)
    return refuse(FLUV_ENOMEM, arg, options, loc);
  task->sp = NULL;
  task->stack = NULL;
  task->waiter.wake = wake;
  task->waiting = NULL;
  task->await_loc = loc;
  task->cleanups = NULL;
  task->ext = NULL;
  task->holds = NULL;
  task->fn = fn;
  task->arg = arg;
  task->parent = loop->current != NULL ? loop->current->base.id : 0;
  task->interrupt = 0;
  task->refusals = 0;
  task->refusal_reported = false;
  task->cancel_queued = false;
  task->keep_fp = false;
  task->bits = (uint8_t) loop->stack_bits;
  if (options != NULL && (err = apply_options(task, options)) != 0) {
    fluv__future_free(&task->base, loc);
    return refuse(err, arg, options, loc);
  }
  task->base.state = FLUV__PENDING;
  fluv__list_append(&loop->tasks, &task->all);
  add_tasks(loop, 1);
  fluv__ready_push(loop, &task->base);
  if (fluv__unlikely(loop->winding_down))
    fluv__cancel(&task->base);
  return &task->base;
}

fluv_future_t* fluv_task_self(void) {
  fluv_loop_t* loop = fluv__loop;

  return loop == NULL || loop->current == NULL ? NULL : &loop->current->base;
}

int fluv_task_get_interrupt(void) {
  fluv__task_t* self = fluv__task_require("fluv_task_get_interrupt()", NULL);

  /* A deadline may have passed while the task kept the thread to itself. */
  fluv__interrupt_check_deadlines(self);
  return self->interrupt;
}

const char* fluv_task_get_name(const fluv_future_t* task) {
  if (task == NULL || !fluv__is_task(task))
    return "";
  if (fluv__unlikely(task->loop != fluv__loop))
    fluv__wrong_thread(task->loop, "fluv_task_get_name()", task->loc, NULL);
  return fluv__task_name((const fluv__task_t*) task);
}
