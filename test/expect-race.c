/* SPDX-License-Identifier: MIT */
/* Two tasks on the loops of two threads write to the same variable without
 * asking each other. ThreadSanitizer must say so: switching stacks must not
 * appear as synchronisation between the threads. */
#include "expect.h"

#include <pthread.h>
#include <stdatomic.h>

static long shared_counter;
static atomic_int ready;

EXPECT_FRAME
static void write_unasked(void) {
  shared_counter++;
}

/* Both threads are on their loops before the first write; the order of memory
 * must not be set by this, so it is relaxed. */
static void meet(void) {
  atomic_fetch_add_explicit(&ready, 1, memory_order_relaxed);
  while (atomic_load_explicit(&ready, memory_order_relaxed) < 2)
    fluv_yield();
}

static int64_t count(void* arg) {
  int i;

  (void) arg;
  meet();
  for (i = 0; i < 1000; i++) {
    write_unasked();
    fluv_yield();
  }
  return 0;
}

static void* run_thread(void* arg) {
  (void) !fluv_run(count, arg, NULL);
  return NULL;
}

int main(void) {
  pthread_t threads[2];
  int i;

  if (!EXPECT_TSAN)
    return EXPECT_SKIP;

  for (i = 0; i < 2; i++)
    if (pthread_create(&threads[i], NULL, run_thread, NULL) != 0)
      return 1;
  for (i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  printf("nobody noticed: %ld\n", shared_counter);
  return 0;
}
