/* SPDX-License-Identifier: MIT */
/* What LeakSanitizer must know of stacks.
 *
 *   expect-leak lost   The only pointer to a block was on the stack of a task
 *                      that has returned: the block must be reported.
 *   expect-leak held   The only pointer is on the stack of a task that waits
 *                      when the process ends: nothing must be reported.
 */
#include "expect.h"

#include <uv.h>

/* Larger than anything else that could be lost, to be known by its size. */
#define BLOCK 54321

EXPECT_FRAME
static void lose_a_block(void) {
  char* volatile block = malloc(BLOCK);

  if (block != NULL)
    block[0] = 'x';
}

static int64_t lose(void* arg) {
  (void) arg;
  lose_a_block();
  return fluv_yield();
}

/* The pointer is kept nowhere but here. */
EXPECT_FRAME
static int64_t hold_a_block(void) {
  char* volatile block = malloc(BLOCK);
  int64_t err;

  if (block == NULL)
    return FLUV_ENOMEM;
  err = fluv_await(fluv_never());
  free(block);
  return err;
}

static int64_t hold(void* arg) {
  (void) arg;
  return hold_a_block();
}

int main(int argc, char** argv) {
  fluv_task_fn fn = argc == 2 && strcmp(argv[1], "lost") == 0 ? lose : hold;
  uv_loop_t* uv = uv_default_loop();

  if (!EXPECT_ASAN)
    return EXPECT_SKIP;

  if (fluv_attach(uv) != 0)
    return 1;
  fluv_detach(fluv_spawn(fn, NULL));
  uv_run(uv, UV_RUN_NOWAIT);
  uv_run(uv, UV_RUN_NOWAIT);
  /* The process ends with its loop as it is. */
  return 0;
}
