/* SPDX-License-Identifier: MIT */
/* join_all and try_join_all. */
#include "core/arms.h"

typedef struct join_op {
  fluv__arms_t arms;
  int64_t* results; /* the caller's; NULL: not wanted */
  size_t failed;    /* lowest index that failed; join_all only */
} join_op_t;

static void store(join_op_t* op, size_t index, int64_t result) {
  if (op->results != NULL && (op->arms.nest.base.flags & FLUV__DISCARDED) == 0)
    op->results[index] = result;
}

static bool join_end(fluv__arms_t* arms, size_t index, int64_t result) {
  join_op_t* op = (join_op_t*) arms;

  store(op, index, result);
  if (result < 0 && index < op->failed) {
    op->failed = index;
    arms->result = result;
  }
  return true;
}

static bool try_join_end(fluv__arms_t* arms, size_t index, int64_t result) {
  store((join_op_t*) arms, index, result);
  if (result < 0 && arms->result == 0) {
    arms->result = result;
    fluv__arms_stop(arms);
  }
  return true;
}

static void join_start(fluv_future_t* f) {
  fluv__nest_start(f, fluv__arms_step(f));
}

static const fluv__ops_t join_ops = {
  .kind = "join_all",
  .live = true,
  .nests = true,
  .start = join_start,
  .step = fluv__arms_step,
  .cancel = fluv__arms_cancel,
  .discard = fluv__nest_discard,
  .discard_children = fluv__arms_discard_children,
  .give_back = fluv__nest_give_back,
  .release = fluv__nest_release,
  .describe = fluv__arms_describe,
};

static const fluv__ops_t try_join_ops = {
  .kind = "try_join_all",
  .live = true,
  .nests = true,
  .start = join_start,
  .step = fluv__arms_step,
  .cancel = fluv__arms_cancel,
  .discard = fluv__nest_discard,
  .discard_children = fluv__arms_discard_children,
  .give_back = fluv__nest_give_back,
  .release = fluv__nest_release,
  .describe = fluv__arms_describe,
};

static fluv_future_t* join_new(const fluv__ops_t* ops,
                               bool (*on_end)(fluv__arms_t* arms,
                                              size_t index,
                                              int64_t result),
                               fluv_future_t* const* futures,
                               size_t n,
                               int64_t* results,
                               const fluv_loc_t* loc) {
  fluv_future_t* failed;
  join_op_t* op =
      (join_op_t*) fluv__arms_new(ops, sizeof(*op), futures, n, loc, &failed);

  if (op == NULL)
    return failed;
  op->arms.on_end = on_end;
  op->results = results;
  op->arms.gives_back = results == NULL;
  op->failed = SIZE_MAX;
  if (n == 0) {
    op->arms.nest.base.result = 0;
    op->arms.nest.base.state = FLUV__DONE;
  }
  return &op->arms.nest.base;
}

fluv_future_t* fluv_join_all_loc(fluv_future_t* const* futures,
                                 size_t n,
                                 int64_t* results,
                                 const fluv_loc_t* loc) {
  return join_new(&join_ops, join_end, futures, n, results, loc);
}

fluv_future_t* fluv_try_join_all_loc(fluv_future_t* const* futures,
                                     size_t n,
                                     int64_t* results,
                                     const fluv_loc_t* loc) {
  return join_new(&try_join_ops, try_join_end, futures, n, results, loc);
}
