/* SPDX-License-Identifier: MIT */
/* The clock of a loop: reading it; tests pause it and advance it. */
#include "core/loop.h"

typedef struct advance_op {
  fluv_future_t base;
  uint64_t delay_ms;
} advance_op_t;

static void advance_start(fluv_future_t* f) {
  fluv__timers_t* timers = &f->loop->timers;
  advance_op_t* op = (advance_op_t*) f;

  if (!timers->paused || timers->advance != NULL) {
    fluv__complete(f, FLUV_EINVAL);
    return;
  }
  timers->advance = f;
  timers->advance_to = fluv__ns_after(timers->paused_ns, op->delay_ms);
  fluv__loop_kick(f->loop);
}

static void advance_cancel(fluv_future_t* f) {
  f->loop->timers.advance = NULL;
  fluv__complete(f, FLUV_ECANCELED);
}

static const fluv__ops_t advance_ops = {
  .kind = "clock advance",
  .start = advance_start,
  .cancel = advance_cancel,
};

fluv_future_t* fluv_clock_advance_loc(uint64_t delay_ms,
                                      const fluv_loc_t* loc) {
  fluv_future_t* f = fluv__future_new(&advance_ops, sizeof(advance_op_t), loc);

  if (f == NULL)
    return fluv__future_enomem();
  ((advance_op_t*) f)->delay_ms = delay_ms;
  return f;
}

uint64_t fluv_now(void) {
  const fluv_loop_t* loop = fluv__loop;

  return loop == NULL ? uv_hrtime() : fluv__timers_now(&loop->timers);
}

int fluv_clock_pause(void) {
  fluv_loop_t* loop = fluv__loop;
  fluv__timers_t* timers;

  if (loop == NULL)
    return FLUV_ENOLOOP;
  timers = &loop->timers;
  if (timers->paused)
    return FLUV_EALREADY;
  fluv__timers_sync(loop);
  /* A whole millisecond, so that tests can count on every one of them. */
  timers->paused_ns = fluv__ms_up(fluv__timers_now(timers)) * FLUV__NS_PER_MS;
  timers->paused = true;
  timers->armed_for = UINT64_MAX;
  uv_timer_stop(&timers->uv);
  fluv__loop_kick(loop);
  return 0;
}

int fluv_clock_resume(void) {
  fluv_loop_t* loop = fluv__loop;
  fluv__timers_t* timers;

  if (loop == NULL)
    return FLUV_ENOLOOP;
  timers = &loop->timers;
  if (!timers->paused)
    return FLUV_EALREADY;
  timers->paused = false;
  timers->offset_ns = timers->paused_ns - uv_hrtime();
  if (timers->advance != NULL)
    fluv__cancel(timers->advance);
  timers->dirty = true;
  fluv__loop_kick(loop);
  return 0;
}
