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
 * started, cancelled or neither. Nobody but the operation completes it; others
 * ask by fluv__cancel().
 *
 * A future has one owner: the caller who made it, until a function takes it
 * over (TAKEN). The new owner either has put a waiter on it, keeps it cold, or
 * has set DETACHED: then fluv__complete() frees it.
 *
 * A result may stand for something: a lock, a permit, a message, a connection.
 * It passes to whoever reads the result: an await, a join set's next, the
 * function of a continuation, or the first `results` of a combinator that is
 * read itself. Until then it is the future's, and if the future is dropped, or
 * loses in a select, or its join set is closed, give_back() puts it back where
 * it came from. A detached future has no reader: what it did stays done.
 *
 * The object that the result comes from may be freed before the future is.
 * So whoever lets user code run between the end of a future and the reading of
 * its result calls fluv__retain() first: fluv__complete() for a future that
 * the user has in hand, combinators for what they keep, groups for members.
 * A task that awaits reads at once (AWAITED), so the fast path pays nothing.
 */
#ifndef FLUV_CORE_FUTURE_H
#define FLUV_CORE_FUTURE_H

#include "core/internal.h"

typedef struct fluv__waiter fluv__waiter_t;
typedef struct fluv__ops fluv__ops_t;

/* What a task or a combinator hangs on the future it waits for. */
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
   * again when that is started. NULL: all are. Its first call looks whether
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
  FLUV__TAKEN = 1 << 0,     /* taken over by somebody */
  FLUV__CANCELLED = 1 << 1, /* asked to end; asked once only */
  FLUV__DETACHED = 1 << 2,  /* freed as soon as it is done */
  FLUV__REPORT = 1 << 3,    /* an error goes to the unhandled-error hook */
  FLUV__IMMORTAL = 1 << 4,  /* not from the pool: never freed, used at will */
  FLUV__DISCARDED = 1 << 5, /* dropped: touches no memory of the caller's */
  FLUV__NEEDS_RELEASE = 1 << 6,  /* there is something for ops->release() */
  FLUV__LISTED = 1 << 7,         /* in the loop's list of nest.h */
  FLUV__NOTIFY_PENDING = 1 << 8, /* and its waiter is still to be told */
  FLUV__UNREAD = 1 << 9,         /* being freed: for ops->give_back(), too */
  FLUV__AWAITED = 1 << 10,       /* its result is read as soon as it is done */
  /* Not just to be put back into the pool. */
  FLUV__NEEDS_SLOW_FREE =
      FLUV__NEEDS_RELEASE | FLUV__IMMORTAL | FLUV__LISTED | FLUV__UNREAD
};

struct fluv_future {
  const fluv__ops_t* ops;
  /* DONE: the result. Taken before that, or freed: where (fluv_loc_t*). */
  int64_t result;
  fluv__waiter_t* waiter; /* told once when done; NULL: nobody is */
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

/* The slow and the deadly part of fluv__take(). */
void fluv__take_failed(fluv_future_t* f, const fluv_loc_t* loc);

/* Abort if a question about a future, or a request that does not take it over,
 * must not be made: it is NULL, was used before, or is another thread's. */
void fluv__future_check_borrow(const fluv_future_t* f, const char* what);

/* Ask to end. The future is not done when this returns, unless it could. */
void fluv__cancel(fluv_future_t* f);

/* From now on it must not touch memory of the caller's. */
static inline void fluv__discard(fluv_future_t* f) {
  f->flags |= FLUV__DISCARDED;
  if (f->ops->discard != NULL)
    f->ops->discard(f);
}

/* Cancel and forget a future that is taken. */
void fluv__drop(fluv_future_t* f, const fluv_loc_t* loc);

/* Before a done future is freed: nobody has read it. */
static inline void fluv__set_unread(fluv_future_t* f) {
  if (f->ops->give_back != NULL)
    f->flags |= FLUV__UNREAD;
}

/* Free a done future nobody waited for, reporting its error if asked to. */
void fluv__future_reap(fluv_future_t* f);

/* Which future it is and where it was made, without its state. */
void fluv__future_identify(const fluv_future_t* f, char* buf, size_t size);

/* Tell the hook of an error that nobody reads. */
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

/* Has the caller to be told by its waiter? Otherwise f is done already. */
static inline bool fluv__start_and_wait(fluv_future_t* f, fluv__waiter_t* w) {
  fluv__start(f);
  if (f->state == FLUV__DONE)
    return false;
  f->waiter = w;
  return true;
}

#endif /* FLUV_CORE_FUTURE_H */
