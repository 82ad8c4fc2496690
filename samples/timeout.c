/* SPDX-License-Identifier: 0BSD */
/* Work that may take too long: one future under a timeout, then a whole block
 * under a deadline.
 *
 * Shows:   fluv_timeout, fluv_deadline_begin, fluv_deadline_end
 * Run:     samples/timeout
 * Prints:  samples/timeout.out
 * Next:    samples/tcp_echo.c
 */
#include <fluv.h>
#include <stdio.h>

static int64_t work(void* arg) {
  const uint64_t* duration_ms = arg;
  int64_t err = fluv_await(fluv_sleep(*duration_ms));

  return err < 0 ? err : 42;
}

static void report(const char* what, int64_t result) {
  if (result < 0)
    printf("%s: %s\n", what, fluv_err_name(result));
  else
    printf("%s: %lld\n", what, (long long) result);
}

/* However many awaits it takes, this ends in time. */
static int64_t steps_until(uint64_t limit_ms) {
  int64_t steps = 0;
  int64_t err = fluv_deadline_begin(limit_ms);

  if (err < 0)
    return err;
  do {
    err = fluv_await(fluv_sleep(1));
    if (err >= 0)
      steps++;
  } while (err >= 0);
  /* True: it was the deadline that ended the loop, and nothing else. */
  return fluv_deadline_end() ? steps : err;
}

static int64_t timeouts(void* arg) {
  uint64_t short_ms = 10;
  uint64_t long_ms = 60000;
  int64_t steps;

  (void) arg;
  report("short work under a long timeout",
         fluv_await(fluv_timeout(fluv_spawn(work, &short_ms), 60000)));
  report("long work under a short timeout",
         fluv_await(fluv_timeout(fluv_spawn(work, &long_ms), 10)));

  steps = steps_until(50);
  if (steps < 0)
    return steps;
  printf("steps until a deadline: %s\n", steps > 0 ? "some" : "none");
  return 0;
}

int main(void) {
  int64_t err = fluv_run(timeouts, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "timeout: %s\n", fluv_strerror(err));
  return err < 0;
}
