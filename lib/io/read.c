/* SPDX-License-Identifier: MIT */
/* Reading.
 *
 * libuv's reading is started by the first read that waits and stays started.
 * It asks for a buffer when bytes are there: the waiting read's own, so that
 * nothing is copied and nothing is held. Without a waiting read it gets none;
 * the bytes stay in the socket. libuv then reports ENOBUFS, and would do so in
 * every iteration: reading is stopped, unless a read has got something in
 * this very iteration, for then its task is about to run and to read again.
 */
#include <errno.h>
#include <unistd.h>

#include "io/stream.h"

typedef struct read_op {
  fluv_future_t base;
  fluv_stream_t* stream;
  char* buf;
  size_t len;
  size_t done;
  bool exact;
} read_op_t;

static void read_end(fluv_stream_t* stream, int64_t result) {
  fluv_future_t* f = stream->reader;

  stream->reader = NULL;
  fluv__stream_wait_end(stream);
  fluv__complete(f, result);
}

static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  const fluv_stream_t* stream =
      fluv__container_of((uv_tcp_t*) handle, fluv_stream_t, uv.tcp);
  const read_op_t* op = (const read_op_t*) stream->reader;

  (void) suggested;
  if (op == NULL)
    *buf = uv_buf_init(NULL, 0);
  else
    *buf = (uv_buf_t){ .base = op->buf + op->done, .len = op->len - op->done };
}

static void stop_reading(fluv_stream_t* stream) {
  stream->reading = false;
  uv_read_stop(&stream->uv.stream);
}

static void got_bytes(fluv_stream_t* stream, size_t n) {
  read_op_t* op = (read_op_t*) stream->reader;

  stream->read_turn = stream->loop->turn;
  stream->bytes_read += n;
  op->done += n;
  if (!op->exact || op->done == op->len)
    read_end(stream, (int64_t) op->done);
}

static void on_read(uv_stream_t* handle, ssize_t n, const uv_buf_t* buf) {
  fluv_stream_t* stream =
      fluv__container_of((uv_tcp_t*) handle, fluv_stream_t, uv.tcp);
  const read_op_t* op = (const read_op_t*) stream->reader;

  (void) buf;
  if (n > 0) {
    got_bytes(stream, (size_t) n);
  } else if (n == UV_ENOBUFS && op == NULL) {
    if (stream->read_turn != stream->loop->turn)
      stop_reading(stream);
  } else if (n < 0) {
    /* The end of the stream, or an error. If no read waits, the next read
     * starts reading again and gets the same result. */
    stop_reading(stream);
    stream->ended = true;
    if (op != NULL)
      read_end(stream, n == UV_EOF && !op->exact ? 0 : n);
  }
}

static void read_start(fluv_future_t* f) {
  fluv_stream_t* stream = ((read_op_t*) f)->stream;
  int err = fluv__stream_ready(stream, stream->reader);

  if (err == 0 && !stream->reading) {
    err = uv_read_start(&stream->uv.stream, on_alloc, on_read);
    stream->reading = err == 0;
  }
  if (fluv__unlikely(err < 0)) {
    fluv__complete(f, err);
    return;
  }
  stream->reader = f;
  fluv__stream_wait_begin(stream);
}

static void read_cancel(fluv_future_t* f) {
  read_end(((read_op_t*) f)->stream, FLUV_ECANCELED);
}

static const fluv__ops_t read_ops = {
  .kind = "read",
  .start = read_start,
  .cancel = read_cancel,
  .release = fluv__stream_op_release,
};

static fluv_future_t* read_new(fluv_stream_t* stream,
                               void* buf,
                               size_t len,
                               bool exact,
                               const fluv_loc_t* loc) {
  fluv_future_t* failed;
  read_op_t* op;

  if (buf == NULL || len == 0 || len > SSIZE_MAX)
    return fluv__future_fail(FLUV_EINVAL, loc);
  op = (read_op_t*)
      fluv__stream_op_new(&read_ops, sizeof(*op), stream, loc, &failed);
  if (op == NULL)
    return failed;
  op->buf = buf;
  op->len = len;
  op->done = 0;
  op->exact = exact;
  return &op->base;
}

fluv_future_t* fluv_read_loc(fluv_stream_t* stream,
                             void* buf,
                             size_t len,
                             const fluv_loc_t* loc) {
  return read_new(stream, buf, len, false, loc);
}

fluv_future_t* fluv_read_exact_loc(fluv_stream_t* stream,
                                   void* buf,
                                   size_t len,
                                   const fluv_loc_t* loc) {
  return read_new(stream, buf, len, true, loc);
}

int64_t fluv_try_read(fluv_stream_t* stream, void* buf, size_t len) {
  ssize_t n;
  int err;

  if (stream == NULL || buf == NULL || len == 0 || len > SSIZE_MAX)
    return FLUV_EINVAL;
  fluv__stream_check(stream, "fluv_try_read()", NULL);
  err = fluv__stream_ready(stream, stream->reader);
  if (err < 0)
    return err;
  do
    n = read(fluv__stream_fd(stream), buf, len);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return uv_translate_sys_error(errno);
  if (n == 0)
    stream->ended = true;
  stream->bytes_read += (size_t) n;
  return n;
}
