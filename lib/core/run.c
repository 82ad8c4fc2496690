/* SPDX-License-Identifier: MIT */
/* Running a loop of our own, and waiting in plain code. */
#include <stdio.h>

#include "core/task.h"

typedef struct block {
  fluv__waiter_t waiter;
  fluv_loop_t* loop;
  bool done;
  bool running; /* our uv_run() is on the stack */
} block_t;

static void block_wake(fluv__waiter_t* waiter, fluv_future_t* f) {
  block_t* block = fluv__container_of(waiter, block_t, waiter);

  (void) f;
  block->done = true;
  if (block->running)
    uv_stop(block->loop->uv);
}

/* Run the loop until the future is done, there is nothing left to do, or
 * somebody stops it. Whether anything is left. */
static bool run_until_done(block_t* block) {
  int alive;

  block->running = true;
  alive = uv_run(block->loop->uv, UV_RUN_DEFAULT);
  block->running = false;
  return alive != 0;
}

/* The loop ended before the future did: ask it to end too, with what the loop
 * can still do for it. Whether it has. */
static bool end_early(fluv_future_t* f, block_t* block) {
  fluv__cancel(f);
  while (!block->done && run_until_done(block))
    continue;
  if (block->done)
    return true;
  f->waiter = NULL;
  f->flags |= FLUV__UNWANTED;
  return false;
}

static int64_t block_on(fluv_loop_t* loop,
                        fluv_future_t* f,
                        const fluv_loc_t* loc) {
  block_t block = { { block_wake }, loop, false, false };
  int64_t result;
  int early = 0; /* why the loop ended before the future did */

  if (fluv__start_and_wait(f, &block.waiter)) {
    bool alive = run_until_done(&block);

    if (!block.done) {
      early = alive ? FLUV_ECANCELED : FLUV_EDEADLK;
      if (!end_early(f, &block))
        return early;
    }
  }
  result = f->result;
  fluv__future_free(f, loc);
  return early != 0 && result == FLUV_ECANCELED ? early : result;
}

int64_t fluv_block_on_loc(fluv_future_t* f, const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;
  char place[FLUV__LOC_SIZE];
  int64_t result;

  if (loop != NULL && (loop->draining || loop->blocking))
    fluv__die(
        "fluv_block_on() inside a task, a continuation or another "
        "fluv_block_on(), at %s",
        fluv__loc_format(loc, place, sizeof(place)));
  fluv__take(f, loop, loc);
  if (loop == NULL)
    return f->result;
  loop->blocking = true;
  result = block_on(loop, f, loc);
  loop->blocking = false;
  return result;
}

/* Nothing to do but to have woken the loop. */
static void limit_fire(fluv__timer_t* timer) {
  (void) timer;
}

/* Cancel what is left and wait for it until the limit. */
static void wind_down(fluv_loop_t* loop, unsigned limit_ms) {
  fluv__timer_t limit;

  fluv__loop_cancel_tasks(loop);
  fluv__timer_init(&limit, limit_fire);
  fluv__timer_after(loop, &limit, limit_ms);
  while (loop->task_count > 0 && limit.node.link.next != NULL)
    if (uv_run(loop->uv, UV_RUN_ONCE) == 0)
      break;
  fluv__timer_stop(loop, &limit);
  fluv__report_tasks(loop, "the program ends without");
}

static void abandon_handles(fluv_loop_t* loop) {
  while (!fluv__list_is_empty(&loop->handles)) {
    fluv__handle_t* handle =
        fluv__container_of(loop->handles.next, fluv__handle_t, link);

    handle->abandon(handle);
  }
}

static int64_t run_on(uv_loop_t* uv,
                      fluv_task_fn fn,
                      void* arg,
                      const fluv_loop_options_t* options,
                      const fluv_loc_t* loc) {
  unsigned limit_ms = 1000;
  fluv_future_t* main_task;
  fluv_loop_t* loop;
  int64_t result;
  int err = fluv_attach_with(uv, options);

  if (err < 0)
    return err;
  if (options != NULL && options->shutdown_ms != 0)
    limit_ms = options->shutdown_ms;
  loop = fluv__loop;
  main_task = fluv_spawn_loc(fn, arg, NULL, loc);
  fluv__take(main_task, loop, loc);
  loop->blocking = true;
  result = block_on(loop, main_task, loc);
  if (loop->task_count > 0)
    wind_down(loop, limit_ms);
  abandon_handles(loop);
  fluv__loop_shut(loop);
  /* The rest of libuv's callbacks may still end futures: the loop's memory
   * stays until the last, as if there were one handle more. */
  loop->open_handles++;
  uv_run(uv, UV_RUN_DEFAULT);
  fluv__loop_closed(loop);
  return result;
}

int64_t fluv_run_loc(fluv_task_fn fn,
                     void* arg,
                     const fluv_loop_options_t* options,
                     const fluv_loc_t* loc) {
  uv_loop_t uv;
  int64_t result;
  int err;

  if (fn == NULL)
    return FLUV_EINVAL;
  if (fluv__loop != NULL)
    return FLUV_EBUSY;
  err = uv_loop_init(&uv);
  if (err < 0)
    return err;
  result = run_on(&uv, fn, arg, options, loc);
  if (uv_loop_close(&uv) != 0)
    fluv__warn("fluv_run() leaves libuv handles behind that are not its own");
  return result;
}
