/* SPDX-License-Identifier: MIT */
/* Barrier: the number of participants, and a wait queue of those that have
 * come. The last one to come grants all others and resets the barrier. So
 * whenever the guard is free, fewer than `n` have come. */
#include "sync/wait.h"

struct fluv_barrier {
  fluv__object_t object;
  fluv__guard_t guard;

  size_t n; /* participants; constant */

  /* Under the guard. */
  fluv__list_t waiters;
  size_t come; /* the length of the queue */
};

typedef struct barrier_op {
  fluv__sync_op_t sync;
  fluv_barrier_t* barrier;
} barrier_op_t;

/* One more participant has come. True: it was the last. */
static bool come_locked(fluv_barrier_t* barrier, fluv__wake_list_t* wakes) {
  fluv__guard_assert_held(&barrier->guard);
  fluv__assert(barrier->come < barrier->n);
  if (++barrier->come < barrier->n)
    return false;
  barrier->come = 0;
  fluv__wait_queue_grant_all(&barrier->waiters, 0, wakes);
  return true;
}

/* All have met; this one, too, even if it was cancelled after the grant. */
static void barrier_arrive(fluv__inbox_node_t* node) {
  fluv__sync_op_t* op = fluv__sync_op_arrive(node);

  fluv__complete(&op->base, 0);
}

static void barrier_start(fluv_future_t* f) {
  barrier_op_t* op = (barrier_op_t*) f;
  fluv_barrier_t* barrier = op->barrier;
  fluv__wake_list_t wakes;
  bool last;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&barrier->guard);
  last = come_locked(barrier, &wakes);
  if (!last)
    fluv__sync_op_join(&op->sync, &barrier->waiters, barrier_arrive);
  fluv__guard_unlock(&barrier->guard);
  fluv__wake_list_send(&wakes);
  if (last)
    fluv__complete(f, 1);
}

/* Leave the queue, as if this participant had not come. */
static bool withdraw(fluv_future_t* f) {
  barrier_op_t* op = (barrier_op_t*) f;
  bool left;

  fluv__guard_lock(&op->barrier->guard);
  left = fluv__sync_op_withdraw(&op->sync);
  if (left)
    op->barrier->come--;
  fluv__guard_unlock(&op->barrier->guard);
  return left;
}

static void barrier_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void barrier_release(fluv_future_t* f) {
  (void) withdraw(f);
}

static const fluv__ops_t barrier_ops = {
  .kind = "barrier wait",
  .start = barrier_start,
  .cancel = barrier_cancel,
  .release = barrier_release,
};

int fluv_barrier_new(size_t n, fluv_barrier_t** out_barrier) {
  fluv_barrier_t* barrier;

  if (n == 0 || out_barrier == NULL)
    return FLUV_EINVAL;
  barrier = fluv__calloc(1, sizeof(*barrier));
  if (barrier == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(barrier, BARRIER, NULL);
  fluv__guard_init(&barrier->guard);
  fluv__list_init(&barrier->waiters);
  barrier->n = n;
  *out_barrier = barrier;
  return 0;
}

void fluv_barrier_free(fluv_barrier_t* barrier) {
  if (barrier == NULL)
    return;
  fluv__check(barrier, BARRIER);
  fluv__guard_lock(&barrier->guard);
  fluv__wait_queue_check_empty(&barrier->waiters, "barrier");
  fluv__guard_unlock(&barrier->guard);
  fluv__guard_deinit(&barrier->guard);
  fluv__object_free(barrier, NULL);
}

fluv_future_t* fluv_barrier_wait_loc(fluv_barrier_t* barrier,
                                     const fluv_loc_t* loc) {
  barrier_op_t* op;

  if (fluv__unlikely(barrier == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(barrier, BARRIER);
  op = (barrier_op_t*) fluv__sync_op_new(&barrier_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->barrier = barrier;
  return &op->sync.base;
}

int fluv_barrier_wait_blocking(fluv_barrier_t* barrier, uint64_t timeout_ms) {
  fluv__parked_t parked;
  fluv__wake_list_t wakes;
  int err = fluv__may_block();
  bool last;

  if (fluv__unlikely(barrier == NULL))
    return FLUV_EINVAL;
  fluv__check(barrier, BARRIER);
  if (err != 0)
    return err;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&barrier->guard);
  last = come_locked(barrier, &wakes);
  if (!last) {
    fluv__park_join(&parked, &barrier->waiters);
    parked.left = &barrier->come;
  }
  fluv__guard_unlock(&barrier->guard);
  fluv__wake_list_send(&wakes);
  return last ? 1
              : (int) fluv__park(&parked,
                                 &barrier->guard,
                                 fluv__limit_after(timeout_ms));
}
