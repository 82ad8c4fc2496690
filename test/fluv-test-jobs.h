/* SPDX-License-Identifier: MIT */
/* What the tests of blocking work share: jobs that signal when they run and
 * continue when they are released. */
#ifndef FLUV_TEST_JOBS_H
#define FLUV_TEST_JOBS_H

#include "fluv-test.h"

#include <semaphore.h>
#include <stdatomic.h>

#define JOBS_SLOTS 3 /* of a pool of four */

/* Such a job, and what became of it. */
typedef struct gate {
  sem_t started;
  sem_t go;
  atomic_int ran;
  atomic_int freed;   /* calls of free_arg */
  atomic_int dropped; /* calls of drop_result */
  atomic_bool saw_cancel;
  int64_t value;
} gate_t;

/* One for every test; its value is 7. */
extern gate_t gate;

void gate_init(gate_t* g, int64_t value);

/* The job's name is "gate", and its argument and result are counted. */
fluv_blocking_options_t gate_options(void);
fluv_future_t* gate_spawn(gate_t* g);

/* The same, and wait until it runs. */
fluv_future_t* gate_run(gate_t* g);
void gate_wait(sem_t* sem);

/* Take all places of the pool, and give them back. */
extern fluv_future_t* jobs_takers[JOBS_SLOTS];
void jobs_take_all(void);
void jobs_release(void);

fluv_blocking_stats_t jobs_stats(void);

/* Until so many have run to their end: their results may be on their way. */
void jobs_wait_done(uint64_t done);

/* Until none runs. */
void jobs_wait_free(void);

/* A job, and a task that does one job: both return their argument. */
int64_t jobs_give(void* arg);
int64_t jobs_warm_up(void* arg);

/* The pool opens descriptors with the first job, and keeps them. */
void jobs_open_pool(void);

/* Fixtures with the pool open. */
void jobs_setup(void);
void jobs_setup_paused(void);
void jobs_teardown(void);

#endif /* FLUV_TEST_JOBS_H */
