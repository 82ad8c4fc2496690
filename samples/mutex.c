/* SPDX-License-Identifier: 0BSD */
/* A counter behind a mutex, raised by 100 tasks.
 *
 * Shows:   fluv_mutex_lock across an await
 * Run:     samples/mutex
 * Prints:  samples/mutex.out
 * Next:    samples/cache.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  TASKS = 100
};

static fluv_mutex_t* mutex;
static int counter;

/* Reading, waiting and writing belong together: without the lock most of the
 * increments would be lost. */
static int64_t increment(void* arg) {
  int64_t err = fluv_await(fluv_mutex_lock(mutex));
  int seen;

  (void) arg;
  if (err < 0)
    return err;
  seen = counter;
  fluv_yield();
  counter = seen + 1;
  return fluv_mutex_unlock(mutex);
}

static int64_t count(void* arg) {
  fluv_future_t* tasks[TASKS];
  int64_t err = fluv_mutex_new(&mutex);

  (void) arg;
  if (err < 0)
    return err;
  for (int i = 0; i < TASKS; i++)
    tasks[i] = fluv_spawn(increment, NULL);
  err = fluv_await(fluv_join_all(tasks, TASKS, NULL));
  printf("%d tasks counted to %d\n", TASKS, counter);
  fluv_mutex_free(mutex);
  return err;
}

int main(void) {
  int64_t err = fluv_run(count, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "mutex: %s\n", fluv_strerror(err));
  return err < 0;
}
