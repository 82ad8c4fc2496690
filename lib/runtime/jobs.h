/* SPDX-License-Identifier: MIT */
/* Jobs: blocking work of all loops, in one FIFO queue, on libuv's thread pool.
 *
 *   QUEUED --- taken ---> RUNNING --- returned ---> RETURNED --- arrives --> .
 *      \--- withdrawn ---> .
 *
 * libuv's own requests belong to a loop, which can neither stop waiting for
 * one nor be closed before it has ended. So what is submitted to libuv is not a
 * job but a runner, on a loop that belongs to nobody and never waits: it does
 * job after job until none is left. A job that has returned travels home
 * through the inbox of its loop.
 *
 * There are fewer runners than threads in the pool, so that files and names
 * have at least one. A pool of one thread has one runner, which yields after
 * each job.
 *
 * Look-ups of names have a queue of their own, and may use the last thread too:
 * a pool that is full of the program's jobs must not keep it from connecting.
 * As libuv has it, they get no more than half of the threads, since a name
 * server that does not answer holds them for long.
 *
 * The maker of a job owns it while it is QUEUED and after it has arrived. In
 * between the pool has it. A job that returns after its loop was closed is
 * freed by the pool if it was abandoned, else by its owner.
 */
#ifndef FLUV_RUNTIME_JOBS_H
#define FLUV_RUNTIME_JOBS_H

#include "base/atomic.h"
#include "core/loop.h"

enum {
  FLUV__JOB_QUEUED,
  FLUV__JOB_RUNNING,
  FLUV__JOB_RETURNED
};

enum {
  FLUV__JOB_NAME = 64
};

typedef struct fluv__job {
  /* First what every job needs: it goes from core to core and back. */
  fluv__list_t link;       /* in the queue */
  fluv__inbox_node_t node; /* node.run: it has arrived; frees it */
  int64_t (*fn)(void* arg);
  void* arg;
  fluv_loop_t* loop;     /* home; the job holds a reference */
  uint64_t queued_at;    /* ns, coarse */
  fluv_future_t* future; /* of the home thread; NULL: abandoned */
  int64_t result;        /* RETURNED: the home thread's */
  /* Under the pool's lock: */
  uint8_t state;
  bool abandoned;
  bool lookup;   /* of a name: see above */
  bool orphaned; /* its loop is closed and its owner is to free it */
  bool dropped;  /* drop_result() was called; as the result */
  fluv__atomic_bool_t cancelled;
  void (*drop_result)(int64_t result, void* arg);
  void (*free_arg)(void* arg);
  const fluv_loc_t* loc;
  char name[FLUV__JOB_NAME];
} fluv__job_t;

/* Queue a job, which is filled in but for what is the pool's. 0, FLUV_EAGAIN,
 * or libuv's error. */
int fluv__job_submit(fluv__job_t* job);

/* Take it out of the queue. False: it has been started. */
bool fluv__job_withdraw(fluv__job_t* job);

/* As fluv_spawn_blocking_loc(), for a look-up of a name. */
fluv_future_t* fluv__spawn_lookup(int64_t (*fn)(void* arg),
                                  void* arg,
                                  const fluv_blocking_options_t* options,
                                  const fluv_loc_t* loc);

/* Has it returned, so that it is on its way home? */
bool fluv__job_has_returned(const fluv__job_t* job);

/* Its result is not wanted any more. True: it is the caller's again, since
 * it could not be sent home; else it arrives, or is freed by the pool. */
bool fluv__job_abandon(fluv__job_t* job);

/* Its result will not be read. */
void fluv__job_drop_result(fluv__job_t* job);

/* Give back its memory, and its reference to the loop. */
void fluv__job_free(fluv__job_t* job);

/* Its name, or that of the function that made it. */
const char* fluv__job_name(const fluv__job_t* job);

/* The job that runs on this thread; NULL: none. */
const fluv__job_t* fluv__job_current(void);

/* For how long, in ns, jobs may have to wait before that is reported. Tests
 * shorten it. */
extern uint64_t fluv__jobs_starvation;

/* Say which of a loop's jobs run although nobody waits for them. */
void fluv__jobs_report(const fluv_loop_t* loop, const char* why);

#endif /* FLUV_RUNTIME_JOBS_H */
