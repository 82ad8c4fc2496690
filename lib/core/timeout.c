/* SPDX-License-Identifier: MIT */
/* timeout: a future bounded in time.
 *
 * The future is started before the clock is asked, so that one which is ready
 * never times out. When the time is over it is cancelled, and what it then
 * ends with decides: ECANCELED is reported as ETIMEDOUT, anything else was
 * there all the same.
 */
#include "core/loop.h"

typedef struct timeout_op {
  fluv_future_t base;
  fluv__waiter_t waiter;
  fluv_future_t* f;
  fluv__timer_t timer;
  uint64_t limit; /* ms from the start, or a deadline in ns */
  bool is_deadline;
  bool passed;
} timeout_op_t;

static void timeout_take(timeout_op_t* op) {
  int64_t result = op->f->result;

  fluv__timer_stop(op->base.loop, &op->timer);
  fluv__future_free(op->f, op->base.loc);
  op->f = NULL;
  if (op->passed && result == FLUV_ECANCELED)
    result = FLUV_ETIMEDOUT;
  fluv__complete(&op->base, result);
}

static void timeout_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  timeout_take(fluv__container_of(waiter, timeout_op_t, waiter));
}

static void timeout_fire(fluv__timer_t* timer) {
  timeout_op_t* op = fluv__container_of(timer, timeout_op_t, timer);

  op->passed = true;
  fluv__cancel(op->f);
}

static void timeout_start(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;

  if (!fluv__start_and_wait(op->f, &op->waiter)) {
    timeout_take(op);
    return;
  }
  if (op->limit == FLUV_FOREVER)
    return;
  if (op->is_deadline && op->limit > fluv_now())
    fluv__timer_at(f->loop, &op->timer, op->limit);
  else if (!op->is_deadline && op->limit > 0)
    fluv__timer_after(f->loop, &op->timer, op->limit);
  else
    timeout_fire(&op->timer);
}

static void timeout_cancel(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;

  if (f->state == FLUV__PENDING) {
    /* Whatever it ends with now, it was not for the time. */
    fluv__timer_stop(f->loop, &op->timer);
    fluv__cancel(op->f);
    return;
  }
  f->state = FLUV__PENDING;
  fluv__cancel(op->f);
  if (!fluv__start_and_wait(op->f, &op->waiter))
    timeout_take(op);
}

static void timeout_discard(fluv_future_t* f) {
  timeout_op_t* op = (timeout_op_t*) f;

  if (op->f != NULL)
    fluv__discard(op->f);
}

static const fluv__ops_t timeout_ops = {
  .kind = "timeout",
  .live = true,
  .start = timeout_start,
  .cancel = timeout_cancel,
  .discard = timeout_discard,
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
  return &op->base;
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
