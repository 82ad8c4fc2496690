/* SPDX-License-Identifier: MIT */
/* RwLock: the number of readers, whether a writer has it, and one wait queue
 * for both.
 *
 * Whenever the guard is free, either the queue is empty or its first waiter
 * cannot be granted: a writer while there are readers or a writer, a reader
 * while there is a writer. No one overtakes the queue. A lock that was granted
 * to a writer has `writing` set, but is held by no task until the writer
 * arrives.
 *
 * Who reads is known in debug builds only. There, a task that reads the lock
 * and would wait for its own unlock gets an error.
 */
#include "sync/hold.h"
#include "sync/rwlock-debug.h"
#include "sync/wait.h"

#define LOCKED_TWICE                                                           \
 "an rwlock is locked again by the task or thread that writes"
#define WAITS_FOR_ITSELF                                                       \
 "an rwlock is locked again by a task or thread that reads, and would wait "   \
 "for itself"

enum {
  READ, /* wait.n */
  WRITE
};

static const fluv__hold_ops_t hold_ops = FLUV__HOLD_OPS("rwlock");

struct fluv_rwlock {
  fluv__object_t object;
  fluv__guard_t guard;

  /* Under the guard. */
  fluv__list_t waiters; /* wait.n: READ or WRITE */
  size_t readers;
  size_t unread;     /* see fluv__sync_retain() */
  bool writing;      /* a writer holds it, or was granted it */
  fluv__hold_t hold; /* the writer */
  fluv__read_records_t records;
};

typedef struct rwlock_op {
  fluv__sync_op_t sync;
  fluv_rwlock_t* lock;
  fluv__hold_t asks; /* while it waits: the task */
} rwlock_op_t;

static bool is_free_locked(const fluv_rwlock_t* lock, size_t mode) {
  fluv__guard_assert_held(&lock->guard);
  fluv__assert(!lock->writing || lock->readers == 0);
  return !lock->writing && (mode == READ || lock->readers == 0);
}

static void count_in_locked(fluv_rwlock_t* lock, size_t mode) {
  if (mode == READ)
    lock->readers++;
  else
    lock->writing = true;
}

/* Grant the lock to the first waiters, if they can have it. */
static void serve_locked(fluv_rwlock_t* lock, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  while ((wait = fluv__wait_queue_first(&lock->waiters)) != NULL &&
         is_free_locked(lock, wait->n))
    if (fluv__wait_grant(wait, 0, wakes))
      count_in_locked(lock, wait->n);
}

static void count_out_locked(fluv_rwlock_t* lock,
                             size_t mode,
                             fluv__wake_list_t* wakes) {
  if (mode == READ)
    lock->readers--;
  else
    lock->writing = false;
  serve_locked(lock, wakes);
}

/* Lock for a task (NULL: for this thread): 0, FLUV_EDEADLK or FLUV_EAGAIN. */
static int take_locked(fluv_rwlock_t* lock,
                       size_t mode,
                       fluv__task_t* task,
                       const fluv_loc_t* loc) {
  if (fluv__likely(is_free_locked(lock, mode) &&
                   fluv__list_is_empty(&lock->waiters))) {
    count_in_locked(lock, mode);
    if (mode == WRITE)
      fluv__hold_begin(&lock->hold, task, loc);
    else
      fluv__read_records_add(&lock->records, task, loc);
    return 0;
  }
  if (lock->writing && fluv__hold_is_by(&lock->hold, task))
    return FLUV_EDEADLK;
  return FLUV_EAGAIN;
}

static void rwlock_arrive(fluv__inbox_node_t* node) {
  rwlock_op_t* op = (rwlock_op_t*) fluv__sync_op_arrive(node);
  fluv_rwlock_t* lock = op->lock;
  fluv__task_t* task;
  fluv__wake_list_t wakes;
  int64_t result = 0;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  task = op->asks.task;
  fluv__hold_end(&op->asks);
  if (fluv__sync_op_was_cancelled(&op->sync)) {
    result = FLUV_ECANCELED;
    count_out_locked(lock, op->sync.wait.n, &wakes);
  } else if (op->sync.wait.n == WRITE) {
    fluv__hold_begin(&lock->hold, task, op->sync.base.loc);
  } else {
    fluv__read_records_add(&lock->records, task, op->sync.base.loc);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  fluv__complete(&op->sync.base, result);
}

/* Wait for the lock in the name of `task`. */
static void ask_locked(rwlock_op_t* op, fluv__task_t* task) {
  op->asks.ops = &hold_ops;
  op->asks.of = &op->lock->hold;
  fluv__hold_begin(&op->asks, task, op->sync.base.loc);
  fluv__sync_op_join(&op->sync, &op->lock->waiters, rwlock_arrive);
}

static FLUV__NOINLINE void lock_slow(fluv_future_t* f) {
  rwlock_op_t* op = (rwlock_op_t*) f;
  fluv_rwlock_t* lock = op->lock;
  fluv__task_t* task = f->loop->current;
  const char* what = LOCKED_TWICE;
  const fluv_loc_t* held = NULL;
  int err;

  fluv__guard_lock(&lock->guard);
  err = take_locked(lock, op->sync.wait.n, task, f->loc);
  if (fluv__unlikely(err != 0)) {
    held = lock->hold.loc;
    if (err == FLUV_EAGAIN && task != NULL &&
        fluv__read_records_find(&lock->records, task) != NULL) {
      held = fluv__read_records_find(&lock->records, task);
      what = WAITS_FOR_ITSELF;
      err = FLUV_EDEADLK;
    }
    if (err == FLUV_EAGAIN && fluv__hold_is_cycle(&lock->hold, task, f->loc))
      err = FLUV_EDEADLK;
    if (err == FLUV_EAGAIN)
      ask_locked(op, task);
  }
  fluv__guard_unlock(&lock->guard);
  if (err == FLUV_EDEADLK)
    fluv__hold_complain(held, f->loc, what);
  if (err != FLUV_EAGAIN)
    fluv__complete(f, err);
}

static void read_start(fluv_future_t* f) {
  fluv_rwlock_t* lock = ((rwlock_op_t*) f)->lock;

  if (!FLUV_DEBUG &&
      fluv__likely(fluv__guard_enter_home(&lock->guard, f->loop))) {
    if (fluv__likely(!lock->writing && fluv__list_is_empty(&lock->waiters))) {
      lock->readers++;
      fluv__guard_leave_home(&lock->guard);
      fluv__complete(f, 0);
      return;
    }
    fluv__guard_leave_home(&lock->guard);
  }
  lock_slow(f);
}

/* Leave the queue: the waiters behind may be granted now. */
static bool withdraw(fluv_future_t* f) {
  rwlock_op_t* op = (rwlock_op_t*) f;
  fluv_rwlock_t* lock = op->lock;
  fluv__wake_list_t wakes;
  bool left;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  left = fluv__sync_op_withdraw(&op->sync);
  if (left) {
    fluv__hold_end(&op->asks);
    serve_locked(lock, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  return left;
}

static void rwlock_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void destroy(fluv_rwlock_t* lock) {
  fluv__guard_deinit(&lock->guard);
  fluv__object_free(lock, NULL);
}

static void rwlock_retain(fluv_future_t* f) {
  fluv_rwlock_t* lock = ((rwlock_op_t*) f)->lock;

  if (f->result == 0)
    fluv__sync_retain(f, &lock->guard, &lock->unread);
}

static void rwlock_release(fluv_future_t* f) {
  fluv_rwlock_t* lock = ((rwlock_op_t*) f)->lock;

  if (f->state != FLUV__DONE)
    (void) withdraw(f);
  else if (fluv__sync_unretain(&lock->object, &lock->guard, &lock->unread))
    destroy(lock);
}

static void rwlock_give_back(fluv_future_t* f) {
  rwlock_op_t* op = (rwlock_op_t*) f;
  fluv_rwlock_t* lock = op->lock;
  fluv__wake_list_t wakes;

  if (f->result != 0)
    return;
  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  if (op->sync.wait.n == READ && lock->readers > 0) {
    fluv__read_records_remove(&lock->records);
    count_out_locked(lock, READ, &wakes);
  } else if (op->sync.wait.n == WRITE && lock->hold.loc == f->loc) {
    fluv__hold_end(&lock->hold);
    count_out_locked(lock, WRITE, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
}

static const fluv__ops_t read_ops = {
  .kind = "rwlock read",
  .start = read_start,
  .cancel = rwlock_cancel,
  .give_back = rwlock_give_back,
  .retain = rwlock_retain,
  .release = rwlock_release,
};

static const fluv__ops_t write_ops = {
  .kind = "rwlock write",
  .start = lock_slow,
  .cancel = rwlock_cancel,
  .give_back = rwlock_give_back,
  .retain = rwlock_retain,
  .release = rwlock_release,
};

int fluv_rwlock_new(fluv_rwlock_t** out_lock) {
  fluv_rwlock_t* lock;

  if (out_lock == NULL)
    return FLUV_EINVAL;
  lock = fluv__calloc(1, sizeof(*lock));
  if (lock == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(lock, RWLOCK, NULL);
  fluv__guard_init(&lock->guard);
  fluv__list_init(&lock->waiters);
  lock->hold.ops = &hold_ops;
  fluv__read_records_init(&lock->records);
  *out_lock = lock;
  return 0;
}

void fluv_rwlock_free(fluv_rwlock_t* lock) {
  char place[FLUV__LOC_SIZE];
  bool kept;

  if (lock == NULL)
    return;
  fluv__check(lock, RWLOCK);
  fluv__guard_lock(&lock->guard);
  fluv__wait_queue_check_empty(&lock->waiters, "rwlock");
  if (lock->writing)
    fluv__die("an rwlock is freed while it is held for writing since %s",
              fluv__loc_format(lock->hold.loc, place, sizeof(place)));
  if (lock->readers > 0)
    fluv__die("an rwlock is freed while %zu readers hold it", lock->readers);
  fluv__object_end(lock, NULL);
  kept = lock->unread > 0;
  fluv__guard_unlock(&lock->guard);
  if (!kept)
    destroy(lock);
}

static fluv_future_t* rwlock_new(const fluv__ops_t* ops,
                                 fluv_rwlock_t* lock,
                                 size_t mode,
                                 const fluv_loc_t* loc) {
  rwlock_op_t* op;

  if (fluv__unlikely(lock == NULL))
    return fluv__future_fail(FLUV_EINVAL, loc);
  op = (rwlock_op_t*) fluv__sync_op_new(ops, sizeof(*op), loc);
  if (fluv__unlikely(op == NULL))
    return fluv__future_enomem();
  op->lock = lock;
  op->sync.wait.n = mode;
  return &op->sync.base;
}

fluv_future_t* fluv_rwlock_read_loc(fluv_rwlock_t* lock,
                                    const fluv_loc_t* loc) {
  if (fluv__likely(lock != NULL))
    fluv__check(lock, RWLOCK);
  return rwlock_new(&read_ops, lock, READ, loc);
}

fluv_future_t* fluv_rwlock_write_loc(fluv_rwlock_t* lock,
                                     const fluv_loc_t* loc) {
  if (fluv__likely(lock != NULL))
    fluv__check(lock, RWLOCK);
  return rwlock_new(&write_ops, lock, WRITE, loc);
}

static int try_take(fluv_rwlock_t* lock, size_t mode, const fluv_loc_t* loc) {
  int err;

  fluv__guard_lock(&lock->guard);
  err = take_locked(lock, mode, fluv__hold_self(), loc);
  fluv__guard_unlock(&lock->guard);
  return err == FLUV_EDEADLK ? FLUV_EAGAIN : err;
}

int fluv_rwlock_try_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return try_take(lock, READ, loc);
}

int fluv_rwlock_try_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return try_take(lock, WRITE, loc);
}

/* A plain thread was granted the lock, or the time is over. */
static int end_blocking(fluv_rwlock_t* lock,
                        size_t mode,
                        int err,
                        const fluv_loc_t* loc) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  if (err != 0)
    serve_locked(lock, &wakes);
  else if (mode == WRITE)
    fluv__hold_begin(&lock->hold, NULL, loc);
  else
    fluv__read_records_add(&lock->records, NULL, loc);
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  return err;
}

static int take_blocking(fluv_rwlock_t* lock,
                         size_t mode,
                         uint64_t timeout_ms,
                         const fluv_loc_t* loc) {
  const char* what = LOCKED_TWICE;
  const fluv_loc_t* held;
  fluv__parked_t parked;
  int err = fluv__may_block();

  if (err != 0)
    return err;
  fluv__guard_lock(&lock->guard);
  err = take_locked(lock, mode, NULL, loc);
  held = lock->hold.loc;
  if (err == FLUV_EAGAIN &&
      fluv__read_records_find(&lock->records, NULL) != NULL) {
    held = fluv__read_records_find(&lock->records, NULL);
    what = WAITS_FOR_ITSELF;
    err = FLUV_EDEADLK;
  }
  if (err == FLUV_EAGAIN) {
    parked.wait.n = mode;
    fluv__park_join(&parked, &lock->waiters);
  }
  fluv__guard_unlock(&lock->guard);
  if (err == FLUV_EDEADLK)
    fluv__hold_complain(held, loc, what);
  if (err != FLUV_EAGAIN)
    return err;
  err = (int) fluv__park(&parked, &lock->guard, fluv__limit_after(timeout_ms));
  return end_blocking(lock, mode, err, loc);
}

int fluv_rwlock_read_blocking_loc(fluv_rwlock_t* lock,
                                  uint64_t timeout_ms,
                                  const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return take_blocking(lock, READ, timeout_ms, loc);
}

int fluv_rwlock_write_blocking_loc(fluv_rwlock_t* lock,
                                   uint64_t timeout_ms,
                                   const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return take_blocking(lock, WRITE, timeout_ms, loc);
}

static FLUV__NOINLINE int unlock_read_slow(fluv_rwlock_t* lock,
                                           const fluv_loc_t* loc) {
  fluv__wake_list_t wakes;
  bool held;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  held = lock->readers > 0;
  if (fluv__likely(held)) {
    fluv__read_records_remove(&lock->records);
    count_out_locked(lock, READ, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(held))
    return 0;
  fluv__hold_complain(NULL,
                      loc,
                      "an rwlock without readers is unlocked by a reader");
  return FLUV_EPERM;
}

int fluv_rwlock_unlock_read_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  if (!FLUV_DEBUG &&
      fluv__likely(fluv__guard_enter_home(&lock->guard, fluv__loop))) {
    if (fluv__likely(lock->readers > 0 &&
                     fluv__list_is_empty(&lock->waiters))) {
      lock->readers--;
      fluv__guard_leave_home(&lock->guard);
      return 0;
    }
    fluv__guard_leave_home(&lock->guard);
  }
  return unlock_read_slow(lock, loc);
}

/* End writing; with `read`, begin to read. */
static int end_writing(fluv_rwlock_t* lock, bool read, const fluv_loc_t* loc) {
  const fluv_loc_t* held = NULL;
  fluv__wake_list_t wakes;
  bool allowed;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  allowed = lock->writing && fluv__hold_is_by(&lock->hold, fluv__hold_self());
  if (fluv__likely(allowed)) {
    fluv__hold_end(&lock->hold);
    if (read) {
      lock->readers++;
      fluv__read_records_add(&lock->records, fluv__hold_self(), loc);
    }
    count_out_locked(lock, WRITE, &wakes);
  } else {
    held = lock->hold.loc;
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(allowed))
    return 0;
  fluv__hold_complain(
      held,
      loc,
      held == NULL
          ? "an rwlock without a writer is unlocked by a writer"
          : "an rwlock is unlocked by a task or thread that does not write");
  return FLUV_EPERM;
}

int fluv_rwlock_unlock_write_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return end_writing(lock, false, loc);
}

int fluv_rwlock_downgrade_loc(fluv_rwlock_t* lock, const fluv_loc_t* loc) {
  if (fluv__unlikely(lock == NULL))
    return FLUV_EINVAL;
  fluv__check(lock, RWLOCK);
  return end_writing(lock, true, loc);
}
