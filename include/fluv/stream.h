/* SPDX-License-Identifier: MIT */
/* Streams: bytes in order, both ways.
 *
 * A stream belongs to the loop that first uses it. One read and one write may
 * be pending at a time; a second one fails with FLUV_EBUSY. Buffers must stay
 * until the future has ended or was dropped; libuv keeps no pointer to them.
 * All sizes are in bytes.
 */
#ifndef FLUV_STREAM_H
#define FLUV_STREAM_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A connected stream. */
typedef struct fluv_stream fluv_stream_t;

/** A piece of memory to be written. */
typedef struct fluv_buf {
  /** First byte. */
  const void* base;
  /** Number of bytes. */
  size_t len;
} fluv_buf_t;

/**
 * Read the bytes that are there, waiting for the first.
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param buf     Gets the bytes.
 * @param len     Size of `buf`, at least 1.
 * @param loc     Place of the call; fluv_read() fills it in.
 *
 * @return  Future, never NULL. Its value is the number of bytes; 0 at the end
 *          of the stream.
 * @errors  FLUV_EBUSY  another read waits; FLUV_EINVAL  a NULL, or `len` is 0
 *          or negative; FLUV_EBADF  the stream was closed;
 *          FLUV_ECONNRESET and other socket errors.
 * @cancel  Ends at once; the bytes stay in the socket.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_read_loc(fluv_stream_t* stream,
                             void* buf,
                             size_t len,
                             const fluv_loc_t* loc);
#define fluv_read(stream, buf, len)                                            \
 fluv_read_loc((stream), (buf), (len), FLUV_LOC)

/**
 * Read until the buffer is full.
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param buf     Gets the bytes.
 * @param len     Size of `buf`, at least 1.
 * @param loc     Place of the call; fluv_read_exact() fills it in.
 *
 * @return  Future, never NULL. Its value is `len`.
 * @errors  FLUV_EOF  the stream ended before; else as fluv_read().
 * @cancel  Ends at once. What was read so far is in `buf`:
 *          fluv_stream_get_bytes_read() counts it.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_read_exact_loc(fluv_stream_t* stream,
                                   void* buf,
                                   size_t len,
                                   const fluv_loc_t* loc);
#define fluv_read_exact(stream, buf, len)                                      \
 fluv_read_exact_loc((stream), (buf), (len), FLUV_LOC)

/**
 * Read the bytes that are there now, without waiting.
 *
 * @param stream  The stream. Borrowed.
 * @param buf     Gets the bytes.
 * @param len     Size of `buf`, at least 1.
 *
 * @return  Number of bytes; 0 at the end of the stream.
 * @errors  FLUV_EAGAIN  no byte is there; else as fluv_read().
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int64_t fluv_try_read(fluv_stream_t* stream, void* buf, size_t len);

/**
 * Write all bytes, waiting for the peer to take them.
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param buf     The bytes.
 * @param len     Number of bytes; 0 is done at once.
 * @param loc     Place of the call; fluv_write_all() fills it in.
 *
 * @return  Future, never NULL. Its value is `len`, when the kernel has taken
 *          the last byte.
 * @errors  FLUV_EBUSY  another write waits; FLUV_EINVAL  a NULL or a negative
 *          length; FLUV_EBADF  the stream was closed; FLUV_EPIPE  it was shut
 *          down, by us or by the peer; FLUV_ECONNRESET and other socket errors.
 * @cancel  Ends at once. Part of the bytes may have been accepted:
 *          fluv_stream_get_bytes_written() counts them. Up to 16 KiB of them
 *          may be in fluv's own memory. They are sent before the next write,
 *          unless the stream is closed first, and keep the loop alive until
 *          then.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_write_all_loc(fluv_stream_t* stream,
                                  const void* buf,
                                  size_t len,
                                  const fluv_loc_t* loc);
#define fluv_write_all(stream, buf, len)                                       \
 fluv_write_all_loc((stream), (buf), (len), FLUV_LOC)

/**
 * Write several buffers together. Otherwise as fluv_write_all().
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param bufs    The pieces; the array and what it points to must stay until
 *                the future has ended.
 * @param n       Number of pieces.
 * @param loc     Place of the call; fluv_writev_all() fills it in.
 *
 * @return  Future, never NULL. Its value is the sum of the lengths.
 * @errors  As fluv_write_all().
 * @cancel  As fluv_write_all().
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_writev_all_loc(fluv_stream_t* stream,
                                   const fluv_buf_t* bufs,
                                   size_t n,
                                   const fluv_loc_t* loc);
#define fluv_writev_all(stream, bufs, n)                                       \
 fluv_writev_all_loc((stream), (bufs), (n), FLUV_LOC)

/**
 * Write the bytes that the kernel takes now, without waiting.
 *
 * @param stream  The stream. Borrowed.
 * @param buf     The bytes.
 * @param len     Number of bytes.
 *
 * @return  Number of bytes written, possibly fewer than `len`.
 * @errors  FLUV_EAGAIN  it takes none; else as fluv_write_all().
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int64_t fluv_try_write(fluv_stream_t* stream, const void* buf, size_t len);

/**
 * Shut down the sending direction. Reading remains possible.
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param loc     Place of the call; fluv_shutdown() fills it in.
 *
 * @return  Future, never NULL. Its value is 0, once all was sent.
 * @errors  FLUV_EBUSY  a write waits; FLUV_ENOTCONN; FLUV_EBADF  the stream
 *          was closed; FLUV_EALREADY  it was shut down before; FLUV_EINVAL  a
 *          NULL.
 * @cancel  Ends at once; a shutdown that has started still happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_shutdown_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_shutdown(stream) fluv_shutdown_loc((stream), FLUV_LOC)

/**
 * Close a stream. Pending operations on it end with FLUV_ECANCELED at once.
 *
 * Bytes that write futures have reported as written are still sent, but may not
 * reach the peer's program: if input is left unread, or more of it arrives, the
 * kernel sends a reset, and the peer's kernel discards the bytes that its
 * program has not read yet. To avoid this, read to the end of the stream first,
 * or use fluv_close_linger().
 *
 * @param stream  The stream. Taken over at once. NULL gives a future that is
 *                done.
 * @param loc     Place of the call; fluv_close() fills it in.
 *
 * @return  Future, never NULL, pending at once; it may be dropped.
 *          Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: the close happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_close_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_close(stream) fluv_close_loc((stream), FLUV_LOC)

/**
 * Close a stream after the peer has received all that was written.
 *
 * This lingering close sends the written bytes and shuts down the sending
 * direction. It then reads and discards input until the peer ends the stream,
 * for a limited time and at most 4 MiB, and then closes. Without it, unread
 * input makes the kernel send a reset, which may destroy the last answer: see
 * fluv_close(). A stream whose end has been read is closed at once.
 *
 * Pending operations end with FLUV_ECANCELED at once. The lingering close keeps
 * the loop alive; fluv_loop_close() does not wait for it.
 *
 * @param stream    The stream. Taken over at once. NULL gives a future that is
 *                  done.
 * @param limit_ms  Milliseconds after which it is closed in any case; 0: close
 *                  at once, as fluv_close().
 * @param loc       Place of the call; fluv_close_linger() fills it in.
 *
 * @return  Future, never NULL, pending at once; detach it if the end does not
 *          matter. Its value is 0, when the stream is closed.
 * @errors  FLUV_ENOMEM  no future could be made; the close still happens.
 * @cancel  Closes at once; so does dropping it.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_close_linger_loc(fluv_stream_t* stream,
                                     uint64_t limit_ms,
                                     const fluv_loc_t* loc);
#define fluv_close_linger(stream, limit_ms)                                    \
 fluv_close_linger_loc((stream), (limit_ms), FLUV_LOC)

/**
 * Close a TCP stream with a reset: the peer gets ECONNRESET. Otherwise as
 * fluv_close().
 *
 * @param stream  The stream. Taken over at once. NULL gives a future that is
 *                done.
 * @param loc     Place of the call; fluv_reset() fills it in.
 *
 * @return  Future, never NULL, pending at once. Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: the close happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_reset_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_reset(stream) fluv_reset_loc((stream), FLUV_LOC)

/**
 * Get the number of bytes read from a stream since it was opened.
 *
 * @param stream  The stream. Borrowed.
 *
 * @return  The number.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
uint64_t fluv_stream_get_bytes_read(const fluv_stream_t* stream);

/**
 * Get the number of bytes that a stream has accepted for writing since it was
 * opened.
 *
 * @param stream  The stream. Borrowed.
 *
 * @return  The number, including bytes of a cancelled write that are still in
 *          fluv's own memory.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
uint64_t fluv_stream_get_bytes_written(const fluv_stream_t* stream);

#endif /* FLUV_STREAM_H */
