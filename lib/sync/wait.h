/* SPDX-License-Identifier: MIT */
/* Wait queues: waiting for something that any thread may grant.
 *
 *   NOT_QUEUED --- join ---> QUEUED --- grant ---> GRANTED --+
 *       ^                      |                             |
 *       +------ withdraw ------+                             |
 *       +---------------------- arrive ----------------------+
 *
 * Every channel and lock has a guard and wait queues under it, and one rule: a
 * wait is granted the right to go on (a slot, a permit, a reason to check
 * again), and never the value itself. A granted wait goes to its home: at once
 * if that is this thread, through the inbox of another loop, or to a plain
 * thread that is parked on it. It arrives there, and only there the caller's
 * memory is touched, and a cancelled wait notices it: it passes what it was
 * granted to the next. So nothing is lost, no matter when a wait is cancelled,
 * and a select is decided on its own thread alone.
 *
 * One exception: a send that finds a receiver of its own loop in the queue of
 * an empty channel writes the message straight to it (fluv__channel_handoff()).
 * That is safe: both are on this thread, and neither is an arm of a combinator
 * that is being started. The receiver completes with the message at once.
 *
 * Granting has two steps. fluv__wait_grant() puts a wait into a wake list,
 * under the guard. fluv__wake_list_send() sends the list after the guard is
 * unlocked, since the code that then runs may take other guards.
 */
#ifndef FLUV_SYNC_WAIT_H
#define FLUV_SYNC_WAIT_H

#include "base/event.h"
#include "core/alive.h"
#include "core/object.h"
#include "sync/guard.h"

enum {
  FLUV__NOT_QUEUED,
  FLUV__QUEUED,
  FLUV__GRANTED
};

typedef struct fluv__wait {
  /* The place in a wait queue, while QUEUED. Under the guard. */
  fluv__list_t link;

  /* The way home, while GRANTED. A loop calls node.run; a plain thread is
   * parked on the event. Set before the wait is queued. */
  fluv__inbox_node_t node;
  fluv_loop_t* loop; /* home; NULL: a plain thread */
  fluv__event_t* event;

  /* What the wait asks for, and what it was granted. `n` is set before the wait
   * is queued, `given` under the guard by fluv__wait_grant(). */
  size_t n;      /* how much, or which kind: its meaning is the object's */
  int64_t given; /* 0 or more, or an error that ends the wait */

  /* Under the guard; only arriving sets NOT_QUEUED without it. */
  uint8_t state;
} fluv__wait_t;

/* Waits that were granted under a guard and are not sent yet. Local to the
 * function that holds the guard. */
typedef struct fluv__wake_list {
  fluv__inbox_node_t* first;
  fluv__inbox_node_t** end;
} fluv__wake_list_t;

/* Begins every future that waits in a queue. */
typedef struct fluv__sync_op {
  fluv_future_t base;
  fluv__wait_t wait;
  fluv__guard_t* guard; /* of the object; set by ops that use the two functions
                           below */
} fluv__sync_op_t;

/* cancel() and release() of ops that have no effect on others when they leave
 * the queue, and hold no reference. */
void fluv__sync_cancel(fluv_future_t* f);
void fluv__sync_release(fluv_future_t* f);

/* For retain() and release() of ops whose object has no references. `unread`
 * counts, under the guard, the done futures that may still give back to the
 * object. If the user frees it before they are gone it is ended, and its memory
 * stays until the last of them is. */
void fluv__sync_retain(fluv_future_t* f, fluv__guard_t* guard, size_t* unread);

/* True: the user has freed the object, and nothing refers to it any more. */
bool fluv__sync_unretain(const fluv__object_t* object,
                         fluv__guard_t* guard,
                         size_t* unread);

static inline void fluv__wake_list_init(fluv__wake_list_t* wakes) {
  wakes->first = NULL;
}

/* A future for such an op, not queued. NULL: no memory. */
static inline fluv__sync_op_t* fluv__sync_op_new(const fluv__ops_t* ops,
                                                 size_t size,
                                                 const fluv_loc_t* loc) {
  fluv__sync_op_t* op = (fluv__sync_op_t*) fluv__future_new(ops, size, loc);

  if (fluv__likely(op != NULL))
    op->wait.state = FLUV__NOT_QUEUED;
  return op;
}

/* Under the guard: a future that is being started, or arrives, joins a queue.
 * When it is granted, `arrive` is called with wait.node on the future's thread,
 * without the guard, and must begin with fluv__sync_op_arrive(). */
static inline void fluv__sync_op_join(
    fluv__sync_op_t* op,
    fluv__list_t* queue,
    void (*arrive)(fluv__inbox_node_t* node)) {
  fluv__wait_t* wait = &op->wait;

  fluv__assert(wait->state == FLUV__NOT_QUEUED);
  op->base.flags |= FLUV__NEEDS_RELEASE;
  wait->node.run = arrive;
  wait->loop = op->base.loop;
  wait->state = FLUV__QUEUED;
  fluv__list_append(queue, &wait->link);
  fluv__sync_wait_begin(wait->loop);
}

/* The op of a node that was passed to `arrive`; it does not wait any more. The
 * caller checks fluv__sync_op_was_cancelled() next. */
fluv__sync_op_t* fluv__sync_op_arrive(fluv__inbox_node_t* node);

/* On arrival: was the op cancelled after it was granted? If so, pass the grant
 * to the next and complete the op with FLUV_ECANCELED. Otherwise complete it
 * with wait.given, if that is an error, or use the grant. */
static inline bool fluv__sync_op_was_cancelled(const fluv__sync_op_t* op) {
  return op->wait.given >= 0 && (op->base.flags & FLUV__CANCELLED) != 0;
}

/* Under the guard, for cancel() and release(): leave the queue. False: the op
 * is not queued; it was granted, or never started. After true the caller grants
 * the waits behind it that can go on, and completes it without the guard. */
bool fluv__sync_op_withdraw(fluv__sync_op_t* op);

/* Under the guard: the first wait of a queue, or NULL. */
static inline fluv__wait_t* fluv__wait_queue_first(fluv__list_t* queue) {
  return fluv__list_is_empty(queue)
             ? NULL
             : fluv__container_of(queue->next, fluv__wait_t, link);
}

/* Under the guard: take a wait out of its queue and grant it what it waits for,
 * or an error. False: its loop is closed. The wait is out of the queue then,
 * and is granted nothing. Its release() gives back what it has, as a reference:
 * a release() that finds its wait NOT_QUEUED was abandoned here. */
bool fluv__wait_grant(fluv__wait_t* wait,
                      int64_t given,
                      fluv__wake_list_t* wakes);

/* Under the guard: grant all waits of a queue the same. */
void fluv__wait_queue_grant_nonempty(fluv__list_t* queue,
                                     int64_t given,
                                     fluv__wake_list_t* wakes);

static inline void fluv__wait_queue_grant_all(fluv__list_t* queue,
                                              int64_t given,
                                              fluv__wake_list_t* wakes) {
  if (!fluv__list_is_empty(queue))
    fluv__wait_queue_grant_nonempty(queue, given, wakes);
}

/* Under the guard: abort if a task or a thread still waits for an object that
 * is being freed. `what` names the kind of object. */
void fluv__wait_queue_check_empty(fluv__list_t* queue, const char* what);

/* Without the guard: send each wait to its home. */
void fluv__wake_list_send_slow(fluv__wake_list_t* wakes);

static inline void fluv__wake_list_send(fluv__wake_list_t* wakes) {
  if (wakes->first != NULL)
    fluv__wake_list_send_slow(wakes);
}

/* The wait of a plain thread. It joins a queue under the guard, then parks
 * without it. */
typedef struct fluv__parked {
  fluv__wait_t wait;
  fluv__event_t event;
  size_t* left; /* under the guard, decremented if it leaves the queue without
                   a grant; may be NULL */
} fluv__parked_t;

/* Under the guard. Sets `left` to NULL. */
void fluv__park_join(fluv__parked_t* parked, fluv__list_t* queue);

/* Without the guard: block until the wait is granted, and return wait.given, or
 * until `limit_ns`, a point in time of fluv__limit_after(). Then return
 * FLUV_ETIMEDOUT: the wait has left the queue, and the caller grants the waits
 * behind it that can go on. */
int64_t fluv__park(fluv__parked_t* parked,
                   fluv__guard_t* guard,
                   uint64_t limit_ns);

/* May this thread block? 0, or FLUV_EDEADLK on a thread with a loop: the loop
 * would not turn meanwhile. */
static inline int fluv__may_block(void) {
  return fluv__loop == NULL ? 0 : FLUV_EDEADLK;
}

#endif /* FLUV_SYNC_WAIT_H */
