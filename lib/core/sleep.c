/* SPDX-License-Identifier: MIT */
/* Sleeps: futures that complete after a delay or at a point in time. */
#include "core/loop.h"

/* node.tick holds the delay or the deadline while the sleep is cold. 0 once it
 * is started: it is in the ready queue. */
typedef struct sleep_op {
  fluv_future_t base;
  fluv__timer_t timer;
} sleep_op_t;

static void sleep_fire(fluv__timer_t* timer) {
  fluv__complete(&fluv__container_of(timer, sleep_op_t, timer)->base, 0);
}

static void sleep_start(fluv_future_t* f) {
  sleep_op_t* op = (sleep_op_t*) f;
  uint64_t delay_ms = op->timer.node.tick;

  if (delay_ms == 0)
    fluv__ready_push(f->loop, f);
  else if (delay_ms != FLUV_FOREVER)
    fluv__timer_after(f->loop, &op->timer, delay_ms);
}

static void sleep_until_start(fluv_future_t* f) {
  sleep_op_t* op = (sleep_op_t*) f;

  if (op->timer.node.tick <= fluv__timers_now(&f->loop->timers)) {
    op->timer.node.tick = 0;
    fluv__ready_push(f->loop, f);
  } else if (op->timer.node.tick != FLUV_FOREVER) {
    fluv__timer_at(f->loop, &op->timer, op->timer.node.tick);
  }
}

static void sleep_run(fluv_future_t* f) {
  fluv__complete(f, f->flags & FLUV__CANCELLED ? FLUV_ECANCELED : 0);
}

static void sleep_cancel(fluv_future_t* f) {
  sleep_op_t* op = (sleep_op_t*) f;

  if (op->timer.node.tick == 0)
    return; /* it is in the ready queue and ends when its turn comes */
  fluv__timer_stop(f->loop, &op->timer);
  fluv__complete(f, FLUV_ECANCELED);
}

static const fluv__ops_t sleep_ops = {
  .kind = "sleep",
  .start = sleep_start,
  .cancel = sleep_cancel,
  .run = sleep_run,
};

static const fluv__ops_t sleep_until_ops = {
  .kind = "sleep",
  .start = sleep_until_start,
  .cancel = sleep_cancel,
  .run = sleep_run,
};

static fluv_future_t* sleep_new(const fluv__ops_t* ops,
                                uint64_t when,
                                const fluv_loc_t* loc) {
  sleep_op_t* op = (sleep_op_t*) fluv__future_new(ops, sizeof(*op), loc);

  if (op == NULL)
    return fluv__future_enomem();
  fluv__timer_init(&op->timer, sleep_fire);
  op->timer.node.tick = when;
  return &op->base;
}

fluv_future_t* fluv_sleep_loc(uint64_t delay_ms, const fluv_loc_t* loc) {
  return sleep_new(&sleep_ops, delay_ms, loc);
}

fluv_future_t* fluv_sleep_until_loc(uint64_t deadline_ns,
                                    const fluv_loc_t* loc) {
  return sleep_new(&sleep_until_ops, deadline_ns, loc);
}
