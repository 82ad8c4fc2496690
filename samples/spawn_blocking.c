/* SPDX-License-Identifier: 0BSD */
/* Counts the lines of a large file on a thread of the pool, while a ticker
 * goes on beside it.
 *
 * Shows:   fluv_spawn_blocking, fluv_blocking_is_cancelled, free_arg and
 *          drop_result
 * Run:     samples/spawn_blocking
 * Prints:  samples/spawn_blocking.out
 */
#include <fluv.h>
#include <stdio.h>
#include <stdlib.h>

enum {
  LINES = 1000000
};

/* A job's argument outlives the task that waits, if that is cancelled: so it
 * is on the heap, and belongs to the side that ends last. */
struct count {
  FILE* file;
  int64_t lines;
};

static void free_count(void* arg) {
  struct count* count = arg;

  fclose(count->file);
  free(count);
}

/* The job was abandoned while it ran, whether it saw that or not. */
static void drop_count(int64_t result, void* arg) {
  (void) result;
  free_count(arg);
}

/* Plain blocking C, on a thread without a loop. */
static int64_t count_lines(void* arg) {
  struct count* count = arg;
  char buf[65536];
  size_t len;

  while ((len = fread(buf, 1, sizeof(buf), count->file)) > 0) {
    if (fluv_blocking_is_cancelled())
      break;
    for (size_t i = 0; i < len; i++)
      count->lines += buf[i] == '\n';
  }
  return ferror(count->file) != 0;
}

static int64_t write_lines(void* arg) {
  struct count* count = arg;

  for (int i = 0; i < LINES && !fluv_blocking_is_cancelled(); i++)
    fprintf(count->file, "line %d\n", i);
  return fseek(count->file, 0, SEEK_SET) != 0 || ferror(count->file) != 0;
}

/* Goes on as long as it is let: the loop is not held. */
static int64_t tick(void* arg) {
  int* ticks = arg;

  while (fluv_await(fluv_sleep(1)) == 0)
    (*ticks)++;
  return 0;
}

/* Takes over the count. */
static int64_t work(struct count* count) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;
  int64_t failed;

  options.free_arg = free_count;
  options.drop_result = drop_count;
  failed = fluv_await(fluv_spawn_blocking_with(write_lines, count, &options));
  if (failed == 0)
    failed = fluv_await(fluv_spawn_blocking_with(count_lines, count, &options));
  if (failed < 0)
    return failed; /* No result of a job: one of the two has freed it. */
  if (failed > 0)
    printf("the file cannot be written or read\n");
  else
    printf("%lld lines\n", (long long) count->lines);
  free_count(count);
  return 0;
}

static int64_t sample(void* arg) {
  struct count* count = calloc(1, sizeof(*count));
  fluv_future_t* ticker;
  int ticks = 0;
  int64_t err;

  (void) arg;
  if (count == NULL)
    return FLUV_ENOMEM;
  count->file = tmpfile();
  if (count->file == NULL) {
    free(count);
    return FLUV_EACCES;
  }
  ticker = fluv_spawn(tick, &ticks);
  err = work(count);
  fluv_cancel(ticker);
  fluv_await(ticker);
  if (err == 0)
    printf("the ticker %s\n", ticks > 0 ? "went on" : "stood still");
  return err;
}

int main(void) {
  int64_t err = fluv_run(sample, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "spawn_blocking: %s\n", fluv_strerror(err));
  return err < 0;
}
