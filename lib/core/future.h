/* SPDX-License-Identifier: MIT */
/* The future: what every operation, task and combinator begins with.
 *
 * States, all changed on the home loop's thread only:
 *
 *   COLD --- start ---> PENDING --- complete ---> DONE --- used ---> FREED
 *     \--- cancel, or complete of a live one ------^
 *
 * An operation is a table of functions and a struct that begins with a
 * fluv_future_t. It ends by exactly one fluv__complete(), whether it was
 * started, cancelled or neither. Only the operation calls that; all others ask
 * it to complete by fluv__cancel().
 *
 * A future has one owner: the caller who made it, until a function takes it
 * over (TAKEN). The new owner either has put a waiter on it, keeps it cold, or
 * has set DETACHED: then fluv__complete() frees it.
 *
 * A result may stand for something: a lock, a permit, a message, a connection.
 * It passes to the reader of the result: an await, a join set's next, the
 * function of a continuation, or the first `results` of a combinator that is
 * read itself. Until then the future owns it. If the future is dropped, loses
 * in a select, or its join set is closed, give_back() returns it to where it
 * came from. A detached future has no reader: its effects stay.
 *
 * The object that the result comes from may be freed before the future is. So
 * code that lets user code run between the completion of a future and the
 * reading of its result calls fluv__retain() first: fluv__complete() for a
 * future in the user's hand, combinators for what they keep, groups for
 * members. A task that awaits reads at once (AWAITED), so the fast path pays
 * nothing.
 */
#ifndef FLUV_CORE_FUTURE_H
#define FLUV_CORE_FUTURE_H

#include "core/internal.h"

typedef struct fluv__waiter fluv__waiter_t;
typedef struct fluv__ops fluv__ops_t;

/* What a task or a combinator attaches to the future it waits for. */
struct fluv__waiter {
  /* The future is done. Runs on any stack of the loop's thread: no user code
   * in here. The waiter reads the result and frees the future. */
  void (*wake)(fluv__waiter_t* waiter, fluv_future_t* f);
};

struct fluv__ops {
  const char* kind;
  /* Under way from the start: cancel() is called in state COLD too. */
  bool live;
  bool is_task;
  /* run() is user code: only on the loop's own stack, outside tasks. */
  bool run_on_loop;
  /* It begins with a fluv__nest_t: see nest.h. */
  bool nests;
  /* Begin; may complete. NULL: nothing to do. */
  void (*start)(fluv_future_t* f);
  /* End soon, by fluv__complete(), now or later. NULL: cannot be stopped. */
  void (*cancel)(fluv_future_t* f);
  /* DISCARDED was set: pass it on to what it waits for. NULL: to nothing. */
  void (*discard)(fluv_future_t* f);
  /* Of one that nests, and is started by fluv__nest_start(): start more of its
   * children. Returns one, still COLD, that has a step() too, and is called
   * again when that is started. NULL: all are. Its first call checks whether
   * CANCELLED is set. */
  fluv_future_t* (*step)(fluv_future_t* f);
  void (*discard_children)(fluv_future_t* f);
  /* Done, and nobody will read the result: give back what it stands for, if
   * anything. Called at most once, before release(). NULL: it never stands for
   * anything. */
  void (*give_back)(fluv_future_t* f);
  /* Done, and the result stays unread for now: hold a reference to what
   * give_back() will touch, as the user may free it first. Sets NEEDS_RELEASE,
   * and release() drops the reference. The object is still alive in this call.
   * NULL: give_back() touches nothing that can go away. */
  void (*retain)(fluv_future_t* f);
  /* Its turn in the ready queue has come. */
  void (*run)(fluv_future_t* f);
  /* The struct is about to be freed: give back what it holds. Called only if
   * NEEDS_RELEASE is set. */
  void (*release)(fluv_future_t* f);
  /* What it waits for, beyond its kind. NULL: nothing to say. */
  void (*describe)(const fluv_future_t* f, char* buf, size_t size);
};

enum {
  FLUV__COLD,
  FLUV__PENDING,
  FLUV__DONE,
  FLUV__FREED
};

enum {
  FLUV__TAKEN = 1 << 0,     /* it has been taken over */
  FLUV__CANCELLED = 1 << 1, /* asked to end; asked once only */
  FLUV__DETACHED = 1 << 2,  /* freed as soon as it is done */
  FLUV__REPORT = 1 << 3,    /* an error goes to the unhandled-error hook */
  FLUV__IMMORTAL = 1 << 4,  /* not from the pool: never freed, used at will */
  FLUV__DISCARDED = 1 << 5, /* dropped: touches no memory of the caller's */
  FLUV__NEEDS_RELEASE = 1 << 6,  /* there is something for ops->release() */
  FLUV__LISTED = 1 << 7,         /* in the loop's list of nest.h */
  FLUV__NOTIFY_PENDING = 1 << 8, /* and its waiter is still to be woken */
  FLUV__UNREAD = 1 << 9,         /* being freed: for ops->give_back(), too */
  FLUV__AWAITED = 1 << 10,       /* its result is read as soon as it is done */
  /* Freeing it takes more than putting it back into the pool. */
  FLUV__NEEDS_SLOW_FREE =
      FLUV__NEEDS_RELEASE | FLUV__IMMORTAL | FLUV__LISTED | FLUV__UNREAD
};

struct fluv_future {
  const fluv__ops_t* ops;
  /* DONE: the result. Taken before that, or freed: where (fluv_loc_t*). */
  int64_t result;
  fluv__waiter_t* waiter; /* woken once when done; NULL: none */
  fluv_loop_t* loop;      /* home */
  const fluv_loc_t* loc;  /* where it was made */
  fluv_future_t* next;    /* in the ready queue */
  uint64_t id;
  uint32_t class; /* of its size, for the pool */
  uint8_t state;
  uint16_t flags;
};

/* The future to return when none can be made: one that needs no memory. */
fluv_future_t* fluv__future_enomem(void);

/* A future that has failed, or fluv__future_enomem(). */
fluv_future_t* fluv__future_fail(int64_t err, const fluv_loc_t* loc);

/* fluv__future_free() of one that holds something, or is immortal. */
void fluv__future_free_slow(fluv_future_t* f, const fluv_loc_t* used);

/* The cold path of fluv__take(): an immortal future, or abort. */
void fluv__take_failed(fluv_future_t* f, const fluv_loc_t* loc);

/* Abort if `f` may not be borrowed: it is NULL, was used before, or belongs to
 * another thread. `what` names the caller in the message. */
void fluv__future_check_borrow(const fluv_future_t* f, const char* what);

/* Ask the future to complete. It may do so during the call or later. */
void fluv__cancel(fluv_future_t* f);

/* From now on the operation must not write to the caller's memory. */
static inline void fluv__discard(fluv_future_t* f) {
  f->flags |= FLUV__DISCARDED;
  if (f->ops->discard != NULL)
    f->ops->discard(f);
}

/* Cancel a future that is taken, and free it once it is done. */
void fluv__drop(fluv_future_t* f, const fluv_loc_t* loc);

/* Before a done future is freed: nobody has read it. */
static inline void fluv__set_unread(fluv_future_t* f) {
  if (f->ops->give_back != NULL)
    f->flags |= FLUV__UNREAD;
}

/* Free a detached future that is done. Report its error if REPORT is set. */
void fluv__future_reap(fluv_future_t* f);

/* Which future it is and where it was made, without its state. */
void fluv__future_identify(const fluv_future_t* f, char* buf, size_t size);

/* Call the unhandled-error hook for a future whose error has no reader. */
void fluv__unhandled(const fluv_future_t* f);

/* Done, but its result is not read before user code runs: what give_back()
 * needs must not go away meanwhile. */
static inline void fluv__retain(fluv_future_t* f) {
  if (f->ops->retain != NULL && (f->flags & FLUV__NEEDS_RELEASE) == 0)
    f->ops->retain(f);
}

/* Check that f may be taken over by this thread, and take it; `flags` are
 * FLUV__TAKEN and what else is to be set. */
static inline void fluv__take_with(fluv_future_t* f,
                                   uint16_t flags,
                                   fluv_loop_t* loop,
                                   const fluv_loc_t* loc) {
  if (fluv__unlikely(f == NULL || f->loop != loop || f->state == FLUV__FREED ||
                     (f->flags & (FLUV__TAKEN | FLUV__IMMORTAL)) != 0)) {
    fluv__take_failed(f, loc);
    return;
  }
  fluv__assert(f->waiter == NULL);
  f->flags |= flags;
  if (f->state != FLUV__DONE)
    f->result = (int64_t) (intptr_t) loc;
}

static inline void fluv__take(fluv_future_t* f,
                              fluv_loop_t* loop,
                              const fluv_loc_t* loc) {
  fluv__take_with(f, FLUV__TAKEN, loop, loc);
}

static inline void fluv__start(fluv_future_t* f) {
  if (f->state != FLUV__COLD)
    return;
  f->state = FLUV__PENDING;
  if (f->ops->start != NULL)
    f->ops->start(f);
}

/* It is done without a waiter, and detached or not taken over. */
void fluv__complete_unwaited(fluv_future_t* f);

static inline void fluv__complete(fluv_future_t* f, int64_t result) {
  fluv__assert(f->state == FLUV__COLD || f->state == FLUV__PENDING);
  f->result = result;
  f->state = FLUV__DONE;
  if (f->waiter != NULL)
    f->waiter->wake(f->waiter, f);
  else if ((f->flags & (FLUV__TAKEN | FLUV__DETACHED)) != FLUV__TAKEN)
    fluv__complete_unwaited(f);
}

/* Start f and attach the waiter. False: f is done, and the waiter is not
 * attached. */
static inline bool fluv__start_and_wait(fluv_future_t* f, fluv__waiter_t* w) {
  fluv__assert(f->waiter == NULL);
  fluv__start(f);
  if (f->state == FLUV__DONE)
    return false;
  f->waiter = w;
  return true;
}

#endif /* FLUV_CORE_FUTURE_H */
