/* SPDX-License-Identifier: MIT */
/* timeout: a future bounded in time.
 *
 * The future is started before the clock is read, so a future that is ready
 * never times out. When the time is over the future is cancelled, and its
 * result decides: FLUV_ECANCELED becomes FLUV_ETIMEDOUT, any other result is
 * kept.
 */
#include "core/nest.h"

typedef struct timeout_op {
  fluv__nest_t nest;
  fluv__waiter_t waiter;
  fluv_future_t* f;
  fluv__timer_t timer;
  uint64_t limit; /* ms from the start, or a deadline in ns */
  bool is_deadline;
  bool passed;
  bool started; /* `f` was */
} timeout_op_t;

static void timeout_take(timeout_op_t* op) {
  fluv_future_t* f = op->f;
  int64_t result = f->result;

  fluv__timer_stop(f->loop, &op->timer);
  op->f = NULL;
  fluv__nest_keep(&op->nest, f, true);
  if (op->passed && result == FLUV_ECANCELED)
    result = FLUV_ETIMEDOUT;
  fluv__complete(&op->nest.base, result);
}

static void timeout_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;

  if (!fluv__nest_enter(f))
    return;
  timeout_take(fluv__container_of(waiter, timeout_op_t, waiter));
  fluv__nest_leave(loop);
}

static void timeout_fire(fluv__timer_t* timer) {
  timeout_op_t* op = fluv__container_of(timer, timeout_op_t, timer);

  op->passed = true;
  fluv__cancel(op->f);
}

/* `f` was started and is pending. */
static void limit_time(timeout_op_t* op) {
  fluv_loop_t* loop = op->nest.base.loop;

  if (op->limit == FLUV_FOREVER)
    return;
  if (op->is_deadline && op->limit > fluv_now())
    fluv__timer_at(loop, &op->timer, op->limit);
  else if (!op->is_deadline && op->limit > 0)
    fluv__timer_after(loop, &op->timer, op->limit);
  else
    timeout_fire(&op->timer);
}

static fluv_future_t* timeout_step(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;

  if (!op->started) {
    op->started = true;
    if (f->flags & FLUV__CANCELLED)
      fluv__nest_cancel_child(op->f);
    if (op->f->state == FLUV__COLD && op->f->ops->step != NULL)
      return op->f;
    fluv__start(op->f);
  }
  if (op->f->state == FLUV__DONE) {
    timeout_take(op);
    return NULL;
  }
  op->f->waiter = &op->waiter;
  /* A hook may have cancelled this future during the start: then the result is
   * not a timeout. */
  if (f->flags & FLUV__CANCELLED)
    fluv__cancel(op->f);
  else
    limit_time(op);
  return NULL;
}

static void timeout_start(fluv_future_t* f) {
  fluv__nest_start(f, timeout_step(f));
}

static void timeout_cancel(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;
  fluv_loop_t* loop = f->loop;

  if (f->state == FLUV__COLD) {
    fluv__start(f);
    return;
  }
  if (op->f == NULL || op->f->waiter == NULL)
    return; /* `f` is being started: timeout_step() checks the flag */
  if (!fluv__nest_enter(f))
    return;
  /* From here on the result is not a timeout. */
  fluv__timer_stop(loop, &op->timer);
  fluv__cancel(op->f);
  fluv__nest_leave(loop);
}

static void timeout_discard_child(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;

  if (op->f != NULL)
    fluv__discard(op->f);
}

static const fluv__ops_t timeout_ops = {
  .kind = "timeout",
  .live = true,
  .nests = true,
  .start = timeout_start,
  .step = timeout_step,
  .cancel = timeout_cancel,
  .discard = fluv__nest_discard,
  .discard_children = timeout_discard_child,
  .give_back = fluv__nest_give_back,
  .release = fluv__nest_release,
};

static fluv_future_t* timeout_new(fluv_future_t* f,
                                  uint64_t limit,
                                  bool is_deadline,
                                  const fluv_loc_t* loc) {
  timeout_op_t* op;

  fluv__take(f, fluv__loop, loc);
  op = (timeout_op_t*) fluv__future_new(&timeout_ops, sizeof(*op), loc);
  if (op == NULL) {
    fluv__drop(f, loc);
    return fluv__future_enomem();
  }
  op->waiter.wake = timeout_wake;
  op->f = f;
  fluv__timer_init(&op->timer, timeout_fire);
  op->limit = limit;
  op->is_deadline = is_deadline;
  op->passed = false;
  op->started = false;
  fluv__nest_init(&op->nest);
  return &op->nest.base;
}

fluv_future_t* fluv_timeout_loc(fluv_future_t* f,
                                uint64_t limit_ms,
                                const fluv_loc_t* loc) {
  return timeout_new(f, limit_ms, false, loc);
}

fluv_future_t* fluv_timeout_at_loc(fluv_future_t* f,
                                   uint64_t deadline_ns,
                                   const fluv_loc_t* loc) {
  return timeout_new(f, deadline_ns, true, loc);
}
