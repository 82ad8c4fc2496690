/* SPDX-License-Identifier: MIT */
/* Channels and locks, on one loop and across threads. Figures are for a
 * message, a round trip, a delivery, or taking and giving back. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "bench.h"

enum {
  MESSAGES = 500000,
  TRIPS = 200000,
  LOCKS = 500000,
  CONTENDERS = 100,
  INCREMENTS = 10000,
  RECEIVERS = 4
};

typedef struct pipe_ends {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  uint64_t n;
} pipe_ends_t;

static void pipe_new(pipe_ends_t* p, size_t capacity, uint64_t n) {
  bench_expect(
      fluv_channel_new(capacity, sizeof(uint64_t), NULL, &p->tx, &p->rx),
      0);
  p->n = n;
}

static void pipe_free(pipe_ends_t* p) {
  fluv_sender_free(p->tx);
  fluv_receiver_free(p->rx);
}

static int64_t produce(void* arg) {
  pipe_ends_t* p = arg;
  uint64_t i;

  for (i = 0; i < p->n; i++)
    bench_expect(fluv_await(fluv_send(p->tx, &i)), 0);
  return 0;
}

/* Yields now and then, or nothing would ever be received. */
static int64_t produce_unbounded(void* arg) {
  pipe_ends_t* p = arg;
  uint64_t i;

  for (i = 0; i < p->n; i++) {
    bench_expect(fluv_await(fluv_send(p->tx, &i)), 0);
    if (i % 128 == 127)
      fluv_yield();
  }
  return 0;
}

static int64_t consume(void* arg) {
  pipe_ends_t* p = arg;
  uint64_t item;
  uint64_t i;

  for (i = 0; i < p->n; i++)
    bench_expect(fluv_await(fluv_recv(p->rx, &item)), 0);
  return 0;
}

/* Two tasks, awaited. */
static void run_pair(fluv_task_fn a, void* x, fluv_task_fn b, void* y) {
  fluv_future_t* f[2] = { fluv_spawn(a, x), fluv_spawn(b, y) };

  bench_expect(fluv_await(f[0]), 0);
  bench_expect(fluv_await(f[1]), 0);
}

static double local_pipe(fluv_task_fn producer, size_t capacity) {
  bench_clock_t clock;
  pipe_ends_t p;
  double value;

  pipe_new(&p, capacity, MESSAGES);
  bench_start(&clock);
  run_pair(producer, &p, consume, &p);
  value = bench_stop(&clock, MESSAGES);
  pipe_free(&p);
  return value;
}

static void run_mpsc_local(double* values) {
  values[0] = local_pipe(produce, 32);
  values[1] = local_pipe(produce, 1024);
  values[2] = local_pipe(produce_unbounded, FLUV_UNBOUNDED);
}

/* Two tasks that answer each other. */
typedef struct game {
  pipe_ends_t there;
  pipe_ends_t back;
} game_t;

static int64_t ping(void* arg) {
  game_t* game = arg;
  uint64_t item;
  uint64_t i;

  for (i = 0; i < game->there.n; i++) {
    bench_expect(fluv_await(fluv_send(game->there.tx, &i)), 0);
    bench_expect(fluv_await(fluv_recv(game->back.rx, &item)), 0);
  }
  return 0;
}

static int64_t pong(void* arg) {
  game_t* game = arg;
  uint64_t item;
  uint64_t i;

  for (i = 0; i < game->there.n; i++) {
    bench_expect(fluv_await(fluv_recv(game->there.rx, &item)), 0);
    bench_expect(fluv_await(fluv_send(game->back.tx, &item)), 0);
  }
  return 0;
}

static void game_new(game_t* game, uint64_t n) {
  pipe_new(&game->there, 1, n);
  pipe_new(&game->back, 1, n);
}

static void game_free(game_t* game) {
  pipe_free(&game->there);
  pipe_free(&game->back);
}

static void run_pingpong_local(double* values) {
  bench_clock_t clock;
  game_t game;

  game_new(&game, TRIPS);
  bench_start(&clock);
  run_pair(ping, &game, pong, &game);
  values[0] = bench_stop(&clock, TRIPS);
  game_free(&game);
}

static void run_oneshot(double* values) {
  bench_clock_t clock;
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  uint64_t item = 0;
  int i;

  bench_start(&clock);
  for (i = 0; i < LOCKS; i++) {
    bench_expect(fluv_oneshot_new(sizeof(item), NULL, &tx, &rx), 0);
    bench_expect(fluv_oneshot_send(tx, &item), 0);
    bench_expect(fluv_await(fluv_oneshot_recv(rx, &item)), 0);
    fluv_oneshot_rx_free(rx);
  }
  values[0] = bench_stop(&clock, LOCKS);
}

static int64_t hear(void* arg) {
  fluv_broadcast_rx_t* rx = arg;
  uint64_t item;

  while (fluv_await(fluv_broadcast_recv(rx, &item)) == 0)
    continue;
  fluv_broadcast_rx_free(rx);
  return 0;
}

static void run_broadcast(double* values) {
  fluv_future_t* f[RECEIVERS];
  fluv_broadcast_rx_t* rx;
  fluv_broadcast_tx_t* tx;
  bench_clock_t clock;
  uint64_t i;

  bench_expect(fluv_broadcast_new(1024, sizeof(i), &tx, &rx), 0);
  f[0] = fluv_spawn(hear, rx);
  for (i = 1; i < RECEIVERS; i++) {
    bench_expect(fluv_broadcast_subscribe(tx, &rx), 0);
    f[i] = fluv_spawn(hear, rx);
  }
  bench_start(&clock);
  for (i = 0; i < TRIPS; i++) {
    bench_expect(fluv_broadcast_send(tx, &i), RECEIVERS);
    if (i % 64 == 63) /* so that no receiver lags */
      fluv_yield();
  }
  fluv_broadcast_tx_free(tx);
  for (i = 0; i < RECEIVERS; i++)
    bench_expect(fluv_await(f[i]), 0);
  values[0] = bench_stop(&clock, TRIPS * RECEIVERS);
}

static int64_t watch(void* arg) {
  fluv_watch_rx_t* rx = arg;
  uint64_t value;

  while (fluv_await(fluv_watch_changed(rx)) == 0)
    fluv_watch_get(rx, &value);
  fluv_watch_rx_free(rx);
  return 0;
}

static void run_watch(double* values) {
  bench_clock_t clock;
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  fluv_future_t* f;
  uint64_t i = 0;

  bench_expect(fluv_watch_new(sizeof(i), &i, &tx, &rx), 0);
  f = fluv_spawn(watch, rx);
  bench_start(&clock);
  for (i = 0; i < TRIPS; i++) {
    bench_expect(fluv_watch_send(tx, &i), 0);
    fluv_yield();
  }
  fluv_watch_tx_free(tx);
  bench_expect(fluv_await(f), 0);
  values[0] = bench_stop(&clock, TRIPS);
}

static void run_mutex(double* values) {
  bench_clock_t clock;
  fluv_mutex_t* mutex;
  int i;

  bench_expect(fluv_mutex_new(&mutex), 0);
  bench_start(&clock);
  for (i = 0; i < LOCKS; i++) {
    bench_expect(fluv_await(fluv_mutex_lock(mutex)), 0);
    fluv_mutex_unlock(mutex);
  }
  values[0] = bench_stop(&clock, LOCKS);
  fluv_mutex_free(mutex);
}

static uint64_t counter;

static int64_t increment(void* arg) {
  int i;

  for (i = 0; i < INCREMENTS; i++) {
    bench_expect(fluv_await(fluv_mutex_lock(arg)), 0);
    counter++;
    if (i % 64 == 63)
      fluv_yield();
    fluv_mutex_unlock(arg);
  }
  return 0;
}

static void run_mutex_contended(double* values) {
  fluv_future_t* f[CONTENDERS];
  bench_clock_t clock;
  fluv_mutex_t* mutex;
  int i;

  bench_expect(fluv_mutex_new(&mutex), 0);
  counter = 0;
  bench_start(&clock);
  for (i = 0; i < CONTENDERS; i++)
    f[i] = fluv_spawn(increment, mutex);
  for (i = 0; i < CONTENDERS; i++)
    bench_expect(fluv_await(f[i]), 0);
  values[0] = bench_stop(&clock, CONTENDERS * INCREMENTS);
  bench_expect((int64_t) counter, CONTENDERS * INCREMENTS);
  fluv_mutex_free(mutex);
}

static void run_shared(double* values) {
  fluv_semaphore_t* sem;
  bench_clock_t clock;
  fluv_rwlock_t* lock;
  int i;

  bench_expect(fluv_rwlock_new(&lock), 0);
  bench_start(&clock);
  for (i = 0; i < LOCKS; i++) {
    bench_expect(fluv_await(fluv_rwlock_read(lock)), 0);
    fluv_rwlock_unlock_read(lock);
  }
  values[0] = bench_stop(&clock, LOCKS);
  fluv_rwlock_free(lock);
  bench_expect(fluv_semaphore_new(1, &sem), 0);
  bench_start(&clock);
  for (i = 0; i < LOCKS; i++) {
    bench_expect(fluv_await(fluv_semaphore_acquire(sem, 1)), 0);
    fluv_semaphore_release(sem, 1);
  }
  values[1] = bench_stop(&clock, LOCKS);
  fluv_semaphore_free(sem);
}

typedef struct knock {
  fluv_notify_t* own;
  fluv_notify_t* other;
} knock_t;

static int64_t knock(void* arg) {
  knock_t* k = arg;
  int i;

  for (i = 0; i < TRIPS; i++) {
    fluv_notify_one(k->other);
    bench_expect(fluv_await(fluv_notified(k->own)), 0);
  }
  return 0;
}

static void run_notify(double* values) {
  bench_clock_t clock;
  knock_t k[2];

  bench_expect(fluv_notify_new(&k[0].own), 0);
  bench_expect(fluv_notify_new(&k[0].other), 0);
  k[1].own = k[0].other;
  k[1].other = k[0].own;
  bench_start(&clock);
  run_pair(knock, &k[0], knock, &k[1]);
  values[0] = bench_stop(&clock, TRIPS);
  fluv_notify_free(k[0].own);
  fluv_notify_free(k[0].other);
}

/* A thread with a loop of its own, on a core of its own if there are two. */
typedef struct half {
  pthread_t thread;
  fluv_task_fn fn;
  void* arg;
  int core;
} half_t;

static void* half_main(void* arg) {
  half_t* half = arg;
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(half->core, &set);
  (void) pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
  bench_expect(fluv_run(half->fn, half->arg, NULL), 0);
  return NULL;
}

static void run_halves(half_t* halves, int n) {
  int i;

  for (i = 0; i < n; i++) {
    halves[i].core = i % 2;
    bench_expect(pthread_create(&halves[i].thread, NULL, half_main, &halves[i]),
                 0);
  }
  for (i = 0; i < n; i++)
    pthread_join(halves[i].thread, NULL);
}

static double cross_pipe(size_t capacity, int producers) {
  pipe_ends_t p;
  pipe_ends_t in;
  half_t halves[5];
  bench_clock_t clock;
  double value;
  int i;

  pipe_new(&p, capacity, MESSAGES);
  in = p;
  in.n = MESSAGES / (uint64_t) producers;
  halves[0] = (half_t){ 0, consume, &p, 0 };
  for (i = 1; i <= producers; i++)
    halves[i] = (half_t){ 0, produce, &in, 0 };
  bench_start(&clock);
  run_halves(halves, producers + 1);
  value = bench_stop(&clock, MESSAGES);
  pipe_free(&p);
  return value;
}

static void run_mpsc_cross(double* values) {
  values[0] = cross_pipe(32, 1);
  values[1] = cross_pipe(1024, 1);
  values[2] = cross_pipe(1024, 4);
}

static void run_pingpong_threads(double* values) {
  bench_clock_t clock;
  half_t halves[2];
  game_t game;

  game_new(&game, TRIPS / 4);
  halves[0] = (half_t){ 0, ping, &game, 0 };
  halves[1] = (half_t){ 0, pong, &game, 0 };
  bench_start(&clock);
  run_halves(halves, 2);
  values[0] = bench_stop(&clock, TRIPS / 4) / 1000;
  game_free(&game);
}

const bench_t bench_sync_table[] = {
  { BENCH_TASK,
    false,
    run_mpsc_local,
    { { "mpsc_local", "ns" },
      { "mpsc_local_1024", "ns" },
      { "unbounded_local", "ns" } },
    0 },
  { BENCH_TASK, false, run_pingpong_local, { { "pingpong_local", "ns" } }, 0 },
  { BENCH_TASK, false, run_oneshot, { { "oneshot", "ns" } }, 0 },
  { BENCH_TASK, false, run_broadcast, { { "broadcast", "ns" } }, 0 },
  { BENCH_TASK, false, run_watch, { { "watch", "ns" } }, 0 },
  { BENCH_TASK, false, run_mutex, { { "mutex_uncontended", "ns" } }, 0 },
  { BENCH_TASK,
    false,
    run_mutex_contended,
    { { "mutex_contended", "ns" } },
    0 },
  { BENCH_TASK,
    false,
    run_shared,
    { { "rwlock_read", "ns" }, { "semaphore", "ns" } },
    0 },
  { BENCH_TASK, false, run_notify, { { "notify", "ns" } }, 0 },
  { BENCH_PLAIN,
    false,
    run_mpsc_cross,
    { { "mpsc_cross", "ns" },
      { "mpsc_cross_1024", "ns" },
      { "mpsc_cross_4p", "ns" } },
    0 },
  { BENCH_PLAIN,
    false,
    run_pingpong_threads,
    { { "pingpong_threads", "us" } },
    0 },
  { 0 },
};
