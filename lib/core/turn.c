/* SPDX-License-Identifier: MIT */
/* A turn: draining the ready queue between two polls.
 *
 * libuv calls in from two handles. The check handle is always started and
 * runs after each poll. The idle handle is active only while something is
 * ready outside a drain; it makes the poll not wait, and it keeps the loop
 * alive. What I/O and timers make ready so runs in the same iteration.
 *
 * A turn is bounded in resumes and in time. Reading the clock costs more than
 * a switch, so it is read once for each chunk of resumes. The size of a chunk
 * adapts to how long they take.
 */
#include "core/alive.h"
#include "core/process.h"
#include "core/self.h"
#include "core/spin.h"
#include "core/task.h"

enum {
  /* The clock is first read after this many resumes: a turn that serves a few
   * connections never reads it. */
  FIRST_CHUNK = 16,
  MAX_CHUNK = 256,
  /* How often stacks of a burst that is over are given back, a part at a
   * time. Shorter: a load that comes in waves maps its stacks again for each
   * wave; longer: their memory is kept for more than a few seconds. */
  TRIM_MS = 100,
  /* Nodes that a round takes from the inbox before it runs what is ready. */
  MAX_ARRIVALS = 128,
  /* Times that a drain goes on with what other threads have just sent, before
   * I/O has its turn. */
  MAX_ROUNDS = 8
};

/* A chunk should take between these. Shorter: the clock costs too much.
 * Longer: the bound in time becomes coarse. */
#define SHORT_CHUNK_NS UINT64_C(50000)
#define LONG_CHUNK_NS  UINT64_C(200000)

static unsigned take_chunk(fluv__turn_t* turn, unsigned chunk) {
  if (chunk > turn->left)
    chunk = turn->left;
  turn->left -= chunk;
  return chunk;
}

/* The chunk is used up: is there time, and count, for another? */
static bool next_chunk(fluv_loop_t* loop) {
  fluv__turn_t* turn = &loop->bounds;
  uint64_t now;

  if (turn->left == 0)
    return false;
  now = uv_hrtime();
  if (turn->start == 0) {
    turn->start = now;
  } else if (now - turn->last < SHORT_CHUNK_NS) {
    if (loop->chunk < MAX_CHUNK)
      loop->chunk *= 2;
  } else if (now - turn->last > LONG_CHUNK_NS && loop->chunk > 1) {
    loop->chunk /= 2;
  }
  turn->last = now;
  if (now - turn->start >= loop->turn_ns)
    return false;
  loop->turn_left = take_chunk(turn, loop->chunk);
  return true;
}

void fluv__turn_begin(fluv_loop_t* loop) {
  unsigned chunk = loop->chunk < FIRST_CHUNK ? loop->chunk : FIRST_CHUNK;

  loop->bounds = (fluv__turn_t){ 0, 0, loop->turn_count };
  loop->turn_left = take_chunk(&loop->bounds, chunk);
}

/* Run what is ready. */
static void run_ready(fluv_loop_t* loop) {
  fluv_future_t* f;

  while ((f = loop->ready_head) != NULL) {
    if (loop->turn_left == 0 && !next_chunk(loop))
      break;
    loop->ready_head = f->next;
    loop->turn_left--;
    if (fluv__is_task(f))
      fluv__task_run(loop, (fluv__task_t*) f);
    else
      f->ops->run(f);
  }
}

/* Nothing is left to do: may the loop poll? False: something has arrived. */
static bool rest(fluv_loop_t* loop) {
  if (loop->sched != NULL && !loop->sched->rest(loop))
    return false;
  if (fluv__spin(loop) || !fluv__inbox_sleep(&loop->inbox)) {
    if (loop->sched != NULL)
      loop->sched->begin(loop); /* the loop does not sleep after all */
    return false;
  }
  fluv__loop_rest(loop);
  return true;
}

void fluv__drain(fluv_loop_t* loop) {
  unsigned round;
  bool more;

  fluv__set_draining(loop, true);
  fluv__inbox_awake(&loop->inbox);
  if (loop->sched != NULL)
    loop->sched->begin(loop);
  for (round = 0; round < MAX_ROUNDS; round++) {
    if (!fluv__inbox_is_empty(&loop->inbox))
      fluv__spin_pays(loop, fluv__inbox_run(&loop->inbox, MAX_ARRIVALS));
    run_ready(loop);
    fluv__timers_sync(loop);
    more = loop->ready_head != NULL || fluv__timers_want_turn(loop);
    if (more || rest(loop))
      break;
  }
  fluv__set_draining(loop, false);
  fluv__loop_set_idle(loop, more || round == MAX_ROUNDS);
}

/* libuv has called in: not from inside a task or a callback of ours? */
static void check_nesting(fluv_loop_t* loop) {
  char place[FLUV__LOC_SIZE];
  char await[FLUV__LOC_SIZE];

  if (fluv__unlikely(fluv__loop != loop))
    fluv__wrong_thread(loop, "uv_run()", NULL, NULL);
  if (fluv__likely(!fluv__is_draining(loop)))
    return;
  if (loop->current == NULL)
    fluv__die("uv_run() from inside a continuation");
  fluv__die("uv_run() inside task \"%s\", spawned at %s, last awaiting at %s",
            fluv__task_name(loop->current),
            fluv__loc_format(loop->current->base.loc, place, sizeof(place)),
            fluv__loc_format(loop->current->await_loc, await, sizeof(await)));
}

static void on_idle(uv_idle_t* handle) {
  fluv_loop_t* loop = fluv__container_of(handle, fluv_loop_t, idle);

  if (fluv__unlikely(loop->forks != fluv__forks)) {
    fluv__loop_step_aside(loop);
    return;
  }
  check_nesting(loop);
  fluv__drain(loop);
  /* The poll that follows works out how long to wait from libuv's clock. */
  uv_update_time(loop->uv);
}

/* Tasks wait, and this iteration is the last, since nothing is alive. */
static void report_stuck(fluv_loop_t* loop) {
  if (loop->task_count == 0 || loop->ready_head != NULL ||
      loop->stuck_reported || uv_loop_alive(loop->uv))
    return;
  loop->stuck_reported = true;
  fluv__report_tasks(loop,
                     "the loop has run out of work, and nothing can "
                     "wake");
}

/* An idle loop has no turns: so this has a timer, which keeps no loop alive. */
static void on_trim(uv_timer_t* handle) {
  fluv_loop_t* loop = fluv__container_of(handle, fluv_loop_t, trimmer);

  if (fluv__unlikely(loop->forks != fluv__forks)) {
    fluv__loop_step_aside(loop);
    return;
  }
  fluv__stack_trim(&loop->stacks);
  if (!fluv__stack_has_spare(&loop->stacks))
    uv_timer_stop(handle);
}

static void begin_trimming(fluv_loop_t* loop) {
  loop->stacks.may_trim = false;
  if (fluv__stack_has_spare(&loop->stacks) &&
      !uv_is_active((uv_handle_t*) &loop->trimmer))
    uv_timer_start(&loop->trimmer, on_trim, TRIM_MS, TRIM_MS);
}

static void on_check(uv_check_t* handle) {
  fluv_loop_t* loop = fluv__container_of(handle, fluv_loop_t, check);

  if (fluv__unlikely(loop->forks != fluv__forks)) {
    fluv__loop_step_aside(loop);
    return;
  }
  check_nesting(loop);
  loop->turn++;
  /* Relaxed: the watchdog only wants to see it change. */
  atomic_store_explicit(&loop->beat,
                        (unsigned) loop->turn,
                        memory_order_relaxed);
  fluv__turn_begin(loop);
  /* Relaxed: a later turn sees it as well. */
  if (fluv__unlikely(
          atomic_load_explicit(&fluv__process_displaced, memory_order_relaxed)))
    fluv__process_restore();
  if (fluv__unlikely(loop->stacks.may_trim))
    begin_trimming(loop);
  if (loop->timers.overdue)
    fluv__timers_fire(loop);
  if (loop->ready_head != NULL || loop->timers.dirty ||
      fluv__inbox_wants_turn(&loop->inbox)) {
    loop->stuck_reported = false;
    fluv__drain(loop);
  }
  if (fluv__unlikely(loop->timers.paused)) {
    fluv__timers_turn(loop);
    fluv__loop_set_idle(loop,
                        loop->ready_head != NULL ||
                            fluv__timers_want_turn(loop) ||
                            fluv__inbox_wants_turn(&loop->inbox));
  }
  report_stuck(loop);
}

/* Another thread has called: what it sent is run in the check phase. */
static void on_wakeup(fluv__wakeup_t* wakeup) {
  fluv__spin_woken(fluv__container_of(wakeup, fluv_loop_t, inbox.wakeup));
}

int fluv__turn_init(fluv_loop_t* loop) {
  int err = fluv__inbox_init(&loop->inbox, loop->uv, on_wakeup);

  if (err < 0)
    return err;
  /* None of these can fail. */
  uv_check_init(loop->uv, &loop->check);
  uv_idle_init(loop->uv, &loop->idle);
  uv_timer_init(loop->uv, &loop->trimmer);
  uv_unref((uv_handle_t*) &loop->trimmer);
  uv_prepare_init(loop->uv, &loop->prepare);
  uv_unref((uv_handle_t*) &loop->prepare);
  uv_check_start(&loop->check, on_check);
  loop->on_idle = on_idle;
  fluv__turn_begin(loop);
  uv_unref(&loop->inbox.wakeup.uv.handle);
  uv_unref((uv_handle_t*) &loop->check);
  return 0;
}
