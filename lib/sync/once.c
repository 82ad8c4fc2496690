/* SPDX-License-Identifier: MIT */
/* Once: EMPTY --(the first getter)--> RUNNING --(its task has a value)--> SET
 *          ^-----(the task failed: the next getter is woken)----/
 *
 * A getter that is woken checks the state: it finds the value, or it is its
 * turn to make the value, or another getter is making it and it waits on. After
 * SET both queues are empty.
 */
#include "sync/wait.h"

enum {
  EMPTY,
  RUNNING,
  SET
};

struct fluv_once {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t getters; /* can make the value if the task of another fails */
  fluv__list_t waiters; /* only wait for it */
  int64_t value;        /* once it is SET */
  int state;
};

typedef struct once_op {
  fluv__sync_op_t sync;
  fluv_once_t* once;
  fluv_task_fn fn; /* NULL: only waits */
  void* arg;

  /* Its turn to make the value: the task that does, and the wait for it. Only
   * this thread uses these. */
  fluv_future_t* task; /* NULL: not its turn, or the task has ended */
  fluv__waiter_t waiter;
} once_op_t;

/* It is the turn of the next getter to make the value. */
static void wake_next_locked(fluv_once_t* once, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  fluv__guard_assert_held(&once->guard);
  fluv__assert(once->state == EMPTY);
  while ((wait = fluv__wait_queue_first(&once->getters)) != NULL)
    if (fluv__wait_grant(wait, 0, wakes))
      return;
}

static void set_locked(fluv_once_t* once,
                       int64_t value,
                       fluv__wake_list_t* wakes) {
  fluv__guard_assert_held(&once->guard);
  fluv__assert(once->state != SET && value >= 0);
  once->state = SET;
  once->value = value;
  fluv__wait_queue_grant_all(&once->getters, 0, wakes);
  fluv__wait_queue_grant_all(&once->waiters, 0, wakes);
}

/* The task of this op has a value, or has failed. */
static void finish(fluv_once_t* once, int64_t result) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&once->guard);
  if (result >= 0) {
    set_locked(once, result, &wakes);
  } else {
    once->state = EMPTY;
    wake_next_locked(once, &wakes);
  }
  fluv__guard_unlock(&once->guard);
  fluv__wake_list_send(&wakes);
}

static void task_ended(once_op_t* op) {
  int64_t result = op->task->result;

  fluv__future_free(op->task, op->sync.base.loc);
  op->task = NULL;
  op->sync.base.flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  finish(op->once, result);
  fluv__complete(&op->sync.base, result);
}

static void on_task_end(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  task_ended(fluv__container_of(waiter, once_op_t, waiter));
}

static void run_task(once_op_t* op) {
  fluv_future_t* f = &op->sync.base;

  op->task = fluv_spawn_loc(op->fn, op->arg, NULL, f->loc);
  fluv__take(op->task, f->loop, f->loc);
  f->flags |= FLUV__NEEDS_RELEASE;
  op->waiter.wake = on_task_end;
  if (!fluv__start_and_wait(op->task, &op->waiter))
    task_ended(op);
}

static void once_arrive(fluv__inbox_node_t* node);

/* The value; or FLUV_EAGAIN: the op waits; or FLUV_EALREADY: it is the turn of
 * the op to make the value. */
static int64_t check_or_wait_locked(once_op_t* op) {
  fluv_once_t* once = op->once;

  fluv__guard_assert_held(&once->guard);
  if (once->state == SET)
    return once->value;
  if (once->state == EMPTY && op->fn != NULL) {
    once->state = RUNNING;
    return FLUV_EALREADY;
  }
  fluv__sync_op_join(&op->sync,
                     op->fn != NULL ? &once->getters : &once->waiters,
                     once_arrive);
  return FLUV_EAGAIN;
}

static void proceed(once_op_t* op, int64_t result) {
  if (result == FLUV_EALREADY)
    run_task(op);
  else if (result != FLUV_EAGAIN)
    fluv__complete(&op->sync.base, result);
}

static void once_arrive(fluv__inbox_node_t* node) {
  once_op_t* op = (once_op_t*) fluv__sync_op_arrive(node);
  fluv_once_t* once = op->once;
  int64_t result = FLUV_ECANCELED;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&once->guard);
  if (!fluv__sync_op_was_cancelled(&op->sync))
    result = check_or_wait_locked(op);
  else if (once->state == EMPTY)
    wake_next_locked(once, &wakes);
  fluv__guard_unlock(&once->guard);
  fluv__wake_list_send(&wakes);
  proceed(op, result);
}

static void once_start(fluv_future_t* f) {
  once_op_t* op = (once_op_t*) f;
  int64_t result;

  fluv__guard_lock(&op->once->guard);
  result = check_or_wait_locked(op);
  fluv__guard_unlock(&op->once->guard);
  proceed(op, result);
}

static void once_cancel(fluv_future_t* f) {
  once_op_t* op = (once_op_t*) f;

  if (op->task != NULL)
    fluv__cancel(op->task);
  else
    fluv__sync_cancel(f);
}

static void once_discard(fluv_future_t* f) {
  once_op_t* op = (once_op_t*) f;

  if (op->task != NULL)
    fluv__discard(op->task);
}

/* The loop is closed: a task that was making the value never returns. */
static void once_release(fluv_future_t* f) {
  once_op_t* op = (once_op_t*) f;

  if (op->task != NULL)
    finish(op->once, FLUV_ECANCELED);
  else
    fluv__sync_release(f);
}

static const fluv__ops_t once_ops = {
  .kind = "once",
  .start = once_start,
  .cancel = once_cancel,
  .discard = once_discard,
  .release = once_release,
};

int fluv_once_new(fluv_once_t** out_once) {
  fluv_once_t* once;

  if (out_once == NULL)
    return FLUV_EINVAL;
  once = fluv__calloc(1, sizeof(*once));
  if (once == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(once, ONCE, NULL);
  fluv__guard_init(&once->guard);
  fluv__list_init(&once->getters);
  fluv__list_init(&once->waiters);
  *out_once = once;
  return 0;
}

void fluv_once_free(fluv_once_t* once) {
  if (once == NULL)
    return;
  fluv__check(once, ONCE);
  fluv__guard_lock(&once->guard);
  fluv__wait_queue_check_empty(&once->getters, "once");
  fluv__wait_queue_check_empty(&once->waiters, "once");
  if (once->state == RUNNING)
    fluv__die("a once is freed while its value is being made");
  fluv__guard_unlock(&once->guard);
  fluv__guard_deinit(&once->guard);
  fluv__object_free(once, NULL);
}

static fluv_future_t* op_new(fluv_once_t* once,
                             fluv_task_fn fn,
                             void* arg,
                             const fluv_loc_t* loc) {
  once_op_t* op = (once_op_t*) fluv__sync_op_new(&once_ops, sizeof(*op), loc);

  if (op == NULL)
    return fluv__future_enomem();
  op->once = once;
  op->sync.guard = &once->guard;
  op->fn = fn;
  op->arg = arg;
  op->task = NULL;
  return &op->sync.base;
}

fluv_future_t* fluv_once_get_loc(fluv_once_t* once,
                                 fluv_task_fn fn,
                                 void* arg,
                                 const fluv_loc_t* loc) {
  if (once == NULL || fn == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(once, ONCE);
  return op_new(once, fn, arg, loc);
}

fluv_future_t* fluv_once_wait_loc(fluv_once_t* once, const fluv_loc_t* loc) {
  if (once == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(once, ONCE);
  return op_new(once, NULL, NULL, loc);
}

int fluv_once_set(fluv_once_t* once, int64_t value) {
  fluv__wake_list_t wakes;
  int err = 0;

  if (fluv__unlikely(once == NULL))
    return FLUV_EINVAL;
  fluv__check(once, ONCE);
  if (value < 0)
    return FLUV_EINVAL;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&once->guard);
  if (once->state == EMPTY)
    set_locked(once, value, &wakes);
  else
    err = once->state == SET ? FLUV_EALREADY : FLUV_EBUSY;
  fluv__guard_unlock(&once->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

int64_t fluv_once_try_get(fluv_once_t* once) {
  int64_t value = FLUV_EAGAIN;

  if (fluv__unlikely(once == NULL))
    return FLUV_EINVAL;
  fluv__check(once, ONCE);
  fluv__guard_lock(&once->guard);
  if (once->state == SET)
    value = once->value;
  fluv__guard_unlock(&once->guard);
  return value;
}
