/* SPDX-License-Identifier: MIT */
/* Running a loop of our own, and waiting in plain code. */
#include <stdio.h>

#include "core/alive.h"
#include "core/task.h"

/* How long fluv_run() waits for what is left when its task has returned. */
enum {
  DEFAULT_SHUTDOWN_MS = 1000
};

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
  /* The caller of fluv_block_on() goes on: other waits are not stuck yet. */
  block->loop->stuck_reported = true;
  if (block->running)
    uv_stop(block->loop->uv);
}

/* Run the loop until the future is done, there is nothing left to do, or
 * it is stopped. True if the loop is still alive. */
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
  f->flags |= FLUV__DETACHED;
  fluv__discard(f);
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

  if (loop != NULL && (fluv__is_draining(loop) || loop->blocking))
    fluv__die(
        "fluv_block_on() inside a task, a continuation or another "
        "fluv_block_on(), at %s",
        fluv__loc_format(loc, place, sizeof(place)));
  if (loop != NULL && fluv__is_completing(loop))
    fluv__die(
        "fluv_block_on() inside a function that fluv calls while it ends "
        "futures, at %s",
        fluv__loc_format(loc, place, sizeof(place)));
  fluv__take(f, loop, loc);
  if (loop == NULL)
    return f->result;
  loop->blocking = true;
  result = block_on(loop, f, loc);
  loop->blocking = false;
  /* From here on the host runs the loop, and may end waits that are left. */
  loop->alone = false;
  fluv__wakeup_update_ref(loop);
  return result;
}

/* Futures under way that nobody will wait for any more: detached ones and,
 * once no task is left that might hold them, forgotten ones. */
static bool is_root(const fluv_future_t* f) {
  bool nobodys = (f->flags & FLUV__DETACHED) != 0 ||
                 ((f->flags & FLUV__TAKEN) == 0 && f->loop->task_count == 0);

  return nobodys && f->state == FLUV__PENDING && !fluv__is_task(f) &&
         (f->flags & FLUV__CANCELLED) == 0;
}

static void cancel_roots(fluv_loop_t* loop) {
  fluv__pool_batch_t batch = { .match = is_root };
  size_t i;

  while (fluv__pool_find(&loop->pool, &batch) > 0) {
    for (i = 0; i < batch.count; i++) {
      fluv_future_t* f = batch.f[i];

      if (f->state == FLUV__FREED || !is_root(f))
        continue; /* it has ended with another */
      /* Not made DETACHED: a hook may still have it in hand, and use it. */
      fluv__discard(f);
      fluv__cancel(f);
    }
  }
}

/* The timer has woken the loop, which is all it is for. */
static void on_limit(uv_timer_t* limit) {
  (void) limit;
}

static void on_limit_closed(uv_handle_t* limit) {
  limit->data = NULL;
}

/* Cancel all that is left and wait for it, until the limit. In real time, for
 * a paused clock may stand for ever. */
static void wind_down(fluv_loop_t* loop, uint64_t limit_ms) {
  uint64_t end = fluv__ns_after(uv_hrtime(), limit_ms);
  uv_timer_t limit;

  fluv__wakeup_update_ref(loop);
  fluv__loop_cancel_tasks(loop);
  cancel_roots(loop);
  uv_update_time(loop->uv);
  uv_timer_init(loop->uv, &limit);
  /* Repeated, since libuv's milliseconds are cut off: the first may come
   * before the end, and without a second the loop might wait for ever. */
  uv_timer_start(&limit, on_limit, limit_ms, 1);
  uv_unref((uv_handle_t*) &limit);
  loop->limit = &limit;
  while (uv_loop_alive(loop->uv) && uv_hrtime() < end) {
    uv_run(loop->uv, UV_RUN_ONCE);
    if (loop->task_count == 0)
      cancel_roots(loop);
  }
  loop->limit = NULL;
  limit.data = &limit;
  uv_close((uv_handle_t*) &limit, on_limit_closed);
  while (limit.data != NULL)
    uv_run(loop->uv, UV_RUN_NOWAIT);
  fluv__report_tasks(loop, "the program ends without");
}

static void abandon_handles(fluv_loop_t* loop) {
  while (!fluv__list_is_empty(&loop->handles)) {
    fluv__handle_t* handle =
        fluv__container_of(loop->handles.next, fluv__handle_t, link);

    handle->abandon(handle);
  }
}

/* Then only requests and handles that are being closed keep the loop alive. */
static void unref_handle(uv_handle_t* handle, void* arg) {
  (void) arg;
  uv_unref(handle);
}

/* Close what is left, and let libuv have done with it. */
static void close_down(fluv_loop_t* loop) {
  uv_loop_t* uv = loop->uv;
  bool alive;

  abandon_handles(loop);
  /* libuv's callbacks may still end futures: the loop's memory stays until
   * the last, as if there were one handle more. Requests end by themselves;
   * handles of the program's own are not waited for. */
  loop->open_handles++;
  fluv__loop_begin_close(loop);
  abandon_handles(loop); /* of tasks that came at the last moment */
  do {
    uv_walk(uv, unref_handle, NULL);
    alive = uv_loop_alive(uv) != 0;
    if (alive)
      uv_run(uv, UV_RUN_ONCE);
  } while (alive);
  /* Hooks that run while the last futures go still find the loop. */
  fluv__loop_closed(loop);
  fluv__loop = NULL;
}

static int64_t run_on(uv_loop_t* uv,
                      fluv_task_fn fn,
                      void* arg,
                      const fluv_loop_options_t* options,
                      const fluv_loc_t* loc) {
  fluv_future_t* main_task;
  fluv_loop_t* loop;
  int64_t result;
  int err = fluv_attach_with(uv, options);

  if (err < 0)
    return err;
  loop = fluv__loop;
  loop->ours = true;
  if (loop->options.shutdown_ms == 0)
    loop->options.shutdown_ms = DEFAULT_SHUTDOWN_MS;
  main_task = fluv_spawn_loc(fn, arg, NULL, loc);
  fluv__take(main_task, loop, loc);
  loop->blocking = true;
  result = block_on(loop, main_task, loc);
  loop->winding_down = true;
  if (loop->sched != NULL)
    loop->sched->stop(loop);
  wind_down(loop, loop->options.shutdown_ms);
  fluv__report_forgotten(loop);
  close_down(loop);
  return result;
}

int64_t fluv_run_loc(fluv_task_fn fn,
                     void* arg,
                     const fluv_loop_options_t* options,
                     const fluv_loc_t* loc) {
  uv_loop_t* uv;
  int64_t result;
  int err;

  if (fn == NULL)
    return FLUV_EINVAL;
  if (fluv__loop != NULL)
    return FLUV_EBUSY;
  uv = fluv__malloc(sizeof(*uv));
  if (uv == NULL)
    return FLUV_ENOMEM;
  err = uv_loop_init(uv);
  if (err < 0) {
    fluv__free(uv);
    return err;
  }
  result = run_on(uv, fn, arg, options, loc);
  if (uv_loop_close(uv) == 0)
    fluv__free(uv);
  else
    fluv__warn("fluv_run() leaves libuv handles behind that are not its own");
  return result;
}
