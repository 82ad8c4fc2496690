/* SPDX-License-Identifier: 0BSD */
/* A task computes a value, another one awaits it.
 *
 * Shows:   a task is a future: its result is what its function returns
 * Run:     samples/spawn
 * Prints:  samples/spawn.out
 * Next:    samples/join.c
 */
#include <fluv.h>
#include <stdio.h>

static int64_t add_up(void* arg) {
  const int* last = arg;
  int64_t sum = 0;

  printf("child: adding up 1 to %d\n", *last);
  for (int i = 1; i <= *last; i++)
    sum += i;
  return sum;
}

static int64_t parent(void* arg) {
  int last = 100;
  fluv_future_t* child = fluv_spawn(add_up, &last);
  int64_t sum;

  (void) arg;
  /* Spawning only queues the child; it runs when the parent waits. */
  printf("parent: spawned a child\n");
  sum = fluv_await(child);
  if (sum < 0)
    return sum;
  printf("parent: the child returned %lld\n", (long long) sum);
  return 0;
}

int main(void) {
  int64_t err = fluv_run(parent, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "spawn: %s\n", fluv_strerror(err));
  return err < 0;
}
