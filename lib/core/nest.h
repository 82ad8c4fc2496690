/* SPDX-License-Identifier: MIT */
/* Nesting: futures that wait for futures, thousands deep, without recursion.
 *
 * Starting. The start() of such an op calls its step() once, and passes what
 * that has returned to fluv__nest_start(). Each step() starts the children that
 * can be started at once, and returns the next child that nests itself. So
 * children are started depth first and in order, in one stack frame.
 *
 * Ending and cancelling. A wake() or cancel() that may call another wake() or
 * cancel() does its work between fluv__nest_enter() and fluv__nest_leave(). If
 * one of them is on the stack already, the future goes to a list of the loop
 * instead, and the outermost call drains that list before it returns.
 *
 * Results. What the result of a child stands for (see give_back() in future.h)
 * is kept with the parent, until the result of the parent is read or the parent
 * is dropped unread. If the parent is awaited its result is read for sure, and
 * nothing is kept.
 */
#ifndef FLUV_CORE_NEST_H
#define FLUV_CORE_NEST_H

#include "core/loop.h"

typedef struct fluv__nest fluv__nest_t;

struct fluv__nest {
  fluv_future_t base;
  fluv_future_t* kept;   /* done children whose result is not read yet: the
                            oldest of a ring through `next`, which leads from
                            the newest to the oldest */
  fluv__nest_t* starter; /* while it is being started: the parent */
  fluv__nest_t* next_to_discard;
};

static inline void fluv__nest_init(fluv__nest_t* nest) {
  nest->kept = NULL;
}

/* Start a child that nests, and all that nest below it. */
void fluv__nest_start_slow(fluv_future_t* f, fluv_future_t* child);

/* For start(): `child` is what the first step() has returned. */
static inline void fluv__nest_start(fluv_future_t* f, fluv_future_t* child) {
  if (fluv__unlikely(child != NULL))
    fluv__nest_start_slow(f, child);
}

/* For the table of ops: the children that are kept were read, or were not. */
void fluv__nest_release(fluv_future_t* f);
void fluv__nest_give_back(fluv_future_t* f);

/* Give back what is kept of children that ended well. */
void fluv__nest_give_back_values(fluv__nest_t* nest);

/* For discard(): call ops->discard_children() of this one and of those below
 * it. */
void fluv__nest_discard(fluv_future_t* f);

/* For step(): cancel a child before it is started. One that nests is started
 * nevertheless, and its first step() sees the flag. */
static inline void fluv__nest_cancel_child(fluv_future_t* child) {
  if (child->state == FLUV__COLD && child->ops->step != NULL)
    child->flags |= FLUV__CANCELLED;
  else
    fluv__cancel(child);
}

void fluv__nest_keep_slow(fluv__nest_t* nest, fluv_future_t* f);
void fluv__nest_free_unread(fluv__nest_t* nest, fluv_future_t* f);

/* Take over a child that has ended, whose result becomes a part of the
 * parent's if that is read. */
static inline void fluv__nest_keep_unread(fluv__nest_t* nest,
                                          fluv_future_t* f) {
  if (fluv__likely(f->ops->give_back == NULL))
    fluv__future_free(f, nest->base.loc);
  else
    fluv__nest_keep_slow(nest, f);
}

/* The same for a parent that passes the result on for sure. `counts`: it is a
 * part of the parent's; otherwise it is given back at once. */
static inline void fluv__nest_keep(fluv__nest_t* nest,
                                   fluv_future_t* f,
                                   bool counts) {
  if (fluv__likely(f->ops->give_back == NULL ||
                   (counts && (nest->base.flags & FLUV__AWAITED) != 0)))
    fluv__future_free(f, nest->base.loc);
  else if (counts)
    fluv__nest_keep_slow(nest, f);
  else
    fluv__nest_free_unread(nest, f);
}

void fluv__nest_queue(fluv_future_t* f, bool done);
void fluv__nest_drain(fluv_loop_t* loop);

/* Begin a wake() for `f`, or the cancel() of `f`. False: do nothing now, the
 * call is repeated when the list is drained. */
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
    fluv__nest_drain(loop);
}

#endif /* FLUV_CORE_NEST_H */
