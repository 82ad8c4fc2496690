/* SPDX-License-Identifier: MIT */
/* The runtime: making, starting, using and ending it. */
#define _GNU_SOURCE
#include "runtime/runtime.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/options.h"

/* The runtime for who has none, made when it is first needed. */
static pthread_mutex_t default_lock = PTHREAD_MUTEX_INITIALIZER;
static fluv_runtime_t* default_runtime;

static unsigned count_cores(void) {
#ifdef __linux__
  cpu_set_t set;

  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    return (unsigned) CPU_COUNT(&set);
#endif
  return 1;
}

/* What was asked for, or the environment says, or the cores. 0: neither is a
 * number that is possible. */
static unsigned count_workers(unsigned asked) {
  const char* text = getenv("FLUV_WORKERS");
  unsigned long n = asked;
  char* end;

  if (n == 0 && text != NULL && *text != '\0') {
    n = strtoul(text, &end, 10);
    if (*end != '\0' || n == 0 || n > FLUV__MAX_WORKERS) {
      fluv__warn("FLUV_WORKERS is \"%s\", not a number from 1 to %d",
                 text,
                 FLUV__MAX_WORKERS);
      return 0;
    }
  }
  if (n == 0) {
    n = count_cores();
    if (n > FLUV__MAX_WORKERS)
      n = FLUV__MAX_WORKERS;
  }
  return n <= FLUV__MAX_WORKERS ? (unsigned) n : 0;
}

/* Copy the options; 0 or FLUV_EINVAL. */
static int apply_options(fluv_runtime_t* rt,
                         const fluv_runtime_options_t* given) {
  const fluv_runtime_options_t* options = &rt->options;

  if (fluv__options_read(&rt->options, given, &fluv__runtime_options_sizes) !=
          0 ||
      fluv__options_read(&rt->loop_options,
                         options->loop,
                         &fluv__loop_options_sizes) != 0)
    return FLUV_EINVAL;
  snprintf(rt->name,
           sizeof(rt->name),
           "%s",
           options->name != NULL ? options->name : "fluv");
  rt->count = count_workers(options->workers);
  return rt->count > 0 ? 0 : FLUV_EINVAL;
}

static void runtime_destroy(fluv_runtime_t* rt) {
  unsigned i;

  for (i = 0; rt->member != NULL && i < rt->count + FLUV__MAX_ATTACHED; i++) {
    pthread_mutex_destroy(&rt->member[i].lock);
    fluv_loop_unref(rt->member[i].loop);
  }
  fluv_token_free(rt->stop);
  pthread_mutex_destroy(&rt->lock);
  pthread_cond_destroy(&rt->changed);
  fluv__free(rt->member);
  fluv__object_free(rt, NULL);
}

void fluv__runtime_unref(fluv_runtime_t* rt) {
  /* Release, and acquire in the last, as for every count of references. */
  if (atomic_fetch_sub_explicit(&rt->refs, 1, memory_order_acq_rel) == 1)
    runtime_destroy(rt);
}

int fluv_runtime_new(const fluv_runtime_options_t* options,
                     fluv_runtime_t** out_runtime) {
  fluv_runtime_t* rt;
  unsigned i;
  int err;

  if (out_runtime == NULL)
    return FLUV_EINVAL;
  fluv__watch_forks();
  rt = fluv__calloc(1, sizeof(*rt));
  if (rt == NULL)
    return FLUV_ENOMEM;
  fluv__object_init(rt, RUNTIME, NULL);
  atomic_init(&rt->refs, 1);
  pthread_mutex_init(&rt->lock, NULL);
  fluv__cond_init(&rt->changed);
  rt->forks = fluv__forks;
  err = apply_options(rt, options);
  if (err == 0)
    err = fluv_token_new(&rt->stop);
  if (err == 0) {
    rt->member =
        fluv__calloc(rt->count + FLUV__MAX_ATTACHED, sizeof(*rt->member));
    if (rt->member == NULL)
      err = FLUV_ENOMEM;
  }
  if (err != 0) {
    fluv__runtime_unref(rt);
    return err;
  }
  atomic_store(&rt->slots, rt->count);
  for (i = 0; i < rt->count + FLUV__MAX_ATTACHED; i++)
    fluv__member_init(&rt->member[i], rt, i);
  for (i = rt->count; i < rt->count + FLUV__MAX_ATTACHED; i++)
    rt->member[i].closed = true; /* until a loop is bound to it */
  *out_runtime = rt;
  return 0;
}

static void set_ready(fluv__member_t* m, int64_t err) {
  fluv_runtime_t* rt = m->runtime;

  pthread_mutex_lock(&rt->lock);
  m->ready = true;
  m->err = err;
  pthread_cond_broadcast(&rt->changed);
  pthread_mutex_unlock(&rt->lock);
}

/* The main task of a worker: when it returns, fluv_run() cancels the others. */
static int64_t worker_task(void* arg) {
  fluv__member_t* m = arg;
  const fluv_runtime_options_t* options = &m->runtime->options;
  fluv_loop_t* loop = fluv__loop;
  fluv_future_t* stopped = fluv_token_cancelled(m->runtime->stop);
  int64_t err;

  if (fluv_future_is_done(stopped)) /* no memory: it cannot be a worker */
    return fluv_await(stopped);
  uv_loop_configure(loop->uv, UV_METRICS_IDLE_TIME);
  fluv__member_bind(m, loop);
  if (options->on_start != NULL)
    options->on_start(m->number, options->arg);
  set_ready(m, 0);
  err = fluv_await(stopped);
  if (options->on_stop != NULL)
    options->on_stop(m->number, options->arg);
  loop->sched = NULL; /* it takes no more, and still is who it was */
  pthread_mutex_lock(&m->runtime->lock);
  fluv__member_stop_clock(m);
  pthread_mutex_unlock(&m->runtime->lock);
  return err;
}

static void pin_to_core(unsigned number) {
#ifdef __linux__
  cpu_set_t all;
  cpu_set_t one;
  unsigned n = number % count_cores();
  int core;

  if (sched_getaffinity(0, sizeof(all), &all) != 0)
    return;
  for (core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, &all) || n-- > 0)
      continue;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    (void) pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
    return;
  }
#endif
}

static void* worker_main(void* arg) {
  fluv__member_t* m = arg;
  char name[16];
  int64_t err;

  snprintf(name, sizeof(name), "%.11s-%u", m->runtime->name, m->number % 1000);
#ifdef __linux__
  (void) pthread_setname_np(pthread_self(), name);
#endif
  if (m->runtime->options.pin)
    pin_to_core(m->number);
  err = fluv_run(worker_task, m, &m->runtime->loop_options);
  if (!m->ready) /* the loop could not be made */
    set_ready(m, err);
  else if (m->runtime->owner != NULL)
    (void) fluv__inbox_post(&m->runtime->owner->inbox, &m->gone);
  pthread_mutex_lock(&m->runtime->lock);
  m->ended = true;
  pthread_cond_broadcast(&m->runtime->changed);
  pthread_mutex_unlock(&m->runtime->lock);
  return NULL;
}

/* Under the lock: start the threads and wait for their loops. */
static int start_all(fluv_runtime_t* rt) {
  int err = 0;
  unsigned i;

  for (i = rt->owner != NULL ? 1 : 0; i < rt->count && err == 0; i++) {
    fluv__member_t* m = &rt->member[i];

    if (m->started)
      continue; /* the last try came so far */
    err = uv_translate_sys_error(
        pthread_create(&m->thread, NULL, worker_main, m));
    m->started = err == 0;
    while (m->started && !m->ready)
      pthread_cond_wait(&rt->changed, &rt->lock);
    if (rt->stopped)
      return FLUV_ESTOPPED;
    if (m->started && m->err != 0) {
      while (!m->ended) /* it takes the lock once more */
        pthread_cond_wait(&rt->changed, &rt->lock);
      pthread_join(m->thread, NULL);
      m->started = false;
      m->ready = false;
      m->ended = false;
      err = (int) m->err;
    }
  }
  if (err == 0)
    atomic_store(&rt->running, true);
  return err;
}

/* The member of this thread's loop, if it belongs to the runtime, or to any if
 * that is NULL. */
static fluv__member_t* own_member(const fluv_runtime_t* rt) {
  fluv__member_t* m = fluv__loop != NULL ? fluv__loop->member : NULL;

  return m != NULL && (rt == NULL || m->runtime == rt) ? m : NULL;
}

int fluv_runtime_start(fluv_runtime_t* rt) {
  int err = 0;

  if (fluv__unlikely(rt == NULL))
    return FLUV_EINVAL;
  fluv__check(rt, RUNTIME);
  if (rt->forks != fluv__forks)
    return FLUV_EPERM;
  if (atomic_load(&rt->running))
    return 0;
  if (own_member(rt) != NULL && rt->owner != fluv__loop)
    return 0; /* a worker that is being started need not wait for itself */
  pthread_mutex_lock(&rt->lock);
  while (rt->starting)
    pthread_cond_wait(&rt->changed, &rt->lock);
  if (rt->stopped) {
    err = FLUV_ESTOPPED;
  } else if (!atomic_load(&rt->running)) {
    rt->starting = true;
    err = start_all(rt);
    rt->starting = false;
    pthread_cond_broadcast(&rt->changed);
  }
  pthread_mutex_unlock(&rt->lock);
  return err;
}

unsigned fluv_runtime_count_workers(const fluv_runtime_t* rt) {
  fluv__require(rt, RUNTIME);
  return rt->count;
}

fluv_loop_t* fluv_runtime_get_loop(fluv_runtime_t* rt, unsigned worker) {
  fluv_loop_t* loop;

  fluv__require(rt, RUNTIME);
  if (worker >= rt->count || fluv_runtime_start(rt) != 0)
    return NULL;
  pthread_mutex_lock(&rt->lock);
  loop = rt->member[worker].loop;
  pthread_mutex_unlock(&rt->lock);
  return loop;
}

static void end_default(void) {
  fluv_runtime_t* rt = default_runtime;

  if (rt != NULL && rt->forks == fluv__forks && fluv__loop == NULL &&
      fluv_runtime_shutdown(rt, 2000) == 0)
    fluv__runtime_unref(rt);
}

static int get_default(fluv_runtime_t** out_runtime) {
  int err = 0;

  pthread_mutex_lock(&default_lock);
  if (default_runtime == NULL) {
    err = fluv_runtime_new(NULL, &default_runtime);
    if (err == 0)
      (void) atexit(end_default);
  }
  *out_runtime = default_runtime;
  pthread_mutex_unlock(&default_lock);
  return err;
}

/* The runtime for a loop, or a thread, that belongs to none. */
static int find_runtime(fluv_runtime_t** out_runtime) {
  if (fluv__loop != NULL && fluv__loop->ours)
    return fluv__runtime_of_run(fluv__loop, out_runtime);
  return get_default(out_runtime);
}

/* Where to queue: from outside, at one worker after the other. */
static int find_member(fluv_runtime_t* rt, fluv__member_t** out_member) {
  fluv__member_t* m = own_member(rt);
  int err = 0;

  if (m == NULL && rt == NULL) {
    err = find_runtime(&rt);
    if (err != 0)
      return err;
    m = own_member(rt);
  }
  if (m == NULL)
    err = fluv_runtime_start(rt);
  else if (m->runtime->owner == fluv__loop)
    err = fluv_runtime_start(m->runtime);
  if (err != 0)
    return err;
  *out_member = m != NULL
                    ? fluv__member_choose(m)
                    : &rt->member[atomic_fetch_add(&rt->next, 1) % rt->count];
  return 0;
}

fluv_future_t* fluv_runtime_spawn_on_loc(fluv_runtime_t* rt,
                                         unsigned worker,
                                         fluv_task_fn fn,
                                         void* arg,
                                         const fluv_task_options_t* options,
                                         const fluv_loc_t* loc) {
  fluv__member_t* m = own_member(rt);
  int err = 0;

  if (rt != NULL)
    fluv__check(rt, RUNTIME);
  else if (m != NULL)
    rt = m->runtime;
  else
    err = find_runtime(&rt);
  if (err == 0)
    err = fn == NULL || worker >= rt->count ? FLUV_EINVAL
                                            : fluv_runtime_start(rt);
  /* In on_start the loop of a later worker is missing. */
  if (err == 0 && fluv_runtime_get_loop(rt, worker) == NULL)
    err = FLUV_EAGAIN;
  if (err != 0) {
    fluv__handoff_unused(options, arg);
    return fluv__future_fail(err, loc);
  }
  return fluv_spawn_on_loc(rt->member[worker].loop, fn, arg, options, loc);
}

fluv_future_t* fluv_runtime_spawn_loc(fluv_runtime_t* rt,
                                      fluv_task_fn fn,
                                      void* arg,
                                      const fluv_task_options_t* options,
                                      const fluv_loc_t* loc) {
  fluv__member_t* m;
  fluv__handoff_t* h;
  fluv_future_t* f;
  int err = 0;

  if (fn == NULL)
    err = FLUV_EINVAL;
  else if (fluv__loop == NULL)
    err = FLUV_ENOLOOP;
  if (rt != NULL)
    fluv__check(rt, RUNTIME);
  if (err == 0)
    err = find_member(rt, &m);
  if (err != 0) {
    fluv__handoff_unused(options, arg);
    return fluv__future_fail(err, loc);
  }
  h = fluv__handoff_for_future(fn, arg, options, loc, &f);
  if (h == NULL)
    return f;
  err = fluv__member_push(m, h);
  if (err != 0)
    fluv__handoff_refuse(h, err);
  return f;
}

int fluv_runtime_spawn_remote_loc(fluv_runtime_t* rt,
                                  fluv_task_fn fn,
                                  void* arg,
                                  const fluv_task_options_t* options,
                                  fluv_remote_t** out_remote,
                                  const fluv_loc_t* loc) {
  fluv__member_t* m;
  fluv__handoff_t* h;
  int err;

  if (rt != NULL)
    fluv__check(rt, RUNTIME);
  err = fn == NULL ? FLUV_EINVAL : find_member(rt, &m);
  if (err != 0) {
    fluv__handoff_unused(options, arg);
    return err;
  }
  h = out_remote != NULL
          ? fluv__handoff_for_thread(fn, arg, options, loc, &err)
          : fluv__handoff_for_nobody(fn, arg, options, loc, &err);
  if (h == NULL)
    return err;
  err = fluv__member_push(m, h);
  if (err != 0) {
    fluv__handoff_refuse(h, err);
    if (out_remote != NULL)
      fluv_remote_free((fluv_remote_t*) (void*) h);
    return err;
  }
  if (out_remote != NULL)
    *out_remote = (fluv_remote_t*) (void*) h;
  return 0;
}

/* Under the lock, which is released meanwhile: join a thread when it ends, or
 * wait for the thread that joins it. False: it has not ended in time. */
static bool join_member(fluv__member_t* m, uint64_t limit_ns) {
  fluv_runtime_t* rt = m->runtime;

  while (m->started && (m->joining || !m->ended))
    if (!fluv__cond_wait(&rt->changed, &rt->lock, limit_ns))
      return !m->started;
  if (!m->started)
    return true;
  m->joining = true;
  pthread_mutex_unlock(&rt->lock);
  pthread_join(m->thread, NULL);
  pthread_mutex_lock(&rt->lock);
  m->joining = false;
  m->started = false;
  pthread_cond_broadcast(&rt->changed);
  return true;
}

int fluv__runtime_join_threads(fluv_runtime_t* rt, uint64_t timeout_ms) {
  uint64_t limit_ns = fluv__limit_after(timeout_ms);
  int err = 0;
  unsigned i;

  pthread_mutex_lock(&rt->lock);
  while (rt->starting && fluv__cond_wait(&rt->changed, &rt->lock, limit_ns))
    continue;
  for (i = 0; i < rt->count; i++) {
    if (join_member(&rt->member[i], limit_ns))
      continue;
    fluv__warn("worker %s-%u did not stop in time; its thread is abandoned",
               rt->name,
               i);
    err = FLUV_ETIMEDOUT;
  }
  pthread_mutex_unlock(&rt->lock);
  return err;
}

void fluv__runtime_stop(fluv_runtime_t* rt) {
  fluv__list_t queued;
  unsigned i;

  pthread_mutex_lock(&rt->lock);
  rt->stopped = true;
  atomic_store(&rt->running, false);
  pthread_mutex_unlock(&rt->lock);
  for (i = 0; i < rt->count + FLUV__MAX_ATTACHED; i++) {
    fluv__member_close(&rt->member[i], &queued);
    fluv__refuse_all(&queued);
  }
  fluv_token_cancel(rt->stop, FLUV_ECANCELED);
}

int fluv_runtime_shutdown(fluv_runtime_t* rt, uint64_t timeout_ms) {
  if (fluv__unlikely(rt == NULL))
    return FLUV_EINVAL;
  fluv__check(rt, RUNTIME);
  if (rt->forks != fluv__forks)
    return 0; /* the threads are the parent's */
  if (own_member(rt) != NULL)
    return FLUV_EDEADLK;
  fluv__runtime_stop(rt);
  return fluv__runtime_join_threads(rt, timeout_ms);
}

void fluv_runtime_free(fluv_runtime_t* rt) {
  /* In a child of fork(2) its locks may be held by threads that are not here:
   * the memory stays. */
  if (rt == NULL)
    return;
  fluv__check(rt, RUNTIME);
  if (rt->forks != fluv__forks)
    return;
  if (rt->owner != NULL)
    fluv__die(
        "fluv_runtime_free(): this runtime is fluv_run()'s own, which "
        "ends it");
  if (own_member(rt) != NULL && fluv_runtime_leave() != 0)
    fluv__die(
        "fluv_runtime_free() is called on a worker of the runtime "
        "itself, which it would wait for: call it on another thread");
  if (fluv_runtime_shutdown(rt, FLUV_FOREVER) != 0)
    return;
  fluv__object_end(rt, NULL);
  fluv__runtime_unref(rt);
}

/* How long a member has been there, and how much of that it was busy. */
static void add_times(fluv__member_t* m, fluv_metrics_t* sum) {
  uint64_t now = uv_hrtime();
  uint64_t all = (m->until_ns != 0 ? m->until_ns : now) - m->since_ns;
  uint64_t idle = m->until_ns != 0
                      ? m->idle_ns
                      : uv_metrics_idle_time(m->loop->uv) - m->idle_start_ns;

  if (idle > all)
    idle = all;
  sum->idle_ns += idle;
  sum->busy_ns += all - idle;
}

/* Tasks of the user's: without the main task of a thread of ours. */
static uint64_t count_tasks(fluv__member_t* m) {
  fluv_runtime_t* rt = m->runtime;
  size_t n = 0;

  if (m->loop != NULL)
    n = atomic_load_explicit(&m->loop->task_count, memory_order_relaxed);
  if (n > 0 && m->until_ns == 0 && m->number < rt->count &&
      m->loop != rt->owner)
    n--;
  return n;
}

/* Under the runtime's lock. */
static void add_metrics(fluv__member_t* m, fluv_metrics_t* sum) {
  if (m->since_ns != 0)
    add_times(m, sum);
  sum->workers += m->ready ? 1 : 0;
  sum->tasks += count_tasks(m);
  sum->taken += atomic_load(&m->taken);
  sum->stolen += atomic_load(&m->stolen);
  sum->queued += atomic_load(&m->length);
  sum->calls += atomic_load(&m->calls);
  sum->turns += atomic_load(&m->turns);
  sum->handed_over += atomic_load(&m->handed);
}

int fluv_runtime_get_metrics(fluv_runtime_t* rt,
                             int worker,
                             fluv_metrics_t* out_metrics) {
  fluv_metrics_t sum = FLUV_METRICS_INIT;
  unsigned slots;
  unsigned i;

  if (fluv__unlikely(rt == NULL))
    return FLUV_EINVAL;
  fluv__check(rt, RUNTIME);
  slots = atomic_load(&rt->slots);
  if (worker < -1 || worker >= (int) rt->count || out_metrics == NULL)
    return FLUV_EINVAL;
  pthread_mutex_lock(&rt->lock);
  for (i = 0; i < slots; i++)
    if (worker == -1 || worker == (int) i)
      add_metrics(&rt->member[i], &sum);
  pthread_mutex_unlock(&rt->lock);
  return fluv__result_write(out_metrics, &sum, &fluv__metrics_sizes);
}
