/* SPDX-License-Identifier: MIT */
/* Lingering close.
 *
 * If a socket is closed with unread input, or input arrives after the close,
 * the kernel sends a reset. A reset makes the peer's kernel discard what its
 * program has not read yet: the end of our last answer. So the order is: shut
 * down our direction, then read and discard until the peer has shut down its
 * direction, then close. Limits in time and in bytes keep a peer from holding
 * the socket.
 *
 *   open --fluv_close_linger()--> lingering --the end, an error, a limit,
 *                                             cancelled--> closed
 *
 * The user has closed the stream from the beginning. Only libuv's reference
 * is left; the state belongs to the stream until lingering ends.
 */
#include <uv.h>

#include "io/stream.h"

enum {
  /* Bytes to discard before the connection is closed although the peer still
   * sends. Less would reset peers that send a large request of which half was
   * refused. */
  MAX_DISCARDED = 4 * 1024 * 1024,
  /* Bytes of one read: about 1,000 reads up to the limit. */
  SCRATCH_SIZE = 4096
};

struct fluv__linger {
  fluv_stream_t* stream;
  fluv__timer_t timer;
  size_t left; /* bytes to discard until the limit */
  char scratch[SCRATCH_SIZE];
};

typedef struct linger_op {
  fluv_future_t base;
  fluv_stream_t* stream;
} linger_op_t;

void fluv__linger_end(fluv_stream_t* stream) {
  fluv__linger_t* linger = stream->linger;

  stream->linger = NULL;
  stream->handle.lingers = false;
  fluv__timer_stop(stream->loop, &linger->timer);
  fluv__free(linger);
  fluv__stream_wait_end(stream);
  fluv__stream_release(stream, stream->closer);
}

static void on_limit(fluv__timer_t* timer) {
  fluv__linger_end(fluv__container_of(timer, fluv__linger_t, timer)->stream);
}

static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  const fluv_stream_t* stream =
      fluv__container_of((uv_tcp_t*) handle, fluv_stream_t, uv.tcp);

  (void) suggested;
  *buf = uv_buf_init(stream->linger->scratch, SCRATCH_SIZE);
}

static void on_read(uv_stream_t* handle, ssize_t n, const uv_buf_t* buf) {
  fluv_stream_t* stream =
      fluv__container_of((uv_tcp_t*) handle, fluv_stream_t, uv.tcp);
  fluv__linger_t* linger = stream->linger;

  (void) buf;
  if (n >= 0 && (size_t) n < linger->left)
    linger->left -= (size_t) n;
  else
    fluv__linger_end(stream);
}

static void on_shutdown(uv_shutdown_t* req, int status) {
  (void) req; /* reading finds every error that matters */
  (void) status;
}

/* Shut down our direction after the writes that libuv has queued, and read what
 * arrives. 0 or an error. */
static int begin(fluv_stream_t* stream, uint64_t limit_ms) {
  fluv__linger_t* linger = stream->linger;
  int err = 0;

  if (!stream->shut)
    err = uv_shutdown(&stream->shutdown_req, &stream->uv.stream, on_shutdown);
  if (err == 0 && stream->reading)
    err = uv_read_stop(&stream->uv.stream);
  if (err == 0)
    err = uv_read_start(&stream->uv.stream, on_alloc, on_read);
  if (err < 0)
    return err;
  stream->shut = true;
  stream->reading = true;
  linger->stream = stream;
  linger->left = MAX_DISCARDED;
  fluv__timer_init(&linger->timer, on_limit);
  if (limit_ms != FLUV_FOREVER)
    fluv__timer_after(stream->loop, &linger->timer, limit_ms);
  return 0;
}

static void linger_cancel(fluv_future_t* f) {
  fluv_stream_t* stream = ((linger_op_t*) f)->stream;

  if (stream->linger != NULL)
    fluv__linger_end(stream);
}

static const fluv__ops_t linger_ops = {
  .kind = "lingering close",
  .live = true,
  .cancel = linger_cancel,
};

/* Does the close have to linger? No if the peer has ended or the stream has
 * failed. Without memory it cannot. */
static bool can_linger(fluv_stream_t* stream) {
  if (stream->closed || stream->ended || stream->write_error != 0 ||
      fluv__stream_ready(stream, NULL) < 0)
    return false;
  stream->linger = fluv__malloc(sizeof(*stream->linger));
  return stream->linger != NULL;
}

fluv_future_t* fluv_close_linger_loc(fluv_stream_t* stream,
                                     uint64_t limit_ms,
                                     const fluv_loc_t* loc) {
  linger_op_t* op;

  if (stream == NULL)
    return fluv_ready_loc(0, loc);
  fluv__stream_check(stream, "close", loc);
  if (limit_ms == 0 || !can_linger(stream))
    return fluv_close_loc(stream, loc);
  fluv__stream_end_ops(stream);
  if (begin(stream, limit_ms) < 0) {
    fluv__free(stream->linger);
    stream->linger = NULL;
    return fluv_close_loc(stream, loc);
  }
  op = (linger_op_t*) fluv__future_new(&linger_ops, sizeof(*op), loc);
  if (op != NULL) {
    op->base.state = FLUV__PENDING;
    op->stream = stream;
    stream->closer = &op->base;
  }
  stream->closed = true;
  stream->handle.lingers = true;
  fluv__stream_wait_begin(stream);
  fluv__stream_unref(stream); /* the user's; libuv has one */
  return op != NULL ? &op->base : fluv__future_enomem();
}
