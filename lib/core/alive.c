/* SPDX-License-Identifier: MIT */
/* What keeps a loop alive, and whether anything can still wake its tasks. */
#include "core/alive.h"

#include <sys/stat.h>

void fluv__loop_set_idle(fluv_loop_t* loop, bool active) {
  if (active == loop->idle_active || loop->closing ||
      uv_is_closing((uv_handle_t*) &loop->idle))
    return;
  loop->idle_active = active;
  if (active)
    uv_idle_start(&loop->idle, loop->on_idle);
  else
    uv_idle_stop(&loop->idle);
}

void fluv__loop_kick(fluv_loop_t* loop) {
  fluv__loop_set_idle(loop, true);
}

void fluv__wakeup_update_ref(fluv_loop_t* loop) {
  bool want = loop->remote_waits > 0 ||
              (loop->queued_waits > 0 && !loop->alone) ||
              (loop->winding_down && loop->abandoned_jobs > 0);

  if (want == loop->wakeup_refd || loop->closing)
    return;
  loop->wakeup_refd = want;
  if (want)
    uv_ref(&loop->inbox.wakeup.uv.handle);
  else
    uv_unref(&loop->inbox.wakeup.uv.handle);
}

void fluv__remote_wait_begin(fluv_loop_t* loop) {
  loop->remote_waits++;
  fluv__wakeup_update_ref(loop);
}

void fluv__remote_wait_end(fluv_loop_t* loop) {
  fluv__assert(loop->remote_waits > 0);
  loop->remote_waits--;
  fluv__wakeup_update_ref(loop);
}

bool fluv__has_external_work(fluv_loop_t* loop) {
  uv_handle_t* wakeup = &loop->inbox.wakeup.uv.handle;
  bool alive;

  if (loop->jobs > 0)
    return true;
  uv_unref((uv_handle_t*) &loop->timers.uv);
  uv_unref((uv_handle_t*) &loop->idle);
  uv_unref(wakeup);
  alive = uv_loop_alive(loop->uv) != 0;
  uv_ref((uv_handle_t*) &loop->idle);
  if (loop->wakeup_refd)
    uv_ref(wakeup);
  if (loop->timers.refd)
    uv_ref((uv_handle_t*) &loop->timers.uv);
  return alive;
}

/* A second thread was found. The answer is kept: to ask again costs a system
 * call, and threads rarely end before the process. */
static fluv__atomic_bool_t has_other_threads;

/* Is this the only thread of the process? False if that is not known. */
static bool is_only_thread(void) {
#if defined(__linux__) && !FLUV_TSAN
  struct stat tasks;

  /* A directory has a link from its parent, one from itself, and one from each
   * directory in it. */
  if (stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == 3)
    return true;
#endif
  /* Relaxed: a thread that misses this asks once more. */
  atomic_store_explicit(&has_other_threads, true, memory_order_relaxed);
  return false;
}

/* Find a handle of the host's that is active although it does not keep the loop
 * alive: its callback may wake a task, or make a thread that does. A handle of
 * fluv's wakes no task while it is unreferenced. */
static void find_unrefd(uv_handle_t* handle, void* arg) {
  const fluv_loop_t* loop = fluv__loop;
  bool* found = arg;

  if (uv_is_active(handle) && !uv_has_ref(handle) &&
      handle != (const uv_handle_t*) loop->limit && !fluv_owns_handle(handle))
    *found = true;
}

/* Tasks wait in queues, and nothing is ready. Is it certain that nothing can
 * wake them? Never while the host runs the loop: what the host does when
 * uv_run() returns is not known. In a uv_run() of fluv's own it is certain if
 * libuv would end it, no callback of another handle can come, and there is no
 * other thread. The cheap checks come first. */
static bool is_deadlocked(fluv_loop_t* loop) {
  bool unrefd = false;

  /* Relaxed: see is_only_thread(). */
  if (!loop->blocking || loop->remote_waits > 0 || loop->timers.count > 0 ||
      atomic_load_explicit(&has_other_threads, memory_order_relaxed) ||
      fluv__has_external_work(loop) || !is_only_thread())
    return false;
  uv_walk(loop->uv, find_unrefd, &unrefd);
  return !unrefd;
}

static void check_deadlock(fluv_loop_t* loop) {
  loop->alone = loop->queued_waits > 0 && is_deadlocked(loop);
  fluv__wakeup_update_ref(loop);
}

/* The loop is about to poll. What kept it alive when it came to rest may be
 * gone without a drain: a handle has closed, or was stopped. */
static void on_prepare(uv_prepare_t* handle) {
  fluv_loop_t* loop = fluv__container_of(handle, fluv_loop_t, prepare);

  if (!loop->blocking || loop->queued_waits == 0)
    uv_prepare_stop(handle);
  else if (!loop->alone && !loop->idle_active && loop->ready_head == NULL &&
           fluv__inbox_is_empty(&loop->inbox))
    check_deadlock(loop);
}

void fluv__loop_rest(fluv_loop_t* loop) {
  check_deadlock(loop);
  /* Relaxed: see is_only_thread(). */
  if (fluv__unlikely(loop->queued_waits > 0 && !loop->alone) &&
      loop->blocking &&
      !atomic_load_explicit(&has_other_threads, memory_order_relaxed))
    uv_prepare_start(&loop->prepare, on_prepare);
}
