/* SPDX-License-Identifier: MIT */
/* Continuations: then, catch, finally.
 *
 *   waits for `source` -> its result is here, queued -> fn runs ->
 *     NULL: done with the same result
 *     a future: waits for that, as the new `source`, then done
 *
 * The function is user code and so runs from the ready queue, on the loop's
 * own stack. Cancelling cancels the source; when that has ended, a `finally`
 * still runs and the others do not.
 */
#include "core/nest.h"

typedef enum then_mode {
  THEN,
  CATCH,
  FINALLY
} then_mode_t;

typedef struct then_op {
  fluv__nest_t nest;
  fluv__waiter_t waiter;
  fluv_future_t* source; /* NULL while queued */
  fluv_then_fn fn;       /* NULL once it has run */
  void* arg;
  void (*free_arg)(void* arg);
  int64_t source_result;
  then_mode_t mode;
} then_op_t;

static void then_end(then_op_t* op, int64_t result) {
  op->source = NULL;
  fluv__complete(&op->nest.base, result);
}

/* Is it the function's turn, given what the source ended with? */
static bool wants(const then_op_t* op, int64_t result) {
  if (op->fn == NULL)
    return false;
  if (op->mode == FINALLY)
    return true;
  return op->mode == THEN ? result >= 0 : result < 0;
}

/* The source has ended: to the ready queue, also when there is nothing to run.
 * If a continuation ended the next one here, a long chain would end in a
 * recursion as deep. */
static void then_take(then_op_t* op, fluv_future_t* f) {
  op->source_result = f->result;
  op->source = NULL;
  fluv__nest_keep_unread(&op->nest, f);
  fluv__ready_push(op->nest.base.loop, &op->nest.base);
}

static void then_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  then_take(fluv__container_of(waiter, then_op_t, waiter), f);
}

static void then_wait(then_op_t* op, fluv_future_t* f) {
  op->source = f;
  if (!fluv__start_and_wait(f, &op->waiter))
    then_take(op, f);
}

static void then_run(fluv_future_t* f) {
  then_op_t* op = (then_op_t*) f;
  fluv_then_fn fn = op->fn;
  fluv_future_t* next;

  if (!wants(op, op->source_result)) {
    then_end(op, op->source_result);
    return;
  }
  if ((f->flags & FLUV__CANCELLED) && op->mode != FINALLY) {
    fluv__nest_give_back(f);
    then_end(op, FLUV_ECANCELED);
    return;
  }
  op->fn = NULL;
  fluv__nest_release(f); /* the function reads the result */
  next = fn(op->source_result, op->arg);
  if (next == NULL) {
    then_end(op, op->source_result);
    return;
  }
  fluv__take(next, f->loop, f->loc);
  if (f->flags & FLUV__DISCARDED)
    fluv__discard(next);
  if (f->flags & FLUV__CANCELLED)
    fluv__cancel(next);
  op->source = next;
  if (fluv__start_and_wait(next, &op->waiter))
    return;
  op->source_result = next->result;
  fluv__nest_keep_unread(&op->nest, next);
  then_end(op, op->source_result);
}

/* Set a flag on all continuations down the chain, without recursion. Returns
 * what the last one waits for; NULL if it is queued or running, for then
 * then_run() sees the flag. */
static fluv_future_t* flag_chain(fluv_future_t* f, uint16_t flag) {
  while (f != NULL && f->ops->run == then_run) {
    f->flags |= flag;
    f = ((then_op_t*) f)->source;
  }
  return f;
}

static void then_cancel(fluv_future_t* f) {
  fluv_future_t* last = flag_chain(f, FLUV__CANCELLED);

  if (last != NULL)
    fluv__cancel(last);
}

static void then_discard(fluv_future_t* f) {
  fluv_future_t* last = flag_chain(f, FLUV__DISCARDED);

  if (last != NULL)
    fluv__discard(last);
}

static void then_release(fluv_future_t* f) {
  then_op_t* op = (then_op_t*) f;

  fluv__nest_release(f);
  if (op->free_arg != NULL) {
    fluv__task_t* task = fluv__hook_begin(f->loop);

    op->free_arg(op->arg);
    fluv__hook_end(f->loop, task);
  }
}

static const fluv__ops_t then_ops = {
  .kind = "continuation",
  .live = true,
  .nests = true,
  .run_on_loop = true,
  .cancel = then_cancel,
  .discard = then_discard,
  .run = then_run,
  .give_back = fluv__nest_give_back,
  .release = then_release,
};

static fluv_future_t* refuse(fluv_future_t* f,
                             int err,
                             void* arg,
                             void (*free_arg)(void* arg),
                             const fluv_loc_t* loc) {
  fluv__drop(f, loc);
  if (free_arg != NULL)
    free_arg(arg);
  return err == FLUV_ENOMEM ? fluv__future_enomem()
                            : fluv__future_fail(err, loc);
}

static fluv_future_t* continue_with(fluv_future_t* f,
                                    then_mode_t mode,
                                    fluv_then_fn fn,
                                    void* arg,
                                    void (*free_arg)(void* arg),
                                    const fluv_loc_t* loc) {
  then_op_t* op;

  fluv__take(f, fluv__loop, loc);
  if (fn == NULL)
    return refuse(f, FLUV_EINVAL, arg, free_arg, loc);
  op = (then_op_t*) fluv__future_new(&then_ops, sizeof(then_op_t), loc);
  if (op == NULL)
    return refuse(f, FLUV_ENOMEM, arg, free_arg, loc);
  op->nest.base.state = FLUV__PENDING;
  op->nest.base.flags = FLUV__NEEDS_RELEASE;
  op->waiter.wake = then_wake;
  op->fn = fn;
  op->arg = arg;
  op->free_arg = free_arg;
  op->mode = mode;
  fluv__nest_init(&op->nest);
  then_wait(op, f);
  return &op->nest.base;
}

fluv_future_t* fluv_then_loc(fluv_future_t* f,
                             fluv_then_fn fn,
                             void* arg,
                             void (*free_arg)(void* arg),
                             const fluv_loc_t* loc) {
  return continue_with(f, THEN, fn, arg, free_arg, loc);
}

fluv_future_t* fluv_catch_loc(fluv_future_t* f,
                              fluv_then_fn fn,
                              void* arg,
                              void (*free_arg)(void* arg),
                              const fluv_loc_t* loc) {
  return continue_with(f, CATCH, fn, arg, free_arg, loc);
}

fluv_future_t* fluv_finally_loc(fluv_future_t* f,
                                fluv_then_fn fn,
                                void* arg,
                                void (*free_arg)(void* arg),
                                const fluv_loc_t* loc) {
  return continue_with(f, FINALLY, fn, arg, free_arg, loc);
}
