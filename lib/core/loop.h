/* SPDX-License-Identifier: MIT */
/* The loop: fluv's state beside one uv_loop_t.
 *
 * Everything in it belongs to the thread that attached it, except `inbox` and
 * `refs`, which any thread may touch, and `beat` and `draining`, which any may
 * read. Lifetime: made by attach; closed by
 * fluv_loop_close() when nothing of it is alive; freed when libuv has called
 * back for its six handles and the last reference is gone (refs).
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
  /* Close it now, even if the program still uses it. */
  void (*abandon)(struct fluv__handle* handle);
  bool lingers; /* its user has closed it: it may be abandoned at any time */
} fluv__handle_t;

/* What is left of the bounds of a turn, from one poll to the next. */
typedef struct fluv__turn {
  uint64_t start; /* ns; 0 until the clock is first read */
  uint64_t last;  /* ns; when the clock was last read */
  unsigned left;  /* resumes, without those of the current chunk */
} fluv__turn_t;

/* Spinning before the loop sleeps, because waking a core takes longer than
 * another thread takes to answer. See spin.h. */
typedef struct fluv__spin {
  uint64_t limit;   /* ns; 0: never */
  uint64_t slept;   /* ns; when the loop went to sleep; 0: not known */
  unsigned recent;  /* turns until traffic of other threads counts as over */
  unsigned credits; /* spins that may still fail */
  unsigned gap;     /* short sleeps until the next try; doubles */
  unsigned short_sleeps;
} fluv__spin_t;

/* Functions of the runtime that a loop belongs to. Loop thread only. */
typedef struct fluv__sched {
  /* A drain begins, or goes on after rest(). */
  void (*begin)(fluv_loop_t* loop);
  /* The ready queue is empty. False: rest() has found more work. */
  bool (*rest)(fluv_loop_t* loop);
  /* The main task of fluv_run() has returned: what depends on it is to end. */
  void (*stop)(fluv_loop_t* loop);
  /* The loop begins to close, and still runs what arrives. */
  void (*leave)(fluv_loop_t* loop);
} fluv__sched_t;

struct fluv_loop {
  /* Only the thread that attached the loop reads or writes the fields, except
   * where a group says otherwise. */

  /* Scheduling: what an await, a spawn and a switch touch. */
  fluv__task_t* current;     /* running task; NULL on the thread's own stack */
  fluv_future_t* ready_head; /* ready queue, through future.next */
  fluv_future_t* ready_tail; /* valid while ready_head is not NULL */
  unsigned turn_left;        /* resumes until the clock is read */
  unsigned budget;           /* ready awaits until the running task yields */
  void* main_sp;             /* the thread's stack while a task runs */
  fluv__fp_t fp;             /* floating-point control that tasks begin with */
  uint64_t next_id;
  fluv__atomic_bool_t draining; /* the watchdog's thread reads it, too */
  bool blocking;    /* a uv_run() of fluv_block_on() or fluv_run() is active */
  bool idle_active; /* the idle handle is started */
  bool closing;     /* fluv's handles are being closed */

  /* Memory and time: futures, stacks and timers of this loop. */
  fluv__pool_t pool;
  fluv__stack_cache_t stacks;
  fluv__timers_t timers;

  /* Tasks that have not returned. */
  fluv__list_t tasks;
  fluv__atomic_size_t task_count; /* only its thread writes it */

  /* Work queues that replace a deep recursion. Each has a flag that is set
   * while the queue is being drained; the outermost call drains it. */
  fluv__task_t* to_cancel; /* FIFO of tasks whose await is to be cancelled */
  fluv__task_t** to_cancel_end;
  bool cancelling;           /* `to_cancel` is being drained */
  fluv_future_t* nest_first; /* FIFO through `next`: see nest.h */
  fluv_future_t** nest_end;
  bool nest_busy;     /* between fluv__nest_enter() and fluv__nest_leave() */
  bool nest_draining; /* `nest_first` is being drained */
  bool discarding;    /* `to_discard` is being drained */
  fluv_future_t* to_free; /* FIFO through `next`: futures to be released */
  fluv_future_t** to_free_end;
  bool freeing;           /* `to_free` is being drained */
  bool draining_arrivals; /* `arrivals` is being drained */
  unsigned starting_arms; /* combinators that are starting their arms, during
                              which `arrivals` is not drained */
  struct fluv__nest* to_discard;
  fluv__inbox_node_t* arrivals; /* FIFO of waits that were granted something by
                                   this thread */
  fluv__inbox_node_t** arrivals_end;

  /* What keeps the loop alive: see alive.h. */
  size_t remote_waits; /* for promises: these keep the loop alive */
  size_t queued_waits; /* in wait queues: so do these, unless it is `alone` */
  bool alone;          /* it is certain that nothing can end the latter */
  bool wakeup_refd;
  size_t jobs;           /* blocking jobs that a future waits for */
  size_t abandoned_jobs; /* blocking jobs that no future waits for any more */
  /* The loop is to end: new tasks are cancelled at once, and abandoned jobs
   * keep it alive, too. */
  bool winding_down;
  /* Ends the wait of fluv_run() for what is left; it wakes no task. */
  const uv_timer_t* limit;

  /* libuv handles of fluv's besides the six below. */
  fluv__list_t handles; /* of fluv__handle_t */
  /* Does the handle belong to fluv, although it is not in the list? Set with
   * the first such handle; NULL before. */
  bool (*owns_more)(const uv_handle_t* handle);

  /* What other layers have attached to the loop. */
  /* Report the blocking jobs that are left; set with the first job. */
  void (*report_jobs)(const fluv_loop_t* loop, const char* why);
  struct fluv__watchdog* watchdog; /* NULL: none */
  const fluv__sched_t* sched;      /* the runtime's functions; NULL: none */
  void* member;                    /* the runtime's; for `sched` only */
  uint64_t handed;                 /* tasks that other threads have pushed */

  /* The turn, and what was reported in it. Any thread may read `beat`. */
  fluv__atomic_uint_t beat; /* changes with each turn */
  uint64_t turn;            /* loop iterations, counted in the check phase */
  fluv__turn_t bounds;
  const fluv_loc_t* drop_loc; /* of the fluv_drop() that is running */
  bool stuck_reported;
  bool watchers_reserved; /* libuv has room for all descriptors */

  /* The libuv loop and fluv's handles in it; the sixth is in `inbox`,
   * the fifth in `timers`. */
  uv_loop_t* uv;
  uv_check_t check;
  uv_idle_t idle;
  uv_idle_cb on_idle;    /* of turn.c */
  uv_prepare_t prepare;  /* active while a deadlock may come; see alive.c */
  uv_timer_t trimmer;    /* unreferenced; active while stacks are to be freed */
  unsigned open_handles; /* of the six, until their close callbacks */

  /* Fixed at attach, except `chunk` and `rng`; `thread` and `forks` are read
   * by any thread. */
  pthread_t thread;
  fluv_loop_options_t options;
  bool ours;      /* made by fluv_run() */
  unsigned forks; /* of the process, when the loop was made */
  unsigned stack_bits;
  unsigned turn_count;
  uint64_t turn_ns;
  unsigned chunk; /* resumes between two readings of the clock; adapts */
  fluv__rng_t rng;
  fluv__ctx_t main_ctx; /* the thread's stack, for sanitizers */
  void* alt_stack;      /* for the overflow handler, if fluv allocated it */
  fluv_future_t out_of_memory;

  /* Shared with other threads: the references, and what they push. `spin` is
   * the loop's own. */
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

/* A poll is over: reset the bounds of the turn. */
void fluv__turn_begin(fluv_loop_t* loop);

/* Is the ready queue being drained? */
static inline bool fluv__is_draining(const fluv_loop_t* loop) {
  /* Relaxed: only the loop's thread writes it; to the watchdog it is a hint. */
  return atomic_load_explicit(&loop->draining, memory_order_relaxed);
}

static inline void fluv__set_draining(fluv_loop_t* loop, bool draining) {
  atomic_store_explicit(&loop->draining, draining, memory_order_relaxed);
}

/* Run what has arrived from this thread, unless `arrivals` is being drained
 * already or will be.
 *
 * While a combinator starts its arms nothing arrives: starting one arm may
 * grant something to another, a message or the slot that it has left. A select
 * would then have two arms that took effect. So it first determines its winner;
 * the other arm is cancelled in flight, which passes on what it was granted. */
void fluv__arrivals_run(fluv_loop_t* loop);

/* Is a list of futures or waits being drained by a caller further up the stack?
 * Only a hook of the user's can ask: what is in the list does not end before
 * the hook returns. */
static inline bool fluv__is_completing(const fluv_loop_t* loop) {
  return loop->nest_busy || loop->nest_draining || loop->draining_arrivals ||
         loop->freeing || loop->discarding || loop->cancelling ||
         loop->starting_arms > 0;
}

/* Report every task that waits, and why the caller thinks so. */
void fluv__report_tasks(fluv_loop_t* loop, const char* why);
/* Report what the program made and forgot: futures that it did not use, streams
 * and other handles that it did not close. If tasks are left these belong to
 * them, and nothing is reported. */
void fluv__report_forgotten(fluv_loop_t* loop);
/* Report all that is alive, and return the count. */
size_t fluv__report_alive(fluv_loop_t* loop, const char* why);

/* Abort: `what` was used on another thread than that of `home`, or in a forked
 * child. */
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

/* Around a hook of the user's, which may run inside any operation: the hook is
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
  fluv__assert(loop->ready_head == NULL || loop->ready_tail->next == NULL);
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
