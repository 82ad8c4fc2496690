/* SPDX-License-Identifier: 0BSD */
/* Three tasks sleep side by side and say their word when they wake up.
 *
 * Shows:   fluv_run, fluv_spawn, fluv_await, fluv_sleep
 * Run:     samples/hello
 * Prints:  samples/hello.out
 * Next:    samples/spawn.c
 */
#include <fluv.h>
#include <stdio.h>

struct word {
  const char* text;
  uint64_t delay_ms;
};

/* A task is a function with its own stack. While it waits, others run. */
static int64_t say(void* arg) {
  const struct word* word = arg;
  int64_t err = fluv_await(fluv_sleep(word->delay_ms));

  if (err < 0)
    return err;
  printf("%s\n", word->text);
  return 0;
}

static int64_t hello(void* arg) {
  static struct word words[] = {
    { "a program that sleeps", 60 },
    { "Hello", 20 },
    { "from", 40 },
  };
  fluv_future_t* tasks[3];
  int64_t result = 0;

  (void) arg;
  for (int i = 0; i < 3; i++)
    tasks[i] = fluv_spawn(say, &words[i]);

  /* A result is a value >= 0 or an error. Each future is used exactly once. */
  for (int i = 0; i < 3; i++) {
    int64_t err = fluv_await(tasks[i]);
    if (err < 0)
      result = err;
  }
  return result;
}

int main(void) {
  int64_t err = fluv_run(hello, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "hello: %s\n", fluv_strerror(err));
  return err < 0;
}
