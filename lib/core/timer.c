/* SPDX-License-Identifier: MIT */
/* Timers of a loop: one wheel, one uv_timer_t, one clock. */
#include "core/timer.h"

#include "core/alive.h"

#include "core/loop.h"

/* The longest delay in ms that the wheel is asked for: 2^60 ms is 36 million
 * years, and no sum with a clock overflows. */
#define MAX_DELAY_MS (UINT64_C(1) << 60)

/* With a paused clock, how often the loop checks whether only sleeps are left,
 * when nothing else makes it turn. */
enum {
  PAUSED_TURN_MS = 1
};

uint64_t fluv__timers_now(const fluv__timers_t* timers) {
  return timers->paused ? timers->paused_ns : uv_hrtime() + timers->offset_ns;
}

int fluv__timers_init(fluv__timers_t* timers, uv_loop_t* uv, bool paused) {
  uint64_t now = uv_hrtime();

  fluv__wheel_init(&timers->wheel, now / FLUV__NS_PER_MS);
  fluv__list_init(&timers->fresh);
  timers->armed_for = UINT64_MAX;
  timers->paused = paused;
  timers->paused_ns = fluv__ms_up(now) * FLUV__NS_PER_MS;
  return uv_timer_init(uv, &timers->uv);
}

void fluv__timer_after(fluv_loop_t* loop,
                       fluv__timer_t* timer,
                       uint64_t delay_ms) {
  fluv__timers_t* timers = &loop->timers;

  if (delay_ms > MAX_DELAY_MS)
    delay_ms = MAX_DELAY_MS;
  fluv__assert(timer->node.link.next == NULL);
  timer->node.tick = delay_ms | FLUV__TIMER_FRESH;
  fluv__list_append(&timers->fresh, &timer->node.link);
  timers->count++;
  timers->dirty = true;
  if (!fluv__is_draining(loop))
    fluv__loop_kick(loop);
}

void fluv__timer_at(fluv_loop_t* loop,
                    fluv__timer_t* timer,
                    uint64_t deadline_ns) {
  fluv__timers_t* timers = &loop->timers;

  fluv__assert(timer->node.link.next == NULL);
  timer->node.tick = fluv__ms_up(deadline_ns);
  fluv__wheel_insert(&timers->wheel, &timer->node);
  timers->count++;
  timers->dirty = true;
  if (!fluv__is_draining(loop))
    fluv__loop_kick(loop);
}

/* Set whether uv's timer keeps the loop alive. */
static void set_ref(fluv__timers_t* timers) {
  bool want = timers->count > 0;

  if (want == timers->refd)
    return;
  timers->refd = want;
  if (want)
    uv_ref((uv_handle_t*) &timers->uv);
  else
    uv_unref((uv_handle_t*) &timers->uv);
}

void fluv__timer_stop(fluv_loop_t* loop, fluv__timer_t* timer) {
  fluv__timers_t* timers = &loop->timers;

  if (timer->node.link.next == NULL)
    return;
  if (timer->node.tick & FLUV__TIMER_FRESH)
    fluv__list_remove(&timer->node.link);
  else
    fluv__wheel_remove(&timers->wheel, &timer->node);
  fluv__assert(timers->count > 0);
  timer->node.link.next = NULL;
  timers->count--;
  if (timers->count == 0 && !fluv__is_draining(loop))
    set_ref(timers);
}

/* Fire all that is due at a tick, in order. */
static void fire_due(fluv_loop_t* loop, uint64_t tick) {
  fluv__timers_t* timers = &loop->timers;
  fluv__wheel_node_t* node;

  while ((node = fluv__wheel_pop(&timers->wheel, tick)) != NULL) {
    fluv__timer_t* timer = fluv__container_of(node, fluv__timer_t, node);

    timers->count--;
    node->link.next = NULL;
    timer->fire(timer);
  }
}

/* Turn the delays of the fresh timers into ticks, rounded up. */
static void place_fresh(fluv__timers_t* timers, uint64_t now) {
  uint64_t now_up = fluv__ms_up(now);

  while (!fluv__list_is_empty(&timers->fresh)) {
    fluv__list_t* link = timers->fresh.next;
    fluv__wheel_node_t* node =
        fluv__container_of(link, fluv__wheel_node_t, link);

    fluv__list_remove(link);
    node->tick = now_up + (node->tick & ~FLUV__TIMER_FRESH);
    fluv__wheel_insert(&timers->wheel, node);
  }
}

static void on_uv_timer(uv_timer_t* handle) {
  fluv_loop_t* loop = fluv__container_of(handle, fluv_loop_t, timers.uv);

  loop->timers.armed_for = UINT64_MAX;
  loop->timers.overdue = true;
  fluv__loop_kick(loop);
}

/* Set uv's timer for the wheel's next tick, if that is earlier than what it
 * is set for. A timer that is left set too early wakes the loop once more. */
static void set_uv(fluv_loop_t* loop, uint64_t next) {
  fluv__timers_t* timers = &loop->timers;
  uint64_t due_ms;

  if (timers->paused) {
    /* No timer waits for uv's, but the loop must turn at intervals to find
     * out that nothing else is left to wait for. */
    if (next != UINT64_MAX && !uv_is_active((uv_handle_t*) &timers->uv))
      uv_timer_start(&timers->uv, on_uv_timer, PAUSED_TURN_MS, 0);
    return;
  }
  if (next >= timers->armed_for)
    return;
  /* On uv's clock, which is behind ours by what tests have skipped. */
  due_ms = next > UINT64_MAX / FLUV__NS_PER_MS
               ? UINT64_MAX / FLUV__NS_PER_MS
               : fluv__ms_up(next * FLUV__NS_PER_MS - timers->offset_ns);
  uv_update_time(loop->uv);
  timers->armed_for = next;
  /* At least 1: a timer of 0 may run before the loop polls. */
  uv_timer_start(&timers->uv,
                 on_uv_timer,
                 due_ms > uv_now(loop->uv) ? due_ms - uv_now(loop->uv) : 1,
                 0);
}

void fluv__timers_sync(fluv_loop_t* loop) {
  fluv__timers_t* timers = &loop->timers;
  uint64_t now;
  uint64_t next;

  if (timers->dirty) {
    timers->dirty = false;
    now = fluv__timers_now(timers);
    place_fresh(timers, now);
    next = fluv__wheel_next(&timers->wheel);
    if (next <= now / FLUV__NS_PER_MS)
      timers->overdue = true;
    else
      set_uv(loop, next);
  }
  set_ref(timers);
}

void fluv__timers_fire(fluv_loop_t* loop) {
  fluv__timers_t* timers = &loop->timers;

  timers->overdue = false;
  timers->dirty = true; /* uv's timer is to be set for the next */
  fire_due(loop, fluv__timers_now(timers) / FLUV__NS_PER_MS);
}

bool fluv__timers_want_turn(fluv_loop_t* loop) {
  const fluv__timers_t* timers = &loop->timers;

  if (timers->overdue)
    return true;
  return timers->paused &&
         (timers->advance != NULL ||
          (timers->count > 0 &&
           fluv__wheel_next(&timers->wheel) <= UINT64_MAX / FLUV__NS_PER_MS &&
           !fluv__has_external_work(loop)));
}

void fluv__timers_turn(fluv_loop_t* loop) {
  fluv__timers_t* timers = &loop->timers;

  fluv__timers_sync(loop);
  while (timers->paused && loop->ready_head == NULL) {
    uint64_t next = fluv__wheel_next(&timers->wheel);
    fluv_future_t* advance = timers->advance;

    if (advance != NULL && next > timers->advance_to / FLUV__NS_PER_MS) {
      timers->paused_ns = timers->advance_to;
      timers->advance = NULL;
      fluv__complete(advance, 0);
      return;
    }
    /* A sleep that is further off than the clock can count never ends. */
    if (advance == NULL &&
        (next > UINT64_MAX / FLUV__NS_PER_MS || fluv__has_external_work(loop)))
      return;
    if (next > timers->paused_ns / FLUV__NS_PER_MS)
      timers->paused_ns = next * FLUV__NS_PER_MS;
    fire_due(loop, next);
    fluv__timers_sync(loop);
  }
}
