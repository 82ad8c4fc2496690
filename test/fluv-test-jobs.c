/* SPDX-License-Identifier: MIT */
/* What the tests of blocking work share. */
#include "fluv-test-jobs.h"

#include <sched.h>

gate_t gate;

void gate_init(gate_t* g, int64_t value) {
  memset(g, 0, sizeof(*g));
  sem_init(&g->started, 0, 0);
  sem_init(&g->go, 0, 0);
  g->value = value;
}

void gate_wait(sem_t* sem) {
  while (sem_wait(sem) != 0)
    continue;
}

static int64_t pass_gate(void* arg) {
  gate_t* g = arg;

  atomic_fetch_add(&g->ran, 1);
  sem_post(&g->started);
  gate_wait(&g->go);
  atomic_store(&g->saw_cancel, fluv_blocking_is_cancelled());
  return g->value;
}

static void gate_free(void* arg) {
  atomic_fetch_add(&((gate_t*) arg)->freed, 1);
}

static void gate_drop(int64_t result, void* arg) {
  gate_t* g = arg;

  ck_assert_err(result, g->value);
  atomic_fetch_add(&g->dropped, 1);
}

fluv_blocking_options_t gate_options(void) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;

  options.name = "gate";
  options.free_arg = gate_free;
  options.drop_result = gate_drop;
  return options;
}

fluv_future_t* gate_spawn(gate_t* g) {
  fluv_blocking_options_t options = gate_options();

  return fluv_spawn_blocking_with(pass_gate, g, &options);
}

fluv_future_t* gate_run(gate_t* g) {
  fluv_future_t* f = gate_spawn(g);

  gate_wait(&g->started);
  return f;
}

fluv_blocking_stats_t jobs_stats(void) {
  fluv_blocking_stats_t stats = FLUV_BLOCKING_STATS_INIT;

  ck_assert_err(fluv_blocking_get_stats(&stats), 0);
  return stats;
}

void jobs_wait_done(uint64_t done) {
  while (jobs_stats().done < done)
    sched_yield();
}

void jobs_wait_free(void) {
  while (jobs_stats().running > 0)
    sched_yield();
}

static gate_t taken[JOBS_SLOTS];
fluv_future_t* jobs_takers[JOBS_SLOTS];

void jobs_take_all(void) {
  int i;

  for (i = 0; i < JOBS_SLOTS; i++) {
    gate_init(&taken[i], i);
    jobs_takers[i] = gate_run(&taken[i]);
  }
}

void jobs_release(void) {
  int i;

  for (i = 0; i < JOBS_SLOTS; i++)
    sem_post(&taken[i].go);
  for (i = 0; i < JOBS_SLOTS; i++)
    ck_assert_err(fluv_block_on(jobs_takers[i]), i);
}

int64_t jobs_give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

int64_t jobs_warm_up(void* arg) {
  return fluv_await(fluv_spawn_blocking(jobs_give, arg));
}

void jobs_open_pool(void) {
  ck_assert_err(fluv_run(jobs_warm_up, NULL, NULL), 0);
  jobs_wait_free();
}

void jobs_setup(void) {
  test_open_more = jobs_open_pool;
  test_setup();
  gate_init(&gate, 7);
}

void jobs_setup_paused(void) {
  test_open_more = jobs_open_pool;
  test_setup_paused();
  gate_init(&gate, 7);
}

void jobs_teardown(void) {
  jobs_wait_free();
  test_teardown();
}
