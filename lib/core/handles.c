/* SPDX-License-Identifier: MIT */
/* Which libuv handles are fluv's, and closing them in a forked child. */
#include "core/loop.h"

static bool owns(fluv_loop_t* loop, const uv_handle_t* handle) {
  fluv__list_t* it;

  if (handle == &loop->inbox.wakeup.uv.handle ||
      handle == (const uv_handle_t*) &loop->check ||
      handle == (const uv_handle_t*) &loop->idle ||
      handle == (const uv_handle_t*) &loop->timers.uv ||
      handle == (const uv_handle_t*) &loop->trimmer ||
      handle == (const uv_handle_t*) &loop->prepare)
    return true;
  fluv__list_foreach (it, &loop->handles)
    if (fluv__container_of(it, fluv__handle_t, link)->uv == handle)
      return true;
  return loop->owns_more != NULL && loop->owns_more(handle);
}

bool fluv_owns_handle(const uv_handle_t* handle) {
  fluv_loop_t* loop = fluv__loop;

  return loop != NULL && handle != NULL && handle->loop == loop->uv &&
         owns(loop, handle);
}

static void close_if_ours(uv_handle_t* handle, void* arg) {
  if (!uv_is_closing(handle) && owns(arg, handle))
    uv_close(handle, NULL);
}

/* The memory is not freed: much of it is in use, and its users cannot be
 * notified. */
void fluv__loop_step_aside(fluv_loop_t* loop) {
  bool wakeup_open = !uv_is_closing(&loop->inbox.wakeup.uv.handle);

  if (loop->ours)
    fluv__die("uv_run() of a loop that belongs to the parent of this process");
  loop->closing = true;
  uv_walk(loop->uv, close_if_ours, loop);
  if (wakeup_open)
    fluv__wakeup_deinit(&loop->inbox.wakeup);
}
