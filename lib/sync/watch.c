/* SPDX-License-Identifier: MIT */
/* Watch: a value, its version, and a queue of receivers that wait for another.
 *
 * Every change increments the version and wakes all waiting receivers; each
 * checks the value. A sender is a pointer to the watch. A receiver has a struct
 * of its own with the version that it has seen. `refs` counts the ends and the
 * queued futures.
 */
#include "sync/item.h"
#include "sync/wait.h"

typedef struct watch {
  fluv__object_t object;
  fluv__guard_t guard;
  size_t size; /* of the value; constant */

  /* Under the guard. */
  fluv__list_t waiters;
  fluv__list_t closed_queue;
  size_t senders;
  size_t receivers;
  size_t refs;
  uint64_t version;
  max_align_t value[];
} watch_t;

struct fluv_watch_rx {
  fluv__object_t object;
  watch_t* watch;
  uint64_t seen; /* a version; under the guard */
};

typedef struct watch_op {
  fluv__sync_op_t sync;
  watch_t* watch;
  fluv_watch_rx_t* rx; /* NULL: waits until the watch is closed */

  /* Of fluv_watch_wait_for(). */
  bool (*wanted)(const void* value, void* arg); /* NULL: any change */
  void* arg;
  void* out; /* where the value goes; may be NULL */
} watch_op_t;

#define watch_of(tx) ((watch_t*) (void*) (tx))

/* Drop a reference and unlock the guard; the last one frees the watch. */
static void unref_unlock(watch_t* watch) {
  bool last;

  fluv__guard_assert_held(&watch->guard);
  fluv__assert(watch->refs > 0);
  last = --watch->refs == 0;
  fluv__guard_unlock(&watch->guard);
  if (!last)
    return;
  fluv__guard_deinit(&watch->guard);
  fluv__object_free(watch, NULL);
}

/* Is the value the one that a receiver waits for? 0, FLUV_EAGAIN or
 * FLUV_ECLOSED. A value that ends the wait counts as seen. `op` may be NULL:
 * any change ends the wait. */
static int check_locked(watch_t* watch,
                        fluv_watch_rx_t* rx,
                        const watch_op_t* op) {
  bool good = op != NULL && op->wanted != NULL
                  ? op->wanted(watch->value, op->arg)
                  : rx->seen != watch->version;

  fluv__guard_assert_held(&watch->guard);
  fluv__assert(rx->seen <= watch->version);
  if (!good)
    return watch->senders > 0 ? FLUV_EAGAIN : FLUV_ECLOSED;
  rx->seen = watch->version;
  if (op != NULL && op->out != NULL)
    fluv__item_copy(op->out, watch->value, watch->size);
  return 0;
}

static void changed_arrive(fluv__inbox_node_t* node);

static int check_or_wait_locked(watch_op_t* op) {
  int err = check_locked(op->watch, op->rx, op);

  if (err == FLUV_EAGAIN) {
    op->watch->refs++;
    fluv__sync_op_join(&op->sync, &op->watch->waiters, changed_arrive);
  }
  return err;
}

static void changed_arrive(fluv__inbox_node_t* node) {
  watch_op_t* op = (watch_op_t*) fluv__sync_op_arrive(node);
  int err = FLUV_ECANCELED;

  fluv__guard_lock(&op->watch->guard);
  if (!fluv__sync_op_was_cancelled(&op->sync))
    err = check_or_wait_locked(op);
  unref_unlock(op->watch);
  if (err != FLUV_EAGAIN)
    fluv__complete(&op->sync.base, err);
}

static void changed_start(fluv_future_t* f) {
  watch_op_t* op = (watch_op_t*) f;
  int err;

  fluv__guard_lock(&op->watch->guard);
  err = check_or_wait_locked(op);
  fluv__guard_unlock(&op->watch->guard);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static bool withdraw(fluv_future_t* f) {
  watch_op_t* op = (watch_op_t*) f;

  fluv__guard_lock(&op->watch->guard);
  if (!fluv__sync_op_withdraw(&op->sync)) {
    fluv__guard_unlock(&op->watch->guard);
    return false;
  }
  unref_unlock(op->watch);
  return true;
}

static void watch_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void watch_release(fluv_future_t* f) {
  watch_op_t* op = (watch_op_t*) f;

  if (!withdraw(f)) { /* its wait was abandoned */
    fluv__guard_lock(&op->watch->guard);
    unref_unlock(op->watch);
  }
}

static const fluv__ops_t changed_ops = {
  .kind = "watch changed",
  .start = changed_start,
  .cancel = watch_cancel,
  .release = watch_release,
};

static void closed_arrive(fluv__inbox_node_t* node) {
  watch_op_t* op = (watch_op_t*) fluv__sync_op_arrive(node);

  fluv__guard_lock(&op->watch->guard);
  unref_unlock(op->watch);
  fluv__complete(&op->sync.base,
                 fluv__sync_op_was_cancelled(&op->sync) ? FLUV_ECANCELED : 0);
}

static void closed_start(fluv_future_t* f) {
  watch_op_t* op = (watch_op_t*) f;
  bool closed;

  fluv__guard_lock(&op->watch->guard);
  closed = op->watch->receivers == 0;
  if (!closed) {
    op->watch->refs++;
    fluv__sync_op_join(&op->sync, &op->watch->closed_queue, closed_arrive);
  }
  fluv__guard_unlock(&op->watch->guard);
  if (closed)
    fluv__complete(f, 0);
}

static const fluv__ops_t closed_ops = {
  .kind = "watch closed",
  .start = closed_start,
  .cancel = watch_cancel,
  .release = watch_release,
};

/* Make a receiver that has seen the version *seen (NULL: the current one). */
static int rx_new(watch_t* watch,
                  const uint64_t* seen,
                  fluv_watch_rx_t** out_rx) {
  fluv_watch_rx_t* rx;

  if (out_rx == NULL)
    return FLUV_EINVAL;
  rx = fluv__malloc(sizeof(*rx));
  if (rx == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(rx, WATCH_RX, NULL);
  rx->watch = watch;
  fluv__guard_lock(&watch->guard);
  rx->seen = seen != NULL ? *seen : watch->version;
  watch->receivers++;
  watch->refs++;
  fluv__guard_unlock(&watch->guard);
  *out_rx = rx;
  return 0;
}

int fluv_watch_new(size_t value_size,
                   const void* value,
                   fluv_watch_tx_t** out_tx,
                   fluv_watch_rx_t** out_rx) {
  watch_t* watch;
  int err;

  if (value_size > SIZE_MAX / 2 || !fluv__item_is_valid(value, value_size) ||
      out_tx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  watch = fluv__calloc(1, sizeof(*watch) + value_size);
  if (watch == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(watch, WATCH, NULL);
  fluv__guard_init(&watch->guard);
  fluv__list_init(&watch->waiters);
  fluv__list_init(&watch->closed_queue);
  watch->senders = 1;
  watch->refs = 1;
  watch->size = value_size;
  fluv__item_copy(watch->value, value, value_size);
  err = rx_new(watch, NULL, out_rx);
  if (err != 0) {
    fluv__guard_deinit(&watch->guard);
    fluv__free(watch);
    return err;
  }
  *out_tx = (fluv_watch_tx_t*) (void*) watch;
  return 0;
}

fluv_watch_tx_t* fluv_watch_tx_clone(fluv_watch_tx_t* tx) {
  watch_t* watch = watch_of(tx);

  fluv__require(tx, WATCH);
  fluv__guard_lock(&watch->guard);
  watch->senders++;
  watch->refs++;
  fluv__guard_unlock(&watch->guard);
  return tx;
}

void fluv_watch_tx_free(fluv_watch_tx_t* tx) {
  watch_t* watch = watch_of(tx);
  fluv__wake_list_t wakes;

  if (tx == NULL)
    return;
  fluv__check(tx, WATCH);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&watch->guard);
  if (fluv__unlikely(watch->senders == 0))
    fluv__object_overfreed(watch, "senders", __func__);
  if (--watch->senders == 0)
    fluv__wait_queue_grant_all(&watch->waiters, 0, &wakes);
  unref_unlock(watch);
  fluv__wake_list_send(&wakes);
}

int fluv_watch_subscribe(fluv_watch_tx_t* tx, fluv_watch_rx_t** out_rx) {
  if (tx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  fluv__check(tx, WATCH);
  return rx_new(watch_of(tx), NULL, out_rx);
}

int fluv_watch_rx_clone(fluv_watch_rx_t* rx, fluv_watch_rx_t** out_rx) {
  if (rx == NULL || out_rx == NULL)
    return FLUV_EINVAL;
  fluv__check(rx, WATCH_RX);
  return rx_new(rx->watch, &rx->seen, out_rx);
}

void fluv_watch_rx_free(fluv_watch_rx_t* rx) {
  fluv__wake_list_t wakes;
  watch_t* watch;

  if (rx == NULL)
    return;
  fluv__check(rx, WATCH_RX);
  watch = rx->watch;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&watch->guard);
  if (--watch->receivers == 0)
    fluv__wait_queue_grant_all(&watch->closed_queue, 0, &wakes);
  unref_unlock(watch);
  fluv__wake_list_send(&wakes);
  fluv__object_free(rx, NULL);
}

/* Set the value; with `only_seen`, fail if there is no receiver. */
static int set(watch_t* watch,
               const void* value,
               void* out_old,
               bool only_seen) {
  fluv__wake_list_t wakes;
  int err = 0;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&watch->guard);
  if (only_seen && watch->receivers == 0) {
    err = FLUV_ECLOSED;
  } else {
    if (out_old != NULL)
      fluv__item_copy(out_old, watch->value, watch->size);
    fluv__item_copy(watch->value, value, watch->size);
    watch->version++;
    fluv__wait_queue_grant_all(&watch->waiters, 0, &wakes);
  }
  fluv__guard_unlock(&watch->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

int fluv_watch_send(fluv_watch_tx_t* tx, const void* value) {
  if (fluv__unlikely(tx == NULL))
    return FLUV_EINVAL;
  fluv__check(tx, WATCH);
  if (!fluv__item_is_valid(value, watch_of(tx)->size))
    return FLUV_EINVAL;
  return set(watch_of(tx), value, NULL, true);
}

void fluv_watch_replace(fluv_watch_tx_t* tx, const void* value, void* out_old) {
  fluv__require(tx, WATCH);
  (void) set(watch_of(tx), value, out_old, false);
}

bool fluv_watch_modify(fluv_watch_tx_t* tx,
                       bool (*fn)(void* value, void* arg),
                       void* arg) {
  watch_t* watch = watch_of(tx);
  fluv__wake_list_t wakes;
  bool changed;

  fluv__require(tx, WATCH);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&watch->guard);
  changed = fn(watch->value, arg);
  if (changed) {
    watch->version++;
    fluv__wait_queue_grant_all(&watch->waiters, 0, &wakes);
  }
  fluv__guard_unlock(&watch->guard);
  fluv__wake_list_send(&wakes);
  return changed;
}

static fluv_future_t* op_new(const fluv__ops_t* ops,
                             watch_t* watch,
                             fluv_watch_rx_t* rx,
                             const fluv_loc_t* loc) {
  watch_op_t* op = (watch_op_t*) fluv__sync_op_new(ops, sizeof(*op), loc);

  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->watch = watch;
  op->rx = rx;
  op->wanted = NULL;
  op->out = NULL;
  return &op->sync.base;
}

fluv_future_t* fluv_watch_closed_loc(fluv_watch_tx_t* tx,
                                     const fluv_loc_t* loc) {
  if (tx == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(tx, WATCH);
  return op_new(&closed_ops, watch_of(tx), NULL, loc);
}

fluv_future_t* fluv_watch_changed_loc(fluv_watch_rx_t* rx,
                                      const fluv_loc_t* loc) {
  if (rx == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(rx, WATCH_RX);
  return op_new(&changed_ops, rx->watch, rx, loc);
}

fluv_future_t* fluv_watch_wait_for_loc(fluv_watch_rx_t* rx,
                                       bool (*wanted)(const void* value,
                                                      void* arg),
                                       void* arg,
                                       void* out_value,
                                       const fluv_loc_t* loc) {
  fluv_future_t* f;

  if (rx == NULL || wanted == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(rx, WATCH_RX);
  f = op_new(&changed_ops, rx->watch, rx, loc);
  if (f->ops == &changed_ops) {
    ((watch_op_t*) f)->wanted = wanted;
    ((watch_op_t*) f)->arg = arg;
    ((watch_op_t*) f)->out = out_value;
  }
  return f;
}

size_t fluv_watch_count_receivers(fluv_watch_tx_t* tx) {
  watch_t* watch = watch_of(tx);
  size_t n;

  fluv__require(tx, WATCH);
  fluv__guard_lock(&watch->guard);
  n = watch->receivers;
  fluv__guard_unlock(&watch->guard);
  return n;
}

void fluv_watch_get(fluv_watch_rx_t* rx, void* out_value) {
  watch_t* watch;

  fluv__require(rx, WATCH_RX);
  watch = rx->watch;
  fluv__guard_lock(&watch->guard);
  fluv__item_copy(out_value, watch->value, watch->size);
  fluv__guard_unlock(&watch->guard);
}

bool fluv_watch_get_and_see(fluv_watch_rx_t* rx, void* out_value) {
  watch_t* watch;
  bool changed;

  fluv__require(rx, WATCH_RX);
  watch = rx->watch;
  fluv__guard_lock(&watch->guard);
  fluv__item_copy(out_value, watch->value, watch->size);
  changed = rx->seen != watch->version;
  rx->seen = watch->version;
  fluv__guard_unlock(&watch->guard);
  return changed;
}

int fluv_watch_has_changed(fluv_watch_rx_t* rx) {
  watch_t* watch;
  int result;

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, WATCH_RX);
  watch = rx->watch;
  fluv__guard_lock(&watch->guard);
  if (rx->seen != watch->version)
    result = 1;
  else
    result = watch->senders > 0 ? 0 : FLUV_ECLOSED;
  fluv__guard_unlock(&watch->guard);
  return result;
}

int fluv_watch_changed_blocking(fluv_watch_rx_t* rx, uint64_t timeout_ms) {
  watch_t* watch;
  fluv__parked_t parked;
  int err = fluv__may_block();

  if (fluv__unlikely(rx == NULL))
    return FLUV_EINVAL;
  fluv__check(rx, WATCH_RX);
  watch = rx->watch;
  if (err != 0)
    return err;
  fluv__guard_lock(&watch->guard);
  err = check_locked(watch, rx, NULL);
  if (err == FLUV_EAGAIN)
    fluv__park_join(&parked, &watch->waiters);
  fluv__guard_unlock(&watch->guard);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &watch->guard, fluv__limit_after(timeout_ms));
  if (err != 0)
    return err;
  /* The thread was woken by a change, or because no sender is left. */
  fluv__guard_lock(&watch->guard);
  err = check_locked(watch, rx, NULL);
  fluv__guard_unlock(&watch->guard);
  return err;
}
