/* SPDX-License-Identifier: 0BSD */
/* A cache that is read often and rarely refreshed.
 *
 * Shows:   fluv_rwlock_read, fluv_rwlock_write
 * Run:     samples/cache
 * Prints:  samples/cache.out
 * Next:    samples/pitfall_lock.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  READERS = 20,
  READS = 50
};

static fluv_rwlock_t* lock;
static int value;
static int loads;

/* Readers go side by side; the lock is held for reading across the await. */
static int64_t reader(void* arg) {
  (void) arg;
  for (int i = 0; i < READS; i++) {
    int64_t err = fluv_await(fluv_rwlock_read(lock));
    int seen;

    if (err < 0)
      return err;
    seen = value;
    fluv_yield();
    if (seen != value)
      printf("the value changed under a reader\n");
    fluv_rwlock_unlock_read(lock);
  }
  return 0;
}

/* A queued writer holds back the readers behind it, so it gets its turn. */
static int64_t refresh(void* arg) {
  (void) arg;
  for (int i = 0; i < 10; i++) {
    int64_t err = fluv_await(fluv_rwlock_write(lock));

    if (err < 0)
      return err;
    fluv_yield(); /* as if it asked a server */
    value++;
    loads++;
    fluv_rwlock_unlock_write(lock);
  }
  return 0;
}

static int64_t use_cache(void* arg) {
  fluv_future_t* tasks[READERS + 1];
  int64_t err = fluv_rwlock_new(&lock);

  (void) arg;
  if (err < 0)
    return err;
  for (int i = 0; i < READERS; i++)
    tasks[i] = fluv_spawn(reader, NULL);
  tasks[READERS] = fluv_spawn(refresh, NULL);
  err = fluv_await(fluv_join_all(tasks, READERS + 1, NULL));
  printf("%d readers, refreshed %d times\n", READERS, loads);
  fluv_rwlock_free(lock);
  return err;
}

int main(void) {
  int64_t err = fluv_run(use_cache, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "cache: %s\n", fluv_strerror(err));
  return err < 0;
}
