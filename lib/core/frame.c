/* SPDX-License-Identifier: MIT */
/* Deadlines and shields: what bounds and what protects the awaits of a task.
 *
 * They nest, and are a list with the innermost first. Going outwards, a
 * deadline that has passed interrupts; a shield that still holds hides
 * everything further out, also a cancellation, which is outermost of all.
 */
#include "core/task.h"

struct fluv__frame {
  fluv__frame_t* outer;
  fluv__task_t* task;
  fluv__timer_t timer;
  uint64_t end; /* when its time is over, in ns */
  bool is_shield;
  bool passed; /* its time is over */
};

int fluv__frames_interrupt(const fluv__task_t* task) {
  const fluv__frame_t* frame;
  int interrupt = 0;

  for (frame = task->frames; frame != NULL; frame = frame->outer) {
    if (frame->is_shield && !frame->passed)
      return interrupt;
    if (!frame->is_shield && frame->passed)
      interrupt = FLUV_ETIMEDOUT;
  }
  return task->base.flags & FLUV__CANCELLED ? FLUV_ECANCELED : interrupt;
}

static void frame_fire(fluv__timer_t* timer) {
  fluv__frame_t* frame = fluv__container_of(timer, fluv__frame_t, timer);

  frame->passed = true;
  fluv__task_update_interrupt(frame->task);
}

/* The clock in so many milliseconds; FLUV_FOREVER if it does not reach it. */
static uint64_t end_of(const fluv_loop_t* loop, uint64_t limit_ms) {
  const uint64_t ns_per_ms = 1000000;
  uint64_t now = fluv__timers_now(&loop->timers);

  if (limit_ms > (UINT64_MAX - now) / ns_per_ms)
    return FLUV_FOREVER;
  return now + limit_ms * ns_per_ms;
}

static int begin(const char* what, bool is_shield, uint64_t limit_ms) {
  fluv__task_t* task = fluv__task_require(what, NULL);
  fluv_loop_t* loop = task->base.loop;
  fluv__frame_t* frame = fluv__malloc(sizeof(*frame));

  if (frame == NULL)
    return FLUV_ENOMEM;
  frame->outer = task->frames;
  frame->task = task;
  frame->is_shield = is_shield;
  frame->passed = limit_ms == 0;
  fluv__timer_init(&frame->timer, frame_fire);
  frame->end = end_of(loop, limit_ms);
  if (limit_ms != 0 && frame->end != FLUV_FOREVER)
    fluv__timer_at(loop, &frame->timer, frame->end);
  task->frames = frame;
  task->base.flags |= FLUV__NEEDS_RELEASE;
  fluv__task_update_interrupt(task);
  return 0;
}

void fluv__check_deadlines(fluv__task_t* task) {
  fluv_loop_t* loop = task->base.loop;
  uint64_t now;
  fluv__frame_t* frame;

  if (task->frames == NULL)
    return;
  now = fluv__timers_now(&loop->timers);
  for (frame = task->frames; frame != NULL; frame = frame->outer) {
    if (frame->passed || now < frame->end)
      continue;
    fluv__timer_stop(loop, &frame->timer);
    frame->passed = true;
  }
  fluv__task_update_interrupt(task);
}

/* Take off the innermost frame and say whether its time was over. */
static bool end_innermost(fluv__task_t* task) {
  fluv__frame_t* frame = task->frames;
  bool passed = frame->passed;
  bool is_shield = frame->is_shield;

  fluv__timer_stop(task->base.loop, &frame->timer);
  task->frames = frame->outer;
  fluv__free(frame);
  fluv__task_update_interrupt(task);
  /* Its deadline is over, and so is what it was refused meanwhile. */
  if (!is_shield && task->interrupt == 0) {
    task->refusals = 0;
    task->refusal_told = false;
  }
  return passed;
}

static bool end(const char* what, bool is_shield) {
  fluv__task_t* task = fluv__task_require(what, NULL);

  fluv__check_deadlines(task);
  if (task->frames == NULL || task->frames->is_shield != is_shield)
    fluv__die("%s without its begin being the innermost, in task \"%s\"",
              what,
              fluv__task_name(task));
  return end_innermost(task);
}

void fluv__frames_end(fluv__task_t* task) {
  while (task->frames != NULL)
    end_innermost(task);
}

void fluv__frames_abandon(fluv__task_t* task) {
  while (task->frames != NULL) {
    fluv__frame_t* frame = task->frames;

    task->frames = frame->outer;
    fluv__free(frame);
  }
}

int fluv_shield_begin(uint64_t limit_ms) {
  return begin("fluv_shield_begin()", true, limit_ms);
}

void fluv_shield_end(void) {
  end("fluv_shield_end()", true);
}

int fluv_deadline_begin(uint64_t limit_ms) {
  return begin("fluv_deadline_begin()", false, limit_ms);
}

bool fluv_deadline_end(void) {
  return end("fluv_deadline_end()", false);
}
