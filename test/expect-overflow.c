/* SPDX-License-Identifier: MIT */
/* A task that dies of a fault.
 *
 *   expect-overflow deep   It runs over its stack: stderr must name it, the
 *                          place where it was spawned and its stack's size.
 *   expect-overflow jump   A frame of 1 MB and more reaches over all guards and
 *                          its first access faults: the same.
 *   expect-probed BYTES    A frame of so many bytes, in code that is compiled
 *                          as fluv.pc says: the same.
 *   expect-overflow wild   It uses a wild pointer: stderr must not speak of
 *                          stacks, and the process dies as always.
 *
 * The place of the spawn is printed on stdout for comparison. */
#define _GNU_SOURCE
#include "expect.h"

#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
# define MAP_FIXED_NOREPLACE 0 /* a wish then */
#endif

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

/* A frame that is larger than the stack; only its lowest byte is used. */
EXPECT_FRAME
__attribute__((no_sanitize("address", "thread"))) static int64_t use_lowest(
    size_t size) {
  volatile char* block = __builtin_alloca(size);

  block[0] = 1;
  return block[0];
}

/* Memory far below a stack may be anything: map something there
 * that cannot be accessed. */
static int64_t jump(void* arg) {
  const uintptr_t step = 1 << 20;
  const size_t size = 1 << 16;
  uintptr_t here = (uintptr_t) __builtin_frame_address(0) & ~(step - 1);
  uintptr_t at;

  (void) arg;
  for (at = here - step; at > here - 32 * step; at -= step) {
    void* region = mmap((void*) at,
                        size,
                        PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
                        -1,
                        0);

    if (region == (void*) at)
      return use_lowest((uintptr_t) __builtin_frame_address(0) - at - size / 2);
  }
  return 0;
}

static size_t frame_size;

static int64_t use_large_frame(void* arg) {
  (void) arg;
  return use_lowest(frame_size);
}

static int64_t use_wild(void* arg) {
  volatile uintptr_t nowhere = 64;

  (void) arg;
  return *(volatile char*) nowhere;
}

static fluv_task_fn find_mistake(const char* name) {
  if (strcmp(name, "deep") == 0)
    return go_deep;
  if (strcmp(name, "jump") == 0)
    return jump;
  if (strcmp(name, "wild") == 0)
    return use_wild;
  frame_size = (size_t) atol(name);
  return use_large_frame;
}

static int64_t spawn_diver(void* arg) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  const fluv_loc_t* here = FLUV_LOC;

  options.name = "diver";
  options.stack_size = STACK_SIZE;
  printf("%s:%d\n", here->file, here->line);
  fflush(stdout);
  return fluv_await(fluv_spawn_loc(find_mistake(arg), NULL, &options, here));
}

int main(int argc, char** argv) {
  char deep[] = "deep";

  (void) !fluv_run(spawn_diver, argc == 2 ? argv[1] : deep, NULL);
  printf("nobody noticed\n");
  return 0;
}
