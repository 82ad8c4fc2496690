/* SPDX-License-Identifier: MIT */
/* Timers of a loop: one wheel, one uv_timer_t, one clock that tests can pause.
 *
 * A timer for a delay does not read the clock when it is armed. It goes on
 * the list `fresh`, and the loop turns delays into ticks once at the end of
 * each drain, with one reading for all: later than the truth by at most one
 * turn, never earlier. A timeout that is cancelled in the turn in which it was
 * armed, as nearly all are, costs two list operations.
 */
#ifndef FLUV_CORE_TIMER_H
#define FLUV_CORE_TIMER_H

#include <uv.h>

#include "base/time.h"
#include "base/wheel.h"
#include "core/internal.h"

typedef struct fluv__timer fluv__timer_t;

/* Armed: linked. Fresh: the top bit of node.tick is set and the rest is a delay
 * in ms; else node.tick is in ms of the clock. */
struct fluv__timer {
  fluv__wheel_node_t node;
  void (*fire)(fluv__timer_t* timer);
};

#define FLUV__TIMER_FRESH (UINT64_C(1) << 63)

/* The timers of one loop; its thread only. `count` is the number of timers on
 * the wheel and on `fresh`. */
typedef struct fluv__timers {
  fluv__wheel_t wheel;
  fluv__list_t fresh;
  size_t count;           /* armed, fresh or set */
  uv_timer_t uv;          /* wakes the loop for the wheel's next tick */
  uint64_t armed_for;     /* tick that uv is set for; UINT64_MAX: none */
  bool refd;              /* does uv keep the loop alive */
  bool dirty;             /* something was armed since the last sync */
  bool overdue;           /* something may be due: fire after the next poll */
  bool paused;            /* a test controls the clock */
  uint64_t paused_ns;     /* the time of the paused clock */
  uint64_t offset_ns;     /* what it is ahead of uv_hrtime() while it runs */
  fluv_future_t* advance; /* a fluv_clock_advance() under way */
  uint64_t advance_to;    /* and where it leads, in ns */
} fluv__timers_t;

int fluv__timers_init(fluv__timers_t* timers, uv_loop_t* uv, bool paused);

uint64_t fluv__timers_now(const fluv__timers_t* timers);

static inline void fluv__timer_init(fluv__timer_t* timer,
                                    void (*fire)(fluv__timer_t* timer)) {
  timer->node.link.next = NULL;
  timer->fire = fire;
}

/* Arm; the timer must be off. It is off again when fire() is called. Longer
 * than the clock can count is as good as never. */
void fluv__timer_after(fluv_loop_t* loop,
                       fluv__timer_t* timer,
                       uint64_t delay_ms);
void fluv__timer_at(fluv_loop_t* loop,
                    fluv__timer_t* timer,
                    uint64_t deadline_ns);

/* Disarm; an unarmed one is left alone. */
void fluv__timer_stop(fluv_loop_t* loop, fluv__timer_t* timer);

/* End of a drain: place the fresh ones, set or release uv's timer. */
void fluv__timers_sync(fluv_loop_t* loop);

/* Check phase: fire what is due. Not before the poll: bytes that have come in
 * time beat a timeout that has passed meanwhile. */
void fluv__timers_fire(fluv_loop_t* loop);

/* Must the loop not wait in its poll, because something is due, or because
 * fluv__timers_turn() would move a paused clock? */
bool fluv__timers_want_turn(fluv_loop_t* loop);

/* Check phase with a paused clock: move it if nothing else can happen. */
void fluv__timers_turn(fluv_loop_t* loop);

#endif /* FLUV_CORE_TIMER_H */
