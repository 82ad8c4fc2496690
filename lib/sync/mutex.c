/* SPDX-License-Identifier: MIT */
/* Mutex: whether it is locked, who holds it, and a wait queue.
 *
 * Unlocking grants the mutex to the first waiter: it stays locked, but is held
 * by no task (hold.loc is NULL) until that waiter arrives. So whenever the
 * guard is free, the queue of an unlocked mutex is empty, and a mutex that is
 * held is locked.
 */
#include <stdio.h>

#include "sync/hold.h"
#include "sync/mutex.h"
#include "sync/wait.h"

#define LOCKED_TWICE                                                           \
 "a mutex is locked again by the task or thread that holds it"

static const fluv__hold_ops_t hold_ops = FLUV__HOLD_OPS("mutex");

struct fluv_mutex {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t waiters;
  size_t unread; /* see fluv__sync_retain() */
  bool locked;   /* held, or granted to a waiter that has not arrived */
  fluv__hold_t hold;
};

typedef struct lock_op {
  fluv__sync_op_t sync;
  fluv_mutex_t* mutex;
  fluv__hold_t asks; /* while it waits: the task that will hold the mutex */
} lock_op_t;

/* Grant the mutex to the first waiter, or unlock it. */
static void pass_on_locked(fluv_mutex_t* mutex, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  fluv__guard_assert_held(&mutex->guard);
  fluv__assert(mutex->locked && mutex->hold.loc == NULL);
  while ((wait = fluv__wait_queue_first(&mutex->waiters)) != NULL)
    if (fluv__wait_grant(wait, 0, wakes))
      return;
  mutex->locked = false;
}

/* Lock for a task (NULL: for this thread): 0, FLUV_EDEADLK or FLUV_EAGAIN. */
static int take_locked(fluv_mutex_t* mutex,
                       fluv__task_t* task,
                       const fluv_loc_t* loc) {
  fluv__guard_assert_held(&mutex->guard);
  if (fluv__likely(!mutex->locked)) {
    fluv__assert(fluv__list_is_empty(&mutex->waiters));
    mutex->locked = true;
    fluv__hold_begin(&mutex->hold, task, loc);
    return 0;
  }
  return fluv__hold_is_by(&mutex->hold, task) ? FLUV_EDEADLK : FLUV_EAGAIN;
}

static void lock_arrive(fluv__inbox_node_t* node) {
  lock_op_t* op = (lock_op_t*) fluv__sync_op_arrive(node);
  fluv_mutex_t* mutex = op->mutex;
  int64_t result = 0;
  fluv__task_t* task;
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&mutex->guard);
  task = op->asks.task;
  fluv__hold_end(&op->asks);
  if (fluv__sync_op_was_cancelled(&op->sync)) {
    result = FLUV_ECANCELED;
    pass_on_locked(mutex, &wakes);
  } else {
    fluv__hold_begin(&mutex->hold, task, op->sync.base.loc);
  }
  fluv__guard_unlock(&mutex->guard);
  fluv__wake_list_send(&wakes);
  fluv__complete(&op->sync.base, result);
}

/* Wait for the mutex in the name of `task`. */
static void ask_locked(lock_op_t* op, fluv__task_t* task) {
  op->asks.ops = &hold_ops;
  op->asks.of = &op->mutex->hold;
  fluv__hold_begin(&op->asks, task, op->sync.base.loc);
  fluv__sync_op_join(&op->sync, &op->mutex->waiters, lock_arrive);
}

/* Lock, in the name of `task`, or wait for it. */
static FLUV__NOINLINE void lock_slow(fluv_future_t* f, fluv__task_t* task) {
  lock_op_t* op = (lock_op_t*) f;
  fluv_mutex_t* mutex = op->mutex;
  const fluv_loc_t* held = NULL;
  int err;

  fluv__guard_lock(&mutex->guard);
  err = take_locked(mutex, task, f->loc);
  if (fluv__unlikely(err != 0)) {
    held = mutex->hold.loc;
    if (err == FLUV_EAGAIN && fluv__hold_is_cycle(&mutex->hold, task, f->loc))
      err = FLUV_EDEADLK;
    if (err == FLUV_EAGAIN)
      ask_locked(op, task);
  }
  fluv__guard_unlock(&mutex->guard);
  if (err == FLUV_EDEADLK)
    fluv__hold_complain(held, f->loc, LOCKED_TWICE);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void lock_start(fluv_future_t* f) {
  fluv_mutex_t* mutex = ((lock_op_t*) f)->mutex;

  if (fluv__likely(fluv__guard_enter_home(&mutex->guard, f->loop))) {
    if (fluv__likely(!mutex->locked)) {
      mutex->locked = true;
      fluv__hold_begin(&mutex->hold, f->loop->current, f->loc);
      fluv__guard_leave_home(&mutex->guard);
      fluv__complete(f, 0);
      return;
    }
    fluv__guard_leave_home(&mutex->guard);
  }
  lock_slow(f, f->loop->current);
}

static void lock_for_start(fluv_future_t* f) {
  lock_slow(f, ((lock_op_t*) f)->asks.task);
}

static bool lock_withdraw(fluv_future_t* f) {
  lock_op_t* op = (lock_op_t*) f;
  bool left;

  fluv__guard_lock(&op->mutex->guard);
  left = fluv__sync_op_withdraw(&op->sync);
  if (left)
    fluv__hold_end(&op->asks);
  fluv__guard_unlock(&op->mutex->guard);
  return left;
}

static void lock_cancel(fluv_future_t* f) {
  if (lock_withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void destroy(fluv_mutex_t* mutex) {
  fluv__guard_deinit(&mutex->guard);
  fluv__object_free(mutex, NULL);
}

void fluv__mutex_retain(fluv_mutex_t* mutex, fluv_future_t* f) {
  fluv__sync_retain(f, &mutex->guard, &mutex->unread);
}

void fluv__mutex_unretain(fluv_mutex_t* mutex) {
  if (fluv__sync_unretain(&mutex->object, &mutex->guard, &mutex->unread))
    destroy(mutex);
}

static void lock_retain(fluv_future_t* f) {
  if (f->result == 0)
    fluv__mutex_retain(((lock_op_t*) f)->mutex, f);
}

static void lock_release(fluv_future_t* f) {
  if (f->state != FLUV__DONE)
    (void) lock_withdraw(f);
  else
    fluv__mutex_unretain(((lock_op_t*) f)->mutex);
}

void fluv__mutex_give_back(fluv_mutex_t* mutex, const fluv_loc_t* loc) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&mutex->guard);
  if (mutex->hold.loc == loc) {
    fluv__hold_end(&mutex->hold);
    pass_on_locked(mutex, &wakes);
  }
  fluv__guard_unlock(&mutex->guard);
  fluv__wake_list_send(&wakes);
}

static void lock_give_back(fluv_future_t* f) {
  if (f->result == 0)
    fluv__mutex_give_back(((lock_op_t*) f)->mutex, f->loc);
}

static void lock_describe(const fluv_future_t* f, char* buf, size_t size) {
  fluv_mutex_t* mutex = ((const lock_op_t*) f)->mutex;
  char place[FLUV__LOC_SIZE];

  if (f->state != FLUV__PENDING)
    return;
  fluv__guard_lock(&mutex->guard);
  if (mutex->hold.loc != NULL)
    snprintf(buf,
             size,
             "held since %s",
             fluv__loc_format(mutex->hold.loc, place, sizeof(place)));
  fluv__guard_unlock(&mutex->guard);
}

static const fluv__ops_t lock_ops = {
  .kind = "mutex lock",
  .start = lock_start,
  .cancel = lock_cancel,
  .give_back = lock_give_back,
  .retain = lock_retain,
  .release = lock_release,
  .describe = lock_describe,
};

/* The same, but the task that will hold the mutex is asks.task. */
static const fluv__ops_t lock_for_ops = {
  .kind = "mutex lock",
  .start = lock_for_start,
  .cancel = lock_cancel,
  .give_back = lock_give_back,
  .release = lock_release,
  .describe = lock_describe,
};

int fluv_mutex_new(fluv_mutex_t** out_mutex) {
  fluv_mutex_t* mutex;

  if (out_mutex == NULL)
    return FLUV_EINVAL;
  mutex = fluv__calloc(1, sizeof(*mutex));
  if (mutex == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(mutex, MUTEX, NULL);
  fluv__guard_init(&mutex->guard);
  fluv__list_init(&mutex->waiters);
  mutex->hold.ops = &hold_ops;
  *out_mutex = mutex;
  return 0;
}

void fluv_mutex_free(fluv_mutex_t* mutex) {
  char place[FLUV__LOC_SIZE];
  bool kept;

  if (mutex == NULL)
    return;
  fluv__check(mutex, MUTEX);
  fluv__guard_lock(&mutex->guard);
  fluv__wait_queue_check_empty(&mutex->waiters, "mutex");
  if (mutex->locked)
    fluv__die("a mutex is freed while it is locked; locked at %s",
              fluv__loc_format(mutex->hold.loc, place, sizeof(place)));
  fluv__object_end(mutex, NULL);
  kept = mutex->unread > 0;
  fluv__guard_unlock(&mutex->guard);
  if (!kept)
    destroy(mutex);
}

FLUV__INLINE fluv_future_t* lock_new(const fluv__ops_t* ops,
                                     fluv_mutex_t* mutex,
                                     const fluv_loc_t* loc) {
  lock_op_t* op = (lock_op_t*) fluv__sync_op_new(ops, sizeof(*op), loc);

  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->mutex = mutex;
  return &op->sync.base;
}

fluv_future_t* fluv_mutex_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc) {
  if (fluv__unlikely(mutex == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(mutex, MUTEX);
  return lock_new(&lock_ops, mutex, loc);
}

fluv_future_t* fluv__mutex_lock_new(fluv_mutex_t* mutex,
                                    const fluv_loc_t* loc) {
  return lock_new(&lock_for_ops, mutex, loc);
}

void fluv__mutex_lock_for(fluv_future_t* lock, fluv__task_t* task) {
  fluv__assert(lock->ops == &lock_for_ops && lock->state == FLUV__COLD);
  ((lock_op_t*) lock)->asks.task = task;
}

int fluv_mutex_try_lock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc) {
  int err;

  if (fluv__unlikely(mutex == NULL))
    return FLUV_EINVAL;
  fluv__check(mutex, MUTEX);
  fluv__guard_lock(&mutex->guard);
  err = take_locked(mutex, fluv__hold_self(), loc);
  fluv__guard_unlock(&mutex->guard);
  return err == FLUV_EDEADLK ? FLUV_EAGAIN : err;
}

int fluv_mutex_lock_blocking_loc(fluv_mutex_t* mutex,
                                 uint64_t timeout_ms,
                                 const fluv_loc_t* loc) {
  const fluv_loc_t* held;
  fluv__parked_t parked;
  int err = fluv__may_block();

  if (fluv__unlikely(mutex == NULL))
    return FLUV_EINVAL;
  fluv__check(mutex, MUTEX);
  if (err != 0)
    return err;
  fluv__guard_lock(&mutex->guard);
  err = take_locked(mutex, NULL, loc);
  held = mutex->hold.loc;
  if (err == FLUV_EAGAIN)
    fluv__park_join(&parked, &mutex->waiters);
  fluv__guard_unlock(&mutex->guard);
  if (err == FLUV_EDEADLK)
    fluv__hold_complain(held, loc, LOCKED_TWICE);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &mutex->guard, fluv__limit_after(timeout_ms));
  if (err != 0)
    return err;
  fluv__guard_lock(&mutex->guard);
  fluv__hold_begin(&mutex->hold, NULL, loc);
  fluv__guard_unlock(&mutex->guard);
  return 0;
}

static FLUV__NOINLINE int unlock_slow(fluv_mutex_t* mutex,
                                      const fluv_loc_t* loc) {
  const fluv_loc_t* held = NULL;
  fluv__wake_list_t wakes;
  bool allowed;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&mutex->guard);
  allowed = fluv__hold_is_by(&mutex->hold, fluv__hold_self());
  if (fluv__likely(allowed)) {
    fluv__hold_end(&mutex->hold);
    pass_on_locked(mutex, &wakes);
  } else {
    held = mutex->hold.loc;
  }
  fluv__guard_unlock(&mutex->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(allowed))
    return 0;
  fluv__hold_complain(held,
                      loc,
                      held == NULL ? "a mutex that is not locked is unlocked"
                                   : "a mutex is unlocked by a task or thread "
                                     "that does not hold it");
  return FLUV_EPERM;
}

int fluv_mutex_unlock_loc(fluv_mutex_t* mutex, const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;

  if (fluv__unlikely(mutex == NULL))
    return FLUV_EINVAL;
  fluv__check(mutex, MUTEX);
  if (fluv__likely(fluv__guard_enter_home(&mutex->guard, loop))) {
    if (fluv__likely(fluv__list_is_empty(&mutex->waiters) &&
                     mutex->hold.task != NULL &&
                     mutex->hold.task == loop->current)) {
      mutex->locked = false;
      fluv__hold_end(&mutex->hold);
      fluv__guard_leave_home(&mutex->guard);
      return 0;
    }
    fluv__guard_leave_home(&mutex->guard);
  }
  return unlock_slow(mutex, loc);
}

bool fluv_mutex_is_locked(fluv_mutex_t* mutex) {
  bool locked;

  fluv__require(mutex, MUTEX);
  fluv__guard_lock(&mutex->guard);
  locked = mutex->locked;
  fluv__guard_unlock(&mutex->guard);
  return locked;
}
