/* SPDX-License-Identifier: 0BSD */
/* A pitfall: a lock held across an await. Wrong, and right.
 *
 * Shows:   what a lock that is held too long does to the others
 * Run:     samples/pitfall_lock
 * Prints:  samples/pitfall_lock.out
 * Next:    samples/pitfall_blocking.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  CLIENTS = 5,
  MS = 20
};

static fluv_mutex_t* mutex;
static int answers;

/* As if it asked a server. */
static int64_t ask(void) {
  return fluv_await(fluv_sleep(MS));
}

/* Wrong: no other task can continue while this one waits for its answer. */
static int64_t wrong(void* arg) {
  int64_t err = fluv_await(fluv_mutex_lock(mutex));

  (void) arg;
  if (err < 0)
    return err;
  err = ask();
  if (err == 0)
    answers++;
  fluv_mutex_unlock(mutex);
  return err;
}

/* Right: wait first, and hold the lock only for what it protects. */
static int64_t right(void* arg) {
  int64_t err = ask();

  (void) arg;
  if (err == 0)
    err = fluv_await(fluv_mutex_lock(mutex));
  if (err < 0)
    return err; /* the lock is not held: there is nothing to unlock */
  answers++;
  fluv_mutex_unlock(mutex);
  return err;
}

static int64_t run(fluv_task_fn client, const char* name) {
  fluv_future_t* tasks[CLIENTS];
  uint64_t begin = fluv_now();
  int64_t err;

  answers = 0;
  for (int i = 0; i < CLIENTS; i++)
    tasks[i] = fluv_spawn(client, NULL);
  err = fluv_await(fluv_join_all(tasks, CLIENTS, NULL));
  printf("%s: %d answers, %s\n",
         name,
         answers,
         fluv_now() - begin < CLIENTS * MS * 1000000ULL ? "side by side"
                                                        : "one by one");
  return err;
}

static int64_t both(void* arg) {
  int64_t err = fluv_mutex_new(&mutex);

  (void) arg;
  if (err == 0)
    err = run(wrong, "lock held across the wait");
  if (err == 0)
    err = run(right, "lock taken after the wait");
  fluv_mutex_free(mutex);
  return err;
}

int main(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int64_t err;

  options.clock_paused = true; /* time moves on by itself, and is exact */
  err = fluv_run(both, NULL, &options);
  if (err < 0)
    fprintf(stderr, "pitfall_lock: %s\n", fluv_strerror(err));
  return err < 0;
}
