/* SPDX-License-Identifier: MIT */
/* Arms: the futures that a combinator waits for, and what they share.
 *
 * A combinator is an operation with an array of arms behind it. Its arms are
 * taken over when it is made and stay cold. Starting it starts the arms in
 * order; each that ends, at once or later, goes through on_end(), which may
 * cancel the others. When none is left, the combinator completes. It so never
 * ends before its arms have.
 */
#ifndef FLUV_CORE_ARMS_H
#define FLUV_CORE_ARMS_H

#include "core/nest.h"

typedef struct fluv__arms fluv__arms_t;

typedef struct fluv__arm {
  fluv__waiter_t waiter;
  fluv_future_t* f; /* NULL once it has ended */
  fluv__arms_t* arms;
} fluv__arm_t;

/* Begins a combinator's struct, whose last member is the array of arms. */
struct fluv__arms {
  fluv__nest_t nest;
  fluv__arm_t* arm;
  size_t count;
  size_t left;    /* arms that have not ended */
  size_t waiting; /* of those, started and not yet ended */
  size_t cold;    /* arms that are still to be started, from `next` on, round
                     to the one before */
  fluv__arm_t* next;
  bool starting;   /* not all are started: not yet to be completed */
  bool stopped;    /* arms not yet started are dropped instead */
  bool gives_back; /* an error says nothing of the arms that ended well: what
                     their results stand for is given back */
  int64_t result;
  /* An arm has ended. Does its result count as part of ours? */
  bool (*on_end)(fluv__arms_t* arms, size_t index, int64_t result);
};

/* Make a combinator of `size` bytes and `n` arms behind them, taking over the
 * futures. NULL: *out_failed is what to return. */
fluv__arms_t* fluv__arms_new(const fluv__ops_t* ops,
                             size_t size,
                             fluv_future_t* const* futures,
                             size_t n,
                             const fluv_loc_t* loc,
                             fluv_future_t** out_failed);

/* step() of the table of ops. */
fluv_future_t* fluv__arms_step(fluv_future_t* f);

/* Cancel the arms that run, and drop those not yet started. */
void fluv__arms_stop(fluv__arms_t* arms);

/* For the table of operations, which must say that it is live: cancelled
 * before it was started, it still waits for arms that are under way. */
void fluv__arms_cancel(fluv_future_t* f);
void fluv__arms_discard_children(fluv_future_t* f);
void fluv__arms_describe(const fluv_future_t* f, char* buf, size_t size);

#endif /* FLUV_CORE_ARMS_H */
