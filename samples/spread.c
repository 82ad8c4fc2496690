/* SPDX-License-Identifier: 0BSD */
/* Work spread over all cores and joined, and a value from another loop.
 *
 * Shows:   fluv_spawn_any, fluv_spawn_on
 * Run:     samples/spread
 * Prints:  samples/spread.out
 * Next:    samples/spawn_blocking.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  PARTS = 16,
  PART = 100000
};

/* Runs on whichever worker is free first. */
static int64_t count_primes(void* arg) {
  const int* part = arg;
  int64_t primes = 0;

  for (int n = *part * PART / PARTS; n < (*part + 1) * PART / PARTS; n++) {
    int divisor = 2;

    while (divisor * divisor <= n && n % divisor != 0)
      divisor++;
    primes += n >= 2 && divisor * divisor > n;
  }
  return primes;
}

static int64_t spread(void* arg) {
  fluv_runtime_t* runtime = fluv_runtime_current();
  unsigned last = fluv_runtime_count_workers(runtime) - 1;
  fluv_future_t* tasks[PARTS];
  int64_t results[PARTS];
  int parts[PARTS];
  int64_t sum = 0;
  int64_t err;

  (void) arg;
  for (int i = 0; i < PARTS; i++) {
    parts[i] = i;
    tasks[i] = fluv_spawn_any(count_primes, &parts[i]);
  }
  err = fluv_await(fluv_join_all(tasks, PARTS, results));
  for (int i = 0; i < PARTS && err >= 0; i++)
    sum += results[i];
  printf("%lld primes below %d\n", (long long) sum, PART);

  /* A value computed on one loop in particular. */
  parts[0] = 0;
  sum = fluv_await(fluv_spawn_on(fluv_runtime_get_loop(runtime, last),
                                 count_primes,
                                 &parts[0]));
  printf("%lld of them in the first part\n", (long long) sum);
  return err;
}

int main(void) {
  int64_t err = fluv_run(spread, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "spread: %s\n", fluv_strerror(err));
  return err < 0;
}
