/* SPDX-License-Identifier: MIT */
/* The wakeup: how another thread ends a loop's poll. */
#include "core/wakeup.h"

#if FLUV_EVENTFD
# include <errno.h>
# include <sys/eventfd.h>
# include <time.h>
# include <unistd.h>

# include "core/loop.h"

/* Tries to write to the descriptor, a millisecond apart. */
enum {
  MAX_TRIES = 1000
};

static void on_poll(uv_poll_t* poll, int status, int events) {
  fluv__wakeup_t* wakeup = fluv__container_of(poll, fluv__wakeup_t, uv.poll);
  uint64_t count;

  (void) events;
  /* The descriptor is shared with the parent: what is read here is lost
   * there. */
  if (wakeup->forks != fluv__forks) {
    uv_poll_stop(poll);
    return;
  }
  if (status < 0) /* libuv has stopped to poll */
    uv_poll_start(poll, UV_READABLE, on_poll);
  if (read(wakeup->fd, &count, sizeof(count)) == (ssize_t) sizeof(count))
    wakeup->on_wakeup(wakeup);
}

int fluv__wakeup_init(fluv__wakeup_t* wakeup,
                      uv_loop_t* uv,
                      void (*on_wakeup)(fluv__wakeup_t* wakeup)) {
  int err;

  wakeup->on_wakeup = on_wakeup;
  wakeup->forks = fluv__forks;
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

/* The sender is the only one until the loop has been awake, so a wakeup that is
 * lost is never repeated. A full counter is readable, which is enough. A
 * descriptor that is not fluv's any more is a mistake of the program. All other
 * errors are transient, and the write is tried again. */
void fluv__wakeup_send(fluv__wakeup_t* wakeup) {
  const struct timespec pause = { 0, 1000 * 1000 };
  uint64_t one = 1;
  int saved = errno;
  int tries = 0;

  if (wakeup->forks != fluv__forks)
    return; /* it would wake the parent */
  while (write(wakeup->fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
    if (errno == EINTR)
      continue;
    if (errno == EBADF || errno == EINVAL || ++tries == MAX_TRIES)
      fluv__die(
          "a loop cannot be woken: writing to its eventfd %d fails (%s); "
          "has the program closed it?",
          wakeup->fd,
          uv_err_name(uv_translate_sys_error(errno)));
    nanosleep(&pause, NULL);
  }
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
