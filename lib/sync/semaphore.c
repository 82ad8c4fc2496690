/* SPDX-License-Identifier: MIT */
/* Semaphore: free permits, and a wait queue.
 *
 * A waiter is granted its permits when all that it asks for are free and it is
 * the first of the queue; they are taken from `free` then. No one overtakes the
 * queue. So whenever the guard is free, either the queue is empty or its first
 * waiter asks for more than `free`.
 */
#include <stdio.h>

#include "sync/wait.h"

struct fluv_semaphore {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t waiters; /* wait.n: permits asked for */
  size_t free;
  size_t unread; /* see fluv__sync_retain() */
  bool closed;   /* no waiter, and none joins */
};

typedef struct acquire_op {
  fluv__sync_op_t sync;
  fluv_semaphore_t* semaphore;
} acquire_op_t;

/* Grant free permits to the first waiters. */
static void serve_locked(fluv_semaphore_t* sem, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  fluv__guard_assert_held(&sem->guard);
  while ((wait = fluv__wait_queue_first(&sem->waiters)) != NULL &&
         wait->n <= sem->free)
    if (fluv__wait_grant(wait, 0, wakes))
      sem->free -= wait->n;
}

/* The invariant of the queue: see the top of this file. */
static void assert_invariant_locked(fluv_semaphore_t* sem) {
  fluv__guard_assert_held(&sem->guard);
  fluv__assert(
      fluv__list_is_empty(&sem->waiters) ||
      (!sem->closed && fluv__wait_queue_first(&sem->waiters)->n > sem->free));
}

/* Take n permits: 0, FLUV_ECLOSED, or FLUV_EAGAIN. */
static int take_locked(fluv_semaphore_t* sem, size_t n) {
  assert_invariant_locked(sem);
  if (fluv__unlikely(sem->closed))
    return FLUV_ECLOSED;
  if (n > sem->free || !fluv__list_is_empty(&sem->waiters))
    return FLUV_EAGAIN;
  sem->free -= n;
  return 0;
}

static FLUV__NOINLINE int release_slow(fluv_semaphore_t* sem, size_t n) {
  fluv__wake_list_t wakes;
  int err = 0;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&sem->guard);
  if (fluv__unlikely(n > SIZE_MAX - sem->free)) {
    err = FLUV_EOVERFLOW;
  } else {
    sem->free += n;
    serve_locked(sem, &wakes);
  }
  fluv__guard_unlock(&sem->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

static void destroy(fluv_semaphore_t* sem) {
  fluv__guard_deinit(&sem->guard);
  fluv__object_free(sem, NULL);
}

static void acquire_arrive(fluv__inbox_node_t* node) {
  fluv__sync_op_t* op = fluv__sync_op_arrive(node);

  if (fluv__sync_op_was_cancelled(op)) {
    fluv_semaphore_release(((acquire_op_t*) op)->semaphore, op->wait.n);
    fluv__complete(&op->base, FLUV_ECANCELED);
  } else {
    fluv__complete(&op->base, op->wait.given);
  }
}

static FLUV__NOINLINE void acquire_slow(fluv_future_t* f) {
  acquire_op_t* op = (acquire_op_t*) f;
  fluv_semaphore_t* sem = op->semaphore;
  int err;

  fluv__guard_lock(&sem->guard);
  err = take_locked(sem, op->sync.wait.n);
  if (err == FLUV_EAGAIN)
    fluv__sync_op_join(&op->sync, &sem->waiters, acquire_arrive);
  fluv__guard_unlock(&sem->guard);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void acquire_start(fluv_future_t* f) {
  fluv_semaphore_t* sem = ((acquire_op_t*) f)->semaphore;
  size_t n = ((acquire_op_t*) f)->sync.wait.n;

  if (fluv__likely(fluv__guard_enter_home(&sem->guard, f->loop))) {
    if (fluv__likely(n <= sem->free && fluv__list_is_empty(&sem->waiters) &&
                     !sem->closed)) {
      sem->free -= n;
      fluv__guard_leave_home(&sem->guard);
      fluv__complete(f, 0);
      return;
    }
    fluv__guard_leave_home(&sem->guard);
  }
  acquire_slow(f);
}

/* Leave the queue. The waiters behind may be granted now. */
static bool acquire_withdraw(fluv_future_t* f) {
  acquire_op_t* op = (acquire_op_t*) f;
  fluv_semaphore_t* sem = op->semaphore;
  fluv__wake_list_t wakes;
  bool left;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&sem->guard);
  left = fluv__sync_op_withdraw(&op->sync);
  if (left)
    serve_locked(sem, &wakes);
  fluv__guard_unlock(&sem->guard);
  fluv__wake_list_send(&wakes);
  return left;
}

static void acquire_cancel(fluv_future_t* f) {
  if (acquire_withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void acquire_retain(fluv_future_t* f) {
  fluv_semaphore_t* sem = ((acquire_op_t*) f)->semaphore;

  if (f->result == 0)
    fluv__sync_retain(f, &sem->guard, &sem->unread);
}

static void acquire_release(fluv_future_t* f) {
  fluv_semaphore_t* sem = ((acquire_op_t*) f)->semaphore;

  if (f->state != FLUV__DONE)
    (void) acquire_withdraw(f);
  else if (fluv__sync_unretain(&sem->object, &sem->guard, &sem->unread))
    destroy(sem);
}

static void acquire_give_back(fluv_future_t* f) {
  acquire_op_t* op = (acquire_op_t*) f;

  if (f->result == 0)
    (void) release_slow(op->semaphore, op->sync.wait.n);
}

static void acquire_describe(const fluv_future_t* f, char* buf, size_t size) {
  snprintf(buf, size, "of %zu", ((const acquire_op_t*) f)->sync.wait.n);
}

static const fluv__ops_t acquire_ops = {
  .kind = "semaphore acquire",
  .start = acquire_start,
  .cancel = acquire_cancel,
  .give_back = acquire_give_back,
  .retain = acquire_retain,
  .release = acquire_release,
  .describe = acquire_describe,
};

int fluv_semaphore_new(size_t permits, fluv_semaphore_t** out_semaphore) {
  fluv_semaphore_t* sem;

  if (out_semaphore == NULL)
    return FLUV_EINVAL;
  sem = fluv__malloc(sizeof(*sem));
  if (sem == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(sem, SEMAPHORE, NULL);
  fluv__guard_init(&sem->guard);
  fluv__list_init(&sem->waiters);
  sem->free = permits;
  sem->unread = 0;
  sem->closed = false;
  *out_semaphore = sem;
  return 0;
}

void fluv_semaphore_free(fluv_semaphore_t* sem) {
  bool kept;

  if (sem == NULL)
    return;
  fluv__check(sem, SEMAPHORE);
  fluv__guard_lock(&sem->guard);
  fluv__wait_queue_check_empty(&sem->waiters, "semaphore");
  fluv__object_end(sem, NULL);
  kept = sem->unread > 0;
  fluv__guard_unlock(&sem->guard);
  if (!kept)
    destroy(sem);
}

fluv_future_t* fluv_semaphore_acquire_loc(fluv_semaphore_t* sem,
                                          size_t n,
                                          const fluv_loc_t* loc) {
  acquire_op_t* op;

  if (fluv__unlikely(sem == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(sem, SEMAPHORE);
  op = (acquire_op_t*) fluv__sync_op_new(&acquire_ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->semaphore = sem;
  op->sync.wait.n = n;
  return &op->sync.base;
}

int fluv_semaphore_try_acquire(fluv_semaphore_t* sem, size_t n) {
  int err;

  if (fluv__unlikely(sem == NULL))
    return FLUV_EINVAL;
  fluv__check(sem, SEMAPHORE);
  fluv__guard_lock(&sem->guard);
  err = take_locked(sem, n);
  fluv__guard_unlock(&sem->guard);
  return err;
}

int fluv_semaphore_acquire_blocking(fluv_semaphore_t* sem,
                                    size_t n,
                                    uint64_t timeout_ms) {
  fluv__parked_t parked;
  fluv__wake_list_t wakes;
  int err = fluv__may_block();

  if (fluv__unlikely(sem == NULL))
    return FLUV_EINVAL;
  fluv__check(sem, SEMAPHORE);
  if (err != 0)
    return err;
  fluv__guard_lock(&sem->guard);
  err = take_locked(sem, n);
  if (err == FLUV_EAGAIN) {
    parked.wait.n = n;
    fluv__park_join(&parked, &sem->waiters);
  }
  fluv__guard_unlock(&sem->guard);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &sem->guard, fluv__limit_after(timeout_ms));
  if (err == FLUV_ETIMEDOUT) {
    fluv__wake_list_init(&wakes);
    fluv__guard_lock(&sem->guard);
    serve_locked(sem, &wakes);
    fluv__guard_unlock(&sem->guard);
    fluv__wake_list_send(&wakes);
  }
  return err;
}

int fluv_semaphore_release(fluv_semaphore_t* sem, size_t n) {
  if (fluv__unlikely(sem == NULL))
    return FLUV_EINVAL;
  fluv__check(sem, SEMAPHORE);
  if (fluv__likely(fluv__guard_enter_home(&sem->guard, fluv__loop))) {
    if (fluv__likely(fluv__list_is_empty(&sem->waiters) &&
                     n <= SIZE_MAX - sem->free)) {
      sem->free += n;
      fluv__guard_leave_home(&sem->guard);
      return 0;
    }
    fluv__guard_leave_home(&sem->guard);
  }
  return release_slow(sem, n);
}

size_t fluv_semaphore_forget(fluv_semaphore_t* sem, size_t n) {
  fluv__require(sem, SEMAPHORE);
  fluv__guard_lock(&sem->guard);
  if (n > sem->free)
    n = sem->free;
  sem->free -= n;
  fluv__guard_unlock(&sem->guard);
  return n;
}

void fluv_semaphore_close(fluv_semaphore_t* sem) {
  fluv__wake_list_t wakes;

  fluv__require(sem, SEMAPHORE);
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&sem->guard);
  sem->closed = true;
  fluv__wait_queue_grant_all(&sem->waiters, FLUV_ECLOSED, &wakes);
  fluv__guard_unlock(&sem->guard);
  fluv__wake_list_send(&wakes);
}

bool fluv_semaphore_is_closed(fluv_semaphore_t* sem) {
  bool closed;

  fluv__require(sem, SEMAPHORE);
  fluv__guard_lock(&sem->guard);
  closed = sem->closed;
  fluv__guard_unlock(&sem->guard);
  return closed;
}

size_t fluv_semaphore_get_permits(fluv_semaphore_t* sem) {
  size_t n;

  fluv__require(sem, SEMAPHORE);
  fluv__guard_lock(&sem->guard);
  n = sem->free;
  fluv__guard_unlock(&sem->guard);
  return n;
}
