/* SPDX-License-Identifier: MIT */
/* Condition variable: a wait queue, and for each wait a lock future of the
 * mutex.
 *
 *   queued --(notified, or cancelled)--> locking --(locked)--> done
 *
 * The lock future is made with the wait, so that locking again needs no memory.
 * It locks in the name of the task that waits. Cancelling the wait does not
 * cancel the lock future: the task expects to hold the mutex afterwards.
 * Dropping the wait does: no task is left to hold the mutex.
 */
#include "sync/hold.h"
#include "sync/mutex.h"
#include "sync/wait.h"

struct fluv_condvar {
  fluv__object_t object;
  fluv__guard_t guard;
  fluv__list_t waiters; /* under the guard */
  size_t unread;        /* see fluv__sync_retain() */
};

typedef struct condvar_op {
  fluv__sync_op_t sync;
  fluv_condvar_t* cv;
  fluv_mutex_t* mutex;
  fluv__hold_t
      asks; /* the task that waits; asks.task is NULL if it has ended */

  /* Locking again. Only this thread uses these. */
  fluv_future_t* lock; /* NULL once it has completed */
  fluv__waiter_t waiter;
  int64_t result; /* of the wait, once the mutex is locked */
  int refused;    /* why the mutex could not be unlocked; 0: it was unlocked */
  bool locked;    /* the mutex is locked in the name of the task */
} condvar_op_t;

static const fluv__hold_ops_t hold_ops = FLUV__HOLD_OPS("notification");

/* What `asks` asks for: a notification, which no task holds. */
static const fluv__hold_t notification = { .ops = &hold_ops };

static void end(condvar_op_t* op) {
  fluv__hold_end(&op->asks);
  op->sync.base.flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  fluv__complete(&op->sync.base, op->result);
}

/* The lock future has completed: with the mutex, unless it was cancelled. */
static void locked(condvar_op_t* op) {
  int64_t result = op->lock->result;

  fluv__future_free(op->lock, op->sync.base.loc);
  op->lock = NULL;
  op->locked = result == 0;
  if (result == 0 && (op->sync.base.flags & FLUV__DISCARDED)) {
    op->locked = false;
    fluv__mutex_give_back(op->mutex, op->sync.base.loc);
  } else if (result < 0 && op->result >= 0) {
    op->result = result;
  }
  end(op);
}

static void on_locked(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  locked(fluv__container_of(waiter, condvar_op_t, waiter));
}

/* The wait ends with `result`: lock the mutex again. */
static void lock_again(condvar_op_t* op, int64_t result) {
  op->result = result;
  op->sync.base.flags |= FLUV__NEEDS_RELEASE;
  if (op->sync.base.flags & FLUV__DISCARDED) {
    fluv__drop(op->lock, op->sync.base.loc);
    op->lock = NULL;
    end(op);
    return;
  }
  op->waiter.wake = on_locked;
  fluv__mutex_lock_for(op->lock, op->asks.task);
  if (!fluv__start_and_wait(op->lock, &op->waiter))
    locked(op);
}

/* The mutex could not be unlocked: the wait fails, and locks nothing. */
static void refuse(condvar_op_t* op) {
  op->sync.base.flags |= FLUV__NEEDS_RELEASE;
  op->result = op->refused;
  fluv__drop(op->lock, op->sync.base.loc);
  op->lock = NULL;
  end(op);
}

static void notify_one(fluv_condvar_t* cv) {
  fluv__wake_list_t wakes;
  fluv__wait_t* wait;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&cv->guard);
  while ((wait = fluv__wait_queue_first(&cv->waiters)) != NULL)
    if (fluv__wait_grant(wait, 0, &wakes))
      break;
  fluv__guard_unlock(&cv->guard);
  fluv__wake_list_send(&wakes);
}

static void condvar_arrive(fluv__inbox_node_t* node) {
  condvar_op_t* op = (condvar_op_t*) fluv__sync_op_arrive(node);
  bool cancelled = fluv__sync_op_was_cancelled(&op->sync);

  if (cancelled || op->refused != 0)
    notify_one(op->cv);
  if (op->refused != 0) {
    refuse(op);
    return;
  }
  lock_again(op, cancelled ? FLUV_ECANCELED : 0);
}

static bool withdraw(condvar_op_t* op) {
  bool left;

  fluv__guard_lock(&op->cv->guard);
  left = fluv__sync_op_withdraw(&op->sync);
  fluv__guard_unlock(&op->cv->guard);
  return left;
}

static void condvar_start(fluv_future_t* f) {
  condvar_op_t* op = (condvar_op_t*) f;
  int err;

  op->asks.ops = &hold_ops;
  op->asks.of = &notification;
  fluv__hold_begin(&op->asks, f->loop->current, f->loc);
  /* Join the queue first: the next holder of the mutex may notify at once. */
  fluv__guard_lock(&op->cv->guard);
  fluv__sync_op_join(&op->sync, &op->cv->waiters, condvar_arrive);
  fluv__guard_unlock(&op->cv->guard);
  err = fluv_mutex_unlock_loc(op->mutex, f->loc);
  /* If it was notified meanwhile, it passes that to the next on arrival. */
  op->refused = err;
  if (err != 0 && withdraw(op))
    refuse(op);
}

static void condvar_cancel(fluv_future_t* f) {
  condvar_op_t* op = (condvar_op_t*) f;

  if (withdraw(op))
    lock_again(op, FLUV_ECANCELED);
  else if (op->lock != NULL && op->lock->waiter != NULL &&
           (f->flags & FLUV__DISCARDED))
    fluv__cancel(op->lock);
}

static void destroy(fluv_condvar_t* cv) {
  fluv__guard_deinit(&cv->guard);
  fluv__object_free(cv, NULL);
}

static void condvar_retain(fluv_future_t* f) {
  condvar_op_t* op = (condvar_op_t*) f;

  fluv__sync_retain(f, &op->cv->guard, &op->cv->unread);
  fluv__mutex_retain(op->mutex, f);
}

static void condvar_release(fluv_future_t* f) {
  condvar_op_t* op = (condvar_op_t*) f;

  /* Otherwise it was never started, or its wait is abandoned. */
  if (f->state == FLUV__DONE && op->lock == NULL) {
    if (fluv__sync_unretain(&op->cv->object, &op->cv->guard, &op->cv->unread))
      destroy(op->cv);
    fluv__mutex_unretain(op->mutex);
    return;
  }
  (void) withdraw(op);
  fluv__hold_end(&op->asks);
  if (op->lock != NULL)
    fluv__drop(op->lock, f->loc);
}

static void condvar_give_back(fluv_future_t* f) {
  condvar_op_t* op = (condvar_op_t*) f;

  if (op->locked)
    fluv__mutex_give_back(op->mutex, f->loc);
  if (f->result == 0)
    notify_one(op->cv);
}

static const fluv__ops_t condvar_ops = {
  .kind = "condvar wait",
  .start = condvar_start,
  .cancel = condvar_cancel,
  .give_back = condvar_give_back,
  .retain = condvar_retain,
  .release = condvar_release,
};

int fluv_condvar_new(fluv_condvar_t** out_cv) {
  fluv_condvar_t* cv;

  if (out_cv == NULL)
    return FLUV_EINVAL;
  cv = fluv__calloc(1, sizeof(*cv));
  if (cv == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(cv, CONDVAR, NULL);
  fluv__guard_init(&cv->guard);
  fluv__list_init(&cv->waiters);
  *out_cv = cv;
  return 0;
}

void fluv_condvar_free(fluv_condvar_t* cv) {
  bool kept;

  if (cv == NULL)
    return;
  fluv__check(cv, CONDVAR);
  fluv__guard_lock(&cv->guard);
  fluv__wait_queue_check_empty(&cv->waiters, "condvar");
  fluv__object_end(cv, NULL);
  kept = cv->unread > 0;
  fluv__guard_unlock(&cv->guard);
  if (!kept)
    destroy(cv);
}

fluv_future_t* fluv_condvar_wait_loc(fluv_condvar_t* cv,
                                     fluv_mutex_t* mutex,
                                     const fluv_loc_t* loc) {
  condvar_op_t* op;

  if (cv == NULL || mutex == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(cv, CONDVAR);
  fluv__check(mutex, MUTEX);
  op = (condvar_op_t*) fluv__sync_op_new(&condvar_ops, sizeof(*op), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->lock = fluv__mutex_lock_new(mutex, loc);
  if (op->lock->state == FLUV__DONE) {
    fluv__future_free(&op->sync.base, loc);
    return fluv__future_enomem();
  }
  fluv__take(op->lock, op->sync.base.loop, loc);
  op->cv = cv;
  op->mutex = mutex;
  op->locked = false;
  op->refused = 0;
  op->asks.task = NULL;
  op->asks.loc = NULL;
  op->sync.base.flags |= FLUV__NEEDS_RELEASE;
  return &op->sync.base;
}

void fluv_condvar_notify_one(fluv_condvar_t* cv) {
  fluv__require(cv, CONDVAR);
  notify_one(cv);
}

void fluv_condvar_notify_all(fluv_condvar_t* cv) {
  fluv__wake_list_t wakes;

  fluv__require(cv, CONDVAR);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&cv->guard);
  fluv__wait_queue_grant_all(&cv->waiters, 0, &wakes);
  fluv__guard_unlock(&cv->guard);
  fluv__wake_list_send(&wakes);
}
