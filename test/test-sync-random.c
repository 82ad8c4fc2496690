/* SPDX-License-Identifier: MIT */
/* Channels and locks, used at random by two loops and a plain thread, with
 * timeouts, selects, cancelling and dropping at random moments. At the end
 * every message was received once, every permit is back, and no increment under
 * the mutex is lost. TEST_SEED and TEST_RUNS in the environment repeat a run
 * or make more of them. */
#include "fluv-test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum {
  CHANNELS = 3,
  SINGLE = 2, /* the channel that only the first loop receives from */
  TASKS = 5,
  PERMITS = 2
};

typedef struct tally {
  atomic_ulong sum;
  atomic_ulong count;
} tally_t;

typedef struct player {
  unsigned random;
  int thread;
} player_t;

static unsigned seed;
static int rounds;
static fluv_sender_t* tx[CHANNELS];
static fluv_receiver_t* rx[CHANNELS];
static tally_t sent[CHANNELS];
static tally_t got[CHANNELS];
static fluv_semaphore_t* sem;
static fluv_mutex_t* mutex;
static long counter; /* under the mutex */
static atomic_long locked;
static atomic_int inside; /* permits taken */
static atomic_ulong last_value;

#define must(cond)                                                             \
 ck_assert_msg((cond), "%s; repeat with TEST_SEED=%u", #cond, seed)

static unsigned roll(player_t* p, unsigned n) {
  p->random = p->random * 1664525u + 1013904223u;
  return (p->random >> 8) % n;
}

static void add(tally_t* tally, uint64_t value) {
  atomic_fetch_add(&tally->sum, value);
  atomic_fetch_add(&tally->count, 1);
}

static void take_back(tally_t* tally, uint64_t value) {
  atomic_fetch_sub(&tally->sum, value);
  atomic_fetch_sub(&tally->count, 1);
}

static uint64_t new_value(int k) {
  uint64_t value = atomic_fetch_add(&last_value, 1) + 1;

  add(&sent[k], value);
  return value;
}

/* Wait in one of several ways; a lost select is a cancelled future. */
static int64_t wait_somehow(player_t* p, fluv_future_t* f) {
  fluv_future_t* arms[2] = { f, NULL };
  int64_t result = -1;
  int64_t which;

  switch (roll(p, 5)) {
  case 0:
    return fluv_await(fluv_timeout(f, roll(p, 2)));
  case 1:
    arms[1] = fluv_sleep(roll(p, 2));
    break;
  case 2:
    arms[1] = fluv_ready(1);
    break;
  default:
    return fluv_await(fluv_timeout(f, 3));
  }
  which = fluv_await(fluv_select(arms, 2, &result));
  if (which == 0)
    return result;
  return which < 0 ? which : FLUV_ECANCELED;
}

static bool may_receive(const player_t* p, int k) {
  return k != SINGLE || p->thread == 0;
}

static void play_send(player_t* p, int k) {
  uint64_t value = new_value(k);

  if (wait_somehow(p, fluv_send(tx[k], &value)) < 0)
    take_back(&sent[k], value);
}

static void play_recv(player_t* p, int k) {
  uint64_t value = 0;

  if (wait_somehow(p, fluv_recv(rx[k], &value)) == 0)
    add(&got[k], value);
  else
    must(value == 0);
}

static void play_recv_many(player_t* p, int k) {
  uint64_t values[4] = { 0 };
  int64_t n = wait_somehow(p, fluv_recv_many(rx[k], values, 4));
  int64_t i;

  for (i = 0; i < n; i++)
    add(&got[k], values[i]);
}

static void play_started(player_t* p, int k) {
  uint64_t value = 0;
  fluv_future_t* f = fluv_recv(rx[k], &value);

  fluv_start(f);
  if (roll(p, 2))
    fluv_yield();
  if (roll(p, 2)) {
    fluv_cancel(f);
    if (fluv_await(f) == 0)
      add(&got[k], value);
  } else {
    fluv_drop(f); /* what has arrived is in the channel again */
  }
}

static void play_permit(player_t* p, int k) {
  fluv_permit_t permit;
  size_t n = 1 + roll(p, 2);
  uint64_t value;

  if (wait_somehow(p, fluv_reserve(tx[k], n, &permit)) != 0)
    return;
  while (n-- > 0 && roll(p, 2)) {
    value = new_value(k);
    must(fluv_permit_send(&permit, &value) == 0);
  }
  fluv_permit_release(&permit);
}

static void enter(size_t n) {
  must(atomic_fetch_add(&inside, (int) n) + (int) n <= PERMITS);
}

static void leave(size_t n) {
  atomic_fetch_sub(&inside, (int) n);
  fluv_semaphore_release(sem, n);
}

static void play_semaphore(player_t* p) {
  size_t n = 1 + roll(p, 2);

  if (wait_somehow(p, fluv_semaphore_acquire(sem, n)) != 0)
    return;
  enter(n);
  if (roll(p, 2))
    fluv_yield();
  leave(n);
}

static void play_mutex(player_t* p) {
  long seen;

  if (wait_somehow(p, fluv_mutex_lock(mutex)) != 0)
    return;
  seen = counter;
  if (roll(p, 2))
    fluv_yield();
  counter = seen + 1;
  atomic_fetch_add(&locked, 1);
  must(fluv_mutex_unlock(mutex) == 0);
}

static int64_t play(void* arg) {
  player_t* p = arg;
  int i;
  int k;

  for (i = 0; i < rounds; i++) {
    k = (int) roll(p, CHANNELS);
    switch (roll(p, 8)) {
    case 0:
    case 1:
      play_send(p, k);
      break;
    case 2:
      if (may_receive(p, k))
        play_recv(p, k);
      break;
    case 3:
      if (may_receive(p, k))
        play_recv_many(p, k);
      break;
    case 4:
      if (may_receive(p, k))
        play_started(p, k);
      break;
    case 5:
      play_permit(p, k);
      break;
    case 6:
      play_semaphore(p);
      break;
    default:
      play_mutex(p);
      break;
    }
  }
  return 0;
}

static int64_t play_on_loop(void* arg) {
  player_t* p = arg;
  player_t players[TASKS];
  fluv_future_t* f[TASKS];
  int i;

  for (i = 0; i < TASKS; i++) {
    players[i] = *p;
    players[i].random ^= (unsigned) i * 7919u;
    f[i] = fluv_spawn(play, &players[i]);
    if (roll(p, 8) == 0)
      fluv_cancel(f[i]);
  }
  for (i = 0; i < TASKS; i++)
    must(fluv_await(f[i]) == 0);
  return 0;
}

static void* loop_thread(void* arg) {
  must(fluv_run(play_on_loop, arg, NULL) == 0);
  return NULL;
}

static void play_blocking(player_t* p, int k) {
  uint64_t value = 0;
  size_t n = 1 + roll(p, 2);

  switch (roll(p, 4)) {
  case 0:
    value = new_value(k);
    if (fluv_send_blocking(tx[k], &value, roll(p, 2)) != 0)
      take_back(&sent[k], value);
    break;
  case 1:
    if (may_receive(p, k) &&
        fluv_recv_blocking(rx[k], &value, 1, roll(p, 3)) > 0)
      add(&got[k], value);
    break;
  case 2:
    if (fluv_semaphore_acquire_blocking(sem, n, roll(p, 3)) == 0) {
      enter(n);
      leave(n);
    }
    break;
  default:
    if (fluv_mutex_lock_blocking(mutex, roll(p, 3)) == 0) {
      counter++;
      atomic_fetch_add(&locked, 1);
      must(fluv_mutex_unlock(mutex) == 0);
    }
    break;
  }
}

static void* plain_thread(void* arg) {
  player_t* p = arg;
  int i;

  for (i = 0; i < rounds; i++)
    play_blocking(p, (int) roll(p, CHANNELS));
  return NULL;
}

static void begin_run(void) {
  const size_t capacity[CHANNELS] = { seed % 3, FLUV_UNBOUNDED, 1 + seed % 7 };
  int k;

  for (k = 0; k < CHANNELS; k++) {
    must(
        fluv_channel_new(capacity[k], sizeof(uint64_t), NULL, &tx[k], &rx[k]) ==
        0);
    if (k != SINGLE)
      (void) fluv_receiver_clone(fluv_receiver_clone(rx[k]));
  }
  must(fluv_semaphore_new(PERMITS, &sem) == 0);
  must(fluv_mutex_new(&mutex) == 0);
  counter = 0;
  atomic_store(&locked, 0);
}

static void end_run(void) {
  uint64_t value;
  int k;

  for (k = 0; k < CHANNELS; k++) {
    while (fluv_try_recv(rx[k], &value) == 0)
      add(&got[k], value);
    must(atomic_load(&sent[k].sum) == atomic_load(&got[k].sum));
    must(atomic_load(&sent[k].count) == atomic_load(&got[k].count));
    fluv_sender_free(tx[k]);
    must(fluv_try_recv(rx[k], &value) == FLUV_ECLOSED);
    if (k != SINGLE) {
      fluv_receiver_free(rx[k]);
      fluv_receiver_free(rx[k]);
    }
    fluv_receiver_free(rx[k]);
  }
  must(counter == atomic_load(&locked));
  must(fluv_semaphore_get_permits(sem) == PERMITS);
  must(!fluv_mutex_is_locked(mutex));
  fluv_semaphore_free(sem);
  fluv_mutex_free(mutex);
}

static void run_once(void) {
  void* (*const body[3])(void*) = { loop_thread, loop_thread, plain_thread };
  player_t players[3];
  pthread_t threads[3];
  int i;

  begin_run();
  for (i = 0; i < 3; i++) {
    players[i].random = seed * 31u + (unsigned) i * 977u;
    players[i].thread = i;
    must(pthread_create(&threads[i], NULL, body[i], &players[i]) == 0);
  }
  for (i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  end_run();
}

START_TEST(nothing_is_lost) {
  const char* from = getenv("TEST_SEED");
  const char* runs = getenv("TEST_RUNS");
  int n = runs != NULL ? atoi(runs) : 5;
  int i;

#ifdef TEST_SANITIZED
  rounds = 60;
#else
  rounds = 200;
#endif
  seed = from != NULL ? (unsigned) strtoul(from, NULL, 10)
                      : (unsigned) (uv_hrtime() / 1000);
  printf("# seed %u\n", seed);
  for (i = 0; i < n; i++, seed++)
    run_once();
}
END_TEST

static Suite* sync_random_suite(void) {
  Suite* s = suite_create("sync-random");
  TCase* tc = test_case(s, "random", NULL, NULL);

  ADD(tc, nothing_is_lost);
  return s;
}

TEST_MAIN(sync_random_suite)
