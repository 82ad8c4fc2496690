/* SPDX-License-Identifier: MIT */
/* What the tests of shutting down share: tasks that wait, which a shutdown must
 * tell, let clean up, and wait for. */
#ifndef FLUV_TEST_WAITS_H
#define FLUV_TEST_WAITS_H

#include "fluv-test-jobs.h"

#define WAITS_HOUR 3600000

/* A function of a task that waits, on one of two workers, and what it gets. */
typedef struct wait {
  const char* name;
  int64_t (*fn)(void);
  /* Tasks and jobs that wait then. */
  int waiters;
} wait_t;

#define WAIT(name, waiters)                                                    \
 { #name, wait_##name, waiters }

/* One that waits for a single future. */
#define WAITS_FOR(name, future)                                                \
 static int64_t wait_##name(void) {                                            \
  return waits_await(future);                                                  \
 }

/* Those that wait, and those that were started and have ended. */
extern atomic_int waits_waiting;
extern atomic_int waits_started;
extern atomic_int waits_ended;

/* In a task: it counts from here on. */
void waits_begin_task(void);

/* In a task: it waits as soon as its loop has come round a few times. */
void waits_announce(void);

/* Says so and awaits. */
int64_t waits_await(fluv_future_t* f);

/* A task that does both, for others to wait for. */
int64_t waits_child(void* arg);

/* Start one wait, shut down, and check that it ended in time and has cleaned
 * up. On a worker of a runtime; beside the main task of fluv_run(). */
void waits_shut_runtime(const wait_t* w);
void waits_end_run(const wait_t* w);

/* Fixtures, with a pool of one thread and runtimes of two workers. */
void waits_setup(void);
void waits_teardown(void);

#endif /* FLUV_TEST_WAITS_H */
