/* SPDX-License-Identifier: MIT */
/* Promises: resolving a future from any thread.
 *
 * Two bits of one atomic word decide. ANSWERED is set by the first thread that
 * resolves the promise. GONE is set by the home loop when the future completes
 * without that. The thread that sets its bit while the other is clear wins:
 *
 *   answer first: the result travels to the home loop (at once on its own
 *     thread, else through the inbox) and ends the future there, even if that
 *     has been cancelled meanwhile;
 *   gone first: the answer is refused with FLUV_ECANCELED.
 *
 * A third, CANCELLED, only informs. References: one of the user's, one of the
 * future's, one of a result on its way. `future`, `on_cancel` and its argument
 * belong to the home loop's thread; `result` to the thread that set ANSWERED,
 * then to the home loop's thread. The promise holds a reference to the loop, so
 * that resolving it after the loop was closed is refused by the inbox.
 */
#include "core/promise.h"

#include "core/alive.h"

#include "base/atomic.h"
#include "core/loop.h"
#include "core/object.h"

enum {
  ANSWERED = 1 << 0,
  GONE = 1 << 1,
  CANCELLED = 1 << 2
};

struct fluv_promise {
  fluv__object_t object;
  fluv__inbox_node_t node; /* a result on its way */
  fluv_loop_t* loop;
  fluv_future_t* future; /* NULL once it has ended */
  int64_t result;
  void (*on_cancel)(fluv_promise_t* p, void* arg);
  void (*on_gone)(void* arg);
  void* cancel_arg;
  fluv__atomic_uint_t state;
  fluv__atomic_uint_t refs;
};

typedef struct promise_op {
  fluv_future_t base;
  fluv_promise_t* promise;
} promise_op_t;

static void promise_unref(fluv_promise_t* p) {
  /* Release, and acquire in the last, as for every count of references. */
  if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
    return;
  fluv__loop_unref(p->loop);
  fluv__object_free(p, NULL);
}

/* End the future; on the home loop's thread. */
static void deliver(fluv_promise_t* p, int64_t result) {
  fluv_future_t* f = p->future;

  if (f == NULL)
    return;
  p->future = NULL;
  if (f->state == FLUV__PENDING)
    fluv__remote_wait_end(f->loop);
  fluv__complete(f, result);
}

static void on_arrival(fluv__inbox_node_t* node) {
  fluv_promise_t* p = fluv__container_of(node, fluv_promise_t, node);

  deliver(p, p->result);
  promise_unref(p);
}

static void promise_start(fluv_future_t* f) {
  fluv__remote_wait_begin(f->loop);
}

static void promise_cancel(fluv_future_t* f) {
  fluv_promise_t* p = ((promise_op_t*) f)->promise;
  unsigned state = atomic_fetch_or(&p->state, CANCELLED);
  fluv_loop_t* loop;
  fluv__task_t* task;

  if (state & ANSWERED)
    return; /* the result is on its way */
  if (p->on_cancel != NULL) {
    loop = f->loop; /* the hook may end the future, and it be freed */
    task = fluv__hook_begin(loop);
    p->on_cancel(p, p->cancel_arg);
    fluv__hook_end(loop, task);
    return;
  }
  state = atomic_fetch_or(&p->state, GONE);
  if ((state & ANSWERED) == 0)
    deliver(p, FLUV_ECANCELED);
}

static void promise_release(fluv_future_t* f) {
  fluv_promise_t* p = ((promise_op_t*) f)->promise;

  p->future = NULL;
  if (p->on_gone != NULL)
    p->on_gone(p->cancel_arg);
  promise_unref(p);
}

static const fluv__ops_t promise_ops = {
  .kind = "promise",
  .live = true,
  .start = promise_start,
  .cancel = promise_cancel,
  .release = promise_release,
};

int fluv_promise_new_loc(fluv_promise_t** out_promise,
                         fluv_future_t** out_future,
                         const fluv_loc_t* loc) {
  fluv_promise_t* p;
  fluv_future_t* f;

  if (out_promise == NULL || out_future == NULL)
    return FLUV_EINVAL;
  if (fluv__loop == NULL)
    return FLUV_ENOLOOP;
  p = fluv__calloc(1, sizeof(*p));
  if (p == NULL)
    return FLUV_ENOMEM;
  f = fluv__future_new(&promise_ops, sizeof(promise_op_t), loc);
  if (f == NULL) {
    fluv__free(p);
    return FLUV_ENOMEM;
  }
  ((promise_op_t*) f)->promise = p;
  f->flags = FLUV__NEEDS_RELEASE;
  fluv__object_init(p, PROMISE, loc);
  p->loop = fluv__loop;
  fluv__loop_ref(p->loop);
  p->node.run = on_arrival;
  p->future = f;
  atomic_init(&p->state, 0);
  atomic_init(&p->refs, 2);
  *out_promise = p;
  *out_future = f;
  return 0;
}

int fluv_promise_resolve(fluv_promise_t* p, int64_t result) {
  unsigned state;

  if (fluv__unlikely(p == NULL))
    return FLUV_EINVAL;
  fluv__check(p, PROMISE);
  state = atomic_fetch_or(&p->state, ANSWERED);
  if (state & ANSWERED)
    return FLUV_EALREADY;
  if (state & GONE)
    return FLUV_ECANCELED;
  if (fluv__loop == p->loop) {
    deliver(p, result);
    return 0;
  }
  p->result = result;
  /* Relaxed: the caller holds a reference. */
  atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
  if (fluv__inbox_post(&p->loop->inbox, &p->node) == 0)
    return 0;
  promise_unref(p);
  return FLUV_ECANCELED; /* the loop is closed, and the future with it */
}

void fluv_promise_free(fluv_promise_t* p) {
  if (p == NULL)
    return;
  fluv__check(p, PROMISE);
  if ((atomic_load(&p->state) & ANSWERED) == 0)
    fluv_promise_resolve(p, FLUV_EBROKEN);
  fluv__object_end(p, NULL);
  promise_unref(p);
}

bool fluv_promise_is_cancelled(const fluv_promise_t* p) {
  fluv__require(p, PROMISE);
  return (atomic_load(&p->state) & (CANCELLED | GONE)) != 0;
}

void fluv_promise_on_cancel(fluv_promise_t* p,
                            void (*fn)(fluv_promise_t* p, void* arg),
                            void* arg) {
  fluv__require(p, PROMISE);
  if (fluv__loop != p->loop)
    fluv__wrong_thread(p->loop, "fluv_promise_on_cancel()", NULL, NULL);
  p->on_cancel = fn;
  p->cancel_arg = arg;
}

void fluv__promise_set_hooks(fluv_promise_t* p,
                             void (*on_cancel)(fluv_promise_t* p, void* arg),
                             void (*on_gone)(void* arg),
                             void* arg) {
  p->on_cancel = on_cancel;
  p->on_gone = on_gone;
  p->cancel_arg = arg;
}
