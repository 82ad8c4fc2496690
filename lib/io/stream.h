/* SPDX-License-Identifier: MIT */
/* The stream: one uv_tcp_t in a counted wrapper.
 *
 *   unbound (a descriptor of accept's) --first use--> bound --close--> closed
 *                       bound --fluv_close_linger()--> lingering --> closed
 *
 * References: one of the user, until fluv_close(); one of libuv, from binding
 * to its close callback; one of each operation, so that an operation which is
 * started after the close finds a stream that is closed. The count is not
 * atomic: an unbound stream is used by one thread at a time, a bound stream by
 * the thread of its loop.
 *
 * The handle keeps the loop alive only while an operation waits on it.
 */
#ifndef FLUV_IO_STREAM_H
#define FLUV_IO_STREAM_H

#include <uv.h>

#include "core/loop.h"
#include "core/object.h"

/* The part of a write that fluv copies if the kernel does not take it at once.
 * More would cost memory for each slow peer, less would cost more wakeups. */
enum {
  FLUV__BOUNCE_SIZE = 16 * 1024
};

typedef struct fluv__bounce {
  uv_write_t req;
  char data[FLUV__BOUNCE_SIZE];
} fluv__bounce_t;

typedef struct fluv__linger fluv__linger_t;

/* An unbound stream is used by one thread at a time, a bound one by the thread
 * of its loop. No field is atomic or has a lock. */
struct fluv_stream {
  fluv__object_t object;

  /* The handle: its entry in the loop's list while bound, libuv's part, the
   * references, and the number of operations that keep the loop alive. */
  fluv__handle_t handle;
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  fluv_loop_t* loop; /* NULL: unbound */
  int fd;            /* while unbound; else -1 */
  unsigned refs;
  unsigned waiting;

  /* State of the connection. */
  bool closed;
  bool abandoned; /* closed by fluv; the user still holds a reference */
  bool shut;      /* no more writes */
  bool reading;   /* uv_read_start() is in force */
  bool bouncing;  /* libuv has the bounce */
  bool ended;     /* the peer's end, or an error, has been read */

  uint64_t read_turn; /* turn of the last read that got bytes */
  uint64_t bytes_read;
  uint64_t bytes_written;

  /* The operations that wait, one of each kind; NULL: none. */
  fluv_future_t* reader;
  fluv_future_t* writer;
  fluv_future_t* shutdown_op;
  fluv_future_t* closer;
  const fluv_loc_t* closed_at;

  /* The copy of what the kernel did not take, allocated when first needed, and
   * the error of writing it when no operation waited. */
  fluv__bounce_t* bounce;
  int write_error;
  uv_shutdown_t shutdown_req;
  fluv__linger_t* linger; /* while lingering; the user has closed the stream */
};

/* A stream that owns a descriptor, unbound; the descriptor is non-blocking.
 * With fd -1: to be bound by fluv__stream_init(). NULL: out of memory. */
fluv_stream_t* fluv__stream_new(int fd, const fluv_loc_t* loc);

/* Bind to this thread's loop an empty stream, without a descriptor yet. */
int fluv__stream_init(fluv_stream_t* stream);

/* Close it; `closer`, if any, completes when that is done. The user's
 * reference is still to be given back. */
void fluv__stream_close(fluv_stream_t* stream, fluv_future_t* closer);

/* The two halves of a close: the first ends the operations that wait, the
 * second releases the handle. */
void fluv__stream_end_ops(fluv_stream_t* stream);
void fluv__stream_release(fluv_stream_t* stream, fluv_future_t* closer);

/* Close at once a stream that lingers. */
void fluv__linger_end(fluv_stream_t* stream);

void fluv__stream_unref(fluv_stream_t* stream);

/* Make an operation on a stream: checks the thread and takes a reference,
 * which fluv__stream_op_release() gives back. The stream stands first in the
 * operation, behind the base. NULL: *out_failed is what to return. */
typedef struct fluv__stream_op {
  fluv_future_t base;
  fluv_stream_t* stream;
} fluv__stream_op_t;

fluv__stream_op_t* fluv__stream_op_new(const fluv__ops_t* ops,
                                       size_t size,
                                       fluv_stream_t* stream,
                                       const fluv_loc_t* loc,
                                       fluv_future_t** out_failed);
void fluv__stream_op_release(fluv_future_t* f);

/* Can an operation begin? `place` is the operation that has its slot, or NULL.
 * 0 or an error; binds an unbound stream. */
int fluv__stream_ready(fluv_stream_t* stream, const fluv_future_t* place);

/* An operation begins and ends waiting. In between, the handle keeps the loop
 * alive. */
void fluv__stream_wait_begin(fluv_stream_t* stream);
void fluv__stream_wait_end(fluv_stream_t* stream);

/* The descriptor, or a negative error. */
int fluv__stream_fd(const fluv_stream_t* stream);

/* Abort if the stream belongs to another thread's loop. */
void fluv__stream_check(const fluv_stream_t* stream,
                        const char* what,
                        const fluv_loc_t* loc);

/* A future for a close that is under way. The close cannot be cancelled; it
 * completes the future. */
fluv_future_t* fluv__closer_new(const fluv_loc_t* loc);

#endif /* FLUV_IO_STREAM_H */
