/* SPDX-License-Identifier: MIT */
/* Intervals: ticks at a fixed period. */
#include "core/loop.h"
#include "core/object.h"

struct fluv_interval {
  fluv__object_t object;
  fluv_loop_t* loop;
  uint64_t period_ns; /* FLUV_FOREVER: longer than the clock can count */
  uint64_t next_ns;   /* due time of the next tick; FLUV_FOREVER: none comes */
  fluv_interval_missed_t missed;
  fluv_future_t* waiter; /* at most one */
};

/* A tick that is taken no later than this is not counted as missed. */
#define TOLERANCE_NS (5 * FLUV__NS_PER_MS)

/* A longer period, 146 years, counts as one that never ends: no sum with a
 * clock overflows. */
#define MAX_PERIOD_MS (UINT64_MAX / FLUV__NS_PER_MS / 4)

static uint64_t one_period_after(const fluv_interval_t* interval,
                                 uint64_t time) {
  return interval->period_ns == FLUV_FOREVER ? FLUV_FOREVER
                                             : time + interval->period_ns;
}

typedef struct tick_op {
  fluv_future_t base;
  fluv__timer_t timer;
  fluv_interval_t* interval;
} tick_op_t;

fluv_interval_t* fluv_interval_new(uint64_t period_ms,
                                   fluv_interval_missed_t missed) {
  fluv_loop_t* loop = fluv__loop;
  fluv_interval_t* interval;

  if (loop == NULL || period_ms == 0)
    return NULL;
  interval = fluv__calloc(1, sizeof(*interval));
  if (interval == NULL)
    return NULL;
  fluv__object_init(interval, INTERVAL, NULL);
  interval->loop = loop;
  interval->period_ns =
      period_ms > MAX_PERIOD_MS ? FLUV_FOREVER : period_ms * FLUV__NS_PER_MS;
  interval->next_ns = fluv_now();
  interval->missed = missed;
  return interval;
}

static void check_loop(const fluv_interval_t* interval,
                       const char* what,
                       const fluv_loc_t* loc) {
  if (fluv__unlikely(interval->loop != fluv__loop))
    fluv__wrong_thread(interval->loop, what, NULL, loc);
}

/* Take the tick that is due, and say when the next one is. */
static int64_t take_tick(fluv_interval_t* interval) {
  uint64_t due = interval->next_ns;
  uint64_t now = fluv_now();
  uint64_t period = interval->period_ns;

  interval->next_ns = one_period_after(interval, due);
  if (now > due + TOLERANCE_NS && period != FLUV_FOREVER) {
    if (interval->missed == FLUV_INTERVAL_DELAY)
      interval->next_ns = now + period;
    else if (interval->missed == FLUV_INTERVAL_SKIP)
      interval->next_ns = due + ((now - due) / period + 1) * period;
  }
  return (int64_t) due;
}

static void tick_end(tick_op_t* op, int64_t result) {
  op->interval->waiter = NULL;
  fluv__complete(&op->base, result);
}

static void tick_fire(fluv__timer_t* timer) {
  tick_op_t* op = fluv__container_of(timer, tick_op_t, timer);

  tick_end(op, take_tick(op->interval));
}

static void tick_start(fluv_future_t* f) {
  tick_op_t* op = (tick_op_t*) f;
  fluv_interval_t* interval = op->interval;

  if (interval->waiter != NULL) {
    fluv__complete(f, FLUV_EBUSY);
    return;
  }
  if (interval->next_ns <= fluv_now()) {
    fluv__complete(f, take_tick(interval));
    return;
  }
  interval->waiter = f;
  if (interval->next_ns != FLUV_FOREVER)
    fluv__timer_at(f->loop, &op->timer, interval->next_ns);
}

static void tick_cancel(fluv_future_t* f) {
  tick_op_t* op = (tick_op_t*) f;

  fluv__timer_stop(f->loop, &op->timer);
  tick_end(op, FLUV_ECANCELED);
}

static const fluv__ops_t tick_ops = {
  .kind = "interval tick",
  .start = tick_start,
  .cancel = tick_cancel,
};

fluv_future_t* fluv_interval_tick_loc(fluv_interval_t* interval,
                                      const fluv_loc_t* loc) {
  tick_op_t* op;

  if (interval == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(interval, INTERVAL);
  check_loop(interval, "fluv_interval_tick()", loc);
  op = (tick_op_t*) fluv__future_new(&tick_ops, sizeof(tick_op_t), loc);
  if (op == NULL)
    return fluv__future_enomem();
  fluv__timer_init(&op->timer, tick_fire);
  op->interval = interval;
  return &op->base;
}

int fluv_interval_reset(fluv_interval_t* interval) {
  if (fluv__unlikely(interval == NULL))
    return FLUV_EINVAL;
  fluv__check(interval, INTERVAL);
  check_loop(interval, "fluv_interval_reset()", NULL);
  if (interval->waiter != NULL)
    return FLUV_EBUSY;
  interval->next_ns = one_period_after(interval, fluv_now());
  return 0;
}

void fluv_interval_free(fluv_interval_t* interval) {
  if (interval == NULL)
    return;
  fluv__check(interval, INTERVAL);
  check_loop(interval, "fluv_interval_free()", NULL);
  if (interval->waiter != NULL)
    fluv__cancel(interval->waiter);
  fluv__object_free(interval, NULL);
}
