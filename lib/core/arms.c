/* SPDX-License-Identifier: MIT */
/* Arms: the futures that a combinator waits for. */
#include "core/arms.h"

#include <stdio.h>

/* More arms than this are a mistake: a negative number, most likely. */
#define MAX_ARMS ((size_t) 1 << 26)

/* Take over and drop what the combinator cannot have. */
static void drop_all(fluv_future_t* const* futures,
                     size_t n,
                     const fluv_loc_t* loc) {
  size_t i;

  for (i = 0; i < n; i++) {
    if (futures[i] == NULL)
      continue;
    fluv__take(futures[i], fluv__loop, loc);
    fluv__drop(futures[i], loc);
  }
}

FLUV__INLINE void end(fluv__arms_t* arms) {
  if (fluv__unlikely(arms->gives_back) && arms->result < 0)
    fluv__nest_give_back_values(&arms->nest);
  fluv__complete(&arms->nest.base, arms->result);
}

FLUV__INLINE void arm_end(fluv__arm_t* arm) {
  fluv__arms_t* arms = arm->arms;
  fluv_future_t* f = arm->f;
  bool counts;

  arm->f = NULL;
  arms->left--;
  counts = arms->on_end(arms, (size_t) (arm - arms->arm), f->result);
  fluv__nest_keep(&arms->nest, f, counts);
  if (arms->left == 0 && !arms->starting)
    end(arms);
}

static void arm_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv__arm_t* arm = fluv__container_of(waiter, fluv__arm_t, waiter);
  fluv_loop_t* loop = f->loop;

  /* If a loop over these arms is on the stack, it completes the combinator. */
  if (arm->arms->starting) {
    arm->arms->waiting--;
    arm_end(arm);
  } else if (fluv__nest_enter(f)) {
    arm->arms->waiting--;
    arm_end(arm);
    fluv__nest_leave(loop);
  }
}

/* The combinator cannot be made: `taken` of the futures were taken over by
 * it before that was seen. */
static fluv__arms_t* refuse(fluv_future_t* const* futures,
                            size_t n,
                            size_t taken,
                            int err,
                            const fluv_loc_t* loc,
                            fluv_future_t** out_failed) {
  size_t i;

  for (i = 0; i < taken; i++)
    fluv__drop(futures[i], loc);
  drop_all(futures + taken, n - taken, loc);
  *out_failed =
      err == FLUV_ENOMEM ? fluv__future_enomem() : fluv__future_fail(err, loc);
  return NULL;
}

fluv__arms_t* fluv__arms_new(const fluv__ops_t* ops,
                             size_t size,
                             fluv_future_t* const* futures,
                             size_t n,
                             const fluv_loc_t* loc,
                             fluv_future_t** out_failed) {
  fluv_loop_t* loop = fluv__loop;
  fluv__arms_t* arms;
  size_t i;

  if ((futures == NULL && n > 0) || n > MAX_ARMS) {
    *out_failed = fluv__future_fail(FLUV_EINVAL, loc);
    return NULL;
  }
  arms = (fluv__arms_t*) fluv__future_new(ops,
                                          size + n * sizeof(fluv__arm_t),
                                          loc);
  if (fluv__unlikely(arms == NULL))
    return refuse(futures, n, 0, FLUV_ENOMEM, loc, out_failed);
  arms->arm = (fluv__arm_t*) (void*) ((char*) arms + size);
  for (i = 0; i < n; i++) {
    if (fluv__unlikely(futures[i] == NULL)) {
      fluv__future_free(&arms->nest.base, loc);
      return refuse(futures, n, i, FLUV_EINVAL, loc, out_failed);
    }
    fluv__take(futures[i], loop, loc);
    arms->arm[i].f = futures[i];
  }
  fluv__nest_init(&arms->nest);
  arms->count = n;
  arms->left = n;
  arms->waiting = 0;
  arms->cold = n;
  arms->next = arms->arm;
  arms->starting = false;
  arms->stopped = false;
  arms->gives_back = false;
  arms->result = 0;
  return arms;
}

/* An arm has been started: it has ended, or is waited for. */
FLUV__INLINE void settle(fluv__arms_t* arms, fluv__arm_t* arm) {
  if (arm->f->state == FLUV__DONE) {
    arm_end(arm);
    return;
  }
  arm->f->waiter = &arm->waiter;
  arms->waiting++;
  if (fluv__unlikely(arms->stopped))
    fluv__cancel(arm->f); /* stopped by a hook during its start */
}

fluv_future_t* fluv__arms_step(fluv_future_t* f) {
  fluv__arms_t* arms = (fluv__arms_t*) f;
  fluv__arm_t* end_of_arms = arms->arm + arms->count;
  fluv__arm_t* arm = arms->next;
  fluv_loop_t* loop = f->loop;

  if (fluv__unlikely(arms->starting)) {
    settle(arms, arm); /* the one that the last step has returned */
    arms->cold--;
    arm++;
  } else {
    arms->starting = true;
    loop->starting_arms++;
    if (fluv__unlikely(f->flags & FLUV__CANCELLED))
      arms->stopped = true;
    /* Only the end shows whether the result of an arm is read. */
    if (fluv__unlikely(arms->gives_back))
      f->flags &= (uint16_t) ~FLUV__AWAITED;
  }
  for (; arms->cold > 0; arms->cold--, arm++) {
    if (fluv__unlikely(arm == end_of_arms))
      arm = arms->arm;
    /* A cold one that is stopped is cancelled, which ends it untouched. */
    if (arms->stopped)
      fluv__nest_cancel_child(arm->f);
    arm->arms = arms;
    arm->waiter.wake = arm_wake;
    if (arm->f->state == FLUV__COLD) {
      if (fluv__unlikely(arm->f->ops->step != NULL)) {
        arms->next = arm;
        return arm->f;
      }
      fluv__start(arm->f);
    }
    settle(arms, arm);
  }
  arms->starting = false;
  if (arms->left == 0)
    end(arms);
  if (--loop->starting_arms == 0 && fluv__unlikely(loop->arrivals != NULL))
    fluv__arrivals_run(loop);
  return NULL;
}

void fluv__arms_stop(fluv__arms_t* arms) {
  bool was_starting = arms->starting;
  size_t i;

  if (arms->stopped)
    return;
  arms->stopped = true;
  if (arms->waiting == 0)
    return;
  /* Those that end here must not complete the combinator under this loop. */
  arms->starting = true;
  for (i = 0; i < arms->count; i++) {
    fluv__arm_t* arm = &arms->arm[i];

    /* Only those that wait: the start loop handles the rest. */
    if (arm->f != NULL && arm->f->waiter != NULL)
      fluv__cancel(arm->f);
  }
  arms->starting = was_starting;
}

void fluv__arms_cancel(fluv_future_t* f) {
  fluv__arms_t* arms = (fluv__arms_t*) f;
  fluv_loop_t* loop = f->loop;

  if (f->state == FLUV__COLD) {
    /* Some arms may be under way by themselves: they are waited for. */
    fluv__start(f);
    return;
  }
  if (!fluv__nest_enter(f))
    return;
  fluv__arms_stop(arms);
  if (arms->left == 0 && !arms->starting)
    end(arms);
  fluv__nest_leave(loop);
}

void fluv__arms_discard_children(fluv_future_t* f) {
  fluv__arms_t* arms = (fluv__arms_t*) f;
  size_t i;

  for (i = 0; i < arms->count; i++)
    if (arms->arm[i].f != NULL)
      fluv__discard(arms->arm[i].f);
}

void fluv__arms_describe(const fluv_future_t* f, char* buf, size_t size) {
  const fluv__arms_t* arms = (const fluv__arms_t*) f;

  snprintf(buf, size, "of %zu, %zu left", arms->count, arms->left);
}
