/* SPDX-License-Identifier: 0BSD */
/* A race between a fast and a slow task. The loser is cancelled.
 *
 * Shows:   fluv_select; how a task sees that it was cancelled
 * Run:     samples/select
 * Prints:  samples/select.out
 * Next:    samples/timeout.c
 */
#include <fluv.h>
#include <stdio.h>

struct runner {
  const char* name;
  uint64_t delay_ms;
  int64_t prize;
};

static int64_t run(void* arg) {
  const struct runner* runner = arg;
  int64_t err = fluv_await(fluv_sleep(runner->delay_ms));

  /* A cancelled await returns FLUV_ECANCELED: clean up and return. */
  if (err < 0) {
    printf("%s: %s\n", runner->name, fluv_err_name(err));
    return err;
  }
  printf("%s: arrived\n", runner->name);
  return runner->prize;
}

static int64_t race(void* arg) {
  struct runner runners[] = { { "slow", 60000, 7 }, { "fast", 20, 42 } };
  fluv_future_t* arms[] = {
    fluv_spawn(run, &runners[0]),
    fluv_spawn(run, &runners[1]),
  };
  int64_t prize;
  int64_t winner = fluv_await(fluv_select(arms, 2, &prize));

  (void) arg;
  /* The losers have ended: no task uses `runners` any more. */
  if (winner < 0)
    return winner;
  if (prize < 0)
    return prize;
  printf("%s won %lld\n", runners[winner].name, (long long) prize);
  return 0;
}

int main(void) {
  int64_t err = fluv_run(race, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "select: %s\n", fluv_strerror(err));
  return err < 0;
}
