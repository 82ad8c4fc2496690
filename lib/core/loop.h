/* SPDX-License-Identifier: MIT */
/* The loop: fluv's state beside one uv_loop_t.
 *
 * Everything in it belongs to the thread that attached it, except `inbox` and
 * `refs`, which any thread may touch, and `beat` and `draining`, which any may
 * read. Lifetime: made by attach; closed by
 * fluv_loop_close() when nothing of it is alive; freed when libuv has called
 * back for its five handles and the last promise has let go (refs).
 */
#ifndef FLUV_CORE_LOOP_H
#define FLUV_CORE_LOOP_H

#include <pthread.h>
#include <uv.h>

#include "base/fork.h"
#include "base/rng.h"
#include "core/future.h"
#include "core/inbox.h"
#include "core/pool.h"
#include "core/stack.h"
#include "core/switch-fp.h"
#include "core/timer.h"

typedef struct fluv__task fluv__task_t;

/* A libuv handle of fluv's with a user's object around it, for the list of
 * what is alive. */
typedef struct fluv__handle {
  fluv__list_t link;     /* in loop->handles */
  const uv_handle_t* uv; /* the handle itself */
  const char* kind;      /* "stream", "listener" */
  const fluv_loc_t* loc; /* where it was made */
  /* Close it now, whoever still holds it. */
  void (*abandon)(struct fluv__handle* handle);
  bool lingers; /* its user has closed it: it may be abandoned at any time */
} fluv__handle_t;

/* What is left of the bounds of a turn, from one poll to the next. */
typedef struct fluv__turn {
  uint64_t start; /* ns; 0 until the first look at the clock */
  uint64_t last;  /* look at the clock */
  unsigned left;  /* resumes, without those of the current chunk */
} fluv__turn_t;

/* Looking for a while before sleeping, because waking a core takes longer than
 * another thread takes to answer. */
typedef struct fluv__spin {
  uint64_t limit;   /* ns; 0: never */
  uint64_t slept;   /* ns; when it went to sleep, if that is known */
  unsigned recent;  /* turns until other threads' traffic counts as over */
  unsigned credits; /* looks that may still be in vain */
  unsigned gap;     /* short sleeps until the next try; doubles */
  unsigned short_sleeps;
} fluv__spin_t;

/* What a loop asks for more to do, if it belongs to a runtime. */
typedef struct fluv__sched {
  /* A drain begins, or goes on after a rest. */
  void (*begin)(fluv_loop_t* loop);
  /* Nothing is left to do. False: there is something now. */
  bool (*rest)(fluv_loop_t* loop);
  /* The main task of fluv_run() has returned: what depends on it is to end. */
  void (*stop)(fluv_loop_t* loop);
  /* The loop closes, and still takes what comes. */
  void (*leave)(fluv_loop_t* loop);
} fluv__sched_t;

struct fluv_loop {
  /* Hot: what an await, a spawn and a switch touch. */
  fluv__task_t* current;     /* running task; NULL on the thread's own stack */
  fluv_future_t* ready_head; /* FIFO through future.next */
  fluv_future_t* ready_tail;
  unsigned turn_left; /* resumes until the clock is looked at */
  unsigned budget;    /* ready awaits until the running task gives way */
  void* main_sp;      /* the thread's stack while a task runs */
  fluv__fp_t fp;      /* floating-point control that tasks begin with */
  uint64_t next_id;
  fluv__atomic_bool_t draining; /* by the watchdog, too */
  bool blocking; /* a uv_run() of fluv_block_on() or fluv_run() goes on */
  bool idle_active;
  bool closing;
  fluv__pool_t pool;
  fluv__stack_cache_t stacks;
  fluv__timers_t timers;

  /* Tasks and what can wake them. */
  fluv__list_t tasks;             /* all that have not returned */
  fluv__atomic_size_t task_count; /* only its thread writes it */
  fluv__task_t* to_cancel; /* FIFO of those whose await is to be cancelled */
  fluv__task_t** to_cancel_end;
  bool cancelling;           /* somebody works that off */
  fluv_future_t* nest_first; /* FIFO through `next`: see nest.h */
  fluv_future_t** nest_end;
  bool nest_busy;     /* between fluv__nest_enter() and fluv__nest_leave() */
  bool nest_draining; /* a drain of that list is on the stack */
  bool discarding;    /* a drain of `to_discard` is on the stack */
  fluv_future_t*
      to_free; /* FIFO through `next`, of those that hold something */
  fluv_future_t** to_free_end;
  bool freeing;           /* a drain of that list is on the stack */
  bool sending;           /* a drain of `arrivals` is on the stack */
  unsigned starting_arms; /* combinators that start theirs: `arrivals` wait */
  struct fluv__nest* to_discard;
  fluv__inbox_node_t* arrivals; /* FIFO of waits that were granted something by
                                   this thread */
  fluv__inbox_node_t** arrivals_end;
  size_t remote_waits; /* for promises: these keep the loop alive */
  size_t queued_waits; /* in queues: so do these, unless it is `alone` */
  bool alone;          /* it is certain that nobody can end the latter */
  bool wakeup_refd;
  fluv__list_t handles;
  /* Those that are not in the list; NULL until there are any. */
  bool (*owns_more)(const uv_handle_t* handle);
  size_t jobs;           /* blocking work that somebody waits for */
  size_t abandoned_jobs; /* and that nobody does any more */
  /* The loop is to end: tasks are cancelled from the start, and jobs that are
   * left keep it alive, too. */
  bool winding_down;
  /* Ends the wait of fluv_run() for what is left; it wakes no task. */
  const uv_timer_t* limit;
  /* Say which blocking work is left; set by whoever makes some. */
  void (*report_jobs)(const fluv_loop_t* loop, const char* why);
  struct fluv__watchdog* watchdog; /* NULL: none */
  const fluv__sched_t* sched;      /* NULL: in no runtime */
  void* member;                    /* what it is there; sched's */
  uint64_t handed;                 /* what other threads gave it to run */
  fluv__atomic_uint_t beat;        /* changes with each turn; any thread */
  uint64_t turn; /* loop iterations, counted in the check phase */
  fluv__turn_t bounds;
  const fluv_loc_t* drop_loc; /* of the fluv_drop() that is going on */
  bool stuck_reported;
  bool watchers_reserved; /* libuv has room for all descriptors */

  uv_loop_t* uv;
  uv_check_t check;
  uv_idle_t idle;
  uv_idle_cb on_idle;    /* of turn.c */
  uv_timer_t trimmer;    /* unreferenced; active while stacks are to be freed */
  unsigned open_handles; /* of the five, until their close callbacks */

  /* Fixed at attach. */
  pthread_t thread;
  fluv_loop_options_t options;
  bool ours;      /* made by fluv_run() */
  unsigned forks; /* of the process, when it was made */
  unsigned stack_bits;
  unsigned turn_count;
  uint64_t turn_ns;
  unsigned chunk; /* resumes between looks at the clock; adapts */
  fluv__rng_t rng;
  fluv__ctx_t main_ctx; /* the thread's stack, for sanitizers */
  void* alt_stack;      /* for the overflow handler, if it is ours */
  fluv_future_t out_of_memory;
  fluv__atomic_uint_t refs;
  fluv__spin_t spin;
  fluv__inbox_t inbox;
};

/* Begin to count forks: in a child no thread has a loop. */
void fluv__watch_forks(void);

/* In a child of fork(2) that runs the host's loop: close what is fluv's there,
 * and touch nothing that the parent shares. */
void fluv__loop_step_aside(fluv_loop_t* loop);

/* This thread's loop; NULL if it has none. */
extern __thread fluv_loop_t* fluv__loop
    __attribute__((tls_model("initial-exec")));

int fluv__loop_new(uv_loop_t* uv,
                   const fluv_loop_options_t* options,
                   fluv_loop_t** out_loop);
void fluv__out_of_memory_init(fluv_loop_t* loop);
void fluv__loop_ref(fluv_loop_t* loop);
void fluv__loop_unref(fluv_loop_t* loop);

/* Close the handles of a loop that has nothing alive any more. */
void fluv__loop_begin_close(fluv_loop_t* loop);

/* One of its handles is closed; after the last the loop's memory goes. */
void fluv__loop_closed(fluv_loop_t* loop);

/* Ask every task to end. */
void fluv__loop_cancel_tasks(fluv_loop_t* loop);

/* Make and start the handles that turn.c is called by. */
int fluv__turn_init(fluv_loop_t* loop);

/* Run what is ready, within what is left of the bounds of the turn. */
void fluv__drain(fluv_loop_t* loop);

/* A poll is over: the bounds are whole again. */
void fluv__turn_begin(fluv_loop_t* loop);

/* Is what is ready being run just now? */
static inline bool fluv__is_draining(const fluv_loop_t* loop) {
  /* Relaxed: only the loop's thread writes it; the watchdog knows nothing for
   * sure. */
  return atomic_load_explicit(&loop->draining, memory_order_relaxed);
}

static inline void fluv__set_draining(fluv_loop_t* loop, bool draining) {
  atomic_store_explicit(&loop->draining, draining, memory_order_relaxed);
}

/* Run what has arrived from this thread, unless somebody does already or will.
 *
 * While a combinator starts its arms nothing arrives: starting one arm may
 * grant something to another, a message or the slot that it has left. A select
 * would have two arms that took effect then. So it first knows its winner, and
 * the other arm is cancelled on its way, which hands on what it was granted. */
void fluv__arrivals_run(fluv_loop_t* loop);

/* Is a list of futures or waits being drained by a caller further up the stack?
 * Only a hook of the user's can ask: what is in the list does not end before
 * the hook returns. */
static inline bool fluv__is_completing(const fluv_loop_t* loop) {
  return loop->nest_busy || loop->nest_draining || loop->sending ||
         loop->freeing || loop->discarding || loop->cancelling ||
         loop->starting_arms > 0;
}

/* Report every task that waits, and why the caller thinks so. */
void fluv__report_tasks(fluv_loop_t* loop, const char* why);
/* Report what the program made and left: futures that it did nothing with,
 * streams and the like that it did not close. If tasks are left it is theirs,
 * and nothing is said. */
void fluv__report_forgotten(fluv_loop_t* loop);
/* Report all that is alive. Returns how much that is. */
size_t fluv__report_alive(fluv_loop_t* loop, const char* why);

/* "fluv_x() without a loop on this thread" and the like; does not return. */
void fluv__wrong_thread(const fluv_loop_t* home,
                        const char* what,
                        const fluv_loc_t* made,
                        const fluv_loc_t* used) FLUV__NORETURN;

/* Make a future of size bytes, in state COLD with nothing set
 * but the base. NULL when memory has run out or there is no loop. */
static inline fluv_future_t* fluv__future_new(const fluv__ops_t* ops,
                                              size_t size,
                                              const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;
  fluv_future_t* f;

  if (fluv__unlikely(loop == NULL))
    return NULL;
  f = fluv__pool_alloc(&loop->pool, size);
  if (fluv__unlikely(f == NULL))
    return NULL;
  f->ops = ops;
  f->waiter = NULL;
  f->loop = loop;
  f->loc = loc;
  f->id = ++loop->next_id;
  f->class = fluv__pool_class(size);
  f->state = FLUV__COLD;
  f->flags = 0;
  return f;
}

/* Free a future that is done or was never started. */
static inline void fluv__future_free(fluv_future_t* f, const fluv_loc_t* used) {
  fluv__assert(f->state == FLUV__DONE || f->state == FLUV__COLD);
  if (fluv__unlikely(f->flags & FLUV__NEEDS_SLOW_FREE)) {
    fluv__future_free_slow(f, used);
    return;
  }
  f->state = FLUV__FREED;
  f->result = (int64_t) (intptr_t) used;
  fluv__pool_free(&f->loop->pool, f);
}

/* Around a hook of the user's that may run in the middle of anything: it is
 * outside all tasks, so that an await in it is caught. */
static inline fluv__task_t* fluv__hook_begin(fluv_loop_t* loop) {
  fluv__task_t* task = loop->current;

  loop->current = NULL;
  return task;
}

static inline void fluv__hook_end(fluv_loop_t* loop, fluv__task_t* task) {
  loop->current = task;
}

/* In alive.c: have the ready queue run, from outside a drain. */
void fluv__loop_kick(fluv_loop_t* loop);

static inline void fluv__ready_push(fluv_loop_t* loop, fluv_future_t* f) {
  f->next = NULL;
  if (loop->ready_head == NULL)
    loop->ready_head = f;
  else
    loop->ready_tail->next = f;
  loop->ready_tail = f;
  if (fluv__unlikely(!fluv__is_draining(loop) && !loop->idle_active))
    fluv__loop_kick(loop);
}

#endif /* FLUV_CORE_LOOP_H */
