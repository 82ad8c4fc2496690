/* SPDX-License-Identifier: MIT */
/* The stream: one uv_tcp_t in a counted wrapper.
 *
 *   unbound (a descriptor of accept's) --first use--> bound --close--> closed
 *                       bound --fluv_close_linger()--> lingering --> closed
 *
 * References: one of the user's, until fluv_close(); one of libuv's, from
 * binding to its close callback; one of every operation's, so that one which
 * is started after the close finds a stream that says so. Not atomic: an
 * unbound stream is one thread's at a time, a bound one its loop's.
 *
 * The handle keeps the loop alive only while an operation waits on it.
 */
#ifndef FLUV_IO_STREAM_H
#define FLUV_IO_STREAM_H

#include <uv.h>

#include "core/loop.h"
#include "core/object.h"

/* Most that fluv holds of a write that the kernel did not take at once. More
 * would cost memory per slow peer, less more wake-ups. */
enum {
  FLUV__BOUNCE_SIZE = 16 * 1024
};

typedef struct fluv__bounce {
  uv_write_t req;
  char data[FLUV__BOUNCE_SIZE];
} fluv__bounce_t;

typedef struct fluv__linger fluv__linger_t;

struct fluv_stream {
  fluv__object_t object;
  fluv__handle_t handle; /* in the loop's list while bound */
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  fluv_loop_t* loop; /* NULL: unbound */
  int fd;            /* while unbound; else -1 */
  unsigned refs;
  unsigned waiting; /* operations that keep the loop alive */
  bool closed;
  bool abandoned;     /* closed by fluv; the user still holds a reference */
  bool shut;          /* no more writes */
  bool reading;       /* uv_read_start() is in force */
  bool bouncing;      /* libuv has the bounce */
  bool ended;         /* the peer's end, or an error, has been read */
  uint64_t read_turn; /* turn of the last read that got something */
  uint64_t bytes_read;
  uint64_t bytes_written;
  fluv_future_t* reader;
  fluv_future_t* writer;
  fluv_future_t* shutdown_op;
  fluv_future_t* closer;
  const fluv_loc_t* closed_at;
  fluv__bounce_t* bounce; /* made when first needed */
  int write_error;        /* of a bounce that nobody waited for */
  uv_shutdown_t shutdown_req;
  fluv__linger_t* linger; /* while it lingers: its user has closed it */
};

/* A stream that owns a descriptor, unbound; the descriptor is non-blocking.
 * With fd -1: to be bound by fluv__stream_init(). NULL: out of memory. */
fluv_stream_t* fluv__stream_new(int fd, const fluv_loc_t* loc);

/* Bind to this thread's loop an empty stream, without a descriptor yet. */
int fluv__stream_init(fluv_stream_t* stream);

/* Close it; `closer`, if any, completes when that is done. The user's
 * reference is still to be given back. */
void fluv__stream_close(fluv_stream_t* stream, fluv_future_t* closer);

/* The two halves of that: what waits on it ends; libuv and the kernel let
 * go. */
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

/* May an operation begin, given who has the place it wants? 0 or an error;
 * binds the stream if need be. */
int fluv__stream_ready(fluv_stream_t* stream, const fluv_future_t* place);

/* An operation begins and ends to wait: the loop is kept alive. */
void fluv__stream_wait_begin(fluv_stream_t* stream);
void fluv__stream_wait_end(fluv_stream_t* stream);

/* The descriptor, or a negative error. */
int fluv__stream_fd(const fluv_stream_t* stream);

/* Abort if the stream belongs to another thread's loop. */
void fluv__stream_check(const fluv_stream_t* stream,
                        const char* what,
                        const fluv_loc_t* loc);

/* A future that closing completes: under way, and cannot be stopped. */
fluv_future_t* fluv__closer_new(const fluv_loc_t* loc);

#endif /* FLUV_IO_STREAM_H */
