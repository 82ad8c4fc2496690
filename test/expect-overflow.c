/* SPDX-License-Identifier: MIT */
/* A task that dies of a fault.
 *
 *   expect-overflow deep   It runs over its stack: stderr must name it, the
 *                          place where it was spawned and its stack's size.
 *   expect-overflow wild   It uses a wild pointer: stderr must not speak of
 *                          stacks, and the process dies as always.
 *
 * The place of the spawn is printed on stdout for comparison. */
#include "expect.h"

#define STACK_SIZE (32 * 1024)

EXPECT_FRAME
static int dive(volatile int* depth) {
  volatile char frame[512];

  memset((char*) (uintptr_t) frame, (int) *depth, sizeof(frame));
  if (++*depth == INT32_MAX)
    return 0;
  return dive(depth) + frame[*depth % 512];
}

static int64_t go_deep(void* arg) {
  volatile int depth = 0;

  (void) arg;
  return dive(&depth);
}

static int64_t use_wild(void* arg) {
  volatile uintptr_t nowhere = 64;

  (void) arg;
  return *(volatile char*) nowhere;
}

static int64_t spawn_diver(void* arg) {
  bool is_deep = strcmp(arg, "deep") == 0;
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  const fluv_loc_t* here = FLUV_LOC;

  options.name = "diver";
  options.stack_size = STACK_SIZE;
  printf("%s:%d\n", here->file, here->line);
  fflush(stdout);
  return fluv_await(
      fluv_spawn_loc(is_deep ? go_deep : use_wild, NULL, &options, here));
}

int main(int argc, char** argv) {
  char deep[] = "deep";

  (void) !fluv_run(spawn_diver, argc == 2 ? argv[1] : deep, NULL);
  printf("nobody noticed\n");
  return 0;
}
