/* SPDX-License-Identifier: MIT */
/* Attached loops: loops of other threads as members of a runtime.
 *
 * Such a loop keeps its thread and its host. While it turns it takes from the
 * queues like a worker. When it leaves, its queued tasks go to other members. A
 * wakeup in flight then still finds the slot occupied, since its sender reads
 * `loop` after it has set NOTIFIED. The slot is free when the wakeup has
 * arrived.
 */
#include "core/alive.h"
#include "runtime/runtime.h"

enum {
  /* Time for the threads of a runtime to end after its own limit. */
  JOIN_MS = 1000
};

void fluv__member_bind(fluv__member_t* m, fluv_loop_t* loop) {
  fluv_runtime_t* rt = m->runtime;

  pthread_mutex_lock(&rt->lock);
  m->loop = fluv_loop_ref(loop);
  m->since_ns = uv_hrtime();
  m->until_ns = 0;
  m->idle_start_ns = uv_metrics_idle_time(loop->uv);
  pthread_mutex_lock(&m->lock);
  m->closed = rt->stopped;
  pthread_mutex_unlock(&m->lock);
  pthread_mutex_unlock(&rt->lock);
  loop->member = m;
  loop->sched = &fluv__member_sched;
  /* What was queued outside a drain then runs. */
  if (!fluv__is_draining(loop))
    fluv__loop_kick(loop);
}

void fluv__member_stop_clock(fluv__member_t* m) {
  if (m->until_ns != 0)
    return;
  m->until_ns = uv_hrtime();
  m->idle_ns = uv_metrics_idle_time(m->loop->uv) - m->idle_start_ns;
}

void fluv__member_free_slot(fluv__member_t* m) {
  pthread_mutex_lock(&m->runtime->lock);
  m->leaving = false;
  m->ready = false;
  fluv_loop_unref(m->loop);
  m->loop = NULL;
  pthread_mutex_unlock(&m->runtime->lock);
}

/* Queue what was queued here at other members. */
static void redistribute(fluv_runtime_t* rt, fluv__list_t* queued) {
  unsigned slots = atomic_load(&rt->slots);
  unsigned i;

  while (!fluv__list_is_empty(queued)) {
    fluv__handoff_t* h =
        fluv__container_of(queued->next, fluv__handoff_t, link);

    fluv__list_remove(&h->link);
    for (i = 0; i < slots; i++)
      if (fluv__member_push(&rt->member[i], h) == 0)
        break;
    if (i == slots)
      fluv__handoff_refuse(h, FLUV_ESTOPPED);
  }
}

/* A loop of a fluv_run() ends what it has made. */
static void end_own(fluv_runtime_t* rt) {
  fluv_loop_t* loop = rt->owner;

  if (fluv__runtime_join_threads(rt, loop->options.shutdown_ms + JOIN_MS) != 0)
    return;
  /* Wakeups in flight arrive. */
  while (atomic_load(&rt->member[0].state) >= FLUV__NOTIFIED ||
         !fluv__inbox_is_empty(&loop->inbox))
    (void) fluv__inbox_run(&loop->inbox, 1);
  fluv__runtime_unref(rt);
}

void fluv__member_leave(fluv_loop_t* loop) {
  fluv__member_t* m = loop->member;
  fluv_runtime_t* rt = m->runtime;
  int idle = FLUV__IDLE;
  fluv__list_t queued;

  loop->sched = NULL;
  loop->member = NULL;
  fluv__member_close(m, &queued);
  (void) atomic_compare_exchange_strong(&m->state, &idle, FLUV__RUNNING);
  pthread_mutex_lock(&rt->lock);
  fluv__member_stop_clock(m);
  pthread_mutex_unlock(&rt->lock);
  if (rt->owner == loop) {
    fluv__refuse_all(&queued);
    end_own(rt);
    return;
  }
  redistribute(rt, &queued);
  if (idle < FLUV__NOTIFIED) { /* no wakeup is in flight */
    fluv__member_free_slot(m);
    return;
  }
  /* The runtime may be freed before the wakeup arrives. Relaxed: a reference
   * exists. */
  atomic_fetch_add_explicit(&rt->refs, 1, memory_order_relaxed);
  m->leaving = true;
  fluv__wake_one(rt); /* in its place */
}

/* On the owner's thread: a worker has ended. */
static void on_gone(fluv__inbox_node_t* node) {
  (void) node;
  fluv__remote_wait_end(fluv__loop);
}

/* The loop then turns until the workers have ended, since the clean-up of their
 * tasks may need it. */
void fluv__member_stop(fluv_loop_t* loop) {
  fluv__member_t* m = loop->member;
  fluv_runtime_t* rt = m->runtime;
  unsigned i;

  if (rt->owner != loop)
    return;
  pthread_mutex_lock(&rt->lock);
  for (i = 1; i < rt->count; i++) {
    rt->member[i].gone.run = on_gone;
    if (rt->member[i].started)
      fluv__remote_wait_begin(loop);
  }
  pthread_mutex_unlock(&rt->lock);
  fluv__runtime_stop(rt);
}

/* Under the lock: a slot for a loop, or NULL. */
static fluv__member_t* find_slot(fluv_runtime_t* rt) {
  unsigned slots = atomic_load(&rt->slots);
  unsigned i;

  for (i = rt->count; i < rt->count + FLUV__MAX_ATTACHED; i++) {
    fluv__member_t* m = &rt->member[i];

    if (m->ready)
      continue;
    m->ready = true;
    if (i >= slots)
      atomic_store(&rt->slots, i + 1);
    return m;
  }
  return NULL;
}

int fluv_runtime_join(fluv_runtime_t* rt) {
  fluv_loop_t* loop = fluv__loop;
  fluv__member_t* m;
  int err;

  if (rt == NULL)
    return FLUV_EINVAL;
  fluv__check(rt, RUNTIME);
  if (loop == NULL || loop->closing)
    return FLUV_ENOLOOP;
  if (loop->member != NULL)
    return FLUV_EALREADY;
  err = fluv_runtime_start(rt);
  if (err != 0)
    return err;
  pthread_mutex_lock(&rt->lock);
  m = rt->stopped ? NULL : find_slot(rt);
  err = rt->stopped ? FLUV_ESTOPPED : FLUV_ENOBUFS;
  pthread_mutex_unlock(&rt->lock);
  if (m == NULL)
    return err;
  fluv__member_bind(m, loop);
  return 0;
}

int fluv_runtime_leave(void) {
  fluv_loop_t* loop = fluv__loop;
  fluv__member_t* m;

  if (loop == NULL)
    return FLUV_ENOLOOP;
  m = loop->member;
  if (m == NULL || m->number < m->runtime->count)
    return FLUV_EINVAL;
  fluv__member_leave(loop);
  return 0;
}

int fluv__runtime_of_run(fluv_loop_t* loop, fluv_runtime_t** out_runtime) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_loop_options_t loop_options = loop->options;
  fluv_runtime_t* rt;
  int err;

  if (loop->winding_down)
    return FLUV_ESTOPPED;
  loop_options.clock_paused = false;
  options.loop = &loop_options;
  err = fluv_runtime_new(&options, &rt);
  if (err != 0)
    return err;
  rt->owner = loop;
  uv_loop_configure(loop->uv, UV_METRICS_IDLE_TIME);
  rt->member[0].ready = true;
  fluv__member_bind(&rt->member[0], loop);
  *out_runtime = rt;
  return 0;
}

fluv_runtime_t* fluv_runtime_current(void) {
  fluv_loop_t* loop = fluv__loop;
  fluv_runtime_t* rt = NULL;
  fluv__member_t* m;

  if (loop == NULL)
    return NULL;
  m = loop->member;
  if (m != NULL)
    return m->runtime;
  if (loop->ours)
    (void) fluv__runtime_of_run(loop, &rt);
  return rt;
}
