/* SPDX-License-Identifier: MIT */
/* The runtime: members with a loop and a queue each. Most have a thread of the
 * runtime's; the first may be the loop of the fluv_run() that made it, and
 * loops of other threads may be attached to further slots for a while.
 *
 * Queues. What is spawned for any worker lies in the queue of a member, under
 * that queue's lock, until a member takes it and makes it a task of its own
 * loop. The owner takes from its own queue one at a time, when a turn begins
 * and whenever it has nothing else to do. One that finds its own queue empty
 * takes half of another's.
 *
 * Sleeping. `state` of a member:
 *
 *   RUNNING --(nothing found)--> IDLE --(something was queued)--> NOTIFIED
 *      ^---------(wakes by itself)---/ \                               ^  |
 *      |              (queued at this member)--> ASSIGNED --(it wakes)--/  |
 *      ^-------------------(the wakeup arrives)----------------------------/
 *
 * A member sets IDLE and then checks all queues again; a producer queues and
 * then searches for an IDLE member. Both are sequentially consistent, so one
 * of them sees the other: nothing lies in a queue while a member sleeps that
 * was not woken. One is woken at a time, and wakes the next if it finds
 * more than it can do, or has just found something else. doc/models/steal.pml.
 *
 * Spreading. A task stays with the member that starts it. A member that has
 * more tasks than another therefore queues what it spawns at that one, and
 * wakes it. Until it is awake it is ASSIGNED, and the others leave its queue
 * alone: they would have taken all of it before it has a processor. When it
 * wakes it is NOTIFIED or RUNNING, and wakes another if its queue holds more
 * than it takes at once.
 *
 * Tasks never move: what moves between members has not been started.
 */
#ifndef FLUV_RUNTIME_RUNTIME_H
#define FLUV_RUNTIME_RUNTIME_H

#include <pthread.h>

#include "base/event.h"
#include "runtime/handoff.h"

enum {
  FLUV__MAX_WORKERS = 64,
  FLUV__MAX_ATTACHED = 16
};

enum {
  FLUV__RUNNING,
  FLUV__IDLE,
  FLUV__NOTIFIED,
  FLUV__ASSIGNED
};

typedef struct fluv__member {
  fluv_runtime_t* runtime;
  unsigned number;
  pthread_t thread;
  bool started; /* under the runtime's lock, as the rest up to `err` */
  bool ended;   /* the thread has nothing left to do */
  bool joining; /* a thread joins it */
  bool ready;
  fluv_loop_t* loop; /* a reference; NULL: the slot is free */
  uint64_t since_ns;
  uint64_t until_ns; /* 0: it is there */
  /* Idle time of its libuv loop when it came, and of its stay when it went. */
  uint64_t idle_start_ns;
  uint64_t idle_ns;
  int64_t err;
  bool leaving; /* gone, but for a call on its way, which has a reference */

  char pad_before_queue[64];
  pthread_mutex_t lock;
  fluv__list_t queue;
  bool closed;                /* refuses */
  fluv__atomic_size_t length; /* written under the lock */
  char pad_after_queue[64];

  atomic_int state;
  fluv__inbox_node_t call;
  fluv__inbox_node_t gone; /* to the owner: the thread has done with its loop */
  atomic_ullong taken;
  atomic_ullong stolen;
  atomic_ullong calls;
  atomic_ullong turns; /* what follows: as of the last turn */
  atomic_ullong handed;
  unsigned next; /* the worker to compare loads with; of its own thread */
} fluv__member_t;

struct fluv_runtime {
  fluv__object_t object;
  fluv__atomic_uint_t
      refs; /* the user's, and one of each slot that is left so */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool stopped;  /* under the lock */
  bool starting; /* the same; a thread makes the threads */
  /* All threads are there, and it is not stopped. */
  fluv__atomic_bool_t running;
  unsigned count;
  fluv_loop_t* owner; /* of fluv_run(): member 0; NULL: all have threads */
  fluv__atomic_uint_t slots; /* members in use: workers, then attached loops */
  fluv__member_t* member;    /* count + FLUV__MAX_ATTACHED */
  fluv_token_t* stop;
  fluv_loop_options_t loop_options;
  fluv_runtime_options_t options;
  char name[12];
  unsigned forks;           /* when it was made */
  fluv__atomic_uint_t next; /* member to queue at, from outside */
};

/* For loop->sched. */
extern const fluv__sched_t fluv__member_sched;

void fluv__member_init(fluv__member_t* m, fluv_runtime_t* rt, unsigned number);

/* Any thread: queue it, and wake a member that sleeps. 0, or
 * FLUV_ESTOPPED: the queue is closed. */
int fluv__member_push(fluv__member_t* m, fluv__handoff_t* h);

/* Any thread: let nothing be queued any more, and take what is. */
void fluv__member_close(fluv__member_t* m, fluv__list_t* out_queued);

/* Refuse what fluv__member_close() took. */
void fluv__refuse_all(fluv__list_t* queued);

/* On its thread: the member at whose queue it is to put a task, which is the
 * less loaded of itself and one other. */
fluv__member_t* fluv__member_choose(fluv__member_t* m);

/* Tasks on its loop, and in its queue; for threads that may read `loop`. */
size_t fluv__member_load(fluv__member_t* m);

/* Under the runtime's lock: it is no longer there. */
void fluv__member_stop_clock(fluv__member_t* m);

/* Any thread: something was queued; wake one member that sleeps, if any. */
void fluv__wake_one(fluv_runtime_t* rt);

/* On the thread of a loop: bind it to the member, until it leaves. */
void fluv__member_bind(fluv__member_t* m, fluv_loop_t* loop);
void fluv__member_leave(fluv_loop_t* loop);
/* Nothing points to the loop any more: free the slot. Any thread. */
void fluv__member_free_slot(fluv__member_t* m);

/* If the loop owns its runtime: begin to shut that down. */
void fluv__member_stop(fluv_loop_t* loop);

/* Begin a shutdown: refuse what is queued, cancel the workers' main tasks. */
void fluv__runtime_stop(fluv_runtime_t* rt);

/* Join the threads that were started; 0 or FLUV_ETIMEDOUT. */
int fluv__runtime_join_threads(fluv_runtime_t* rt, uint64_t timeout_ms);
void fluv__runtime_unref(fluv_runtime_t* rt);

/* The runtime of the fluv_run() that runs this loop, made now if need be. */
int fluv__runtime_of_run(fluv_loop_t* loop, fluv_runtime_t** out_runtime);

#endif /* FLUV_RUNTIME_RUNTIME_H */
