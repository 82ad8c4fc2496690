/* SPDX-License-Identifier: MIT */
/* Handing work to another thread's loop. */
#include "runtime/handoff.h"

#include <stdio.h>
#include <string.h>

#include "core/options.h"
#include "core/promise.h"

/* A plain function on its way. */
typedef struct post {
  fluv__inbox_node_t node;
  void (*fn)(void* arg);
  void* arg;
} post_t;

fluv_loop_t* fluv_loop_ref(fluv_loop_t* loop) {
  if (fluv__unlikely(loop == NULL))
    fluv__die("fluv_loop_ref(): the loop is NULL");
  fluv__loop_ref(loop);
  return loop;
}

void fluv_loop_unref(fluv_loop_t* loop) {
  if (loop != NULL)
    fluv__loop_unref(loop);
}

static void on_post(fluv__inbox_node_t* node) {
  post_t* post = fluv__container_of(node, post_t, node);
  void (*fn)(void* arg) = post->fn;
  void* arg = post->arg;

  fluv__loop->handed++;
  fluv__free(post);
  fn(arg);
}

int fluv_post(fluv_loop_t* loop, void (*fn)(void* arg), void* arg) {
  post_t* post;
  int err;

  if (fluv__unlikely(loop == NULL || fn == NULL))
    return FLUV_EINVAL;
  if (fluv__unlikely(loop->forks != fluv__forks))
    return FLUV_EPERM;
  post = fluv__malloc(sizeof(*post));
  if (fluv__unlikely(post == NULL))
    return FLUV_ENOMEM;
  post->node.run = on_post;
  post->fn = fn;
  post->arg = arg;
  err = fluv__inbox_post(&loop->inbox, &post->node);
  if (fluv__unlikely(err != 0))
    fluv__free(post);
  return err;
}

static void handoff_unref(fluv__handoff_t* h) {
  fluv_loop_t* loop;

  /* Release, and acquire in the last, as for every count of references. */
  if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
    return;
  loop = atomic_load(&h->loop);
  if (loop != NULL)
    fluv__loop_unref(loop);
  if (h->promise != NULL)
    fluv_promise_free(h->promise);
  else
    fluv__event_destroy(&h->ended);
  fluv__free(h->options);
  if (h->object.kind == FLUV__KIND_NONE)
    fluv__free(h);
  else
    fluv__object_free(h, NULL);
}

/* The block of a detached handoff ends before `promise`. */
static void free_untracked(fluv__handoff_t* h) {
  fluv__free(h->options);
  fluv__free(h);
}

static void notify(fluv__handoff_t* h, int64_t result) {
  if (h->done == NULL) {
    free_untracked(h);
    return;
  }
  h->done(h, result);
  handoff_unref(h);
}

void fluv__handoff_unused(const fluv_task_options_t* options, void* arg) {
  fluv_task_options_t read;

  if (fluv__options_read(&read, options, &fluv__task_options_sizes) == 0 &&
      read.free_arg != NULL)
    read.free_arg(arg);
}

void fluv__handoff_refuse(fluv__handoff_t* h, int err) {
  fluv__handoff_unused(h->options, h->arg);
  notify(h, err);
}

/* The task of a handoff, as a future that nobody waits for. */
typedef struct handed_op {
  fluv_future_t base;
  fluv__waiter_t waiter;
  fluv__handoff_t* h;
} handed_op_t;

static void handed_wake(fluv__waiter_t* waiter, fluv_future_t* task) {
  handed_op_t* op = fluv__container_of(waiter, handed_op_t, waiter);
  fluv__handoff_t* h = op->h;
  int64_t result = task->result;

  h->task = NULL;
  fluv__future_free(task, h->loc);
  op->base.flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  notify(h, result);
  fluv__complete(&op->base, 0);
}

/* The loop is closed before the task has returned. */
static void handed_release(fluv_future_t* f) {
  fluv__handoff_t* h = ((handed_op_t*) f)->h;

  h->task = NULL;
  notify(h, FLUV_ECANCELED);
}

static const fluv__ops_t handed_ops = {
  .kind = "handed task",
  .live = true,
  .release = handed_release,
};

/* Run it as a task whose end calls `done`. */
static void run_tracked(fluv__handoff_t* h, fluv_loop_t* loop) {
  handed_op_t* op;
  fluv_future_t* task;

  if (atomic_load(&h->loop) == NULL) {
    fluv__loop_ref(loop);
    atomic_store(&h->loop, loop);
  }
  op = (handed_op_t*) fluv__future_new(&handed_ops, sizeof(*op), h->loc);
  if (op == NULL) {
    fluv__handoff_refuse(h, FLUV_ENOMEM);
    return;
  }
  task = fluv_spawn_loc(h->fn, h->arg, h->options, h->loc);
  fluv__take(task, loop, h->loc);
  op->h = h;
  op->waiter.wake = handed_wake;
  op->base.state = FLUV__PENDING;
  op->base.flags |= FLUV__TAKEN | FLUV__DETACHED | FLUV__NEEDS_RELEASE;
  h->task = task;
  if (task->state == FLUV__DONE) {
    handed_wake(&op->waiter, task);
    return;
  }
  task->waiter = &op->waiter;
  /* It begins, as every task does: it owns its argument. */
  if (atomic_load(&h->cancelled))
    fluv__cancel(task);
}

void fluv__handoff_run(fluv__handoff_t* h, fluv_loop_t* loop) {
  fluv_task_fn fn = h->fn;
  void* arg = h->arg;
  const fluv_loc_t* loc = h->loc;

  if (h->done != NULL) {
    run_tracked(h, loop);
    return;
  }
  fluv_detach_loc(fluv_spawn_loc(fn, arg, h->options, loc), loc);
  free_untracked(h);
}

static void on_arrival(fluv__inbox_node_t* node) {
  fluv__loop->handed++;
  fluv__handoff_run(fluv__container_of(node, fluv__handoff_t, node),
                    fluv__loop);
}

int fluv__handoff_send(fluv__handoff_t* h, fluv_loop_t* loop) {
  if (fluv__unlikely(loop->forks != fluv__forks))
    return FLUV_EPERM;
  h->node.run = on_arrival;
  if (h->done != NULL) {
    fluv__loop_ref(loop);
    atomic_store(&h->loop, loop);
  }
  return fluv__inbox_post(&loop->inbox, &h->node);
}

static void on_cancel(fluv__inbox_node_t* node) {
  fluv__handoff_t* h = fluv__container_of(node, fluv__handoff_t, cancel_node);

  if (h->task != NULL)
    fluv__cancel(h->task);
  handoff_unref(h);
}

/* Any thread: ask the task to end, once. */
static void handoff_cancel(fluv__handoff_t* h) {
  fluv_loop_t* loop;

  if (atomic_exchange(&h->cancelled, true))
    return;
  /* One that no loop has taken yet sees `cancelled` when one does. */
  loop = atomic_load(&h->loop);
  if (loop == NULL)
    return;
  /* Relaxed: the caller holds a reference. */
  atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
  h->cancel_node.run = on_cancel;
  if (fluv__inbox_post(&loop->inbox, &h->cancel_node) != 0)
    handoff_unref(h);
}

enum {
  NAME_SIZE = 32 /* a task's name, which is cut at 31 bytes */
};

/* Options, and what they point to. */
typedef struct kept_options {
  fluv_task_options_t options;
  char name[NAME_SIZE];
} kept_options_t;

/* Keep a copy. 0 or an error. */
static int keep_options(fluv__handoff_t* h, const fluv_task_options_t* given) {
  kept_options_t* kept;
  int err;

  h->options = NULL;
  if (given == NULL)
    return 0;
  kept = fluv__malloc(sizeof(*kept));
  if (kept == NULL)
    return FLUV_ENOMEM;
  err = fluv__options_read(&kept->options, given, &fluv__task_options_sizes);
  if (err == 0 && kept->options.stack_size != 0 &&
      fluv__stack_bits(kept->options.stack_size) == 0)
    err = FLUV_EINVAL;
  if (err != 0) {
    fluv__free(kept);
    return err;
  }
  if (kept->options.name != NULL) {
    snprintf(kept->name, sizeof(kept->name), "%s", kept->options.name);
    kept->options.name = kept->name;
  }
  kept->options.size = sizeof(kept->options);
  h->options = &kept->options;
  return 0;
}

/* *out_err: why there is none. */
static fluv__handoff_t* handoff_new(size_t size,
                                    fluv_task_fn fn,
                                    void* arg,
                                    const fluv_task_options_t* options,
                                    const fluv_loc_t* loc,
                                    int* out_err) {
  fluv__handoff_t* h = fluv__malloc(size);

  *out_err = h == NULL ? FLUV_ENOMEM : keep_options(h, options);
  if (fluv__unlikely(*out_err != 0)) {
    fluv__free(h);
    fluv__handoff_unused(options, arg);
    return NULL;
  }
  h->fn = fn;
  h->arg = arg;
  h->loc = loc;
  h->done = NULL;
  h->stolen = false;
  return h;
}

static fluv__handoff_t* tracked_new(size_t size,
                                    fluv_task_fn fn,
                                    void* arg,
                                    const fluv_task_options_t* options,
                                    const fluv_loc_t* loc,
                                    int* out_err) {
  fluv__handoff_t* h = handoff_new(size, fn, arg, options, loc, out_err);

  if (h == NULL)
    return NULL;
  h->object.kind = FLUV__KIND_NONE;
  h->task = NULL;
  h->promise = NULL;
  atomic_init(&h->loop, NULL);
  atomic_init(&h->cancelled, false);
  atomic_init(&h->refs, 2);
  return h;
}

fluv__handoff_t* fluv__handoff_for_nobody(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          int* out_err) {
  return handoff_new(offsetof(fluv__handoff_t, promise),
                     fn,
                     arg,
                     options,
                     loc,
                     out_err);
}

static void done_for_thread(fluv__handoff_t* h, int64_t result) {
  h->result = result;
  fluv__event_set(&h->ended);
}

fluv__handoff_t* fluv__handoff_for_thread(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          int* out_err) {
  fluv__handoff_t* h = tracked_new(sizeof(*h), fn, arg, options, loc, out_err);

  if (h == NULL)
    return NULL;
  fluv__object_init(h, REMOTE, loc);
  h->done = done_for_thread;
  fluv__event_init(&h->ended);
  return h;
}

fluv__handoff_t* fluv__handoff_for_hook(size_t size,
                                        fluv_task_fn fn,
                                        void (*done)(fluv__handoff_t* h,
                                                     int64_t result),
                                        const fluv_loc_t* loc) {
  int err;
  fluv__handoff_t* h = tracked_new(size, fn, NULL, NULL, loc, &err);

  if (h == NULL)
    return NULL;
  h->arg = h;
  h->done = done;
  fluv__event_init(&h->ended);
  atomic_init(&h->refs, 1);
  memset(h + 1, 0, size - sizeof(*h));
  return h;
}

static void done_for_future(fluv__handoff_t* h, int64_t result) {
  (void) fluv_promise_resolve(h->promise, result);
}

/* On the thread of the future, which is still to be resolved. */
static void on_future_cancel(fluv_promise_t* p, void* arg) {
  (void) p;
  handoff_cancel(arg);
}

/* The future has ended: so has who made the handoff. */
static void on_future_gone(void* arg) {
  handoff_unref(arg);
}

fluv__handoff_t* fluv__handoff_for_future(fluv_task_fn fn,
                                          void* arg,
                                          const fluv_task_options_t* options,
                                          const fluv_loc_t* loc,
                                          fluv_future_t** out_future) {
  int err;
  fluv__handoff_t* h = tracked_new(sizeof(*h), fn, arg, options, loc, &err);

  if (h != NULL) {
    h->done = done_for_future;
    err = fluv_promise_new_loc(&h->promise, out_future, loc);
    if (err == 0) {
      fluv__promise_set_hooks(h->promise, on_future_cancel, on_future_gone, h);
      return h;
    }
    fluv__handoff_unused(options, arg);
    fluv__free(h->options);
    fluv__free(h);
  }
  *out_future =
      err == FLUV_ENOMEM ? fluv__future_enomem() : fluv__future_fail(err, loc);
  return NULL;
}

fluv_future_t* fluv_spawn_on_loc(fluv_loop_t* loop,
                                 fluv_task_fn fn,
                                 void* arg,
                                 const fluv_task_options_t* options,
                                 const fluv_loc_t* loc) {
  fluv_future_t* f;
  fluv__handoff_t* h;
  int err;

  if (loop == NULL || fn == NULL) {
    fluv__handoff_unused(options, arg);
    return fluv__future_fail(FLUV_EINVAL, loc);
  }
  if (loop == fluv__loop)
    return fluv_spawn_loc(fn, arg, options, loc);
  h = fluv__handoff_for_future(fn, arg, options, loc, &f);
  if (h == NULL)
    return f;
  err = fluv__handoff_send(h, loop);
  if (err != 0)
    fluv__handoff_refuse(h, err);
  return f;
}

int fluv_spawn_remote_loc(fluv_loop_t* loop,
                          fluv_task_fn fn,
                          void* arg,
                          const fluv_task_options_t* options,
                          fluv_remote_t** out_remote,
                          const fluv_loc_t* loc) {
  fluv__handoff_t* h;
  int err;

  if (loop == NULL || fn == NULL) {
    fluv__handoff_unused(options, arg);
    return FLUV_EINVAL;
  }
  h = out_remote != NULL
          ? fluv__handoff_for_thread(fn, arg, options, loc, &err)
          : fluv__handoff_for_nobody(fn, arg, options, loc, &err);
  if (h == NULL)
    return err;
  err = fluv__handoff_send(h, loop);
  if (err != 0) {
    fluv__handoff_refuse(h, err);
    if (out_remote != NULL)
      handoff_unref(h);
    return err;
  }
  if (out_remote != NULL)
    *out_remote = (fluv_remote_t*) (void*) h;
  return 0;
}

#define handoff_of(remote) ((fluv__handoff_t*) (void*) (remote))

int64_t fluv_wait(fluv_remote_t* remote, uint64_t timeout_ms) {
  fluv__handoff_t* h = handoff_of(remote);
  int64_t result;

  if (fluv__unlikely(remote == NULL))
    return FLUV_EINVAL;
  fluv__check(remote, REMOTE);
  if (fluv__loop != NULL)
    return FLUV_EDEADLK;
  if (!fluv__event_wait(&h->ended, fluv__limit_after(timeout_ms)))
    return FLUV_ETIMEDOUT;
  result = h->result;
  fluv__object_end(h, NULL);
  handoff_unref(h);
  return result;
}

void fluv_remote_cancel(fluv_remote_t* remote) {
  fluv__require(remote, REMOTE);
  handoff_cancel(handoff_of(remote));
}

void fluv_remote_free(fluv_remote_t* remote) {
  if (remote == NULL)
    return;
  fluv__check(remote, REMOTE);
  fluv__object_end(handoff_of(remote), NULL);
  handoff_unref(handoff_of(remote));
}
