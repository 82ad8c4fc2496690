/* SPDX-License-Identifier: MIT */
/* The wakeup: how another thread ends a loop's poll. */
#include "core/wakeup.h"

#if FLUV_EVENTFD
# include <errno.h>
# include <sys/eventfd.h>
# include <unistd.h>

static void on_poll(uv_poll_t* poll, int status, int events) {
  fluv__wakeup_t* wakeup = fluv__container_of(poll, fluv__wakeup_t, uv.poll);
  uint64_t count;

  (void) status;
  (void) events;
  if (read(wakeup->fd, &count, sizeof(count)) == (ssize_t) sizeof(count))
    wakeup->on_wakeup(wakeup);
}

int fluv__wakeup_init(fluv__wakeup_t* wakeup,
                      uv_loop_t* uv,
                      void (*on_wakeup)(fluv__wakeup_t* wakeup)) {
  int err;

  wakeup->on_wakeup = on_wakeup;
  wakeup->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wakeup->fd < 0)
    return uv_translate_sys_error(errno);
  err = uv_poll_init(uv, &wakeup->uv.poll, wakeup->fd);
  if (err < 0) {
    close(wakeup->fd);
    return err;
  }
  uv_poll_start(&wakeup->uv.poll, UV_READABLE, on_poll); /* cannot fail */
  return 0;
}

void fluv__wakeup_send(fluv__wakeup_t* wakeup) {
  uint64_t one = 1;
  int saved = errno;

  /* It can only fail with a counter that is full: then it is readable. */
  while (write(wakeup->fd, &one, sizeof(one)) < 0 && errno == EINTR)
    continue;
  errno = saved;
}

void fluv__wakeup_deinit(fluv__wakeup_t* wakeup) {
  close(wakeup->fd);
}

#else

static void on_async(uv_async_t* async) {
  fluv__wakeup_t* wakeup = fluv__container_of(async, fluv__wakeup_t, uv.async);

  wakeup->on_wakeup(wakeup);
}

int fluv__wakeup_init(fluv__wakeup_t* wakeup,
                      uv_loop_t* uv,
                      void (*on_wakeup)(fluv__wakeup_t* wakeup)) {
  wakeup->on_wakeup = on_wakeup;
  return uv_async_init(uv, &wakeup->uv.async, on_async);
}

void fluv__wakeup_send(fluv__wakeup_t* wakeup) {
  uv_async_send(&wakeup->uv.async);
}

void fluv__wakeup_deinit(fluv__wakeup_t* wakeup) {
  (void) wakeup;
}

#endif
