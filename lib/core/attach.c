/* SPDX-License-Identifier: MIT */
/* Attaching fluv to a loop, and closing it. */
#define _GNU_SOURCE
#include "base/fork.h"
#include "core/alive.h"
#include "core/options.h"
#include "core/process.h"
#include "core/self.h"
#include "core/spin.h"
#include "core/task.h"
#include "core/watchdog.h"

#if FLUV_ASAN
# include <sanitizer/asan_interface.h>
#endif
#if FLUV_TSAN
# include <sanitizer/tsan_interface.h>
#endif

/* fluv's handles in a loop: wakeup, prepare, check, idle, timer,
 * trimmer. */
enum {
  OWN_HANDLES = 6
};

enum {
  DEFAULT_TURN_COUNT = 1024,
  DEFAULT_TURN_US = 1000,
  MAX_TURN_US = 1000000
};

/* The bounds of this thread's stack, which ASan wants to know. */
static void find_main_ctx(fluv__ctx_t* ctx) {
#if FLUV_ASAN
  pthread_attr_t attr;
  void* bottom = NULL;
  size_t size = 0;

  if (pthread_getattr_np(pthread_self(), &attr) == 0) {
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
  }
  ctx->bottom = bottom;
  ctx->size = size;
#endif
#if FLUV_TSAN
  ctx->fiber = __tsan_get_current_fiber();
#endif
  (void) ctx;
}

/* In a child of fork(2): the child shares the loop's descriptors with the
 * parent, so using them would affect the parent. */
static void forget_loop(void) {
  fluv_loop_t* loop = fluv__loop;

  fluv__loop = NULL;
  /* If the child goes on to run the host's loop, the idle handle is called
   * before the first poll, which might read the parent's data. */
  if (loop != NULL && !loop->ours)
    fluv__loop_kick(loop);
  fluv__process_forked();
}

void fluv__watch_forks(void) {
  static fluv__fork_t watch = { .child = forget_loop };

  fluv__fork_watch(&watch);
}

static int apply_options(fluv_loop_t* loop, const fluv_loop_options_t* given) {
  const fluv_loop_options_t* options = &loop->options;

  if (fluv__options_read(&loop->options, given, &fluv__loop_options_sizes) !=
          0 ||
      options->turn_us > MAX_TURN_US)
    return FLUV_EINVAL;
  loop->stack_bits = options->stack_size != 0
                         ? fluv__stack_bits(options->stack_size)
                         : FLUV__STACK_DEFAULT_BITS;
  if (loop->stack_bits == 0)
    return FLUV_EINVAL;
  loop->turn_count =
      options->turn_count != 0 ? options->turn_count : DEFAULT_TURN_COUNT;
  loop->turn_ns =
      (options->turn_us != 0 ? options->turn_us : DEFAULT_TURN_US) * 1000ULL;
  fluv__spin_init(&loop->spin, options->spin_us);
  fluv__rng_seed(&loop->rng, options->seed != 0 ? options->seed : uv_hrtime());
  return 0;
}

int fluv__loop_new(uv_loop_t* uv,
                   const fluv_loop_options_t* options,
                   fluv_loop_t** out_loop) {
  fluv_loop_t* loop;
  int err;

  loop = fluv__calloc(1, sizeof(*loop));
  if (loop == NULL)
    return FLUV_ENOMEM;
  fluv__watch_forks();
  loop->uv = uv;
  loop->forks = fluv__forks;
  loop->thread = pthread_self();
  loop->chunk = 64;
  fluv__list_init(&loop->tasks);
  loop->to_cancel_end = &loop->to_cancel;
  loop->nest_end = &loop->nest_first;
  loop->to_free_end = &loop->to_free;
  loop->arrivals_end = &loop->arrivals;
  fluv__list_init(&loop->handles);
  fluv__pool_init(&loop->pool);
  fluv__stack_cache_init(&loop->stacks, fluv__task_main, &loop->fp);
  fluv__out_of_memory_init(loop);
  atomic_init(&loop->refs, 1);
  find_main_ctx(&loop->main_ctx);
  fluv__fp_read(&loop->fp);
  err = apply_options(loop, options);
  if (err == 0)
    err = fluv__turn_init(loop);
  if (err < 0) {
    fluv__free(loop);
    return err;
  }
  fluv__timers_init(&loop->timers, uv, loop->options.clock_paused);
  loop->open_handles = OWN_HANDLES;
  if (!loop->options.leave_sigsegv)
    loop->alt_stack = fluv__overflow_watch();
  fluv__process_enter(&loop->options);
  fluv__watchdog_begin(loop, loop->options.watchdog_ms);
  *out_loop = loop;
  return 0;
}

static pthread_key_t thread_key;
static bool has_thread_key;

/* The thread has ended. Its stack was unwound, and with it the task that ran
 * there; all others will never run again. */
static void on_thread_end(void* arg) {
  fluv_loop_t* loop = arg;
  char made[FLUV__LOC_SIZE];
  char await[FLUV__LOC_SIZE];

  if (fluv__loop != loop || loop->current == NULL)
    return;
#if FLUV_ASAN
  /* The frames that were unwound without returning are still poisoned. */
  __asan_unpoison_memory_region((char*) __builtin_frame_address(0) - 65536,
                                65536);
#endif
  fluv__die(
      "pthread_exit() or pthread_cancel() inside task \"%s\", spawned at "
      "%s, last awaiting at %s: a task ends by returning",
      fluv__task_name(loop->current),
      fluv__loc_format(loop->current->base.loc, made, sizeof(made)),
      fluv__loc_format(loop->current->await_loc, await, sizeof(await)));
}

static void make_thread_key(void) {
  has_thread_key = pthread_key_create(&thread_key, on_thread_end) == 0;
}

/* Call on_thread_end(loop) when this thread ends; NULL: call nothing. */
static void watch_thread(fluv_loop_t* loop) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;

  pthread_once(&once, make_thread_key);
  if (has_thread_key)
    (void) pthread_setspecific(thread_key, loop);
}

int fluv_attach_with(struct uv_loop_s* uv, const fluv_loop_options_t* options) {
  int err;

  if (uv == NULL)
    return FLUV_EINVAL;
  if (fluv__loop != NULL)
    return FLUV_EALREADY;
  err = fluv__loop_new(uv, options, &fluv__loop);
  if (err == 0)
    watch_thread(fluv__loop);
  return err;
}

static bool holds(const fluv_future_t* f) {
  return (f->flags & FLUV__NEEDS_RELEASE) != 0;
}

/* Release what futures hold that are freed with the pool and not one by one. A
 * hook may free other futures meanwhile. */
static void release_left_over(fluv_loop_t* loop) {
  fluv__pool_batch_t batch = { .match = holds };
  fluv__list_t* it;
  size_t i;

  fluv__list_foreach (it, &loop->tasks)
    fluv__task_report_locks(fluv__container_of(it, fluv__task_t, all));
  while (fluv__pool_find(&loop->pool, &batch) > 0) {
    for (i = 0; i < batch.count; i++) {
      fluv_future_t* f = batch.f[i];

      if (f->state == FLUV__FREED || !holds(f))
        continue;
      f->flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
      f->ops->release(f);
    }
  }
}

void fluv__loop_closed(fluv_loop_t* loop) {
  fluv__assert(loop->open_handles > 0);
  if (--loop->open_handles > 0)
    return;
  release_left_over(loop);
  if (loop->forks == fluv__forks)
    fluv__process_leave(&loop->options); /* in a child it has left already */
  fluv__pool_deinit(&loop->pool);
  fluv__stack_cache_deinit(&loop->stacks);
  fluv__loop_unref(loop);
}

static void on_close_wakeup(uv_handle_t* handle) {
  fluv_loop_t* loop =
      fluv__container_of(handle, fluv_loop_t, inbox.wakeup.uv.handle);

  fluv__wakeup_deinit(&loop->inbox.wakeup);
  fluv__loop_closed(loop);
}

static void on_close_check(uv_handle_t* handle) {
  fluv__loop_closed(fluv__container_of(handle, fluv_loop_t, check));
}

static void on_close_idle(uv_handle_t* handle) {
  fluv__loop_closed(fluv__container_of(handle, fluv_loop_t, idle));
}

static void on_close_prepare(uv_handle_t* handle) {
  fluv__loop_closed(fluv__container_of(handle, fluv_loop_t, prepare));
}

static void on_close_trimmer(uv_handle_t* handle) {
  fluv__loop_closed(fluv__container_of(handle, fluv_loop_t, trimmer));
}

static void on_close_timer(uv_handle_t* handle) {
  fluv__loop_closed(fluv__container_of(handle, fluv_loop_t, timers.uv));
}

/* Rounds in which cancelled tasks may clean up. The limit is for a task that
 * yields for ever: it must not keep the loop open. */
enum {
  CLOSE_ROUNDS = 16
};

static void drain_rounds(fluv_loop_t* loop) {
  int round;

  for (round = 0; round < CLOSE_ROUNDS; round++) {
    fluv__turn_begin(loop);
    fluv__drain(loop);
  }
}

/* The host may have closed the handle, with all others. Its memory is not freed
 * then, because libuv does not report to fluv when it no longer uses it. */
static void close_own(uv_handle_t* handle, uv_close_cb on_close) {
  if (!uv_is_closing(handle))
    uv_close(handle, on_close);
}

void fluv__loop_begin_close(fluv_loop_t* loop) {
  if (loop->sched != NULL)
    loop->sched->leave(loop);
  fluv__watchdog_end(loop);
  watch_thread(NULL);
  loop->winding_down = true;
  fluv__inbox_close(&loop->inbox);
  if (loop->task_count > 0 || loop->ready_head != NULL)
    drain_rounds(loop); /* what has just arrived */
  if (loop->abandoned_jobs > 0)
    loop->report_jobs(loop, "the loop ends without");
  loop->closing = true;
  fluv__overflow_unwatch(loop->alt_stack);
  close_own(&loop->inbox.wakeup.uv.handle, on_close_wakeup);
  close_own((uv_handle_t*) &loop->check, on_close_check);
  close_own((uv_handle_t*) &loop->idle, on_close_idle);
  close_own((uv_handle_t*) &loop->timers.uv, on_close_timer);
  close_own((uv_handle_t*) &loop->trimmer, on_close_trimmer);
  close_own((uv_handle_t*) &loop->prepare, on_close_prepare);
}

void fluv__loop_cancel_tasks(fluv_loop_t* loop) {
  fluv__list_t* it;

  /* Cancelling makes tasks ready; none runs, so none leaves the list. */
  fluv__list_foreach (it, &loop->tasks)
    fluv__cancel(&fluv__container_of(it, fluv__task_t, all)->base);
}

/* The host has closed fluv's handles: nothing can run any more. What is left is
 * abandoned, and its memory is not freed. */
static int abandon_loop(fluv_loop_t* loop) {
  (void) fluv__report_alive(loop,
                            "the program has closed fluv's handles under");
  if (loop->sched != NULL)
    loop->sched->leave(loop);
  fluv__watchdog_end(loop);
  loop->winding_down = loop->closing = true;
  fluv__inbox_close(&loop->inbox);
  fluv__overflow_unwatch(loop->alt_stack);
  fluv__process_leave(&loop->options);
  fluv__loop = NULL;
  return 0;
}

/* Close the handles that the user has closed and that still linger. */
static void end_lingering(fluv_loop_t* loop) {
  fluv__list_t* it = loop->handles.next;

  while (it != &loop->handles) {
    fluv__handle_t* handle = fluv__container_of(it, fluv__handle_t, link);

    it = it->next;
    if (handle->lingers)
      handle->abandon(handle);
  }
}

int fluv_loop_close(void) {
  fluv_loop_t* loop = fluv__loop;

  if (loop == NULL)
    return FLUV_ENOLOOP;
  if (fluv__is_draining(loop) || loop->blocking)
    return FLUV_EBUSY; /* inside a task, or in fluv_block_on() */
  if (uv_is_closing((uv_handle_t*) &loop->check))
    return abandon_loop(loop);
  if (loop->sched != NULL)
    loop->sched->leave(loop); /* it must not take work from others */
  loop->winding_down = true;
  fluv__loop_cancel_tasks(loop);
  drain_rounds(loop);
  end_lingering(loop);
  if (fluv__report_alive(loop, "the loop cannot be closed because of") != 0) {
    loop->winding_down = false;
    return FLUV_EBUSY;
  }
  fluv__loop_begin_close(loop);
  fluv__loop = NULL;
  return 0;
}
