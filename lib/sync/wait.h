/* SPDX-License-Identifier: MIT */
/* Waiting in line for something that any thread may give.
 *
 *   OUT --- join ---> QUEUED --- give ---> GIVEN --- arrives ---> OUT
 *                        \--- withdraw ---> OUT
 *
 * Every channel and lock has a guard, lines of waits under it, and one rule:
 * what is given is the right to go on (a place, a permit, a reason to look
 * again), never the value itself. The wait then travels home: at once if that
 * is this thread, through the inbox of another loop, or to a plain thread that
 * is parked on it. Only there is the caller's memory touched, and only there
 * is seen whether somebody still wants it: a wait that was cancelled on its
 * way hands on what it was given. So nothing is lost, whoever cancels when,
 * and a select decides on its own thread alone.
 *
 * One exception: a send that finds a receiver of its own loop in the queue of
 * an empty channel writes the message straight to it (fluv__channel_handoff()).
 * That is safe, since both are on this thread and neither is an arm of a
 * combinator that is being started: the receiver ends with it, at once.
 *
 * Giving is split: fluv__wait_grant() under the guard, fluv__wake_list_send()
 * when it has been let go, since what then runs may take other guards.
 */
#ifndef FLUV_SYNC_WAIT_H
#define FLUV_SYNC_WAIT_H

#include "base/event.h"
#include "core/alive.h"
#include "sync/guard.h"

enum {
  FLUV__NOT_QUEUED,
  FLUV__QUEUED,
  FLUV__GRANTED
};

typedef struct fluv__wait {
  fluv__list_t link;       /* in a line, while QUEUED */
  fluv__inbox_node_t node; /* on its way; node.run is called on arrival */
  fluv_loop_t* loop;       /* home; NULL: a plain thread */
  fluv__event_t* event;    /* set on arrival; that thread is parked on it */
  size_t n;      /* how much of it, or what of it: the object's own affair */
  int64_t given; /* what it was given: 0, or an error that ends the wait */
  uint8_t state; /* under the guard, but OUT on arrival */
} fluv__wait_t;

/* Waits that have been given something under a guard still held. */
typedef struct fluv__wake_list {
  fluv__inbox_node_t* first;
  fluv__inbox_node_t** end;
} fluv__wake_list_t;

/* Begins every future that waits in a line. */
typedef struct fluv__sync_op {
  fluv_future_t base;
  fluv__wait_t wait;
  fluv__guard_t* guard; /* set by ops that use the two functions below */
} fluv__sync_op_t;

/* For the table of ops where leaving the line concerns nobody else. */
void fluv__sync_cancel(fluv_future_t* f);
void fluv__sync_release(fluv_future_t* f);

static inline void fluv__wake_list_init(fluv__wake_list_t* wakes) {
  wakes->first = NULL;
}

/* A future for such an op, not in a line. NULL as fluv__future_new(). */
static inline fluv__sync_op_t* fluv__sync_op_new(const fluv__ops_t* ops,
                                                 size_t size,
                                                 const fluv_loc_t* loc) {
  fluv__sync_op_t* op = (fluv__sync_op_t*) fluv__future_new(ops, size, loc);

  if (fluv__likely(op != NULL))
    op->wait.state = FLUV__NOT_QUEUED;
  return op;
}

/* Under the guard: the future, which has been started, joins a line. When what
 * it waits for is given, `arrive` is called with wait.node on the future's
 * thread, outside the guard, and must begin with fluv__sync_op_arrive(). */
static inline void fluv__sync_op_join(
    fluv__sync_op_t* op,
    fluv__list_t* line,
    void (*arrive)(fluv__inbox_node_t* node)) {
  fluv__wait_t* wait = &op->wait;

  op->base.flags |= FLUV__NEEDS_RELEASE;
  wait->node.run = arrive;
  wait->loop = op->base.loop;
  wait->state = FLUV__QUEUED;
  fluv__list_append(line, &wait->link);
  fluv__sync_wait_begin(wait->loop);
}

/* The op that a node given to `arrive` belongs to; it does not wait any more.
 * See fluv__sync_op_was_cancelled() for what is next. */
fluv__sync_op_t* fluv__sync_op_arrive(fluv__inbox_node_t* node);

/* On arrival: it was cancelled on its way, so hand on what it was given, and
 * complete it with FLUV_ECANCELED. Otherwise complete it with wait.given, if
 * that is an error, or do what it was given the right to do. */
static inline bool fluv__sync_op_was_cancelled(const fluv__sync_op_t* op) {
  return op->wait.given >= 0 && (op->base.flags & FLUV__CANCELLED) != 0;
}

/* Under the guard, for cancel() and release(): leave the line. False: there is
 * nothing to leave; it arrives, or was never started. The caller then sees to
 * those behind it in line, and completes it when the guard is free. */
bool fluv__sync_op_withdraw(fluv__sync_op_t* op);

/* Under the guard: the first in line, or NULL. */
static inline fluv__wait_t* fluv__wait_queue_first(fluv__list_t* line) {
  return fluv__list_is_empty(line)
             ? NULL
             : fluv__container_of(line->next, fluv__wait_t, link);
}

/* Under the guard: take a wait out of its line and give it what it waits for,
 * or an error. False: its loop is closed. The wait is out of the line then, and
 * gets nothing: what it holds, a reference for one, is given back by release(),
 * which finds it NOT_QUEUED only for this reason. */
bool fluv__wait_grant(fluv__wait_t* wait,
                      int64_t given,
                      fluv__wake_list_t* wakes);

/* Under the guard: give the same to all of a line. */
void fluv__wait_queue_grant_nonempty(fluv__list_t* line,
                                     int64_t given,
                                     fluv__wake_list_t* wakes);

static inline void fluv__wait_queue_grant_all(fluv__list_t* line,
                                              int64_t given,
                                              fluv__wake_list_t* wakes) {
  if (!fluv__list_is_empty(line))
    fluv__wait_queue_grant_nonempty(line, given, wakes);
}

/* Under the guard: abort, naming `what`, if somebody still waits for an object
 * that is being freed. */
void fluv__wait_queue_check_empty(fluv__list_t* line, const char* what);

/* Without the guard: send home what was given. */
void fluv__wake_list_send_slow(fluv__wake_list_t* wakes);

static inline void fluv__wake_list_send(fluv__wake_list_t* wakes) {
  if (wakes->first != NULL)
    fluv__wake_list_send_slow(wakes);
}

/* A plain thread's wait: joins a line under the guard, then parks without. */
typedef struct fluv__parked {
  fluv__wait_t wait;
  fluv__event_t event;
  size_t* left; /* counted down if it leaves the line; NULL: nothing is */
} fluv__parked_t;

/* Under the guard. Sets `left` to NULL. */
void fluv__park_join(fluv__parked_t* parked, fluv__list_t* line);

/* Without the guard: block until something is given, and return that, or until
 * the time is over. Then FLUV_ETIMEDOUT: it has left the line, and the caller
 * sees to those behind it. */
int64_t fluv__park(fluv__parked_t* parked,
                   fluv__guard_t* guard,
                   uint64_t timeout_ms);

/* May this thread block? 0, or FLUV_EDEADLK on a thread with a loop, which
 * would stand still meanwhile. */
static inline int fluv__may_block(void) {
  return fluv__loop == NULL ? 0 : FLUV_EDEADLK;
}

#endif /* FLUV_SYNC_WAIT_H */
