/* SPDX-License-Identifier: MIT */
/* select: the first of several futures. */
#include "core/arms.h"

#define NO_WINNER SIZE_MAX

typedef struct select_op {
  fluv__arms_t arms;
  size_t winner;
  int64_t* out_result; /* the caller's; NULL: not wanted */
  unsigned flags;
} select_op_t;

static bool select_end(fluv__arms_t* arms, size_t index, int64_t result) {
  select_op_t* op = (select_op_t*) arms;
  bool counts =
      result >= 0 || ((op->flags & FLUV_SELECT_OK) == 0 && !arms->stopped);

  /* A loser that failed may still stand for something, and that stays so: the
   * mutex of a condvar's wait is locked however the wait ends. */
  if (op->winner != NO_WINNER)
    return result < 0;
  if (!counts) {
    if (!arms->stopped)
      arms->result = result;
    return true;
  }
  op->winner = index;
  arms->result = (int64_t) index;
  if (op->out_result != NULL && (arms->nest.base.flags & FLUV__DISCARDED) == 0)
    *op->out_result = result;
  fluv__arms_stop(arms);
  return true;
}

static fluv_future_t* select_step(fluv_future_t* f) {
  select_op_t* op = (select_op_t*) f;

  if (!op->arms.starting && op->winner == NO_WINNER) {
    if (f->flags & FLUV__CANCELLED)
      op->arms.result = FLUV_ECANCELED;
    if ((op->flags & FLUV_SELECT_BIASED) == 0)
      op->arms.next +=
          fluv__rng_below(&f->loop->rng, (uint32_t) op->arms.count);
  }
  return fluv__arms_step(f);
}

static void select_start(fluv_future_t* f) {
  fluv__nest_start(f, select_step(f));
}

static void select_cancel(fluv_future_t* f) {
  if (((select_op_t*) f)->winner == NO_WINNER)
    ((fluv__arms_t*) f)->result = FLUV_ECANCELED;
  fluv__arms_cancel(f);
}

static const fluv__ops_t select_ops = {
  .kind = "select",
  .live = true,
  .nests = true,
  .start = select_start,
  .step = select_step,
  .cancel = select_cancel,
  .discard = fluv__nest_discard,
  .discard_children = fluv__arms_discard_children,
  .give_back = fluv__nest_give_back,
  .release = fluv__nest_release,
  .describe = fluv__arms_describe,
};

fluv_future_t* fluv_select_loc(fluv_future_t* const* futures,
                               size_t n,
                               unsigned flags,
                               int64_t* result,
                               const fluv_loc_t* loc) {
  const unsigned known = FLUV_SELECT_BIASED | FLUV_SELECT_OK;
  bool bad = n == 0 || (flags & ~known) != 0;
  fluv_future_t* failed;
  select_op_t* op = (select_op_t*)
      fluv__arms_new(&select_ops, sizeof(*op), futures, n, loc, &failed);

  if (op == NULL)
    return failed;
  op->arms.on_end = select_end;
  op->arms.result = FLUV_EINVAL;
  op->winner = NO_WINNER;
  op->out_result = result;
  op->flags = flags;
  if (bad) {
    /* Ends with what `result` says, once the arms have. */
    op->flags = FLUV_SELECT_OK;
    op->winner = 0;
    op->arms.stopped = true;
    fluv__start(&op->arms.nest.base);
  }
  return &op->arms.nest.base;
}
