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

static void arm_end(fluv__arm_t* arm) {
  fluv__arms_t* arms = arm->arms;
  int64_t result = arm->f->result;

  fluv__future_free(arm->f, arms->base.loc);
  arm->f = NULL;
  arms->left--;
  arms->on_end(arms, (size_t) (arm - arms->arm), result);
  if (arms->left == 0 && !arms->starting)
    fluv__complete(&arms->base, arms->result);
}

static void arm_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  fluv__arm_t* arm = fluv__container_of(waiter, fluv__arm_t, waiter);

  (void) f;
  arm->arms->waiting--;
  arm_end(arm);
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
      fluv__future_free(&arms->base, loc);
      return refuse(futures, n, i, FLUV_EINVAL, loc, out_failed);
    }
    fluv__take(futures[i], loop, loc);
    arms->arm[i].f = futures[i];
  }
  arms->count = n;
  arms->left = n;
  arms->waiting = 0;
  arms->starting = false;
  arms->stopped = false;
  arms->result = 0;
  return arms;
}

void fluv__arms_start(fluv__arms_t* arms, size_t first) {
  size_t index = first;
  size_t i;

  arms->starting = true;
  for (i = 0; i < arms->count; i++) {
    fluv__arm_t* arm = &arms->arm[index];

    if (++index == arms->count)
      index = 0;
    /* A cold one that is stopped is cancelled, which ends it untouched. */
    if (arms->stopped)
      fluv__cancel(arm->f);
    arm->arms = arms;
    arm->waiter.wake = arm_wake;
    if (!fluv__start_and_wait(arm->f, &arm->waiter)) {
      arm_end(arm);
    } else {
      arms->waiting++;
      if (arms->stopped)
        fluv__cancel(arm->f); /* stopped by a hook during its start */
    }
  }
  arms->starting = false;
  if (arms->left == 0)
    fluv__complete(&arms->base, arms->result);
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

    /* Only those that wait: the start loop sees to the rest. */
    if (arm->f != NULL && arm->f->waiter != NULL)
      fluv__cancel(arm->f);
  }
  arms->starting = was_starting;
}

void fluv__arms_cancel(fluv_future_t* f) {
  fluv__arms_t* arms = (fluv__arms_t*) f;

  if (f->state == FLUV__COLD) {
    /* Some arms may be under way by themselves: they are waited for. */
    f->state = FLUV__PENDING;
    arms->stopped = true;
    fluv__arms_start(arms, 0);
    return;
  }
  fluv__arms_stop(arms);
  if (arms->left == 0 && !arms->starting)
    fluv__complete(f, arms->result);
}

void fluv__arms_discard(fluv_future_t* f) {
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
