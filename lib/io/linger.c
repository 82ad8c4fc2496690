/* SPDX-License-Identifier: MIT */
/* Lingering close.
 *
 * A kernel that is told to close a socket with unread input, or that gets input
 * for a closed one, sends a reset, and a reset makes the peer's kernel throw
 * away what its program has not read yet: the end of our last answer. So the
 * order is: shut down our direction, then read and discard until the peer has
 * shut down its own, then close. A limit in time and in bytes keeps a peer
 * from holding the socket.
 *
 *   open --fluv_close_linger()--> lingering --the end, an error, a limit,
 *                                             cancelled--> closed
 *
 * For its user the stream is closed from the beginning. libuv's reference is
 * the only one that is left; the state hangs on the stream until it ends.
 */
#include <uv.h>

#include "io/stream.h"

enum {
  /* Discarded before the peer is taken for one that does not listen. Less cuts
   * off who sends a large request that was refused half way. */
  MAX_DISCARDED = 4 * 1024 * 1024,
  /* Read by one call: some 1,000 calls for all of it. */
  SCRATCH_SIZE = 4096
};

struct fluv__linger {
  fluv_stream_t* stream;
  fluv__timer_t timer;
  size_t left; /* bytes that are still discarded */
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
  (void) req; /* the reading learns of every error that matters */
  (void) status;
}

/* Shut down our direction, once what fluv itself holds has gone out, and read
 * what comes. 0 or an error. */
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

/* Is there anything to linger for? Not when the peer has ended, or nothing was
 * ever done with the stream; and not without memory. */
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
