/* SPDX-License-Identifier: MIT */
/* Wait queues: granting, arriving, parking. */
#include "sync/wait.h"

#include "core/alive.h"

static void leave(fluv__sync_op_t* op) {
  op->base.flags &= (uint16_t) ~FLUV__NEEDS_RELEASE;
  op->wait.state = FLUV__NOT_QUEUED;
  fluv__sync_wait_end(op->base.loop);
}

fluv__sync_op_t* fluv__sync_op_arrive(fluv__inbox_node_t* node) {
  fluv__sync_op_t* op = fluv__container_of(node, fluv__sync_op_t, wait.node);

  leave(op);
  return op;
}

bool fluv__sync_op_withdraw(fluv__sync_op_t* op) {
  if (op->wait.state != FLUV__QUEUED)
    return false;
  fluv__list_remove(&op->wait.link);
  leave(op);
  return true;
}

static bool withdraw(fluv_future_t* f) {
  fluv__sync_op_t* op = (fluv__sync_op_t*) f;
  bool left;

  fluv__guard_lock(op->guard);
  left = fluv__sync_op_withdraw(op);
  fluv__guard_unlock(op->guard);
  return left;
}

void fluv__sync_cancel(fluv_future_t* f) {
  if (withdraw(f))
    fluv__complete(f, FLUV_ECANCELED);
}

void fluv__sync_release(fluv_future_t* f) {
  (void) withdraw(f);
}

void fluv__sync_retain(fluv_future_t* f, fluv__guard_t* guard, size_t* unread) {
  f->flags |= FLUV__NEEDS_RELEASE;
  fluv__guard_lock(guard);
  ++*unread;
  fluv__guard_unlock(guard);
}

bool fluv__sync_unretain(const fluv__object_t* object,
                         fluv__guard_t* guard,
                         size_t* unread) {
  bool last;

  fluv__guard_lock(guard);
  fluv__assert(*unread > 0);
  last = --*unread == 0 && object->kind == FLUV__KIND_FREED;
  fluv__guard_unlock(guard);
  return last;
}

bool fluv__wait_grant(fluv__wait_t* wait,
                      int64_t given,
                      fluv__wake_list_t* wakes) {
  fluv_loop_t* loop = wait->loop;

  fluv__assert(wait->state == FLUV__QUEUED);
  fluv__list_remove(&wait->link);
  /* Enter the inbox under the guard, while the wait cannot be freed. Sending
   * leaves it. */
  if (loop != fluv__loop && loop != NULL && !fluv__inbox_enter(&loop->inbox)) {
    wait->state = FLUV__NOT_QUEUED;
    return false;
  }
  wait->state = FLUV__GRANTED;
  wait->given = given;
  wait->node.next = NULL;
  if (wakes->first == NULL)
    wakes->first = &wait->node;
  else
    *wakes->end = &wait->node;
  wakes->end = &wait->node.next;
  return true;
}

void fluv__wake_list_send_slow(fluv__wake_list_t* wakes) {
  fluv_loop_t* loop = fluv__loop;
  fluv__inbox_node_t* node = wakes->first;
  fluv__inbox_node_t* next;
  fluv__wait_t* wait;

  wakes->first = NULL;
  /* First the waits of other threads: their loops cannot close until the push,
   * and the waits of this loop may call hooks of the user. */
  for (; node != NULL; node = next) {
    next = node->next; /* once sent, it may be freed */
    wait = fluv__container_of(node, fluv__wait_t, node);
    if (wait->loop == NULL) {
      fluv__event_set(wait->event);
    } else if (wait->loop != loop) {
      fluv__inbox_push(&wait->loop->inbox, node);
    } else {
      node->next = NULL;
      *loop->arrivals_end = node;
      loop->arrivals_end = &node->next;
    }
  }
  if (loop != NULL)
    fluv__arrivals_run(loop);
}

void fluv__wait_queue_grant_nonempty(fluv__list_t* queue,
                                     int64_t given,
                                     fluv__wake_list_t* wakes) {
  fluv__wait_t* wait;

  while ((wait = fluv__wait_queue_first(queue)) != NULL)
    (void) fluv__wait_grant(wait, given, wakes);
}

void fluv__wait_queue_check_empty(fluv__list_t* queue, const char* what) {
  fluv__wait_t* wait = fluv__wait_queue_first(queue);
  fluv__sync_op_t* op;
  char place[FLUV__LOC_SIZE];

  if (wait == NULL)
    return;
  if (wait->loop == NULL)
    fluv__die("a %s is freed while a thread is blocked on it", what);
  op = fluv__container_of(wait, fluv__sync_op_t, wait);
  fluv__die("a %s is freed while a future waits for it: %s made at %s",
            what,
            op->base.ops->kind,
            fluv__loc_format(op->base.loc, place, sizeof(place)));
}

void fluv__park_join(fluv__parked_t* parked, fluv__list_t* queue) {
  fluv__event_init(&parked->event);
  parked->left = NULL;
  parked->wait.loop = NULL;
  parked->wait.event = &parked->event;
  parked->wait.state = FLUV__QUEUED;
  fluv__list_append(queue, &parked->wait.link);
}

/* The time is over: leave the queue. False: the wait was granted. */
static bool leave_queue(fluv__parked_t* parked, fluv__guard_t* guard) {
  bool left;

  fluv__guard_lock(guard);
  left = parked->wait.state == FLUV__QUEUED;
  if (left) {
    fluv__list_remove(&parked->wait.link);
    if (parked->left != NULL)
      --*parked->left;
  }
  fluv__guard_unlock(guard);
  return left;
}

int64_t fluv__park(fluv__parked_t* parked,
                   fluv__guard_t* guard,
                   uint64_t limit_ns) {
  bool set = fluv__event_wait(&parked->event, limit_ns);
  int64_t result = FLUV_ETIMEDOUT;

  if (!set && !leave_queue(parked, guard)) /* granted: it is set soon */
    set = fluv__event_wait(&parked->event, FLUV__NO_LIMIT);
  if (set)
    result = parked->wait.given;
  fluv__event_destroy(&parked->event);
  return result;
}
