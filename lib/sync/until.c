/* SPDX-License-Identifier: MIT */
/* run_until_cancelled: a future bounded by a token, as a timeout bounds one by
 * time.
 *
 * If the future is done already, its result counts. Otherwise the token is
 * checked before the future is started, so that a future that is always ready
 * at once (a receive from a channel that is never empty) does not hide that the
 * token is cancelled. When the token is cancelled, the future is cancelled, and
 * its result decides: FLUV_ECANCELED becomes the reason of the token.
 */
#include "core/nest.h"
#include "sync/wait.h"

typedef struct until_op {
  fluv__nest_t nest;
  fluv_token_t* token;

  /* The future, and that of the token. NULL once they have completed. */
  fluv_future_t* f;
  fluv_future_t* cancelled;
  fluv__waiter_t f_waiter;
  fluv__waiter_t token_waiter;

  bool started; /* `f` was */
  bool stopped; /* the token has cancelled `f` */
} until_op_t;

static void f_ended(until_op_t* op) {
  fluv_future_t* f = op->f;
  int64_t result = f->result;

  op->f = NULL;
  fluv__nest_keep(&op->nest, f, true);
  if (op->cancelled != NULL) {
    op->cancelled->waiter = NULL;
    fluv__drop(op->cancelled, op->nest.base.loc);
    op->cancelled = NULL;
  }
  if (op->stopped && result == FLUV_ECANCELED)
    result = fluv_token_get_reason(op->token);
  fluv__complete(&op->nest.base, result);
}

static void on_f_end(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;

  if (!fluv__nest_enter(f))
    return;
  f_ended(fluv__container_of(waiter, until_op_t, f_waiter));
  fluv__nest_leave(loop);
}

static void token_ended(until_op_t* op) {
  op->stopped = op->cancelled->result == 0;
  fluv__future_free(op->cancelled, op->nest.base.loc);
  op->cancelled = NULL;
  if (op->stopped)
    fluv__cancel(op->f);
}

static void on_token_end(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;

  if (!fluv__nest_enter(f))
    return;
  token_ended(fluv__container_of(waiter, until_op_t, token_waiter));
  fluv__nest_leave(loop);
}

/* `f` is about to be started: cancel it if this future or the token is. */
static void cancel_early(until_op_t* op) {
  if (op->nest.base.flags & FLUV__CANCELLED) {
    fluv__nest_cancel_child(op->f);
  } else if (op->f->state != FLUV__DONE && fluv_token_is_cancelled(op->token)) {
    op->stopped = true;
    fluv__nest_cancel_child(op->f);
  }
}

static fluv_future_t* until_step(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;

  if (!op->started) {
    op->started = true;
    op->f_waiter.wake = on_f_end;
    op->token_waiter.wake = on_token_end;
    cancel_early(op);
    if (op->f->state == FLUV__COLD && op->f->ops->step != NULL)
      return op->f;
    fluv__start(op->f);
  }
  if (op->f->state == FLUV__DONE) {
    f_ended(op);
    return NULL;
  }
  op->f->waiter = &op->f_waiter;
  /* A hook may have cancelled this future during the start. */
  if (f->flags & FLUV__CANCELLED)
    fluv__cancel(op->f);
  else if (!op->stopped &&
           !fluv__start_and_wait(op->cancelled, &op->token_waiter))
    token_ended(op);
  return NULL;
}

static void until_start(fluv_future_t* f) {
  fluv__nest_start(f, until_step(f));
}

static void until_cancel(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;
  fluv_loop_t* loop = f->loop;

  if (f->state == FLUV__COLD) {
    fluv__start(f);
    return;
  }
  if (op->f == NULL || op->f->waiter == NULL)
    return; /* `f` is being started: until_step() checks the flag */
  if (!fluv__nest_enter(f))
    return;
  fluv__cancel(op->f);
  fluv__nest_leave(loop);
}

static void until_discard_child(fluv_future_t* f) {
  until_op_t* op = (until_op_t*) f;

  if (op->f != NULL)
    fluv__discard(op->f);
}

static const fluv__ops_t until_ops = {
  .kind = "run until cancelled",
  .live = true,
  .nests = true,
  .start = until_start,
  .step = until_step,
  .cancel = until_cancel,
  .discard = fluv__nest_discard,
  .discard_children = until_discard_child,
  .give_back = fluv__nest_give_back,
  .release = fluv__nest_release,
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
  fluv__check(token, TOKEN);
  op = (until_op_t*) fluv__future_new(&until_ops, sizeof(*op), loc);
  if (op == NULL) {
    fluv__drop(f, loc);
    return fluv__future_enomem();
  }
  op->cancelled = fluv_token_cancelled_loc(token, loc);
  fluv__take(op->cancelled, f->loop, loc);
  if (op->cancelled->state == FLUV__DONE) { /* no memory */
    fluv__future_free(op->cancelled, loc);
    fluv__future_free(&op->nest.base, loc);
    fluv__drop(f, loc);
    return fluv__future_enomem();
  }
  op->token = token;
  op->f = f;
  op->started = false;
  op->stopped = false;
  fluv__nest_init(&op->nest);
  return &op->nest.base;
}
