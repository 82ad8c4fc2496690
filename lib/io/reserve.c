/* SPDX-License-Identifier: MIT */
/* Making libuv's table of descriptors large enough in advance.
 *
 * libuv aborts, or corrupts its table, when memory runs out while the table
 * grows for a high descriptor. So it is grown once, by watching and at once
 * closing the highest descriptor that is to be expected: 8 bytes each.
 */
#include "io/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Processes with more descriptors than this are ready to spend more: the
 * table then grows when it must. */
enum {
  MOST = 16 * 1024
};

static void on_poll(uv_poll_t* handle, int status, int events) {
  (void) handle;
  (void) status;
  (void) events;
}

static void on_close(uv_handle_t* handle) {
  fluv__free(handle);
}

/* A pollable descriptor near the limit; negative if there is none. */
static int high_fd(void) {
  struct rlimit limit;
  int high = MOST;
  int fds[2];
  int fd;

  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return -errno;
  if (limit.rlim_cur < (rlim_t) high)
    high = (int) limit.rlim_cur;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
    return -errno;
  fd = fcntl(fds[0], F_DUPFD_CLOEXEC, high - 1);
  close(fds[0]);
  close(fds[1]);
  return fd;
}

int fluv__reserve_watchers(fluv_loop_t* loop) {
  uv_poll_t* poll;
  int fd;

  if (fluv__likely(loop->watchers_reserved))
    return 0;
  fd = high_fd();
  if (fd < 0)
    return 0; /* out of descriptors: the caller will meet that by itself */
  poll = fluv__malloc(sizeof(*poll));
  if (poll == NULL) {
    close(fd);
    return FLUV_ENOMEM;
  }
  if (uv_poll_init(loop->uv, poll, fd) != 0) {
    fluv__free(poll);
  } else {
    if (uv_poll_start(poll, UV_READABLE, on_poll) == 0)
      loop->watchers_reserved = true;
    uv_close((uv_handle_t*) poll, on_close);
  }
  close(fd);
  return 0;
}
