/* SPDX-License-Identifier: MIT */
/* Jobs: blocking work of all loops, in one line, on libuv's thread pool. */
#define _GNU_SOURCE
#include "runtime/jobs.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/monitor.h"
#include "core/options.h"

enum {
  /* As libuv has it. */
  DEFAULT_THREADS = 4,
  MAX_THREADS = 1024,
  /* Runners that have ended are taken back from libuv together: so many more
   * than can be under way make that rare. */
  SPARE_RUNNERS = 64,
  /* Some 200 MB of memory: a queue of that length is a mistake. */
  DEFAULT_LIMIT = 1 << 20,
  /* Jobs named in one report. */
  MAX_NAMED = 10,
  /* Checks that find nothing until the monitor stops checking the queue. */
  MAX_IDLE_SPINS = 2
};

typedef struct runner {
  uv_work_t req;
  struct runner* next; /* in pool.spare */
  fluv__job_t* job;    /* that it runs */
  uint64_t since;      /* ns; when that began */
} runner_t;

/* The loop that runners are submitted on, and they: used by any thread, one
 * at a time, and never waited on. After a fork(2) the child makes its own, for
 * libuv may have been in the middle of anything with its parent's. */
typedef struct executor {
  struct executor* before; /* the parent's, so that it is not lost */
  uv_loop_t uv;
  size_t count;
  runner_t runners[];
} executor_t;

uint64_t fluv__jobs_starvation = FLUV__NS_PER_S;

/* All under the lock. */
static struct {
  pthread_mutex_t lock;
  bool open;
  bool ending;          /* the process ends: no job is started */
  fluv__list_t queue;   /* FIFO of jobs */
  fluv__list_t lookups; /* the same of names */
  size_t queued;        /* in both */
  size_t running;
  size_t running_lookups;
  size_t abandoned;
  size_t most_queued;
  size_t limit;
  uint64_t done;
  size_t threads; /* of libuv's pool */
  size_t slots;   /* runners that may be under way */
  size_t runners; /* under way */
  executor_t* executor;
  runner_t* spare;
  size_t spare_count;
  bool full; /* jobs wait, and all slots are taken */
  bool full_reported;
  bool watched;
  unsigned idle_spins;
  fluv__monitor_entry_t watch; /* the monitor's */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .limit = DEFAULT_LIMIT };

static __thread const fluv__job_t* current;

const fluv__job_t* fluv__job_current(void) {
  return current;
}

/* For reports only: it is a few ms late, and costs a third of uv_hrtime(). */
static uint64_t coarse_now(void) {
  struct timespec now;

#ifdef CLOCK_MONOTONIC_COARSE
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
  clock_gettime(CLOCK_MONOTONIC, &now);
#endif
  return (uint64_t) now.tv_sec * FLUV__NS_PER_S + (uint64_t) now.tv_nsec;
}

static void run_jobs(uv_work_t* req);

/* libuv has done with a runner; from take_back(). */
static void on_ended(uv_work_t* req, int status) {
  runner_t* runner = fluv__container_of(req, runner_t, req);

  (void) status;
  runner->next = pool.spare;
  pool.spare = runner;
  pool.spare_count++;
}

/* Under the lock: submit one more runner. A spare one exists: runners that end
 * ensure that. */
static void submit_runner(void) {
  runner_t* runner = pool.spare;

  fluv__assert(runner != NULL);
  pool.spare = runner->next;
  pool.spare_count--;
  pool.runners++;
  runner->since = 0;
  uv_queue_work(&pool.executor->uv,
                &runner->req,
                run_jobs,
                on_ended); /* cannot fail */
}

/* Under the lock, on the pool's thread, since polling takes more stack than a
 * task may have: enough spare runners for all slots, until the next one ends.
 * libuv may not have heard of those that have just ended, at most one a
 * thread. */
static void take_back(void) {
  if (pool.spare_count < pool.threads)
    uv_run(&pool.executor->uv, UV_RUN_NOWAIT);
}

/* The number of threads that libuv's pool has or will have. */
static size_t count_threads(void) {
  const char* text = getenv("UV_THREADPOOL_SIZE");
  int count = text != NULL ? atoi(text) : DEFAULT_THREADS;

  if (count == 0)
    return 1;
  return count < 0 || count > MAX_THREADS ? MAX_THREADS : (size_t) count;
}

/* There are no threads in a child of fork(2), and jobs there are those of a
 * loop that must not be used. */
static void forget(void) {
  pthread_mutex_init(&pool.lock, NULL);
  pool.open = false;
  pool.queued = pool.running = pool.abandoned = pool.runners = 0;
  pool.running_lookups = 0;
  pool.full = pool.full_reported = false;
  pool.watched = pool.watch.listed = false;
}

static fluv__fork_t fork_watch = { .child = forget };

#ifdef HAVE_ON_EXIT

static int exit_status;

static void keep_status(int status, void* arg) {
  (void) arg;
  exit_status = status;
}

#endif

/* Under the lock: make the pool ready for the first job. */
static int open_pool(void) {
  static bool registered;
  size_t threads = count_threads();
  size_t slots = threads > 1 ? threads - 1 : 1;
  size_t count = 2 * slots + threads + SPARE_RUNNERS;
  executor_t* executor;
  int err;

  executor =
      fluv__calloc(1, sizeof(*executor) + count * sizeof(executor->runners[0]));
  if (executor == NULL)
    return FLUV_ENOMEM;
  err = uv_loop_init(&executor->uv);
  if (err < 0) {
    fluv__free(executor);
    return err;
  }
  executor->before = pool.executor;
  executor->count = count;
  pool.executor = executor;
  pool.threads = threads;
  pool.slots = slots;
  pool.spare = NULL;
  for (pool.spare_count = 0; pool.spare_count < count;)
    on_ended(&executor->runners[pool.spare_count].req, 0);
  fluv__list_init(&pool.queue);
  fluv__list_init(&pool.lookups);
  if (!registered) {
    fluv__fork_watch(&fork_watch);
#ifdef HAVE_ON_EXIT
    (void) on_exit(keep_status, NULL);
#endif
  }
  registered = true;
  pool.open = true;
  return 0;
}

/* What a report says of a job, when the lock is free again. */
typedef struct named {
  char name[FLUV__JOB_NAME];
  const fluv_loc_t* loc;
  uint64_t ms;
} named_t;

/* Under the lock: those that run, of all loops or the abandoned ones of one.
 * Returns how many; the first of them are filled in. */
static size_t find_running(const fluv_loop_t* loop, named_t named[MAX_NAMED]) {
  uint64_t now = coarse_now();
  size_t count = 0;
  size_t i;

  for (i = 0; pool.open && i < pool.executor->count; i++) {
    const fluv__job_t* job = pool.executor->runners[i].job;

    if (job == NULL || (loop != NULL && (job->loop != loop || !job->abandoned)))
      continue;
    if (count < MAX_NAMED) {
      named_t* one = &named[count];

      snprintf(one->name, sizeof(one->name), "%s", fluv__job_name(job));
      one->loc = job->loc;
      one->ms = (now - pool.executor->runners[i].since) / FLUV__NS_PER_MS;
    }
    count++;
  }
  return count;
}

static void print_running(const named_t* named, size_t count, const char* why) {
  char place[FLUV__LOC_SIZE];
  size_t i;

  for (i = 0; i < count && i < MAX_NAMED; i++)
    fluv__warn("%s blocking job \"%s\", made at %s, running for %" PRIu64 " ms",
               why,
               named[i].name,
               fluv__loc_format(named[i].loc, place, sizeof(place)),
               named[i].ms);
  if (count > MAX_NAMED)
    fluv__warn("%s %zu more", why, count - MAX_NAMED);
}

/* Under the lock: how long the first of a queue has waited, in ns. */
static uint64_t wait_of_first(const fluv__list_t* queue, uint64_t now) {
  const fluv__job_t* job;

  if (fluv__list_is_empty(queue))
    return 0;
  job = fluv__container_of(queue->next, fluv__job_t, link);
  return now > job->queued_at ? now - job->queued_at : 0;
}

static uint64_t longest_wait(uint64_t now) {
  uint64_t jobs = wait_of_first(&pool.queue, now);
  uint64_t lookups = wait_of_first(&pool.lookups, now);

  return jobs > lookups ? jobs : lookups;
}

/* The monitor's check: report once, whenever jobs wait for long, which ones
 * they wait for. */
static uint64_t check_starvation(fluv__monitor_entry_t* watch, uint64_t now) {
  named_t named[MAX_NAMED];
  size_t running = 0;
  size_t queued = 0;
  uint64_t delay = fluv__jobs_starvation;
  uint64_t waited = 0;

  (void) watch;
  pthread_mutex_lock(&pool.lock);
  pool.idle_spins = !pool.full ? pool.idle_spins + 1 : 0;
  if (pool.idle_spins > MAX_IDLE_SPINS) {
    pool.watched = false;
    delay = 0;
  } else if (pool.full && !pool.full_reported) {
    waited = longest_wait(now);
    if (waited < delay) {
      delay -= waited;
    } else {
      queued = pool.queued;
      running = find_running(NULL, named);
      pool.full_reported = true;
    }
  }
  pthread_mutex_unlock(&pool.lock);
  if (queued > 0) {
    fluv__warn("%zu blocking jobs are queued, the oldest for %" PRIu64
               " ms: all %zu threads for jobs are busy",
               queued,
               waited / FLUV__NS_PER_MS,
               pool.slots);
    print_running(named, running, "busy with");
  }
  return delay;
}

/* Under the lock: a job leaves the queue. */
static void unlink_queued(fluv__job_t* job) {
  fluv__list_remove(&job->link);
  if (--pool.queued == 0)
    pool.full = pool.full_reported = false;
}

/* Under the lock: the queue that a runner may take the next job from; NULL:
 * none. */
static fluv__list_t* next_queue(void) {
  if (pool.queued == 0 || pool.ending)
    return NULL;
  if (!fluv__list_is_empty(&pool.lookups) && pool.running < pool.threads &&
      pool.running_lookups < (pool.threads + 1) / 2)
    return &pool.lookups;
  if (!fluv__list_is_empty(&pool.queue) && pool.running < pool.slots)
    return &pool.queue;
  return NULL;
}

/* Under the lock: the runner's next job. NULL: the runner ends. */
static fluv__job_t* take_job(runner_t* runner, uint64_t now) {
  bool first = runner->since == 0;
  fluv__list_t* queue = next_queue();
  fluv__job_t* job;

  if (queue == NULL || (pool.threads == 1 && !first)) {
    pool.runners--;
    take_back();
    if (queue != NULL)
      submit_runner(); /* behind what else waits for the only thread */
    return NULL;
  }
  job = fluv__container_of(queue->next, fluv__job_t, link);
  unlink_queued(job);
  job->state = FLUV__JOB_RUNNING;
  runner->job = job;
  runner->since = now;
  pool.running++;
  pool.running_lookups += job->lookup ? 1 : 0;
  return job;
}

/* It has returned: the runner's next. */
static fluv__job_t* end_job(runner_t* runner, fluv__job_t* job) {
  uint64_t now = coarse_now();
  fluv__job_t* next;

  pthread_mutex_lock(&pool.lock);
  if (fluv__unlikely(job->abandoned)) {
    /* Its place is taken until that is over, too. */
    pthread_mutex_unlock(&pool.lock);
    fluv__job_drop_result(job);
    pthread_mutex_lock(&pool.lock);
    pool.abandoned--;
  }
  job->state = FLUV__JOB_RETURNED;
  runner->job = NULL;
  pool.running--;
  pool.running_lookups -= job->lookup ? 1 : 0;
  pool.done++;
  next = take_job(runner, now);
  pthread_mutex_unlock(&pool.lock);
  return next;
}

/* Its loop is closed. Who frees it? */
static void orphan(fluv__job_t* job) {
  bool mine;

  pthread_mutex_lock(&pool.lock);
  mine = job->abandoned;
  job->orphaned = !mine;
  pthread_mutex_unlock(&pool.lock);
  if (!mine)
    return;
  fluv__job_drop_result(job);
  fluv__job_free(job);
}

/* On a thread of the pool. */
static void run_jobs(uv_work_t* req) {
  runner_t* runner = fluv__container_of(req, runner_t, req);
  uint64_t now = coarse_now();
  fluv__job_t* job;
  fluv__job_t* next;

  pthread_mutex_lock(&pool.lock);
  job = take_job(runner, now);
  pthread_mutex_unlock(&pool.lock);
  for (; job != NULL; job = next) {
    current = job;
    job->result = job->fn(job->arg);
    current = NULL;
    next = end_job(runner, job);
    if (fluv__inbox_post(&job->loop->inbox, &job->node) != 0)
      orphan(job);
  }
}

/* Under the lock. Must the monitor start? */
static bool append(fluv__job_t* job) {
  job->state = FLUV__JOB_QUEUED;
  job->queued_at = coarse_now();
  fluv__list_append(job->lookup ? &pool.lookups : &pool.queue, &job->link);
  if (++pool.queued > pool.most_queued)
    pool.most_queued = pool.queued;
  if (pool.runners < (job->lookup ? pool.threads : pool.slots)) {
    submit_runner();
    return false;
  }
  if (pool.full)
    return false;
  pool.full = true;
  pool.idle_spins = 0;
  if (pool.watched)
    return false;
  pool.watched = true;
  pool.watch.check = check_starvation;
  return true;
}

int fluv__job_submit(fluv__job_t* job) {
  bool tell = false;
  int err = 0;

  pthread_mutex_lock(&pool.lock);
  if (fluv__unlikely(!pool.open))
    err = open_pool();
  if (err == 0 && fluv__unlikely(pool.queued >= pool.limit))
    err = FLUV_EAGAIN;
  if (err == 0)
    tell = append(job);
  pthread_mutex_unlock(&pool.lock);
  if (fluv__unlikely(tell) &&
      !fluv__monitor_add(&pool.watch, fluv__jobs_starvation)) {
    pthread_mutex_lock(&pool.lock);
    pool.watched = false;
    pthread_mutex_unlock(&pool.lock);
  }
  return err;
}

bool fluv__job_withdraw(fluv__job_t* job) {
  bool queued;

  pthread_mutex_lock(&pool.lock);
  queued = job->state == FLUV__JOB_QUEUED;
  if (queued)
    unlink_queued(job);
  pthread_mutex_unlock(&pool.lock);
  return queued;
}

bool fluv__job_has_returned(const fluv__job_t* job) {
  bool returned;

  pthread_mutex_lock(&pool.lock);
  returned = job->state == FLUV__JOB_RETURNED;
  pthread_mutex_unlock(&pool.lock);
  return returned;
}

bool fluv__job_abandon(fluv__job_t* job) {
  bool orphaned;

  /* Relaxed: the job is to hear of it some time. */
  atomic_store_explicit(&job->cancelled, true, memory_order_relaxed);
  pthread_mutex_lock(&pool.lock);
  job->abandoned = true;
  if (job->state == FLUV__JOB_RUNNING)
    pool.abandoned++;
  orphaned = job->orphaned;
  pthread_mutex_unlock(&pool.lock);
  return orphaned;
}

void fluv__job_drop_result(fluv__job_t* job) {
  if (job->dropped || job->drop_result == NULL)
    return;
  job->dropped = true;
  job->drop_result(job->result, job->arg);
}

void fluv__job_free(fluv__job_t* job) {
  fluv__loop_unref(job->loop);
  fluv__free(job);
}

const char* fluv__job_name(const fluv__job_t* job) {
  if (job->name[0] != '\0')
    return job->name;
  return fluv__loc_name(job->loc);
}

void fluv__jobs_report(const fluv_loop_t* loop, const char* why) {
  named_t named[MAX_NAMED];
  size_t count;

  pthread_mutex_lock(&pool.lock);
  count = find_running(loop, named);
  pthread_mutex_unlock(&pool.lock);
  print_running(named, count, why);
}

#ifdef HAVE_ON_EXIT

static size_t begin_to_end(void) {
  size_t count;

  pthread_mutex_lock(&pool.lock);
  pool.ending = true;
  count = pool.open ? pool.running : 0;
  pthread_mutex_unlock(&pool.lock);
  return count;
}

/* libuv joins its pool at the end of exit(). No result is read any more, so
 * queued jobs are not started, and running jobs get only a while to end. */
static void __attribute__((destructor)) leave_running(void) {
  const struct timespec pause = { 0, 5 * (long) FLUV__NS_PER_MS };
  uint64_t end = coarse_now() + fluv__jobs_starvation;
  named_t named[MAX_NAMED];
  size_t count;

  while (begin_to_end() > 0 && coarse_now() < end)
    nanosleep(&pause, NULL);
  if (begin_to_end() == 0)
    return;
  pthread_mutex_lock(&pool.lock);
  count = find_running(NULL, named);
  pthread_mutex_unlock(&pool.lock);
  print_running(named, count, "the process ends without");
  fflush(NULL);
  _exit(exit_status);
}

#endif

void fluv_blocking_set_limit(size_t most) {
  pthread_mutex_lock(&pool.lock);
  pool.limit = most;
  pthread_mutex_unlock(&pool.lock);
}

int fluv_blocking_get_stats(fluv_blocking_stats_t* out_stats) {
  fluv_blocking_stats_t stats = FLUV_BLOCKING_STATS_INIT;

  if (out_stats == NULL)
    return FLUV_EINVAL;
  pthread_mutex_lock(&pool.lock);
  stats.queued = pool.queued;
  stats.most_queued = pool.most_queued;
  stats.running = pool.running;
  stats.abandoned = pool.abandoned;
  stats.done = pool.done;
  stats.pool_size = pool.open ? pool.threads : 0;
  stats.slots = pool.open ? pool.slots : 0;
  pthread_mutex_unlock(&pool.lock);
  return fluv__result_write(out_stats, &stats, &fluv__blocking_stats_sizes);
}
