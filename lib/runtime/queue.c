/* SPDX-License-Identifier: MIT */
/* Queues of tasks that any member of a runtime may start. */
#include "runtime/runtime.h"

enum {
  /* So many more tasks than another a member may have before it queues at that
   * one: it wakes no other thread for a few tasks. */
  SLACK = 4
};

static void bump(atomic_ullong* counter) {
  /* Relaxed: only the member's own thread writes it. */
  atomic_store_explicit(counter,
                        atomic_load_explicit(counter, memory_order_relaxed) + 1,
                        memory_order_relaxed);
}

static size_t length_of(fluv__member_t* m) {
  return atomic_load(&m->length);
}

/* May other members take from its queue? */
static bool may_be_stolen_from(fluv__member_t* m) {
  return length_of(m) > 0 && atomic_load(&m->state) != FLUV__ASSIGNED;
}

/* This member was woken and has other work: wake another member if anything is
 * still queued. */
static void wake_another(fluv_runtime_t* rt) {
  unsigned slots = atomic_load(&rt->slots);
  unsigned i;

  for (i = 0; i < slots; i++)
    if (may_be_stolen_from(&rt->member[i])) {
      fluv__wake_one(rt);
      return;
    }
}

/* The wakeup has arrived, or never will. */
static void wakeup_arrived(fluv__member_t* m) {
  fluv_runtime_t* rt = m->runtime;

  atomic_store(&m->state, FLUV__RUNNING);
  if (!m->leaving)
    return;
  fluv__member_free_slot(m);
  fluv__runtime_unref(rt);
}

static void on_wakeup(fluv__inbox_node_t* node) {
  fluv__member_t* m = fluv__container_of(node, fluv__member_t, call);
  bool busy = !m->leaving && m->loop->ready_head != NULL;

  /* The drain that this runs in checks the queues before it rests. */
  wakeup_arrived(m);
  if (busy)
    wake_another(m->runtime); /* what is ready may take long */
}

void fluv__member_init(fluv__member_t* m, fluv_runtime_t* rt, unsigned number) {
  m->runtime = rt;
  m->number = number;
  pthread_mutex_init(&m->lock, NULL);
  fluv__list_init(&m->queue);
  m->call.run = on_wakeup;
}

/* Under the lock. */
static void add_length(fluv__member_t* m, size_t n) {
  atomic_store(&m->length, length_of(m) + n);
}

/* Wake it if it sleeps. False: it does not. */
static bool wake(fluv__member_t* m, int new_state) {
  int idle = FLUV__IDLE;

  if (atomic_load(&m->state) != FLUV__IDLE ||
      !atomic_compare_exchange_strong(&m->state, &idle, new_state))
    return false;
  atomic_fetch_add(&m->calls, 1);
  /* A loop that is closed has left before, and woken another. */
  if (fluv__inbox_post(&m->loop->inbox, &m->call) != 0)
    wakeup_arrived(m);
  return true;
}

void fluv__wake_one(fluv_runtime_t* rt) {
  unsigned slots = atomic_load(&rt->slots);
  unsigned i;

  for (i = 0; i < slots; i++)
    if (wake(&rt->member[i], FLUV__NOTIFIED))
      return;
}

/* Something was queued at `m`: wake it, or another if it does not sleep. A host
 * may not run its loop for long, so others may take what is queued there. */
static void wake_for(fluv__member_t* m) {
  bool own = fluv__loop != NULL && fluv__loop->member == m;
  bool assignable = !own && m->number < m->runtime->count;

  if (assignable &&
      (wake(m, FLUV__ASSIGNED) || atomic_load(&m->state) == FLUV__ASSIGNED))
    return;
  fluv__wake_one(m->runtime);
}

size_t fluv__member_load(fluv__member_t* m) {
  return atomic_load_explicit(&m->loop->task_count, memory_order_relaxed) +
         length_of(m);
}

fluv__member_t* fluv__member_choose(fluv__member_t* m) {
  fluv_runtime_t* rt = m->runtime;
  size_t load = fluv__member_load(m);
  fluv__member_t* other;

  /* The loops of the others may be read once all are there. */
  if (load <= SLACK || rt->count == 1 || !atomic_load(&rt->running))
    return m;
  other = &rt->member[m->next++ % rt->count];
  return fluv__member_load(other) + SLACK < load ? other : m;
}

int fluv__member_push(fluv__member_t* m, fluv__handoff_t* h) {
  bool closed;

  pthread_mutex_lock(&m->lock);
  closed = m->closed;
  if (!closed) {
    fluv__list_append(&m->queue, &h->link);
    add_length(m, 1);
  }
  pthread_mutex_unlock(&m->lock);
  if (closed)
    return FLUV_ESTOPPED;
  wake_for(m);
  return 0;
}

void fluv__member_close(fluv__member_t* m, fluv__list_t* out_queued) {
  pthread_mutex_lock(&m->lock);
  m->closed = true;
  fluv__list_move(&m->queue, out_queued);
  atomic_store(&m->length, 0);
  pthread_mutex_unlock(&m->lock);
}

void fluv__refuse_all(fluv__list_t* queued) {
  while (!fluv__list_is_empty(queued)) {
    fluv__handoff_t* h =
        fluv__container_of(queued->next, fluv__handoff_t, link);

    fluv__list_remove(&h->link);
    fluv__handoff_refuse(h, FLUV_ESTOPPED);
  }
}

/* Take one from the own queue. */
static fluv__handoff_t* take_own(fluv__member_t* m) {
  fluv__handoff_t* h = NULL;

  if (length_of(m) == 0)
    return NULL;
  pthread_mutex_lock(&m->lock);
  if (!fluv__list_is_empty(&m->queue)) {
    h = fluv__container_of(m->queue.next, fluv__handoff_t, link);
    fluv__list_remove(&h->link);
    add_length(m, (size_t) -1);
  }
  pthread_mutex_unlock(&m->lock);
  if (h != NULL)
    bump(h->stolen ? &m->stolen : &m->taken);
  return h;
}

/* Cut the older half, at least one, off a queue. Their number. */
static size_t cut_half(fluv__member_t* victim, fluv__list_t* half) {
  size_t n;
  size_t i;

  fluv__list_init(half);
  pthread_mutex_lock(&victim->lock);
  n = (length_of(victim) + 1) / 2;
  for (i = 0; i < n; i++) {
    fluv__list_t* it = victim->queue.next;

    fluv__list_remove(it);
    fluv__list_append(half, it);
    fluv__container_of(it, fluv__handoff_t, link)->stolen = true;
  }
  add_length(victim, (size_t) 0 - n);
  pthread_mutex_unlock(&victim->lock);
  return n;
}

/* Steal half of a queue: one to run now, the rest into the own queue. */
static fluv__handoff_t* steal_from(fluv__member_t* m, fluv__member_t* victim) {
  fluv__handoff_t* h;
  fluv__list_t half;
  size_t n = cut_half(victim, &half);
  bool closed;

  if (n == 0)
    return NULL;
  h = fluv__container_of(half.next, fluv__handoff_t, link);
  fluv__list_remove(&h->link);
  bump(&m->stolen); /* the others count when they are started */
  pthread_mutex_lock(&m->lock);
  closed = m->closed;
  while (!closed && !fluv__list_is_empty(&half)) {
    fluv__list_t* it = half.next;

    fluv__list_remove(it);
    fluv__list_append(&m->queue, it);
  }
  if (!closed)
    add_length(m, n - 1);
  pthread_mutex_unlock(&m->lock);
  fluv__refuse_all(&half);
  if (n > 1)
    fluv__wake_one(m->runtime);
  return h;
}

static fluv__handoff_t* steal(fluv__member_t* m) {
  fluv_runtime_t* rt = m->runtime;
  unsigned slots = atomic_load(&rt->slots);
  fluv__handoff_t* h;
  unsigned i;

  for (i = 1; i < slots; i++) {
    fluv__member_t* victim = &rt->member[(m->number + i) % slots];

    if (may_be_stolen_from(victim) && (h = steal_from(m, victim)) != NULL)
      return h;
  }
  return NULL;
}

/* For the metrics: what others may not read from the loop. */
static void publish(fluv__member_t* m) {
  atomic_store_explicit(&m->turns, m->loop->turn, memory_order_relaxed);
  atomic_store_explicit(&m->handed, m->loop->handed, memory_order_relaxed);
}

/* A turn begins: we do not sleep, and one that was queued here has its turn
 * even if there is always something else to do. */
static void member_begin(fluv_loop_t* loop) {
  fluv__member_t* m = loop->member;
  int state = atomic_load_explicit(&m->state, memory_order_relaxed);
  bool assigned;
  fluv__handoff_t* h;

  if (state == FLUV__IDLE)
    (void) atomic_compare_exchange_strong(&m->state, &state, FLUV__RUNNING);
  assigned = state == FLUV__ASSIGNED;
  if (assigned)
    atomic_store(&m->state, FLUV__NOTIFIED);
  publish(m);
  h = take_own(m);
  if (h != NULL)
    fluv__handoff_run(h, loop);
  /* Others have left the queue alone, and what was taken may take long. Its
   * length is read after `state` was written: a thread that queues one more and
   * finds the member ASSIGNED wakes no other. */
  if (assigned && length_of(m) > 0)
    fluv__wake_one(m->runtime);
}

static bool find_work(fluv__member_t* m) {
  fluv__handoff_t* h = take_own(m);

  if (h == NULL)
    h = steal(m);
  if (h == NULL)
    return false;
  fluv__handoff_run(h, m->loop);
  return true;
}

static bool member_rest(fluv_loop_t* loop) {
  fluv__member_t* m = loop->member;
  int running = FLUV__RUNNING;
  int idle = FLUV__IDLE;

  if (find_work(m))
    return false;
  publish(m);
  /* If it is NOTIFIED, a wakeup is on its way, and ends the sleep. */
  if (!atomic_compare_exchange_strong(&m->state, &running, FLUV__IDLE))
    return true;
  if (!find_work(m))
    return true;
  if (!atomic_compare_exchange_strong(&m->state, &idle, FLUV__RUNNING)) {
    atomic_store(&m->state, FLUV__NOTIFIED); /* not ASSIGNED: it is awake */
    wake_another(m->runtime);
  }
  return false;
}

const fluv__sched_t fluv__member_sched = {
  .begin = member_begin,
  .rest = member_rest,
  .stop = fluv__member_stop,
  .leave = fluv__member_leave,
};
