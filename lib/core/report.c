/* SPDX-License-Identifier: MIT */
/* Saying what is alive, one line each, on stderr. */
#include <stdio.h>

#include "core/task.h"

typedef struct report {
  const char* why;
  size_t count;
  bool tasks_only;
} report_t;

/* A loop may have a million: enough are shown to see what they are. */
enum {
  MAX_LINES = 20
};

static void report_future(fluv_future_t* f, void* arg) {
  report_t* report = arg;
  char what[1024];

  if (f->state == FLUV__FREED ||
      (report->tasks_only && !(fluv__is_task(f) && f->state != FLUV__DONE)))
    return;
  if (++report->count > MAX_LINES)
    return;
  fluv_future_describe(f, what, sizeof(what));
  fluv__warn("%s %s", report->why, what);
}

static void report_rest(const report_t* report) {
  if (report->count > MAX_LINES)
    fluv__warn("%s %zu more", report->why, report->count - MAX_LINES);
}

void fluv__report_tasks(fluv_loop_t* loop, const char* why) {
  report_t report = { why, 0, true };

  fluv__pool_each(&loop->pool, report_future, &report);
  report_rest(&report);
}

static void report_handles(const fluv_loop_t* loop, report_t* report) {
  fluv__list_t* it;
  char place[FLUV__LOC_SIZE];

  fluv__list_foreach (it, &loop->handles) {
    const fluv__handle_t* handle = fluv__container_of(it, fluv__handle_t, link);

    if (++report->count <= MAX_LINES)
      fluv__warn("%s %s, made at %s",
                 report->why,
                 handle->kind,
                 fluv__loc_format(handle->loc, place, sizeof(place)));
  }
}

static void report_unused(fluv_future_t* f, void* arg) {
  report_t* report = arg;
  char what[512];

  if (f->state == FLUV__FREED ||
      (f->flags & (FLUV__TAKEN | FLUV__DETACHED | FLUV__IMMORTAL)) != 0)
    return;
  if (++report->count > MAX_LINES)
    return;
  fluv__future_identify(f, what, sizeof(what));
  fluv__warn("%s %s", report->why, what);
}

void fluv__report_forgotten(fluv_loop_t* loop) {
  report_t futures = { "nobody awaited, dropped or detached", 0, false };
  report_t handles = { "nobody closed", 0, false };

  if (loop->task_count > 0)
    return;
  fluv__pool_each(&loop->pool, report_unused, &futures);
  report_rest(&futures);
  report_handles(loop, &handles);
  report_rest(&handles);
}

size_t fluv__report_alive(fluv_loop_t* loop, const char* why) {
  report_t report = { why, 0, false };

  fluv__pool_each(&loop->pool, report_future, &report);
  report_handles(loop, &report);
  report_rest(&report);
  return report.count;
}
