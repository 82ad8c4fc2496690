/* SPDX-License-Identifier: MIT */
/* Blocking work: jobs for the pool as futures of a loop. */
#include <stdio.h>

#include "core/alive.h"
#include "core/options.h"
#include "runtime/jobs.h"

typedef struct blocking_op {
  fluv_future_t base;
  fluv__job_t* job; /* NULL once it is not this future's any more */
} blocking_op_t;

/* The future detaches from its job. */
static fluv__job_t* take_job(fluv_future_t* f) {
  blocking_op_t* op = (blocking_op_t*) f;
  fluv__job_t* job = op->job;

  op->job = NULL;
  f->flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  job->future = NULL;
  f->loop->jobs--;
  fluv__remote_wait_end(f->loop);
  return job;
}

/* Nobody gets the result; on the loop's thread. */
static void drop_result(fluv__job_t* job) {
  fluv_loop_t* loop = job->loop;
  fluv__task_t* task = fluv__hook_begin(loop);

  fluv__job_drop_result(job);
  fluv__hook_end(loop, task);
}

/* A job has arrived on its home loop. */
static void on_arrival(fluv__inbox_node_t* node) {
  fluv__job_t* job = fluv__container_of(node, fluv__job_t, node);
  fluv_future_t* f = job->future;
  int64_t result = job->result;

  if (f == NULL) {
    job->loop->abandoned_jobs--;
    fluv__wakeup_update_ref(job->loop);
    drop_result(job);
  } else {
    (void) take_job(f);
    if (fluv__unlikely((f->flags & FLUV__DISCARDED) != 0)) {
      /* Dropped on its way. */
      drop_result(job);
      result = FLUV_ECANCELED;
    }
  }
  fluv__job_free(job);
  if (f != NULL)
    fluv__complete(f, result);
}

/* The future ends, or is gone, before the job. */
static void detach_job(fluv_future_t* f) {
  fluv_loop_t* loop = f->loop;
  fluv__job_t* job = take_job(f);
  fluv__task_t* task;

  if (!fluv__job_withdraw(job)) {
    if (!fluv__job_abandon(job)) {
      loop->abandoned_jobs++;
      fluv__wakeup_update_ref(loop);
      return;
    }
    drop_result(job);
  } else if (job->free_arg != NULL) {
    task = fluv__hook_begin(loop);
    job->free_arg(job->arg);
    fluv__hook_end(loop, task);
  }
  fluv__job_free(job);
}

static void blocking_cancel(fluv_future_t* f) {
  /* A result that is as good as there is not thrown away. */
  if ((f->flags & FLUV__DISCARDED) == 0 &&
      fluv__job_has_returned(((blocking_op_t*) f)->job))
    return;
  detach_job(f);
  fluv__complete(f, FLUV_ECANCELED);
}

static void blocking_release(fluv_future_t* f) {
  detach_job(f);
}

static void blocking_describe(const fluv_future_t* f, char* buf, size_t size) {
  const fluv__job_t* job = ((const blocking_op_t*) f)->job;

  if (job != NULL)
    snprintf(buf, size, "\"%s\"", fluv__job_name(job));
}

static const fluv__ops_t blocking_ops = {
  .kind = "blocking job",
  .live = true,
  .cancel = blocking_cancel,
  .release = blocking_release,
  .describe = blocking_describe,
};

static fluv_future_t* refuse(int err,
                             void* arg,
                             const fluv_blocking_options_t* options,
                             const fluv_loc_t* loc) {
  if (options->free_arg != NULL)
    options->free_arg(arg);
  return err == FLUV_ENOMEM ? fluv__future_enomem()
                            : fluv__future_fail(err, loc);
}

/* A job that is the future's. NULL: out of memory. */
static fluv__job_t* make_job(fluv_future_t* f,
                             const fluv_blocking_options_t* options) {
  fluv__job_t* job = fluv__malloc(sizeof(*job));

  if (job == NULL)
    return NULL;
  job->node.run = on_arrival;
  job->loop = f->loop;
  fluv__loop_ref(job->loop);
  job->future = f;
  job->free_arg = options->free_arg;
  job->drop_result = options->drop_result;
  job->loc = f->loc;
  job->dropped = job->abandoned = job->orphaned = false;
  atomic_init(&job->cancelled, false);
  job->name[0] = '\0';
  if (options->name != NULL)
    snprintf(job->name, sizeof(job->name), "%s", options->name);
  return job;
}

static fluv_future_t* spawn(int64_t (*fn)(void* arg),
                            void* arg,
                            const fluv_blocking_options_t* given,
                            bool lookup,
                            const fluv_loc_t* loc) {
  fluv_blocking_options_t read;
  const fluv_blocking_options_t* options = &read;
  fluv_loop_t* loop = fluv__loop;
  fluv_future_t* f;
  fluv__job_t* job;
  int err;

  err = fluv__options_read(&read, given, &fluv__blocking_options_sizes);
  if (fn == NULL || err != 0)
    return refuse(FLUV_EINVAL, arg, options, loc);
  f = fluv__future_new(&blocking_ops, sizeof(blocking_op_t), loc);
  if (f == NULL)
    return refuse(FLUV_ENOMEM, arg, options, loc);
  job = make_job(f, options);
  if (job == NULL) {
    fluv__future_free(f, loc);
    return refuse(FLUV_ENOMEM, arg, options, loc);
  }
  job->fn = fn;
  job->arg = arg;
  job->lookup = lookup;
  ((blocking_op_t*) f)->job = job;
  f->state = FLUV__PENDING;
  f->flags = FLUV__NEEDS_RELEASE;
  loop->report_jobs = fluv__jobs_report;
  loop->jobs++;
  fluv__remote_wait_begin(loop);
  err = fluv__job_submit(job);
  if (fluv__likely(err == 0))
    return f;
  fluv__job_free(take_job(f));
  f->state = FLUV__COLD;
  fluv__future_free(f, loc);
  return refuse(err, arg, options, loc);
}

fluv_future_t* fluv_spawn_blocking_loc(int64_t (*fn)(void* arg),
                                       void* arg,
                                       const fluv_blocking_options_t* options,
                                       const fluv_loc_t* loc) {
  return spawn(fn, arg, options, false, loc);
}

fluv_future_t* fluv__spawn_lookup(int64_t (*fn)(void* arg),
                                  void* arg,
                                  const fluv_blocking_options_t* options,
                                  const fluv_loc_t* loc) {
  return spawn(fn, arg, options, true, loc);
}

bool fluv_blocking_is_cancelled(void) {
  const fluv__job_t* job = fluv__job_current();

  /* Relaxed: it is only a hint. */
  return job != NULL &&
         atomic_load_explicit(&job->cancelled, memory_order_relaxed);
}
