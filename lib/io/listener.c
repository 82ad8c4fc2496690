/* SPDX-License-Identifier: MIT */
/* Listening and accepting.
 *
 * The listening socket is our own, watched by a uv_poll_t: libuv's listener
 * takes connections nobody waits for, and closes them when descriptors run
 * out. Here a connection leaves the backlog only for an accept that waits.
 *
 * After a success the next accept tries at once, so that a full backlog is
 * taken without a poll in between. An event that nobody waits for stops the
 * watching, unless something was accepted in this very iteration: then the
 * accepting task is about to come back.
 *
 * When descriptors or memory run out, or accept(2) fails in any other way that
 * may pass, watching stops and a timer tries again, after 10 ms and then twice
 * as long each time, up to a second.
 */
#define _GNU_SOURCE
#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>
#ifdef __linux__
# include <linux/filter.h>
#endif

#include "io/address.h"
#include "io/reserve.h"
#include "io/stream.h"

enum {
  DEFAULT_BACKLOG = 511,
  FIRST_BACKOFF_MS = 10,
  MAX_BACKOFF_MS = 1000,
  /* Connections in a row that are gone or forbidden before it is taken for a
   * lasting state. */
  MAX_TRIES = 16,
  /* Failures that follow each other within this time are one shortage, which is
   * reported once: under load a descriptor that is freed lets one connection in
   * and leaves the next one out. */
  SHORTAGE_GAP_MS = 10000
};

struct fluv_listener {
  fluv__object_t object;
  fluv__handle_t handle; /* in the loop's list */
  uv_poll_t poll;
  fluv_loop_t* loop;
  int fd;
  unsigned refs; /* the user's, libuv's, one for each accept */
  bool closed;
  bool abandoned; /* closed by fluv; the user still holds a reference */
  bool polling;
  bool maybe_more;      /* the last accept found one */
  uint64_t accept_turn; /* turn of that */
  fluv_future_t* acceptor;
  fluv_future_t* closer;
  const fluv_loc_t* closed_at;
  fluv__timer_t backoff;
  unsigned backoff_ms;
  bool warned;          /* of the shortage that is on */
  uint64_t shortage_ns; /* when it is over, unless accept fails again */
  fluv_tcp_options_t options;
};

typedef struct accept_op {
  fluv_future_t base;
  fluv_listener_t* listener;
  fluv_stream_t** out_stream;
} accept_op_t;

static void listener_unref(fluv_listener_t* listener) {
  if (--listener->refs == 0)
    fluv__object_free(listener, listener->closed_at);
}

static int open_socket(int family) {
#ifdef SOCK_NONBLOCK
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
#else
  int fd = socket(family, SOCK_STREAM, 0);

  if (fd >= 0) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
#endif
  return fd >= 0 ? fd : uv_translate_sys_error(errno);
}

static int accept_fd(int fd) {
#ifdef HAVE_ACCEPT4
  int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
  int peer = accept(fd, NULL, NULL);

  if (peer >= 0) {
    fcntl(peer, F_SETFL, O_NONBLOCK);
    fcntl(peer, F_SETFD, FD_CLOEXEC);
  }
#endif
  return peer >= 0 ? peer : uv_translate_sys_error(errno);
}

static int apply_listen_options(int fd,
                                int family,
                                const fluv_tcp_options_t* options) {
  int err = fluv__set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);

  if (err == 0 && options->reuse_port) {
#ifdef SO_REUSEPORT
    err = fluv__set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
    err = FLUV_ENOTSUP;
#endif
  }
  if (err == 0 && family == AF_INET6)
    err = fluv__set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
  /* The receive buffer's size is part of what the handshake agrees on. */
  if (err == 0 && options->recv_buffer != 0)
    err = fluv__set_option(fd, SOL_SOCKET, SO_RCVBUF, options->recv_buffer);
  return err;
}

static int bind_on(const struct sockaddr_storage* address,
                   const fluv_tcp_options_t* options) {
  int fd = open_socket(address->ss_family);
  int err;

  if (fd < 0)
    return fd;
  err = apply_listen_options(fd, address->ss_family, options);
  if (err == 0 &&
      bind(fd, (const struct sockaddr*) address, fluv__address_len(address)) !=
          0)
    err = uv_translate_sys_error(errno);
  if (err == 0)
    return fd;
  close(fd);
  return err;
}

int fluv__bind(const char* text, const fluv_tcp_options_t* options) {
  struct sockaddr_storage address;
  fluv__hostport_t hostport;
  int err = fluv__address_split(text, &hostport);

  if (err == 0)
    err = fluv__address_parse(&hostport, AF_INET6, &address);
  if (err < 0)
    return err;
  err = bind_on(&address, options);
  /* Every address, on a machine without IPv6. */
  if (err == UV_EAFNOSUPPORT && hostport.host[0] == '\0' &&
      !options->ipv6_only &&
      fluv__address_parse(&hostport, AF_INET, &address) == 0)
    err = bind_on(&address, options);
  return err;
}

int fluv__listen(int fd, const fluv_tcp_options_t* options) {
  int backlog = options->backlog != 0 ? options->backlog : DEFAULT_BACKLOG;

  return listen(fd, backlog) != 0 ? uv_translate_sys_error(errno) : 0;
}

static void abandon(fluv__handle_t* handle);
static void backoff_fire(fluv__timer_t* timer);

static fluv_listener_t* listener_alloc(fluv_loop_t* loop,
                                       int fd,
                                       const fluv_tcp_options_t* options,
                                       const fluv_loc_t* loc) {
  fluv_listener_t* listener = fluv__calloc(1, sizeof(*listener));

  if (listener == NULL)
    return NULL;
  fluv__object_init(listener, LISTENER, loc);
  listener->handle.kind = "listener";
  listener->handle.loc = loc;
  listener->handle.abandon = abandon;
  listener->loop = loop;
  listener->fd = fd;
  listener->refs = 2;
  listener->accept_turn = UINT64_MAX;
  listener->backoff_ms = FIRST_BACKOFF_MS;
  listener->options = *options;
  fluv__timer_init(&listener->backoff, backoff_fire);
  return listener;
}

int fluv__listener_new(int fd,
                       const fluv_tcp_options_t* options,
                       fluv_listener_t** out_listener,
                       const fluv_loc_t* loc) {
  fluv_loop_t* loop = fluv__loop;
  fluv_listener_t* listener = listener_alloc(loop, fd, options, loc);
  int err = FLUV_ENOMEM;

  if (listener != NULL)
    err = fluv__reserve_watchers(loop);
  if (err == 0)
    err = uv_poll_init(loop->uv, &listener->poll, fd);
  if (err < 0) {
    close(fd);
    if (listener != NULL)
      fluv__object_free(listener, loc);
    return err;
  }
  uv_unref((uv_handle_t*) &listener->poll);
  listener->handle.uv = (const uv_handle_t*) &listener->poll;
  fluv__list_append(&loop->handles, &listener->handle.link);
  *out_listener = listener;
  return 0;
}

int fluv_tcp_listen_loc(const char* address,
                        const fluv_tcp_options_t* given,
                        fluv_listener_t** out_listener,
                        const fluv_loc_t* loc) {
  fluv_tcp_options_t options;
  int err;
  int fd;

  if (out_listener == NULL || fluv__tcp_options_read(&options, given) < 0)
    return FLUV_EINVAL;
  if (fluv__loop == NULL || fluv__loop->closing)
    return FLUV_ENOLOOP;
  fd = fluv__bind(address, &options);
  if (fd < 0)
    return fd;
  err = fluv__listen(fd, &options);
  if (err < 0) {
    close(fd);
    return err;
  }
  return fluv__listener_new(fd, &options, out_listener, loc);
}

static void stop_polling(fluv_listener_t* listener) {
  if (!listener->polling)
    return;
  listener->polling = false;
  uv_poll_stop(&listener->poll);
}

static void accept_end(fluv_listener_t* listener, int64_t result) {
  fluv_future_t* f = listener->acceptor;

  listener->acceptor = NULL;
  fluv__timer_stop(listener->loop, &listener->backoff);
  uv_unref((uv_handle_t*) &listener->poll);
  fluv__complete(f, result);
}

/* Errors of one connection that ended or was forbidden before accept(2), which
 * accept(2) returns, and of a signal: the next connection may be accepted. */
static bool is_transient(int err) {
  switch (err) {
  case UV_ECONNABORTED:
  case UV_EINTR:
  case UV_EPROTO:
  case UV_EPERM:
  case UV_ENETDOWN:
  case UV_ENETUNREACH:
  case UV_EHOSTDOWN:
  case UV_EHOSTUNREACH:
  case UV_ENOPROTOOPT:
  case UV_ENOTSUP:
    return true;
  default:
    return false;
  }
}

/* Errors of the descriptor itself, which no later call can change. All others
 * may be temporary: a listener that stops at an error which is not listed here
 * accepts nothing any more, one that retries once a second costs nothing. */
static bool is_lasting(int err) {
  return err == UV_EBADF || err == UV_ENOTSOCK || err == UV_EINVAL;
}

/* Accept a connection: 0, FLUV_EAGAIN, or another error. The stream is
 * allocated first, so that no connection is accepted without memory for it. */
static int take_connection(fluv_listener_t* listener,
                           fluv_stream_t** out_stream,
                           const fluv_loc_t* loc) {
  fluv_stream_t* stream = fluv__stream_new(-1, loc);
  int tries = MAX_TRIES;
  int fd;

  if (stream == NULL)
    return FLUV_ENOMEM;
  do
    fd = accept_fd(listener->fd);
  while (is_transient(fd) && --tries > 0);
  listener->maybe_more = fd >= 0;
  if (fd < 0) {
    fluv__stream_unref(stream);
    return fd;
  }
  /* A connection that is already reset may refuse its options. Its first read
   * then returns the error. */
  (void) fluv__tcp_options_apply(fd, &listener->options);
  stream->fd = fd;
  listener->accept_turn = listener->loop->turn;
  listener->backoff_ms = FIRST_BACKOFF_MS;
  *out_stream = stream;
  return 0;
}

static void on_poll(uv_poll_t* handle, int status, int events);

static int start_polling(fluv_listener_t* listener) {
  int err;

  if (listener->polling)
    return 0;
  err = uv_poll_start(&listener->poll, UV_READABLE, on_poll);
  listener->polling = err == 0;
  return err;
}

static void report_shortage(fluv_listener_t* listener, int err) {
  uint64_t now = fluv__timers_now(&listener->loop->timers);

  if (!listener->warned || now >= listener->shortage_ns)
    fluv__warn("accept: %s; connections wait in the backlog",
               fluv_strerror(err));
  listener->warned = true;
  listener->shortage_ns = now + SHORTAGE_GAP_MS * 1000000ULL;
}

static void back_off(fluv_listener_t* listener, int err) {
  report_shortage(listener, err);
  stop_polling(listener);
  fluv__timer_after(listener->loop, &listener->backoff, listener->backoff_ms);
  if (listener->backoff_ms < MAX_BACKOFF_MS)
    listener->backoff_ms *= 2;
  if (listener->backoff_ms > MAX_BACKOFF_MS)
    listener->backoff_ms = MAX_BACKOFF_MS;
}

/* An accept waits and a connection may have arrived. */
static void try_accept(fluv_listener_t* listener) {
  const accept_op_t* op = (const accept_op_t*) listener->acceptor;
  int err = take_connection(listener, op->out_stream, op->base.loc);

  if (err == FLUV_EAGAIN) {
    err = start_polling(listener);
    if (err == 0)
      return;
  }
  if (err == 0 || is_lasting(err))
    accept_end(listener, err);
  else
    back_off(listener, err);
}

static void backoff_fire(fluv__timer_t* timer) {
  try_accept(fluv__container_of(timer, fluv_listener_t, backoff));
}

static void on_poll(uv_poll_t* handle, int status, int events) {
  fluv_listener_t* listener = fluv__container_of(handle, fluv_listener_t, poll);

  (void) events;
  if (fluv__unlikely(status < 0)) {
    /* libuv has stopped the watching. The timer finds out what is wrong: accept
     * says so, or the watching starts again. */
    listener->polling = false;
    if (listener->acceptor != NULL)
      back_off(listener, status);
    return;
  }
  if (listener->acceptor != NULL)
    try_accept(listener);
  else if (listener->accept_turn != listener->loop->turn)
    stop_polling(listener);
}

int fluv__listener_try_accept(fluv_listener_t* listener,
                              fluv_stream_t** out_stream,
                              const fluv_loc_t* loc) {
  fluv__assert(listener->acceptor == NULL && !listener->closed);
  return take_connection(listener, out_stream, loc);
}

bool fluv__listener_error_lasts(int err) {
  return is_lasting(err);
}

int fluv__listener_backlog(const fluv_listener_t* listener) {
  int backlog = listener->options.backlog;

  return backlog != 0 ? backlog : DEFAULT_BACKLOG;
}

/* By a filter that drops what begins a handshake and nothing else: a SYN
 * without an ACK, in byte 13 of the TCP header. */
void fluv__listener_refuse_new(fluv_listener_t* listener) {
#ifdef __linux__
  struct sock_filter code[] = {
    { BPF_LD | BPF_B | BPF_ABS, 0, 0, 13 },
    { BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12 }, /* SYN and ACK */
    { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02 }, /* SYN */
    { BPF_RET | BPF_K, 0, 0, 0 },              /* drop it */
    { BPF_RET | BPF_K, 0, 0, UINT32_MAX },     /* keep all of it */
  };
  const struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

  /* Where the kernel has no filters, what comes late is reset. */
  (void) setsockopt(listener->fd,
                    SOL_SOCKET,
                    SO_ATTACH_FILTER,
                    &filter,
                    sizeof(filter));
#else
  (void) listener;
#endif
}

static void accept_start(fluv_future_t* f) {
  fluv_listener_t* listener = ((accept_op_t*) f)->listener;
  int err = 0;

  if (listener->closed)
    err = FLUV_EBADF;
  else if (listener->acceptor != NULL)
    err = FLUV_EBUSY;
  else if (!listener->maybe_more)
    err = start_polling(listener);
  if (err < 0) {
    fluv__complete(f, err);
    return;
  }
  listener->acceptor = f;
  uv_ref((uv_handle_t*) &listener->poll);
  if (listener->maybe_more)
    try_accept(listener);
}

static void accept_cancel(fluv_future_t* f) {
  accept_end(((accept_op_t*) f)->listener, FLUV_ECANCELED);
}

static void accept_release(fluv_future_t* f) {
  listener_unref(((accept_op_t*) f)->listener);
}

/* Nobody has read that a connection was accepted. */
static void accept_give_back(fluv_future_t* f) {
  if (f->result == 0)
    fluv_drop(fluv_close(*((accept_op_t*) f)->out_stream));
}

static const fluv__ops_t accept_ops = {
  .kind = "accept",
  .start = accept_start,
  .give_back = accept_give_back,
  .cancel = accept_cancel,
  .release = accept_release,
};

static void check_loop(const fluv_listener_t* listener,
                       const char* what,
                       const fluv_loc_t* loc) {
  if (fluv__unlikely(listener->loop != fluv__loop))
    fluv__wrong_thread(listener->loop, what, listener->handle.loc, loc);
}

fluv_future_t* fluv_accept_loc(fluv_listener_t* listener,
                               fluv_stream_t** out_stream,
                               const fluv_loc_t* loc) {
  accept_op_t* op;

  if (listener == NULL || out_stream == NULL)
    return fluv__future_fail(FLUV_EINVAL, loc);
  fluv__check(listener, LISTENER);
  check_loop(listener, "accept", loc);
  op = (accept_op_t*) fluv__future_new(&accept_ops, sizeof(accept_op_t), loc);
  if (op == NULL)
    return fluv__future_enomem();
  op->base.flags = FLUV__NEEDS_RELEASE;
  op->listener = listener;
  op->out_stream = out_stream;
  listener->refs++;
  return &op->base;
}

static void on_close(uv_handle_t* handle) {
  fluv_listener_t* listener =
      fluv__container_of((uv_poll_t*) handle, fluv_listener_t, poll);

  if (listener->closer != NULL)
    fluv__complete(listener->closer, 0);
  listener_unref(listener);
}

static void listener_close(fluv_listener_t* listener, fluv_future_t* closer) {
  listener->closed = true;
  listener->closer = closer;
  if (listener->acceptor != NULL)
    fluv__cancel(listener->acceptor);
  fluv__list_remove(&listener->handle.link);
  if (!uv_is_closing((uv_handle_t*) &listener->poll)) /* by the host */
    uv_close((uv_handle_t*) &listener->poll, on_close);
  close(listener->fd);
  listener->fd = -1;
}

static void abandon(fluv__handle_t* handle) {
  fluv_listener_t* listener =
      fluv__container_of(handle, fluv_listener_t, handle);

  listener->abandoned = true;
  listener_close(listener, NULL);
}

fluv_future_t* fluv_listener_close_loc(fluv_listener_t* listener,
                                       const fluv_loc_t* loc) {
  fluv_future_t* closer;

  if (listener == NULL)
    return fluv_ready_loc(0, loc);
  fluv__check(listener, LISTENER);
  check_loop(listener, "listener close", loc);
  if (listener->closed) {
    if (listener->abandoned) {
      listener->abandoned = false; /* the user has one reference to give back */
      listener_unref(listener);
    }
    return fluv_ready_loc(0, loc);
  }
  closer = fluv__closer_new(loc);
  listener->closed_at = loc;
  listener_close(listener, closer);
  listener_unref(listener);
  return closer != NULL ? closer : fluv__future_enomem();
}

int fluv_listener_get_address(const fluv_listener_t* listener,
                              char* buf,
                              size_t size) {
  if (listener == NULL || buf == NULL)
    return FLUV_EINVAL;
  fluv__check(listener, LISTENER);
  check_loop(listener, "fluv_listener_get_address()", NULL);
  return fluv__address_of_fd(listener->fd, false, buf, size);
}
