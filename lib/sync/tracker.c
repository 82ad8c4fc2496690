/* SPDX-License-Identifier: MIT */
/* Task tracker: a count, whether it is closed, and a queue of waits until it is
 * closed and the count is 0. So whenever the guard is free, the queue is empty
 * or the tracker is open or the count is not 0. */
#include "core/task.h"
#include "sync/wait.h"

struct fluv_tracker {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t waiters;
  size_t count; /* entered and not left */
  bool closed;
};

typedef struct tracker_op {
  fluv__sync_op_t sync;
  fluv_tracker_t* tracker;
} tracker_op_t;

/* A future around a task that is counted. It completes with the result of the
 * task after the tracker has counted the task out. */
typedef struct spawn_op {
  fluv_future_t base;
  fluv__waiter_t waiter;
  fluv_future_t* task; /* NULL once it has returned */
  fluv_tracker_t* tracker;
} spawn_op_t;

/* Grant all waiters if the tracker is closed and empty. */
static void serve_locked(fluv_tracker_t* tracker, fluv__wake_list_t* wakes) {
  fluv__guard_assert_held(&tracker->guard);
  if (tracker->closed && tracker->count == 0)
    fluv__wait_queue_grant_all(&tracker->waiters, 0, wakes);
}

static void wait_arrive(fluv__inbox_node_t* node) {
  fluv__sync_op_t* op = fluv__sync_op_arrive(node);

  fluv__complete(&op->base,
                 fluv__sync_op_was_cancelled(op) ? FLUV_ECANCELED : 0);
}

static void wait_start(fluv_future_t* f) {
  tracker_op_t* op = (tracker_op_t*) f;
  fluv_tracker_t* tracker = op->tracker;
  bool done;

  fluv__guard_lock(&tracker->guard);
  done = tracker->closed && tracker->count == 0;
  if (!done)
    fluv__sync_op_join(&op->sync, &tracker->waiters, wait_arrive);
  fluv__guard_unlock(&tracker->guard);
  if (done)
    fluv__complete(f, 0);
}

static const fluv__ops_t wait_ops = {
  .kind = "tracker wait",
  .start = wait_start,
  .cancel = fluv__sync_cancel,
  .release = fluv__sync_release,
};

int fluv_tracker_new(fluv_tracker_t** out_tracker) {
  fluv_tracker_t* tracker;

  if (out_tracker == NULL)
    return FLUV_EINVAL;
  tracker = fluv__calloc(1, sizeof(*tracker));
  if (tracker == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(tracker, TRACKER, NULL);
  fluv__guard_init(&tracker->guard);
  fluv__list_init(&tracker->waiters);
  *out_tracker = tracker;
  return 0;
}

void fluv_tracker_free(fluv_tracker_t* tracker) {
  if (tracker == NULL)
    return;
  fluv__check(tracker, TRACKER);
  fluv__guard_lock(&tracker->guard);
  fluv__wait_queue_check_empty(&tracker->waiters, "tracker");
  if (tracker->count > 0)
    fluv__die("a tracker is freed while its count is %zu", tracker->count);
  fluv__guard_unlock(&tracker->guard);
  fluv__guard_deinit(&tracker->guard);
  fluv__object_free(tracker, NULL);
}

void fluv_tracker_enter(fluv_tracker_t* tracker) {
  fluv__require(tracker, TRACKER);
  fluv__guard_lock(&tracker->guard);
  tracker->count++;
  fluv__guard_unlock(&tracker->guard);
}

int fluv_tracker_leave(fluv_tracker_t* tracker) {
  fluv__wake_list_t wakes;
  int err = 0;

  if (fluv__unlikely(tracker == NULL))
    return FLUV_EINVAL;
  fluv__check(tracker, TRACKER);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&tracker->guard);
  if (tracker->count == 0)
    err = FLUV_EPERM;
  else
    tracker->count--;
  if (err == 0)
    serve_locked(tracker, &wakes);
  fluv__guard_unlock(&tracker->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

static bool set_closed(fluv_tracker_t* tracker, bool closed) {
  fluv__wake_list_t wakes;
  bool changed;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&tracker->guard);
  changed = tracker->closed != closed;
  tracker->closed = closed;
  serve_locked(tracker, &wakes);
  fluv__guard_unlock(&tracker->guard);
  fluv__wake_list_send(&wakes);
  return changed;
}

bool fluv_tracker_close(fluv_tracker_t* tracker) {
  fluv__require(tracker, TRACKER);
  return set_closed(tracker, true);
}

bool fluv_tracker_reopen(fluv_tracker_t* tracker) {
  fluv__require(tracker, TRACKER);
  return set_closed(tracker, false);
}

bool fluv_tracker_is_closed(fluv_tracker_t* tracker) {
  bool closed;

  fluv__require(tracker, TRACKER);
  fluv__guard_lock(&tracker->guard);
  closed = tracker->closed;
  fluv__guard_unlock(&tracker->guard);
  return closed;
}

size_t fluv_tracker_get_count(fluv_tracker_t* tracker) {
  size_t count;

  fluv__require(tracker, TRACKER);
  fluv__guard_lock(&tracker->guard);
  count = tracker->count;
  fluv__guard_unlock(&tracker->guard);
  return count;
}

fluv_future_t* fluv_tracker_wait_loc(fluv_tracker_t* tracker,
                                     const fluv_loc_t* loc) {
  tracker_op_t* op;

  if (tracker == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tracker, TRACKER);
  op = (tracker_op_t*) fluv__sync_op_new(&wait_ops, sizeof(*op), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->tracker = tracker;
  op->sync.guard = &tracker->guard;
  return &op->sync.base;
}

int fluv_tracker_wait_blocking(fluv_tracker_t* tracker, uint64_t timeout_ms) {
  fluv__parked_t parked;
  int err = fluv__may_block();
  bool done;

  if (fluv__unlikely(tracker == NULL))
    return FLUV_EINVAL;
  fluv__check(tracker, TRACKER);
  if (err != 0)
    return err;
  fluv__guard_lock(&tracker->guard);
  done = tracker->closed && tracker->count == 0;
  if (!done)
    fluv__park_join(&parked, &tracker->waiters);
  fluv__guard_unlock(&tracker->guard);
  return done ? 0
              : (int) fluv__park(&parked,
                                 &tracker->guard,
                                 fluv__limit_after(timeout_ms));
}

static void spawn_end(spawn_op_t* op) {
  fluv_tracker_t* tracker = op->tracker;
  int64_t result = op->task->result;

  fluv__future_free(op->task, op->base.loc);
  op->task = NULL;
  op->base.flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  (void) fluv_tracker_leave(tracker);
  fluv__complete(&op->base, result);
}

static void spawn_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  (void) f;
  spawn_end(fluv__container_of(waiter, spawn_op_t, waiter));
}

static void spawn_cancel(fluv_future_t* f) {
  fluv__cancel(((spawn_op_t*) f)->task);
}

static void spawn_discard(fluv_future_t* f) {
  spawn_op_t* op = (spawn_op_t*) f;

  if (op->task != NULL)
    fluv__discard(op->task);
}

/* The loop is closed, and the task has not returned. */
static void spawn_release(fluv_future_t* f) {
  (void) fluv_tracker_leave(((spawn_op_t*) f)->tracker);
}

static const fluv__ops_t spawn_ops = {
  .kind = "tracked task",
  .live = true,
  .cancel = spawn_cancel,
  .discard = spawn_discard,
  .release = spawn_release,
};

fluv_future_t* fluv_tracker_spawn_loc(fluv_tracker_t* tracker,
                                      fluv_task_fn fn,
                                      void* arg,
                                      const fluv_loc_t* loc) {
  spawn_op_t* op;

  if (tracker == NULL || fn == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tracker, TRACKER);
  op = (spawn_op_t*) fluv__future_new(&spawn_ops, sizeof(*op), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->task = fluv_spawn_loc(fn, arg, NULL, loc);
  fluv__take(op->task, op->base.loop, loc);
  if (op->task->state == FLUV__DONE) { /* it has failed */
    fluv_future_t* failed = fluv__future_fail(op->task->result, loc);

    fluv__future_free(op->task, loc);
    fluv__future_free(&op->base, loc);
    return failed;
  }
  op->tracker = tracker;
  op->waiter.wake = spawn_wake;
  op->base.state = FLUV__PENDING;
  op->base.flags |= FLUV__NEEDS_RELEASE;
  op->task->waiter = &op->waiter;
  fluv_tracker_enter(tracker);
  return &op->base;
}
