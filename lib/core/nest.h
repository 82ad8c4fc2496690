/* SPDX-License-Identifier: MIT */
/* Nesting: futures that wait for futures, thousands deep, without recursion.
 *
 * Starting. `start` of such an op is its first step(), followed by
 * fluv__nest_start() with what that has returned. Each step starts what can be
 * started at once, and returns the next child that nests itself. So children
 * are started depth first, in order, on one frame of the stack.
 *
 * Ending and cancelling. A wake() or cancel() that tells or cancels others in
 * its turn works between fluv__nest_enter() and fluv__nest_leave(). If one such
 * is on the stack already, its future goes to a list of the loop instead, and
 * the outermost works that off before it returns.
 *
 * Results. What a child's result stands for (see give_back() in future.h) is
 * kept with the parent, until somebody reads the parent's result or drops it
 * unread.
 */
#ifndef FLUV_CORE_NEST_H
#define FLUV_CORE_NEST_H

#include "core/loop.h"

typedef struct fluv__nest fluv__nest_t;

struct fluv__nest {
  fluv_future_t base;
  fluv_future_t* kept;   /* children that have ended: the oldest of a ring
                            through `next`, from the newest to the oldest */
  fluv__nest_t* starter; /* while it is being started: the parent */
  fluv__nest_t* next_to_discard;
};

static inline void fluv__nest_init(fluv__nest_t* nest) {
  nest->kept = NULL;
}

/* The way down to a first child that nests, and up again. */
void fluv__nest_start_slow(fluv_future_t* f, fluv_future_t* child);

/* For start(): `child` is what the first step() has returned. */
static inline void fluv__nest_start(fluv_future_t* f, fluv_future_t* child) {
  if (fluv__unlikely(child != NULL))
    fluv__nest_start_slow(f, child);
}

/* For the table of ops; these see to what is kept. */
void fluv__nest_release(fluv_future_t* f);
void fluv__nest_give_back(fluv_future_t* f);

/* Give back what is kept of children that ended well. */
void fluv__nest_give_back_values(fluv__nest_t* nest);

/* For discard(): call ops->discard_children() of this one and of those below
 * it. */
void fluv__nest_discard(fluv_future_t* f);

/* For step(): a child that is to be started is not wanted any more. One that
 * nests is started all the same, and its first step sees the flag. */
static inline void fluv__nest_cancel_child(fluv_future_t* child) {
  if (child->state == FLUV__COLD && child->ops->step != NULL)
    child->flags |= FLUV__CANCELLED;
  else
    fluv__cancel(child);
}

void fluv__nest_keep_slow(fluv__nest_t* nest, fluv_future_t* f, bool counts);

/* A child has ended, and is taken over. Does its result count, as part of the
 * parent's? If not it is given back at once. */
static inline void fluv__nest_keep(fluv__nest_t* nest,
                                   fluv_future_t* f,
                                   bool counts) {
  if (fluv__likely(f->ops->give_back == NULL))
    fluv__future_free(f, nest->base.loc);
  else
    fluv__nest_keep_slow(nest, f, counts);
}

void fluv__nest_queue(fluv_future_t* f, bool done);
void fluv__nest_work_off(fluv_loop_t* loop);

/* Begins a wake() for `f`, or the cancel() of `f`. False: it will be called
 * again, and must do nothing now. */
static inline bool fluv__nest_enter(fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;

  if (fluv__unlikely(loop->nest_busy)) {
    fluv__nest_queue(f, f->state == FLUV__DONE);
    return false;
  }
  loop->nest_busy = true;
  return true;
}

static inline void fluv__nest_leave(fluv_loop_t* loop) {
  loop->nest_busy = false;
  if (fluv__unlikely(loop->nest_first != NULL))
    fluv__nest_work_off(loop);
}

#endif /* FLUV_CORE_NEST_H */
