/* SPDX-License-Identifier: MIT */
/* Streams: their life from the first use to the close. */
#include "io/stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include "io/reserve.h"

static void abandon(fluv__handle_t* handle) {
  fluv_stream_t* stream = fluv__container_of(handle, fluv_stream_t, handle);

  if (stream->linger != NULL) { /* its user has closed it */
    fluv__linger_end(stream);
    return;
  }
  stream->abandoned = true;
  fluv__stream_close(stream, NULL);
}

fluv_stream_t* fluv__stream_new(int fd, const fluv_loc_t* loc) {
  fluv_stream_t* stream = fluv__calloc(1, sizeof(*stream));

  if (stream == NULL)
    return NULL;
  fluv__object_init(stream, STREAM, loc);
  stream->handle.kind = "stream";
  stream->handle.loc = loc;
  stream->handle.abandon = abandon;
  stream->fd = fd;
  stream->refs = 1;
  stream->read_turn = UINT64_MAX;
  return stream;
}

void fluv__stream_unref(fluv_stream_t* stream) {
  if (--stream->refs > 0)
    return;
  fluv__free(stream->bounce);
  fluv__object_free(stream, stream->closed_at);
}

int fluv__stream_init(fluv_stream_t* stream) {
  fluv_loop_t* loop = fluv__loop;
  int err;

  if (loop == NULL || loop->closing)
    return FLUV_ENOLOOP;
  err = fluv__reserve_watchers(loop);
  if (err < 0)
    return err;
  err = uv_tcp_init(loop->uv, &stream->uv.tcp);
  if (err < 0)
    return err;
  uv_unref(&stream->uv.handle);
  stream->loop = loop;
  stream->refs++;
  stream->handle.uv = &stream->uv.handle;
  fluv__list_append(&loop->handles, &stream->handle.link);
  return 0;
}

/* Bind an accepted descriptor to this thread's loop. */
static int bind_fd(fluv_stream_t* stream) {
  int err;

  err = fluv__stream_init(stream);
  if (err < 0)
    return err;
  err = uv_tcp_open(&stream->uv.tcp, stream->fd);
  if (err < 0) {
    close(stream->fd);
    stream->write_error = err; /* the stream is of no use any more */
  }
  stream->fd = -1;
  return err;
}

void fluv__stream_check(const fluv_stream_t* stream,
                        const char* what,
                        const fluv_loc_t* loc) {
  if (fluv__unlikely(stream == NULL ||
                     stream->object.kind != FLUV__KIND_STREAM))
    fluv__object_bad(stream, FLUV__KIND_STREAM, what);
  if (fluv__unlikely(stream->loop != NULL && stream->loop != fluv__loop))
    fluv__wrong_thread(stream->loop, what, stream->handle.loc, loc);
}

int fluv__stream_ready(fluv_stream_t* stream, const fluv_future_t* place) {
  if (fluv__unlikely(stream->closed))
    return FLUV_EBADF;
  if (fluv__unlikely(place != NULL))
    return FLUV_EBUSY;
  if (stream->loop == NULL)
    return bind_fd(stream);
  /* Another thread may have been first to use it, after the operation was
   * made here. */
  fluv__stream_check(stream, "a stream", NULL);
  return 0;
}

fluv__stream_op_t* fluv__stream_op_new(const fluv__ops_t* ops,
                                       size_t size,
                                       fluv_stream_t* stream,
                                       const fluv_loc_t* loc,
                                       fluv_future_t** out_failed) {
  fluv__stream_op_t* op;

  if (stream == NULL) {
    *out_failed = fluv__future_fail(FLUV_EINVAL, loc);
    return NULL;
  }
  fluv__stream_check(stream, ops->kind, loc);
  op = (fluv__stream_op_t*) fluv__future_new(ops, size, loc);
  if (op == NULL) {
    *out_failed = fluv__future_enomem();
    return NULL;
  }
  op->base.flags = FLUV__NEEDS_RELEASE;
  op->stream = stream;
  stream->refs++;
  return op;
}

void fluv__stream_op_release(fluv_future_t* f) {
  fluv__stream_unref(((fluv__stream_op_t*) f)->stream);
}

void fluv__stream_wait_begin(fluv_stream_t* stream) {
  if (stream->waiting++ == 0)
    uv_ref(&stream->uv.handle);
}

void fluv__stream_wait_end(fluv_stream_t* stream) {
  if (--stream->waiting == 0)
    uv_unref(&stream->uv.handle);
}

int fluv__stream_fd(const fluv_stream_t* stream) {
  uv_os_fd_t fd;
  int err;

  if (stream->closed)
    return FLUV_EBADF;
  if (stream->loop == NULL)
    return stream->fd;
  err = uv_fileno(&stream->uv.handle, &fd);
  return err < 0 ? err : fd;
}

uint64_t fluv_stream_get_bytes_read(const fluv_stream_t* stream) {
  fluv__stream_check(stream, "fluv_stream_get_bytes_read()", NULL);
  return stream->bytes_read;
}

uint64_t fluv_stream_get_bytes_written(const fluv_stream_t* stream) {
  fluv__stream_check(stream, "fluv_stream_get_bytes_written()", NULL);
  return stream->bytes_written;
}

/* Shutdown. */

static void shutdown_end(fluv_stream_t* stream, int64_t result) {
  fluv_future_t* f = stream->shutdown_op;

  if (f == NULL)
    return;
  stream->shutdown_op = NULL;
  fluv__stream_wait_end(stream);
  fluv__complete(f, result);
}

static void on_shutdown(uv_shutdown_t* req, int status) {
  shutdown_end(fluv__container_of(req, fluv_stream_t, shutdown_req), status);
}

static void shutdown_start(fluv_future_t* f) {
  fluv_stream_t* stream = ((fluv__stream_op_t*) f)->stream;
  int err = fluv__stream_ready(stream, stream->writer);

  if (err == 0 && stream->shut)
    err = FLUV_EALREADY;
  if (err == 0)
    err = uv_shutdown(&stream->shutdown_req, &stream->uv.stream, on_shutdown);
  if (err < 0) {
    fluv__complete(f, err);
    return;
  }
  stream->shut = true;
  stream->shutdown_op = f;
  fluv__stream_wait_begin(stream);
}

static void shutdown_cancel(fluv_future_t* f) {
  shutdown_end(((fluv__stream_op_t*) f)->stream, FLUV_ECANCELED);
}

static const fluv__ops_t shutdown_ops = {
  .kind = "shutdown",
  .start = shutdown_start,
  .cancel = shutdown_cancel,
  .release = fluv__stream_op_release,
};

fluv_future_t* fluv_shutdown_loc(fluv_stream_t* stream, const fluv_loc_t* loc) {
  fluv_future_t* failed;
  fluv__stream_op_t* op =
      fluv__stream_op_new(&shutdown_ops, sizeof(*op), stream, loc, &failed);

  return op != NULL ? &op->base : failed;
}

/* Closing. */

static const fluv__ops_t closer_ops = {
  .kind = "close",
  .live = true,
};

fluv_future_t* fluv__closer_new(const fluv_loc_t* loc) {
  fluv_future_t* f = fluv__future_new(&closer_ops, sizeof(fluv_future_t), loc);

  if (f != NULL)
    f->state = FLUV__PENDING;
  return f;
}

static void on_close(uv_handle_t* handle) {
  fluv_stream_t* stream =
      fluv__container_of((uv_tcp_t*) handle, fluv_stream_t, uv.tcp);

  if (stream->closer != NULL)
    fluv__complete(stream->closer, 0);
  fluv__stream_unref(stream);
}

void fluv__stream_end_ops(fluv_stream_t* stream) {
  if (stream->reader != NULL)
    fluv__cancel(stream->reader);
  if (stream->writer != NULL)
    fluv__cancel(stream->writer);
  if (stream->shutdown_op != NULL)
    fluv__cancel(stream->shutdown_op);
}

void fluv__stream_release(fluv_stream_t* stream, fluv_future_t* closer) {
  if (stream->loop != NULL) {
    stream->closer = closer;
    fluv__list_remove(&stream->handle.link);
    if (!uv_is_closing(&stream->uv.handle)) /* by the host, with all others */
      uv_close(&stream->uv.handle, on_close);
  } else {
    if (stream->fd >= 0)
      close(stream->fd);
    if (closer != NULL)
      fluv__complete(closer, 0);
  }
}

void fluv__stream_close(fluv_stream_t* stream, fluv_future_t* closer) {
  stream->closed = true;
  fluv__stream_end_ops(stream);
  fluv__stream_release(stream, closer);
}

fluv_future_t* fluv_close_loc(fluv_stream_t* stream, const fluv_loc_t* loc) {
  fluv_future_t* closer;

  if (stream == NULL)
    return fluv_ready_loc(0, loc);
  fluv__stream_check(stream, "close", loc);
  if (stream->closed) {
    if (stream->abandoned) {
      stream->abandoned = false; /* the user has one reference to give back */
      fluv__stream_unref(stream);
    }
    return fluv_ready_loc(0, loc);
  }
  closer = fluv__closer_new(loc);
  stream->closed_at = loc;
  fluv__stream_close(stream, closer);
  fluv__stream_unref(stream);
  return closer != NULL ? closer : fluv__future_enomem();
}

fluv_future_t* fluv_reset_loc(fluv_stream_t* stream, const fluv_loc_t* loc) {
  const struct linger at_once = { 1, 0 };

  if (stream == NULL)
    return fluv_ready_loc(0, loc);
  fluv__stream_check(stream, "reset", loc);
  /* The close then sends a reset. If this fails, it is an ordinary close. */
  (void) setsockopt(fluv__stream_fd(stream),
                    SOL_SOCKET,
                    SO_LINGER,
                    &at_once,
                    sizeof(at_once));
  return fluv_close_loc(stream, loc);
}
