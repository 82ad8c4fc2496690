/* SPDX-License-Identifier: 0BSD */
/* Ten tasks run side by side; all of them are waited for at once.
 *
 * Shows:   fluv_join_all: results in the order of the array, not of the ends
 * Run:     samples/join
 * Prints:  samples/join.out
 * Next:    samples/select.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  TASKS = 10
};

/* The later a task was spawned, the sooner it is ready. */
static int64_t square(void* arg) {
  const int* number = arg;
  int64_t err = fluv_await(fluv_sleep(2 * (TASKS - *number)));

  if (err < 0)
    return err;
  return (int64_t) *number * *number;
}

static int64_t squares(void* arg) {
  fluv_future_t* tasks[TASKS];
  int64_t results[TASKS];
  int numbers[TASKS];
  int64_t err;

  (void) arg;
  for (int i = 0; i < TASKS; i++) {
    numbers[i] = i;
    tasks[i] = fluv_spawn(square, &numbers[i]);
  }

  /* 0 if all went well, or the error of the first in the array that failed. */
  err = fluv_await(fluv_join_all(tasks, TASKS, results));
  if (err < 0)
    return err;
  for (int i = 0; i < TASKS; i++)
    printf("%d squared is %lld\n", i, (long long) results[i]);
  return 0;
}

int main(void) {
  int64_t err = fluv_run(squares, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "join: %s\n", fluv_strerror(err));
  return err < 0;
}
