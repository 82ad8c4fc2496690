/* SPDX-License-Identifier: MIT */
/* RwLock: how many read, whether somebody writes, and one line for both.
 *
 * Whenever the guard is free, either the line is empty or its first cannot go
 * on: a writer while somebody holds it, a reader while somebody writes. Nobody
 * overtakes the line. A lock on its way to a writer has `writing` set, but no
 * holder until it arrives.
 *
 * Who reads is known in debug builds only: there somebody who reads and would
 * wait for himself to have done so gets an error.
 */
#include "sync/hold.h"
#include "sync/wait.h"

#define LOCKED_TWICE "an rwlock is asked for by whoever holds it for writing"
#define WAITS_FOR_ITSELF                                                       \
 "an rwlock is asked for by whoever reads it, and waits for that"

enum {
  READ, /* wait.n */
  WRITE
};

static const fluv__hold_ops_t hold_ops = FLUV__HOLD_OPS("rwlock");

struct fluv_rwlock {
  fluv__object_t object;
  fluv__guard_t guard;
  fluv__list_t waiters;
  size_t readers;
  bool writing;
  fluv__hold_t hold; /* the writer's */
#if FLUV_DEBUG
  fluv__list_t reads;
#endif
};

typedef struct rwlock_op {
  fluv__sync_op_t sync;
  fluv_rwlock_t* lock;
  fluv__hold_t asks; /* while in line: the task */
} rwlock_op_t;

#if FLUV_DEBUG

/* Somebody who reads. A task by its number, for it may be gone. */
typedef struct read_record {
  fluv__list_t link; /* in lock->reads */
  fluv_loop_t* loop; /* NULL: a thread's, outside tasks */
  uint64_t task;
  pthread_t thread;
  const fluv_loc_t* loc;
} read_record_t;

static void reads_init(fluv_rwlock_t* lock) {
  fluv__list_init(&lock->reads);
}

/* Under the guard. Without memory it goes unrecorded. */
static void read_begins(fluv_rwlock_t* lock,
                        const fluv__task_t* task,
                        const fluv_loc_t* loc) {
  read_record_t* record = fluv__calloc(1, sizeof(*record));

  if (record == NULL)
    return;
  record->loop = task != NULL ? task->base.loop : NULL;
  record->task = task != NULL ? task->base.id : 0;
  record->thread = pthread_self();
  record->loc = loc;
  fluv__list_append(&lock->reads, &record->link);
}

/* Under the guard: the record of a task or, if that is NULL, of this thread. */
static read_record_t* find_read(fluv_rwlock_t* lock, const fluv__task_t* task) {
  fluv__list_t* it;

  fluv__list_foreach (it, &lock->reads) {
    read_record_t* record = fluv__container_of(it, read_record_t, link);

    if (task != NULL
            ? record->loop == task->base.loop && record->task == task->base.id
            : record->loop == NULL &&
                  pthread_equal(record->thread, pthread_self()))
      return record;
  }
  return NULL;
}

/* Under the guard. One may unlock what another has locked. */
static void read_ends(fluv_rwlock_t* lock) {
  read_record_t* record = find_read(lock, fluv__hold_self());

  if (record == NULL && !fluv__list_is_empty(&lock->reads))
    record = fluv__container_of(lock->reads.next, read_record_t, link);
  if (record == NULL)
    return;
  fluv__list_remove(&record->link);
  fluv__free(record);
}

/* Under the guard, of one who would have to wait: where does he read already?
 * NULL: he does not. */
static const fluv_loc_t* reads_since(fluv_rwlock_t* lock,
                                     const fluv__task_t* task) {
  const read_record_t* record = find_read(lock, task);

  return record != NULL ? record->loc : NULL;
}

#else

static void reads_init(fluv_rwlock_t* lock) {
  (void) lock;
}

static void read_begins(fluv_rwlock_t* lock,
                        const fluv__task_t* task,
                        const fluv_loc_t* loc) {
  (void) lock;
  (void) task;
  (void) loc;
}

static void read_ends(fluv_rwlock_t* lock) {
  (void) lock;
}

static const fluv_loc_t* reads_since(fluv_rwlock_t* lock,
                                     const fluv__task_t* task) {
  (void) lock;
  (void) task;
  return NULL;
}

#endif

/* Under the guard. */
static bool is_free(const fluv_rwlock_t* lock, size_t mode) {
  return !lock->writing && (mode == READ || lock->readers == 0);
}

static void count_in(fluv_rwlock_t* lock, size_t mode) {
  if (mode == READ)
    lock->readers++;
  else
    lock->writing = true;
}

/* Let those go on who can. */
static void serve(fluv_rwlock_t* lock, fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  while ((wait = fluv__wait_queue_first(&lock->waiters)) != NULL &&
         is_free(lock, wait->n))
    if (fluv__wait_grant(wait, 0, wakes))
      count_in(lock, wait->n);
}

static void count_out(fluv_rwlock_t* lock,
                      size_t mode,
                      fluv__wake_list_t* wakes) {
  if (mode == READ)
    lock->readers--;
  else
    lock->writing = false;
  serve(lock, wakes);
}

/* 0, FLUV_EDEADLK or FLUV_EAGAIN. */
static int take(fluv_rwlock_t* lock,
                size_t mode,
                fluv__task_t* task,
                const fluv_loc_t* loc) {
  if (fluv__likely(is_free(lock, mode) &&
                   fluv__list_is_empty(&lock->waiters))) {
    count_in(lock, mode);
    if (mode == WRITE)
      fluv__hold_begin(&lock->hold, task, loc);
    else
      read_begins(lock, task, loc);
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
    count_out(lock, op->sync.wait.n, &wakes);
  } else if (op->sync.wait.n == WRITE) {
    fluv__hold_begin(&lock->hold, task, op->sync.base.loc);
  } else {
    read_begins(lock, task, op->sync.base.loc);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  fluv__complete(&op->sync.base, result);
}

static void ask(rwlock_op_t* op, fluv__task_t* task) {
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
  err = take(lock, op->sync.wait.n, task, f->loc);
  if (fluv__unlikely(err != 0)) {
    held = lock->hold.loc;
    if (err == FLUV_EAGAIN && task != NULL && reads_since(lock, task) != NULL) {
      held = reads_since(lock, task);
      what = WAITS_FOR_ITSELF;
      err = FLUV_EDEADLK;
    }
    if (err == FLUV_EAGAIN && fluv__hold_is_cycle(&lock->hold, task, f->loc))
      err = FLUV_EDEADLK;
    if (err == FLUV_EAGAIN)
      ask(op, task);
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

/* Leave the line: those behind may go on now. */
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
    serve(lock, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  return left;
}

static void rwlock_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

static void rwlock_release(fluv_future_t* f) {
  (void) withdraw(f);
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
    read_ends(lock);
    count_out(lock, READ, &wakes);
  } else if (op->sync.wait.n == WRITE && lock->hold.loc == f->loc) {
    fluv__hold_end(&lock->hold);
    count_out(lock, WRITE, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
}

static const fluv__ops_t read_ops = {
  .kind = "rwlock read",
  .start = read_start,
  .cancel = rwlock_cancel,
  .give_back = rwlock_give_back,
  .release = rwlock_release,
};

static const fluv__ops_t write_ops = {
  .kind = "rwlock write",
  .start = lock_slow,
  .cancel = rwlock_cancel,
  .give_back = rwlock_give_back,
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
  reads_init(lock);
  *out_lock = lock;
  return 0;
}

void fluv_rwlock_free(fluv_rwlock_t* lock) {
  char place[FLUV__LOC_SIZE];

  if (lock == NULL)
    return;
  fluv__check(lock, RWLOCK);
  fluv__guard_lock(&lock->guard);
  fluv__wait_queue_check_empty(&lock->waiters, "rwlock");
  if (lock->writing)
    fluv__die("an rwlock is freed while it is held for writing since %s",
              fluv__loc_format(lock->hold.loc, place, sizeof(place)));
  if (lock->readers > 0)
    fluv__die("an rwlock is freed while %zu read", lock->readers);
  fluv__guard_unlock(&lock->guard);
  fluv__guard_deinit(&lock->guard);
  fluv__object_free(lock, NULL);
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
  err = take(lock, mode, fluv__hold_self(), loc);
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

/* It was given the lock, or the time was over. */
static int end_blocking(fluv_rwlock_t* lock,
                        size_t mode,
                        int err,
                        const fluv_loc_t* loc) {
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&lock->guard);
  if (err != 0)
    serve(lock, &wakes);
  else if (mode == WRITE)
    fluv__hold_begin(&lock->hold, NULL, loc);
  else
    read_begins(lock, NULL, loc);
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
  err = take(lock, mode, NULL, loc);
  held = lock->hold.loc;
  if (err == FLUV_EAGAIN && reads_since(lock, NULL) != NULL) {
    held = reads_since(lock, NULL);
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
  err = (int) fluv__park(&parked, &lock->guard, timeout_ms);
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
    read_ends(lock);
    count_out(lock, READ, &wakes);
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(held))
    return 0;
  fluv__hold_complain(NULL, loc, "an rwlock that nobody reads is unlocked");
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

/* Give up writing, for reading or for nothing. */
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
      read_begins(lock, fluv__hold_self(), loc);
    }
    count_out(lock, WRITE, &wakes);
  } else {
    held = lock->hold.loc;
  }
  fluv__guard_unlock(&lock->guard);
  fluv__wake_list_send(&wakes);
  if (fluv__likely(allowed))
    return 0;
  fluv__hold_complain(held,
                      loc,
                      held == NULL ? "an rwlock that nobody writes is unlocked"
                                   : "an rwlock is unlocked by somebody else");
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
