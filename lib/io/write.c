/* SPDX-License-Identifier: MIT */
/* Writing.
 *
 * Bytes go to the kernel straight from the caller's memory by uv_try_write().
 * What the kernel does not take now is copied, at most 16 KiB at a time, into
 * the stream's bounce buffer and handed to libuv from there. libuv so never
 * holds a pointer of the caller's: a write can be cancelled, and its buffer
 * freed, at any time. While libuv has the bounce, nothing else is written, so
 * that bytes keep their order.
 */
#include <limits.h>
#include <string.h>

#include "io/stream.h"

/* Pieces that are copied for one system call because the first of them was
 * written in part: 1 KiB of the stack. After that they go as they are. */
enum {
  MAX_PIECES = 64
};

typedef struct write_op {
  fluv_future_t base;
  fluv_stream_t* stream;
  const fluv_buf_t* bufs;
  size_t count;  /* of bufs */
  size_t index;  /* piece that is next */
  size_t offset; /* in it */
  size_t done;
  size_t total;
  fluv_buf_t one; /* what bufs points to for a single piece */
} write_op_t;

static void write_end(fluv_stream_t* stream, int64_t result) {
  fluv_future_t* f = stream->writer;

  stream->writer = NULL;
  fluv__stream_wait_end(stream);
  fluv__complete(f, result);
}

/* A piece is what libuv takes, so that they need not be copied. */
_Static_assert(sizeof(fluv_buf_t) == sizeof(uv_buf_t) &&
                   offsetof(fluv_buf_t, base) == offsetof(uv_buf_t, base) &&
                   offsetof(fluv_buf_t, len) == offsetof(uv_buf_t, len),
               "fluv_buf_t is laid out as uv_buf_t");

/* The next pieces, from where the write is, if need be in `copy`. Returns how
 * many. libuv cuts them to what one call can take; uv_try_write() allocates
 * nothing, however many there are, which uv_write() does beyond four. */
static unsigned next_pieces(const write_op_t* op,
                            uv_buf_t copy[MAX_PIECES],
                            const uv_buf_t** out) {
  const fluv_buf_t* bufs = op->bufs + op->index;
  size_t n = op->count - op->index;

  if (n > UINT_MAX)
    n = UINT_MAX;
  if (op->offset == 0) {
    *out = (const uv_buf_t*) bufs;
    return (unsigned) n;
  }
  if (n > MAX_PIECES)
    n = MAX_PIECES;
  memcpy(copy, bufs, n * sizeof(*copy));
  copy[0].base += op->offset;
  copy[0].len -= op->offset;
  *out = copy;
  return (unsigned) n;
}

static void advance(write_op_t* op, size_t n) {
  op->done += n;
  op->stream->bytes_written += n;
  while (op->index < op->count && n >= op->bufs[op->index].len - op->offset) {
    n -= op->bufs[op->index].len - op->offset;
    op->index++;
    op->offset = 0;
  }
  op->offset += n;
}

static void write_on(write_op_t* op);

static void on_write(uv_write_t* req, int status) {
  fluv_stream_t* stream = req->data;

  stream->bouncing = false;
  if (status < 0 && !stream->closed)
    stream->write_error = status;
  if (stream->writer != NULL)
    write_on((write_op_t*) stream->writer);
}

/* Copy the next bytes to memory of our own. Returns how many. */
static size_t fill_bounce(const write_op_t* op, char* data) {
  size_t offset = op->offset;
  size_t len = 0;
  size_t i;

  for (i = op->index; i < op->count && len < FLUV__BOUNCE_SIZE; i++) {
    size_t part = op->bufs[i].len - offset;

    if (part > FLUV__BOUNCE_SIZE - len)
      part = FLUV__BOUNCE_SIZE - len;
    if (part > 0)
      memcpy(data + len, (const char*) op->bufs[i].base + offset, part);
    len += part;
    offset = 0;
  }
  return len;
}

/* Hand some of the rest to libuv, from memory of our own. */
static int bounce(write_op_t* op) {
  fluv_stream_t* stream = op->stream;
  uv_buf_t whole;
  size_t len;
  int err;

  if (stream->bounce == NULL)
    stream->bounce = fluv__malloc(sizeof(*stream->bounce));
  if (stream->bounce == NULL)
    return FLUV_ENOMEM;
  len = fill_bounce(op, stream->bounce->data);
  whole = uv_buf_init(stream->bounce->data, (unsigned) len);
  stream->bounce->req.data = stream;
  err = uv_write(&stream->bounce->req, &stream->uv.stream, &whole, 1, on_write);
  if (err < 0)
    return err;
  stream->bouncing = true;
  advance(op, len);
  return 0;
}

/* Write what the socket takes now; on_write() continues after the bounce. */
static void write_on(write_op_t* op) {
  fluv_stream_t* stream = op->stream;
  uv_buf_t copy[MAX_PIECES];
  int n = 0;

  while (n >= 0 && !stream->bouncing) {
    if (stream->write_error != 0) {
      n = stream->write_error;
    } else if (op->done == op->total) {
      write_end(stream, (int64_t) op->total);
      return;
    } else {
      const uv_buf_t* pieces;
      unsigned count = next_pieces(op, copy, &pieces);

      n = uv_try_write(&stream->uv.stream, pieces, count);
      if (n >= 0)
        advance(op, (size_t) n);
      else if (n == UV_EAGAIN)
        n = bounce(op);
    }
  }
  if (n < 0)
    write_end(stream, n);
}

static void write_start(fluv_future_t* f) {
  write_op_t* op = (write_op_t*) f;
  fluv_stream_t* stream = op->stream;
  int err = fluv__stream_ready(stream, stream->writer);

  if (err == 0 && stream->shut)
    err = FLUV_EPIPE;
  if (fluv__unlikely(err < 0)) {
    fluv__complete(f, err);
    return;
  }
  stream->writer = f;
  fluv__stream_wait_begin(stream);
  write_on(op);
}

static void write_cancel(fluv_future_t* f) {
  write_end(((write_op_t*) f)->stream, FLUV_ECANCELED);
}

static const fluv__ops_t write_ops = {
  .kind = "write",
  .start = write_start,
  .cancel = write_cancel,
  .release = fluv__stream_op_release,
};

/* Sum of the lengths; negative if the pieces make no sense. */
static int64_t total_of(const fluv_buf_t* bufs, size_t n) {
  size_t total = 0;
  size_t i;

  if (bufs == NULL && n > 0)
    return FLUV_EINVAL;
  for (i = 0; i < n; i++) {
    if (bufs[i].len > (size_t) INT64_MAX - total ||
        (bufs[i].base == NULL && bufs[i].len > 0))
      return FLUV_EINVAL;
    total += bufs[i].len;
  }
  return (int64_t) total;
}

static write_op_t* write_new(fluv_stream_t* stream,
                             const fluv_buf_t* bufs,
                             size_t n,
                             const fluv_loc_t* loc,
                             fluv_future_t** out_failed) {
  int64_t total = total_of(bufs, n);
  write_op_t* op;

  if (total < 0) {
    *out_failed = fluv__future_fail(total, loc);
    return NULL;
  }
  op = (write_op_t*)
      fluv__stream_op_new(&write_ops, sizeof(*op), stream, loc, out_failed);
  if (op == NULL)
    return NULL;
  op->bufs = bufs;
  op->count = n;
  op->index = 0;
  op->offset = 0;
  op->done = 0;
  op->total = (size_t) total;
  return op;
}

fluv_future_t* fluv_write_all_loc(fluv_stream_t* stream,
                                  const void* buf,
                                  size_t len,
                                  const fluv_loc_t* loc) {
  fluv_buf_t one = { buf, len };
  fluv_future_t* failed;
  write_op_t* op = write_new(stream, &one, 1, loc, &failed);

  if (op == NULL)
    return failed;
  op->one = one;
  op->bufs = &op->one;
  return &op->base;
}

fluv_future_t* fluv_writev_all_loc(fluv_stream_t* stream,
                                   const fluv_buf_t* bufs,
                                   size_t n,
                                   const fluv_loc_t* loc) {
  fluv_future_t* failed;
  write_op_t* op = write_new(stream, bufs, n, loc, &failed);

  return op != NULL ? &op->base : failed;
}

int64_t fluv_try_write(fluv_stream_t* stream, const void* buf, size_t len) {
  uv_buf_t piece = { .base = (char*) (uintptr_t) buf, .len = len };
  int n;

  if (stream == NULL || (buf == NULL && len > 0) || len > SSIZE_MAX)
    return FLUV_EINVAL;
  fluv__stream_check(stream, "fluv_try_write()", NULL);
  n = fluv__stream_ready(stream, stream->writer);
  if (n < 0)
    return n;
  if (stream->shut)
    return FLUV_EPIPE;
  if (stream->write_error != 0)
    return stream->write_error;
  if (stream->bouncing)
    return FLUV_EAGAIN;
  if (len == 0)
    return 0;
  n = uv_try_write(&stream->uv.stream, &piece, 1);
  if (n > 0)
    stream->bytes_written += (size_t) n;
  return n;
}
