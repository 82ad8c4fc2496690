/* SPDX-License-Identifier: MIT */
/* The runtime: members with a thread, a loop and a queue each.
 *
 * Queues. What is spawned for any worker lies in the queue of a member, under
 * that queue's lock, until a member takes it and makes it a task of its own
 * loop. The owner takes from its own queue one at a time, when a turn begins
 * and whenever it has nothing else to do. One that finds its own queue empty
 * takes half of another's.
 *
 * Sleeping. `state` of a member:
 *
 *   RUNNING --(nothing found)--> IDLE --(something was queued)--> CALLED
 *      ^---------(wakes by itself)---/                              |
 *      ^-------------------(the call arrives)-----------------------/
 *
 * A member sets IDLE and then looks at all queues once more; whoever queues
 * looks for an IDLE member after that. Both are sequentially consistent, so one
 * of them sees the other: nothing lies in a queue while a member sleeps that
 * was not called. One is called at a time, and calls the next if it finds
 * more than it can do.
 *
 * Tasks never move: what moves between members has not been started.
 */
#ifndef FLUV_RUNTIME_RUNTIME_H
#define FLUV_RUNTIME_RUNTIME_H

#include <pthread.h>

#include "runtime/handoff.h"

enum {
  FLUV__MOST_WORKERS = 64
};

enum {
  FLUV__RUNNING,
  FLUV__IDLE,
  FLUV__CALLED
};

typedef struct fluv__member {
  fluv_runtime_t* runtime;
  unsigned number;
  pthread_t thread;
  bool started;
  bool ready;        /* under the runtime's lock, as the rest up to `err` */
  fluv_loop_t* loop; /* a reference */
  int64_t err;

  char pad_before_queue[64];
  pthread_mutex_t lock;
  fluv__list_t queue;
  bool closed;                /* refuses */
  fluv__atomic_size_t length; /* written under the lock */
  char pad_after_queue[64];

  atomic_int state;
  fluv__inbox_node_t call;
  atomic_ullong taken;
  atomic_ullong stolen;
  atomic_ullong calls;
  atomic_ullong tasks; /* what follows: as of the last turn */
  atomic_ullong turns;
  atomic_ullong idle_ns;
} fluv__member_t;

struct fluv_runtime {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool started;
  bool stopped;
  unsigned count;
  fluv__member_t* member;
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

/* Any thread: put into the queue, and call somebody who sleeps. 0, or
 * FLUV_ECANCELED: the queue is closed. */
int fluv__member_push(fluv__member_t* m, fluv__handoff_t* h);

/* Any thread: refuse what is queued, and what will be. */
void fluv__member_close(fluv__member_t* m);

#endif /* FLUV_RUNTIME_RUNTIME_H */
