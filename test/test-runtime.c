/* SPDX-License-Identifier: MIT */
/* Handing work to other loops, and runtimes of 1, 2, 4 and 8 workers. */
#include "fluv-test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND 0
#endif

/* A part of it all where everything takes long. */
#ifdef TEST_SANITIZED
# define SLOW true
#else
# define SLOW (RUNNING_ON_VALGRIND != 0)
#endif
#define MANY     (SLOW ? 40000 : 1000000)
#define LEAD     100000 /* tasks on their way at a time, for their memory */
#define RUNTIMES (SLOW ? 50 : 1000)

static atomic_long count;

/* A thread with a loop that lives until it is asked to end. */
typedef struct other {
  pthread_t thread;
  uv_sem_t ready;
  fluv_token_t* stop;
  fluv_loop_t* loop;
} other_t;

static int64_t live(void* arg) {
  other_t* o = arg;

  o->loop = fluv_loop_ref(fluv_loop_current());
  uv_sem_post(&o->ready);
  return fluv_await(fluv_token_cancelled(o->stop));
}

static void* other_main(void* arg) {
  ck_assert_err(fluv_run(live, arg, NULL), 0);
  return NULL;
}

static void other_start(other_t* o) {
  uv_sem_init(&o->ready, 0);
  ck_assert_err(fluv_token_new(&o->stop), 0);
  ck_assert_int_eq(pthread_create(&o->thread, NULL, other_main, o), 0);
  uv_sem_wait(&o->ready);
}

static void other_stop(other_t* o) {
  fluv_token_cancel(o->stop, FLUV_ECANCELED);
  pthread_join(o->thread, NULL);
}

static void other_free(other_t* o) {
  fluv_loop_unref(o->loop);
  fluv_token_free(o->stop);
  uv_sem_destroy(&o->ready);
}

static other_t other;

static void setup(void) {
  test_setup();
  other_start(&other);
  atomic_store(&count, 0);
}

static void teardown(void) {
  other_stop(&other);
  other_free(&other);
  test_teardown();
}

static void bump(void* arg) {
  (void) arg;
  atomic_fetch_add(&count, 1);
}

static int64_t bump_task(void* arg) {
  bump(arg);
  return (int64_t) (intptr_t) arg;
}

static atomic_long sent;

static void stay_near(void) {
  atomic_fetch_add(&sent, 1);
  while (atomic_load(&sent) - atomic_load(&count) > LEAD)
    sched_yield();
}

static void* post_many(void* arg) {
  int i;

  for (i = 0; i < MANY / 40; i++) {
    ck_assert_err(fluv_post(arg, bump, NULL), 0);
    stay_near();
  }
  return NULL;
}

static void* spawn_many(void* arg) {
  int i;

  for (i = 0; i < MANY / 4; i++) {
    ck_assert_err(fluv_spawn_remote(arg, bump_task, NULL, NULL), 0);
    stay_near();
  }
  return NULL;
}

START_TEST(every_task_runs_once) {
  pthread_t threads[4];
  int i;

  for (i = 0; i < 4; i++)
    pthread_create(&threads[i], NULL, spawn_many, other.loop);
  for (i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  other_stop(&other);
  ck_assert_int_eq(atomic_load(&count), MANY);
  other_free(&other);
  other_start(&other);
}
END_TEST

START_TEST(every_post_runs_once) {
  pthread_t threads[4];
  int i;

  for (i = 0; i < 4; i++)
    pthread_create(&threads[i], NULL, post_many, other.loop);
  for (i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  other_stop(&other); /* what was posted before runs first */
  ck_assert_int_eq(atomic_load(&count), MANY / 10);
  ck_assert_err(fluv_post(other.loop, bump, NULL), FLUV_ESTOPPED);
  ck_assert_err(fluv_post(NULL, bump, NULL), FLUV_EINVAL);
  other_free(&other);
  other_start(&other);
}
END_TEST

static void post_sem(void* arg) {
  uv_sem_post(arg);
}

/* A post exactly when the loop goes to sleep, again and again. */
START_TEST(no_post_is_slept_over) {
  uv_sem_t sem;
  int i;

  uv_sem_init(&sem, 0);
  for (i = 0; i < 5000; i++) {
    ck_assert_err(fluv_post(other.loop, post_sem, &sem), 0);
    uv_sem_wait(&sem);
  }
  uv_sem_destroy(&sem);
}
END_TEST

static int64_t where(void* arg) {
  *(pthread_t*) arg = pthread_self();
  return 7;
}

TEST_TASK(a_task_runs_there_and_its_result_returns) {
  pthread_t thread;

  ck_assert_err(fluv_await(fluv_spawn_on(other.loop, where, &thread)), 7);
  ck_assert(pthread_equal(thread, other.thread));
  ck_assert_err(fluv_await(fluv_spawn_on(fluv_loop_current(), where, &thread)),
                7);
  ck_assert(pthread_equal(thread, pthread_self()));
  ck_assert_err(fluv_await(fluv_spawn_on(NULL, where, &thread)), FLUV_EINVAL);
  return 0;
}

static int64_t sleep_long(void* arg) {
  int64_t err;

  if (arg != NULL)
    uv_sem_post(arg);
  err = fluv_await(fluv_sleep(60000));
  atomic_fetch_add(&count, err == FLUV_ECANCELED ? 1 : 100);
  return err;
}

TEST_TASK(a_remote_task_is_cancelled_and_dropped) {
  fluv_future_t* f;
  uv_sem_t sem;
  int i;

  uv_sem_init(&sem, 0);
  for (i = 0; i < 3; i++) {
    f = fluv_spawn_on(other.loop, sleep_long, &sem);
    uv_sem_wait(&sem);
    if (i == 0) {
      fluv_cancel(f);
      ck_assert_err(fluv_await(f), FLUV_ECANCELED);
    } else if (i == 1) {
      ck_assert_err(fluv_await(fluv_timeout(f, 1)), FLUV_ETIMEDOUT);
    } else {
      fluv_drop(f);
    }
  }
  /* The dropped one ends there, in its own time. */
  while (atomic_load(&count) < 3)
    ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_int_eq(atomic_load(&count), 3);
  uv_sem_destroy(&sem);
  return 0;
}

TEST_TASK(a_loop_that_ends_tells_who_waits) {
  fluv_future_t* f = fluv_spawn_on(other.loop, sleep_long, NULL);

  fluv_start(f);
  other_stop(&other);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_spawn_on(other.loop, sleep_long, NULL)),
                FLUV_ESTOPPED);
  other_free(&other);
  other_start(&other);
  return 0;
}

static void remotes(void* arg) {
  fluv_remote_t* remote;
  fluv_loop_t* loop = arg;
  uv_sem_t sem;

  uv_sem_init(&sem, 0);
  ck_assert_err(
      fluv_spawn_remote(loop, bump_task, (void*) (intptr_t) 5, &remote),
      0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), 5);
  ck_assert_err(fluv_spawn_remote(loop, sleep_long, &sem, &remote), 0);
  uv_sem_wait(&sem);
  ck_assert_err(fluv_wait(remote, 1), FLUV_ETIMEDOUT);
  fluv_remote_cancel(remote);
  fluv_remote_cancel(remote);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), FLUV_ECANCELED);
  ck_assert_err(fluv_spawn_remote(loop, bump_task, NULL, &remote), 0);
  fluv_remote_free(remote);
  ck_assert_err(fluv_spawn_remote(loop, bump_task, NULL, NULL), 0);
  uv_sem_destroy(&sem);
}

START_TEST(a_plain_thread_waits_for_a_task) {
  test_on_thread(remotes, other.loop);
  other_stop(&other);
  ck_assert_int_eq(atomic_load(&count), 4);
  ck_assert_err(fluv_spawn_remote(other.loop, bump_task, NULL, NULL),
                FLUV_ESTOPPED);
  other_free(&other);
  other_start(&other);
}
END_TEST

/* Options, of every way to spawn. */

static void count_free(void* arg) {
  (void) arg;
  atomic_fetch_add(&count, 1000);
}

static fluv_task_options_t all_options(void) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;

  options.name = "optional";
  options.stack_size = 256 * 1024;
  options.free_arg = count_free;
  return options;
}

static int64_t check_name(void* arg) {
  volatile char room[128 * 1024];

  room[0] = room[sizeof(room) - 1] = 1;
  ck_assert_str_eq(fluv_task_get_name(fluv_task_self()), "optional");
  return bump_task(arg);
}

static void spawn_remotes_with(void* arg) {
  fluv_task_options_t options = all_options();
  fluv_remote_t* remote;
  fluv_loop_t* loop = arg;

  ck_assert_err(
      fluv_spawn_remote_with(loop, check_name, NULL, &options, &remote),
      0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), 0);
  ck_assert_err(fluv_spawn_remote_with(loop, check_name, NULL, &options, NULL),
                0);
}

START_TEST(every_spawn_takes_options) {
  fluv_task_options_t options = all_options();
  fluv_loop_t* loop = other.loop;

  ck_assert_err(
      fluv_block_on(fluv_spawn_on_with(loop, check_name, NULL, &options)),
      0);
  test_on_thread(spawn_remotes_with, loop);
  other_stop(&other);
  ck_assert_int_eq(atomic_load(&count), 3);

  /* Refused: free_arg frees the argument, not the caller. */
  ck_assert_err(
      fluv_block_on(fluv_spawn_on_with(loop, check_name, NULL, &options)),
      FLUV_ESTOPPED);
  ck_assert_err(
      fluv_block_on(fluv_spawn_on_with(NULL, check_name, NULL, &options)),
      FLUV_EINVAL);
  ck_assert_err(fluv_spawn_remote_with(loop, check_name, NULL, &options, NULL),
                FLUV_ESTOPPED);
  options.stack_size = 1;
  ck_assert_err(fluv_spawn_remote_with(loop, check_name, NULL, &options, NULL),
                FLUV_EINVAL);
  ck_assert_int_eq(atomic_load(&count), 4003);
  other_free(&other);
  other_start(&other);
}
END_TEST

/* As with fluv_spawn(): it owns its argument. */
START_TEST(a_remote_task_that_is_cancelled_at_once_runs) {
  fluv_future_t* f = fluv_spawn_on(other.loop, sleep_long, NULL);

  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_int_eq(atomic_load(&count), 1);
}
END_TEST

static const unsigned worker_counts[] = { 1, 2, 4, 8 };

static fluv_runtime_t* runtime_of(unsigned workers) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_runtime_t* rt;

  options.workers = workers;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  return rt;
}

static int64_t spread(void* arg) {
  enum {
    TASKS = 500
  };
  fluv_future_t* f[TASKS];
  int64_t sum = 0;
  intptr_t i;

  for (i = 0; i < TASKS; i++)
    f[i] = fluv_runtime_spawn(arg, bump_task, (void*) i);
  for (i = 0; i < TASKS; i++)
    sum += fluv_await(f[i]);
  return sum;
}

START_TEST(tasks_for_any_worker_run_once) {
  fluv_runtime_t* rt = runtime_of(worker_counts[_i]);
  fluv_metrics_t metrics = FLUV_METRICS_INIT;

  ck_assert_err(test_run(spread, rt), 124750);
  ck_assert_int_eq(atomic_load(&count), 500);
  ck_assert_err(fluv_runtime_get_metrics(rt, -1, &metrics), 0);
  ck_assert_uint_eq(metrics.workers, worker_counts[_i]);
  ck_assert_uint_eq(metrics.queued, 0);
  ck_assert_uint_eq(metrics.taken + metrics.stolen, 500);
  ck_assert_uint_eq(metrics.tasks, 0);
  ck_assert_err(fluv_runtime_get_metrics(rt, 99, &metrics), FLUV_EINVAL);
  fluv_runtime_free(rt);
}
END_TEST

/* Spawns from inside, so that its own queue fills and the others steal. */
static int64_t fan_out(void* arg) {
  (void) arg;
  return spread(NULL);
}

START_TEST(workers_steal_from_each_other) {
  fluv_runtime_t* rt = runtime_of(worker_counts[_i]);

  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, fan_out, NULL)), 124750);
  ck_assert_int_eq(atomic_load(&count), 500);
  fluv_runtime_free(rt);
}
END_TEST

/* Spreading. */

enum {
  SPREAD_WORKERS = 4,
  LONG_LIVED = 32
};

static atomic_int placed[SPREAD_WORKERS];
static atomic_bool hold;
static atomic_int held;

/* Stays where it was started until all of them have been. */
static int64_t stay(void* arg) {
  fluv_loop_t* loop = fluv_loop_current();
  int i;

  for (i = 0; i < SPREAD_WORKERS; i++)
    if (fluv_runtime_get_loop(arg, (unsigned) i) == loop)
      atomic_fetch_add(&placed[i], 1);
  return fluv_await(fluv_never());
}

static int64_t stay_on_each(void* arg) {
  fluv_task_options_t options = all_options();
  fluv_future_t* f[LONG_LIVED];
  unsigned n = fluv_runtime_count_workers(arg);
  unsigned i;

  options.stack_size = 0;
  for (i = 0; i < LONG_LIVED; i++) {
    f[i] = fluv_runtime_spawn_on(arg, i % n, stay, arg);
    fluv_start(f[i]);
  }
  for (i = 0; i < LONG_LIVED; i++) {
    fluv_cancel(f[i]);
    ck_assert_err(fluv_await(f[i]), FLUV_ECANCELED);
  }
  ck_assert_err(
      fluv_await(fluv_runtime_spawn_on_with(arg, n, stay, arg, &options)),
      FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_runtime_spawn_on(arg, 0, NULL, arg)),
                FLUV_EINVAL);
  ck_assert_int_eq(atomic_load(&count), 1000); /* free_arg */
  return 0;
}

START_TEST(tasks_are_spread_over_given_workers) {
  fluv_runtime_t* rt = runtime_of(SPREAD_WORKERS);
  int i;

  ck_assert_err(fluv_block_on(fluv_spawn(stay_on_each, rt)), 0);
  for (i = 0; i < SPREAD_WORKERS; i++)
    ck_assert_int_eq(atomic_load(&placed[i]), LONG_LIVED / SPREAD_WORKERS);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_err(fluv_block_on(fluv_runtime_spawn_on(rt, 0, bump_task, NULL)),
                FLUV_ESTOPPED);
  fluv_runtime_free(rt);
}
END_TEST

static int64_t hold_and_count(void* arg) {
  (void) arg;
  atomic_fetch_add(&held, 1);
  while (atomic_load(&hold))
    sched_yield();
  return 0;
}

/* The other workers are held, so that nothing is taken from a queue. */
static int64_t spawn_long_lived(void* arg) {
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  fluv_future_t* f[LONG_LIVED];
  int i;

  for (i = 0; i < LONG_LIVED; i++)
    f[i] = fluv_spawn_any(bump_task, NULL);
  for (i = 0; i < SPREAD_WORKERS; i++) {
    ck_assert_err(fluv_runtime_get_metrics(arg, i, &metrics), 0);
    ck_assert_uint_ge(metrics.queued, LONG_LIVED / SPREAD_WORKERS - 4);
    ck_assert_uint_le(metrics.queued, LONG_LIVED / SPREAD_WORKERS + 4);
  }
  atomic_store(&hold, false);
  for (i = 0; i < LONG_LIVED; i++)
    ck_assert_err(fluv_await(f[i]), 0);
  return 0;
}

START_TEST(what_a_worker_spawns_is_queued_at_others_too) {
  fluv_runtime_t* rt = runtime_of(SPREAD_WORKERS);
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  unsigned i;

  atomic_store(&hold, true);
  for (i = 1; i < SPREAD_WORKERS; i++)
    ck_assert_err(fluv_spawn_remote(fluv_runtime_get_loop(rt, i),
                                    hold_and_count,
                                    NULL,
                                    NULL),
                  0);
  while (atomic_load(&held) < SPREAD_WORKERS - 1)
    sched_yield();
  ck_assert_err(
      fluv_block_on(fluv_runtime_spawn_on(rt, 0, spawn_long_lived, rt)),
      0);
  ck_assert_int_eq(atomic_load(&count), LONG_LIVED);
  ck_assert_err(fluv_runtime_get_metrics(rt, -1, &metrics), 0);
  ck_assert_uint_eq(metrics.taken + metrics.stolen, LONG_LIVED);
  fluv_runtime_free(rt);
}
END_TEST

/* Metrics. */

/* On the worker, after a sleep that was seen from outside. */
static int64_t read_idle(void* arg) {
  fluv_metrics_t metrics = FLUV_METRICS_INIT;

  ck_assert_err(fluv_runtime_get_metrics(arg, 0, &metrics), 0);
  ck_assert_uint_eq(metrics.tasks, 1);
  return (int64_t) metrics.idle_ns;
}

START_TEST(last_sleep_counts_as_idle) {
  fluv_runtime_t* rt = runtime_of(1);
  fluv_metrics_t metrics = FLUV_METRICS_INIT;

  ck_assert_err(fluv_runtime_start(rt), 0);
  do {
    sched_yield();
    ck_assert_err(fluv_runtime_get_metrics(rt, 0, &metrics), 0);
  } while (metrics.idle_ns < 20000000);
  ck_assert_uint_eq(metrics.tasks, 0);
  ck_assert_int_ge(fluv_block_on(fluv_runtime_spawn(rt, read_idle, rt)),
                   20000000);
  fluv_runtime_free(rt);
}
END_TEST

static int64_t sleep_until_idle(void* arg) {
  fluv_runtime_t* rt = fluv_runtime_current();
  fluv_metrics_t metrics = FLUV_METRICS_INIT;

  (void) arg;
  do {
    ck_assert_err(fluv_await(fluv_sleep(1)), 0);
    ck_assert_err(fluv_runtime_get_metrics(rt, 0, &metrics), 0);
  } while (metrics.idle_ns == 0);
  ck_assert_uint_eq(metrics.tasks, 1); /* this one */
  return 0;
}

static void run_until_idle(void* arg) {
  ck_assert_err(fluv_run(sleep_until_idle, arg, NULL), 0);
}

START_TEST(sleep_of_the_main_thread_counts_as_idle) {
  test_on_thread(run_until_idle, NULL);
}
END_TEST

static int64_t maybe_cancelled(void* arg) {
  int64_t err;

  (void) arg;
  atomic_fetch_add(&count, 1);
  err = fluv_yield();
  atomic_fetch_sub(&count, 1);
  return err;
}

static int64_t cancel_some(void* arg) {
  enum {
    TASKS = 200
  };
  fluv_future_t* f[TASKS];
  int64_t result;
  int i;

  for (i = 0; i < TASKS; i++) {
    f[i] = fluv_runtime_spawn(arg, maybe_cancelled, NULL);
    if (i % 3 == 0)
      fluv_cancel(f[i]);
    if (i % 7 == 0) {
      fluv_drop(f[i]);
      f[i] = fluv_ready(0);
    }
  }
  for (i = 0; i < TASKS; i++) {
    result = fluv_await(f[i]);
    ck_assert(result == 0 || (result == FLUV_ECANCELED && i % 3 == 0));
  }
  return 0;
}

START_TEST(stolen_tasks_are_cancelled) {
  fluv_runtime_t* rt = runtime_of(worker_counts[_i]);

  ck_assert_err(test_run(cancel_some, rt), 0);
  fluv_runtime_free(rt);
  ck_assert_int_eq(atomic_load(&count), 0);
}
END_TEST

START_TEST(many_runtimes) {
  int i;

  for (i = 0; i < RUNTIMES; i++) {
    fluv_runtime_t* rt = runtime_of(2);

    if (i % 2 == 0)
      ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, bump_task, (void*) 3)),
                    3);
    fluv_runtime_free(rt);
  }
}
END_TEST

static atomic_bool holds;

static int64_t hold_worker(void* arg) {
  (void) arg;
  atomic_store(&holds, true);
  while (atomic_load(&hold))
    sched_yield();
  return 0;
}

static void wait_stopped(void* arg) {
  ck_assert_err(fluv_wait(arg, FLUV_FOREVER), FLUV_ESTOPPED);
}

static void wait_cancelled(void* arg) {
  ck_assert_err(fluv_wait(arg, FLUV_FOREVER), FLUV_ECANCELED);
}

typedef struct ends {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  char item;
} ends_t;

static int64_t wait_for_ever(void* arg) {
  ends_t* ends = arg;

  ck_assert_err(fluv_channel_new(1, 1, NULL, &ends->tx, &ends->rx), 0);
  switch (atomic_fetch_add(&count, 1) % 3) {
  case 0:
    return fluv_await(fluv_never());
  case 1:
    return fluv_await(fluv_recv(ends->rx, &ends->item));
  default:
    return fluv_await(fluv_sleep(100000));
  }
}

/* One worker, held by a task, so that what is queued behind it never runs. */
START_TEST(what_never_ran_differs_from_what_was_cancelled) {
  fluv_task_options_t options = all_options();
  fluv_runtime_t* rt = runtime_of(1);
  fluv_remote_t* started;
  fluv_remote_t* queued;
  uv_sem_t sem;

  uv_sem_init(&sem, 0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, sleep_long, &sem, &started), 0);
  uv_sem_wait(&sem);
  atomic_store(&hold, true);
  ck_assert_err(fluv_runtime_spawn_remote(rt, hold_worker, NULL, NULL), 0);
  while (!atomic_load(&holds))
    sched_yield();
  ck_assert_err(
      fluv_runtime_spawn_remote_with(rt, bump_task, NULL, &options, &queued),
      0);
  ck_assert_err(fluv_runtime_shutdown(rt, 0), FLUV_ETIMEDOUT);
  ck_assert_int_eq(atomic_load(&count), 1000);
  atomic_store(&hold, false);
  fluv_runtime_free(rt);
  ck_assert_int_eq(atomic_load(&count), 1001);
  test_on_thread(wait_stopped, queued);
  test_on_thread(wait_cancelled, started);
  uv_sem_destroy(&sem);
}
END_TEST

/* Tasks that wait for all kinds of things end with a shutdown. */
START_TEST(shutdown_ends_what_waits) {
  fluv_runtime_t* rt = runtime_of(2);
  fluv_remote_t* remotes_of[6];
  ends_t ends[6];
  int i;

  fluv_runtime_start(rt);
  for (i = 0; i < 6; i++)
    ck_assert_err(
        fluv_runtime_spawn_remote(rt, wait_for_ever, &ends[i], &remotes_of[i]),
        0);
  while (atomic_load(&count) < 6)
    sched_yield();
  ck_assert_err(fluv_runtime_shutdown(rt, 10000), 0);
  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, bump_task, NULL)),
                FLUV_ESTOPPED);
  ck_assert_ptr_null(fluv_runtime_get_loop(rt, 0));
  for (i = 0; i < 6; i++) {
    fluv_remote_cancel(remotes_of[i]);
    fluv_remote_free(remotes_of[i]);
    fluv_sender_free(ends[i].tx);
    fluv_receiver_free(ends[i].rx);
  }
  fluv_runtime_free(rt);
}
END_TEST

START_TEST(options_are_checked) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_runtime_t* rt;

  options.workers = 65;
  ck_assert_err(fluv_runtime_new(&options, &rt), FLUV_EINVAL);
  options.workers = 1;
  options.size = 3;
  ck_assert_err(fluv_runtime_new(&options, &rt), FLUV_EINVAL);
  ck_assert_err(fluv_runtime_new(NULL, NULL), FLUV_EINVAL);
  setenv("FLUV_WORKERS", "3", 1);
  ck_assert_err(fluv_runtime_new(NULL, &rt), 0);
  ck_assert_uint_eq(fluv_runtime_count_workers(rt), 3);
  fluv_runtime_free(rt);
  setenv("FLUV_WORKERS", "x", 1);
  ck_assert_err(fluv_runtime_new(NULL, &rt), FLUV_EINVAL);
  unsetenv("FLUV_WORKERS");
}
END_TEST

START_TEST(a_child_is_refused) {
  fluv_runtime_t* rt = runtime_of(1);
  int status = -1;
  pid_t child;

  ck_assert_err(fluv_runtime_start(rt), 0);
  child = fork();
  if (child == 0)
    _exit(fluv_runtime_start(rt) == FLUV_EPERM ? 0 : 1);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert_int_eq(status, 0);
  fluv_runtime_free(rt);
}
END_TEST

static Suite* runtime_suite(void) {
  Suite* s = suite_create("runtime");
  TCase* tc = test_case(s, "basic", setup, teardown);

  tcase_set_timeout(tc, 60);
  ADD(tc,
      every_task_runs_once,
      every_post_runs_once,
      no_post_is_slept_over,
      a_task_runs_there_and_its_result_returns,
      a_remote_task_is_cancelled_and_dropped,
      a_loop_that_ends_tells_who_waits,
      a_plain_thread_waits_for_a_task,
      every_spawn_takes_options,
      a_remote_task_that_is_cancelled_at_once_runs);
  tc = test_case(s, "threads", setup, teardown);
  tcase_add_loop_test(tc, tasks_for_any_worker_run_once, 0, 4);
  tcase_add_loop_test(tc, workers_steal_from_each_other, 0, 4);
  tcase_add_loop_test(tc, stolen_tasks_are_cancelled, 0, 4);
  ADD(tc,
      tasks_are_spread_over_given_workers,
      what_a_worker_spawns_is_queued_at_others_too,
      last_sleep_counts_as_idle,
      sleep_of_the_main_thread_counts_as_idle,
      many_runtimes,
      what_never_ran_differs_from_what_was_cancelled,
      shutdown_ends_what_waits,
      options_are_checked,
      a_child_is_refused);
  return s;
}

TEST_MAIN(runtime_suite)
