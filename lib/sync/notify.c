/* SPDX-License-Identifier: MIT */
/* Notify: a wait queue, at most one stored wakeup, and a count of the calls of
 * fluv_notify_waiters().
 *
 * A future copies that count (wait.n) when it is made. If the count has changed
 * when the future starts, the future is one of those that were woken. A wait is
 * granted the way in which it was woken, so that one cancelled after that can
 * pass the wakeup to another: ONE to the next, LAST to the newest, ALL to none.
 * A wakeup is stored only if no future waits, so whenever the guard is free,
 * the queue is empty or no wakeup is stored.
 */
#include "sync/wait.h"

enum {
  WOKEN_ONE,
  WOKEN_LAST,
  WOKEN_ALL
};

struct fluv_notify {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t waiters;
  size_t unread; /* see fluv__sync_retain() */
  size_t calls;  /* of fluv_notify_waiters() */
  bool stored;   /* a wakeup that the next future takes */
};

typedef struct notified_op {
  fluv__sync_op_t sync;
  fluv_notify_t* notify;
} notified_op_t;

/* Wake one waiter, or store the wakeup for the next future. */
static void wake_one_locked(fluv_notify_t* notify,
                            int how,
                            fluv__wake_list_t* wakes) {
  fluv__list_t* queue = &notify->waiters;
  fluv__wait_t* wait;

  fluv__guard_assert_held(&notify->guard);
  fluv__assert(!notify->stored || fluv__list_is_empty(queue));
  while ((wait = fluv__wait_queue_first(queue)) != NULL) {
    if (how == WOKEN_LAST)
      wait = fluv__container_of(queue->prev, fluv__wait_t, link);
    if (fluv__wait_grant(wait, how, wakes))
      return;
  }
  notify->stored = true;
}

static void notify_one(fluv_notify_t* notify, int how) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&notify->guard);
  wake_one_locked(notify, how, &wakes);
  fluv__guard_unlock(&notify->guard);
  fluv__wake_list_send(&wakes);
}

static void notified_arrive(fluv__inbox_node_t* node) {
  notified_op_t* op = (notified_op_t*) fluv__sync_op_arrive(node);
  int64_t how = op->sync.wait.given;

  if (!fluv__sync_op_was_cancelled(&op->sync)) {
    fluv__complete(&op->sync.base, 0);
    return;
  }
  if (how != WOKEN_ALL)
    notify_one(op->notify, (int) how);
  fluv__complete(&op->sync.base, FLUV_ECANCELED);
}

/* Take a wakeup, for a future that was made after `calls` calls. False: there
 * is none. */
FLUV__INLINE bool take_locked(fluv_notify_t* notify, size_t calls) {
  fluv__guard_assert_held(&notify->guard);
  if (calls != notify->calls)
    return true;
  if (!notify->stored)
    return false;
  notify->stored = false;
  return true;
}

static void notified_start(fluv_future_t* f) {
  notified_op_t* op = (notified_op_t*) f;
  fluv_notify_t* notify = op->notify;
  bool taken;

  fluv__guard_lock(&notify->guard);
  op->sync.wait.given =
      op->sync.wait.n != notify->calls ? WOKEN_ALL : WOKEN_ONE;
  taken = take_locked(notify, op->sync.wait.n);
  if (!taken)
    fluv__sync_op_join(&op->sync, &notify->waiters, notified_arrive);
  fluv__guard_unlock(&notify->guard);
  if (taken)
    fluv__complete(f, 0);
}

/* Pass the wakeup to another, as if the future had been cancelled. */
static void notified_give_back(fluv_future_t* f) {
  notified_op_t* op = (notified_op_t*) f;

  if (f->result == 0 && op->sync.wait.given != WOKEN_ALL)
    notify_one(op->notify, (int) op->sync.wait.given);
}

static void destroy(fluv_notify_t* notify) {
  fluv__guard_deinit(&notify->guard);
  fluv__object_free(notify, NULL);
}

static void notified_retain(fluv_future_t* f) {
  fluv_notify_t* notify = ((notified_op_t*) f)->notify;

  if (f->result == 0)
    fluv__sync_retain(f, &notify->guard, &notify->unread);
}

static void notified_release(fluv_future_t* f) {
  fluv_notify_t* notify = ((notified_op_t*) f)->notify;

  if (f->state != FLUV__DONE)
    fluv__sync_release(f);
  else if (fluv__sync_unretain(&notify->object,
                               &notify->guard,
                               &notify->unread))
    destroy(notify);
}

static const fluv__ops_t notified_ops = {
  .kind = "notified",
  .start = notified_start,
  .cancel = fluv__sync_cancel,
  .give_back = notified_give_back,
  .retain = notified_retain,
  .release = notified_release,
};

int fluv_notify_new(fluv_notify_t** out_notify) {
  fluv_notify_t* notify;

  if (out_notify == NULL)
    return FLUV_EINVAL;
  notify = fluv__calloc(1, sizeof(*notify));
  if (notify == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(notify, NOTIFY, NULL);
  fluv__guard_init(&notify->guard);
  fluv__list_init(&notify->waiters);
  *out_notify = notify;
  return 0;
}

void fluv_notify_free(fluv_notify_t* notify) {
  bool kept;

  if (notify == NULL)
    return;
  fluv__check(notify, NOTIFY);
  fluv__guard_lock(&notify->guard);
  fluv__wait_queue_check_empty(&notify->waiters, "notify");
  fluv__object_end(notify, NULL);
  kept = notify->unread > 0;
  fluv__guard_unlock(&notify->guard);
  if (!kept)
    destroy(notify);
}

static size_t get_calls(fluv_notify_t* notify) {
  size_t calls;

  fluv__guard_lock(&notify->guard);
  calls = notify->calls;
  fluv__guard_unlock(&notify->guard);
  return calls;
}

fluv_future_t* fluv_notified_loc(fluv_notify_t* notify, const fluv_loc_t* loc) {
  notified_op_t* op;

  if (fluv__unlikely(notify == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(notify, NOTIFY);
  op = (notified_op_t*) fluv__sync_op_new(&notified_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->notify = notify;
  op->sync.guard = &notify->guard;
  op->sync.wait.n = get_calls(notify);
  return &op->sync.base;
}

int fluv_notified_blocking(fluv_notify_t* notify, uint64_t timeout_ms) {
  fluv__parked_t parked;
  int err = fluv__may_block();
  bool taken;

  if (fluv__unlikely(notify == NULL))
    return FLUV_EINVAL;
  fluv__check(notify, NOTIFY);
  if (err != 0)
    return err;
  fluv__guard_lock(&notify->guard);
  taken = take_locked(notify, notify->calls);
  if (!taken)
    fluv__park_join(&parked, &notify->waiters);
  fluv__guard_unlock(&notify->guard);
  if (taken)
    return 0;
  err =
      (int) fluv__park(&parked, &notify->guard, fluv__limit_after(timeout_ms));
  return err == FLUV_ETIMEDOUT ? err : 0;
}

void fluv_notify_one(fluv_notify_t* notify) {
  fluv__require(notify, NOTIFY);
  notify_one(notify, WOKEN_ONE);
}

void fluv_notify_last(fluv_notify_t* notify) {
  fluv__require(notify, NOTIFY);
  notify_one(notify, WOKEN_LAST);
}

void fluv_notify_waiters(fluv_notify_t* notify) {
  fluv__wake_list_t wakes;

  fluv__require(notify, NOTIFY);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&notify->guard);
  notify->calls++;
  fluv__wait_queue_grant_all(&notify->waiters, WOKEN_ALL, &wakes);
  fluv__guard_unlock(&notify->guard);
  fluv__wake_list_send(&wakes);
}
