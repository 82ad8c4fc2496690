/* SPDX-License-Identifier: MIT */
/* run_until_cancelled: a future bounded by a token, as timeout is by time.
 *
 * The future is started before the token is asked, so that a result which is
 * there counts. When the token is cancelled, so is the future, and what it then
 * ends with decides.
 */
#include "sync/wait.h"

typedef struct until_op {
  fluv_future_t base;
  fluv_token_t* token;
  fluv_future_t* f;
  fluv_future_t* cancelled; /* NULL once it has ended */
  fluv__waiter_t f_waiter;
  fluv__waiter_t token_waiter;
  bool stopped; /* by the token */
} until_op_t;

static void f_ended(until_op_t* op) {
  int64_t result = op->f->result;

  fluv__future_free(op->f, op->base.loc);
  op->f = NULL;
  if (op->cancelled != NULL) {
    op->cancelled->waiter = NULL;
    fluv__drop(op->cancelled, op->base.loc);
    op->cancelled = NULL;
  }
  if (op->stopped && result == FLUV_ECANCELED)
    result = fluv_token_get_reason(op->token);
  fluv__complete(&op->base, result);
}

static void on_f_end(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  f_ended(fluv__container_of(waiter, until_op_t, f_waiter));
}

static void token_ended(until_op_t* op) {
  op->stopped = op->cancelled->result == 0;
  fluv__future_free(op->cancelled, op->base.loc);
  op->cancelled = NULL;
  if (op->stopped)
    fluv__cancel(op->f);
}

static void on_token_end(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  token_ended(fluv__container_of(waiter, until_op_t, token_waiter));
}

static void until_start(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;

  op->f_waiter.wake = on_f_end;
  op->token_waiter.wake = on_token_end;
  if (!fluv__start_and_wait(op->f, &op->f_waiter))
    f_ended(op);
  else if (!fluv__start_and_wait(op->cancelled, &op->token_waiter))
    token_ended(op);
}

static void until_cancel(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;

  if (f->state == FLUV__PENDING) {
    fluv__cancel(op->f);
    return;
  }
  f->state = FLUV__PENDING;
  fluv__cancel(op->f);
  op->f_waiter.wake = on_f_end;
  if (!fluv__start_and_wait(op->f, &op->f_waiter))
    f_ended(op);
}

static void until_discard(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;

  if (op->f != NULL)
    fluv__discard(op->f);
}

static const fluv__ops_t until_ops = {
  .kind = "run until cancelled",
  .live = true,
  .start = until_start,
  .cancel = until_cancel,
  .discard = until_discard,
};

fluv_future_t* fluv_run_until_cancelled_loc(fluv_token_t* token,
                                            fluv_future_t* f,
                                            const fluv_loc_t* loc) {
  until_op_t* op;

  fluv__take(f, fluv__loop, loc);
  if (token == NULL) {
    fluv__drop(f, loc);
    return fluv__future_fail(FLUV_EINVAL, loc);
  }
  op = (until_op_t*) fluv__future_new(&until_ops, sizeof(*op), loc);
  if (op == NULL) {
    fluv__drop(f, loc);
    return fluv__future_enomem();
  }
  op->cancelled = fluv_token_cancelled_loc(token, loc);
  fluv__take(op->cancelled, op->base.loop, loc);
  if (op->cancelled->state == FLUV__DONE) { /* there is no memory for it */
    fluv__future_free(op->cancelled, loc);
    fluv__future_free(&op->base, loc);
    fluv__drop(f, loc);
    return fluv__future_enomem();
  }
  op->token = token;
  op->f = f;
  op->stopped = false;
  return &op->base;
}
