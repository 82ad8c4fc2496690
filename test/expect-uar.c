/* SPDX-License-Identifier: MIT */
/* A task uses a local variable of a function that has returned. With
 * detect_stack_use_after_return=1 AddressSanitizer must say so, though the
 * task's stack was left and entered again in between. */
#include "expect.h"

static uintptr_t left_behind;

EXPECT_FRAME
static void leave_behind(int value) {
  volatile int local[8];
  int i;

  for (i = 0; i < 8; i++)
    local[i] = value + i;
  left_behind = (uintptr_t) &local[3];
}

EXPECT_FRAME
static int64_t use_after_return(void) {
  return *(volatile int*) left_behind;
}

static int64_t other(void* arg) {
  int* rounds = arg;

  while (--*rounds > 0)
    fluv_yield();
  return 0;
}

static int64_t mistaken(void* arg) {
  int rounds = 5;
  fluv_future_t* task = fluv_spawn(other, &rounds);

  (void) arg;
  leave_behind(39);
  if (fluv_await(task) < 0)
    return -1;
  return use_after_return();
}

int main(void) {
  int64_t result;

  if (!EXPECT_ASAN)
    return EXPECT_SKIP;

  result = fluv_run(mistaken, NULL, NULL);
  printf("nobody noticed: %d\n", (int) result);
  return 0;
}
