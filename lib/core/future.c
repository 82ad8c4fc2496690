/* SPDX-License-Identifier: MIT */
/* Futures: making, taking over, cancelling, dropping. */
#include "core/future.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/loop.h"
#include "core/self.h"
#include "core/task.h"

static const fluv__ops_t ready_ops = {
  .kind = "ready",
};

static void never_cancel(fluv_future_t* f) {
  fluv__complete(f, FLUV_ECANCELED);
}

static const fluv__ops_t never_ops = {
  .kind = "never",
  .cancel = never_cancel,
};

/* The future that is returned on a thread without a loop. It never changes. */
static fluv_future_t no_loop = {
  .ops = &ready_ops,
  .result = FLUV_ENOLOOP,
  .id = 1,
  .state = FLUV__DONE,
  .flags = FLUV__IMMORTAL,
};

void fluv__out_of_memory_init(fluv_loop_t* loop) {
  loop->out_of_memory = no_loop;
  loop->out_of_memory.result = FLUV_ENOMEM;
  loop->out_of_memory.loop = loop;
}

fluv_future_t* fluv__future_enomem(void) {
  fluv_loop_t* loop = fluv__loop;

  return loop == NULL ? &no_loop : &loop->out_of_memory;
}

fluv_future_t* fluv__future_fail(int64_t err, const fluv_loc_t* loc) {
  return fluv_ready_loc(err, loc);
}

fluv_future_t* fluv_ready_loc(int64_t result, const fluv_loc_t* loc) {
  fluv_future_t* f = fluv__future_new(&ready_ops, sizeof(*f), loc);

  if (fluv__unlikely(f == NULL))
    return fluv__future_enomem();
  f->result = result;
  f->state = FLUV__DONE;
  return f;
}

fluv_future_t* fluv_never_loc(const fluv_loc_t* loc) {
  fluv_future_t* f = fluv__future_new(&never_ops, sizeof(fluv_future_t), loc);

  return f != NULL ? f : fluv__future_enomem();
}

static void end_future(fluv_future_t* f, const fluv_loc_t* used) {
  if (f->flags & FLUV__UNREAD)
    f->ops->give_back(f);
  if (f->flags & FLUV__NEEDS_RELEASE)
    f->ops->release(f);
  f->flags &= (uint16_t) ~(FLUV__UNREAD | FLUV__NEEDS_RELEASE);
  fluv__future_free(f, used);
}

/* Freeing a future may free the futures that it holds. They are queued, and the
 * outermost call drains the queue, so that no recursion goes deep. */
void fluv__future_free_slow(fluv_future_t* f, const fluv_loc_t* used) {
  fluv_loop_t* loop = f->loop;

  fluv__assert(f->state == FLUV__DONE || f->state == FLUV__COLD);
  if (f->flags & FLUV__IMMORTAL)
    return;
  if (f->flags & FLUV__LISTED) { /* freed when its turn comes */
    f->flags &= (uint16_t) ~FLUV__NOTIFY_PENDING;
    f->flags |= FLUV__DETACHED;
    return;
  }
  if (loop->freeing) {
    f->next = NULL;
    *loop->to_free_end = f;
    loop->to_free_end = &f->next;
    return;
  }
  loop->freeing = true;
  end_future(f, used);
  while ((f = loop->to_free) != NULL) {
    loop->to_free = f->next;
    if (loop->to_free == NULL)
      loop->to_free_end = &loop->to_free;
    end_future(f, used);
  }
  loop->freeing = false;
}

/* The future was used before, or belongs to another thread. */
void fluv__take_failed(fluv_future_t* f, const fluv_loc_t* loc) {
  char made[FLUV__LOC_SIZE];
  char used[FLUV__LOC_SIZE];
  char again[FLUV__LOC_SIZE];

  fluv__loc_format(loc, again, sizeof(again));
  if (f == NULL)
    fluv__die("NULL used as a future at %s", again);
  if (f->flags & FLUV__IMMORTAL)
    return;
  if (f->loop != fluv__loop)
    fluv__wrong_thread(f->loop, f->ops->kind, f->loc, loc);
  fluv__loc_format(f->loc, made, sizeof(made));
  /* One that is done keeps its result, not the place it was taken at. */
  if (f->state == FLUV__DONE)
    fluv__die("future used twice: made at %s, used again at %s", made, again);
  fluv__loc_format((const fluv_loc_t*) (intptr_t) f->result,
                   used,
                   sizeof(used));
  fluv__die("future used twice: made at %s, used at %s, used again at %s",
            made,
            used,
            again);
}

void fluv__cancel(fluv_future_t* f) {
  if (f->state == FLUV__DONE || (f->flags & FLUV__CANCELLED))
    return;
  f->flags |= FLUV__CANCELLED;
  if (f->state == FLUV__COLD && !f->ops->live)
    fluv__complete(f, FLUV_ECANCELED);
  else if (f->ops->cancel != NULL)
    f->ops->cancel(f);
}

void fluv__future_reap(fluv_future_t* f) {
  if ((f->flags & FLUV__REPORT) && f->result < 0 && f->result != FLUV_ECANCELED)
    fluv__unhandled(f);
  if ((f->flags & FLUV__REPORT) == 0)
    fluv__set_unread(f);
  fluv__future_free(f, f->loop->drop_loc);
}

void fluv__complete_unwaited(fluv_future_t* f) {
  if (f->flags & FLUV__DETACHED)
    fluv__future_reap(f);
  else
    fluv__retain(f); /* the user has it in hand */
}

void fluv__drop(fluv_future_t* f, const fluv_loc_t* loc) {
  fluv_loop_t* loop = f->loop;

  if (f->state == FLUV__DONE) {
    fluv__set_unread(f);
    fluv__future_free(f, loc);
    return;
  }
  fluv__assert(f->waiter == NULL);
  f->flags |= FLUV__DETACHED;
  fluv__discard(f);
  /* The call may complete and free it: record where it was dropped. */
  loop->drop_loc = loc;
  fluv__cancel(f);
  loop->drop_loc = NULL;
}

void fluv_cancel(fluv_future_t* f) {
  fluv__future_check_borrow(f, "fluv_cancel");
  fluv__cancel(f);
}

void fluv_drop_loc(fluv_future_t* f, const fluv_loc_t* loc) {
  if (f == NULL)
    return;
  fluv__take(f, fluv__loop, loc);
  fluv__drop(f, loc);
}

void fluv_detach_loc(fluv_future_t* f, const fluv_loc_t* loc) {
  fluv__take(f, fluv__loop, loc);
  if (f->flags & FLUV__IMMORTAL) {
    fluv__unhandled(f);
    return;
  }
  f->flags |= FLUV__DETACHED | FLUV__REPORT;
  if (f->state == FLUV__DONE)
    fluv__future_reap(f);
  else
    fluv__start(f);
}

void fluv_start(fluv_future_t* f) {
  fluv__future_check_borrow(f, "fluv_start");
  if ((f->flags & FLUV__TAKEN) == 0)
    fluv__start(f);
}

bool fluv_future_is_done(const fluv_future_t* f) {
  fluv__future_check_borrow(f, "fluv_future_is_done");
  return f->state == FLUV__DONE;
}

int64_t fluv_future_get_result(const fluv_future_t* f) {
  fluv__future_check_borrow(f, "fluv_future_get_result");
  return f->state == FLUV__DONE ? f->result : FLUV_EAGAIN;
}

uint64_t fluv_future_get_id(const fluv_future_t* f) {
  fluv__future_check_borrow(f, "fluv_future_get_id");
  return f->id;
}
