/* SPDX-License-Identifier: MIT */
/* Streams: bytes in order, both ways.
 *
 * A stream belongs to the loop that first uses it. One read and one write may
 * wait at a time; a second gets FLUV_EBUSY. Buffers must stay until the
 * future has ended or was dropped; fluv never hands them to libuv for longer
 * than a call. All sizes are in bytes.
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
 * Read what is there, or wait for something.
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
 *          FLUV_ECONNRESET and its like from the peer.
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
 *          fluv_stream_get_bytes_read() says how much.
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
 * Read what is there without waiting.
 *
 * @param stream  The stream. Borrowed.
 * @param buf     Gets the bytes.
 * @param len     Size of `buf`, at least 1.
 *
 * @return  Number of bytes; 0 at the end of the stream.
 * @errors  FLUV_EAGAIN  nothing is there; else as fluv_read().
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
 * @return  Future, never NULL. Its value is `len`, once the last byte has
 *          been handed to the kernel.
 * @errors  FLUV_EBUSY  another write waits; FLUV_EINVAL  a NULL or a negative
 *          length; FLUV_EBADF  the stream was closed; FLUV_EPIPE  it was shut
 *          down, by us or by the peer; FLUV_ECONNRESET and its like.
 * @cancel  Ends at once. Part of the bytes may have been accepted:
 *          fluv_stream_get_bytes_written() says how many. Up to 16 KiB of
 *          them may be in fluv's own memory; they go out before the next
 *          write, unless the stream is closed first, and keep the loop alive
 *          until the peer takes them.
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
 * Write several pieces in one go. Otherwise as fluv_write_all().
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
 * Write what the kernel takes now, without waiting.
 *
 * @param stream  The stream. Borrowed.
 * @param buf     The bytes.
 * @param len     Number of bytes.
 *
 * @return  Number of bytes written, possibly fewer than `len`.
 * @errors  FLUV_EAGAIN  none could be; else as fluv_write_all().
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int64_t fluv_try_write(fluv_stream_t* stream, const void* buf, size_t len);

/**
 * Tell the peer that no more bytes come; reading goes on.
 *
 * @param stream  The stream. Borrowed until the future has ended.
 * @param loc     Place of the call; fluv_shutdown() fills it in.
 *
 * @return  Future, never NULL. Its value is 0, once all was sent.
 * @errors  FLUV_EBUSY  a write waits; FLUV_ENOTCONN; FLUV_EBADF  the stream
 *          was closed; FLUV_EALREADY  it was shut down before.
 * @cancel  Ends at once; once started the shutdown happens all the same.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_shutdown_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_shutdown(stream) fluv_shutdown_loc((stream), FLUV_LOC)

/**
 * Close a stream. What waits on it ends with FLUV_ECANCELED at once.
 *
 * What write futures have reported as written is still sent, but it may not
 * reach the peer's program: if there is input that was not read, or more of it
 * arrives, the kernel sends a reset, and the peer's kernel discards what its
 * program has not read yet. To be sure, read to the end of the stream first,
 * or use fluv_close_linger().
 *
 * @param stream  The stream. Taken over at once. NULL gives a future that is
 *                done.
 * @param loc     Place of the call; fluv_close() fills it in.
 *
 * @return  Future, never NULL, under way at once: drop it to forget it.
 *          Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: the close happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_close_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_close(stream) fluv_close_loc((stream), FLUV_LOC)

/**
 * Close a stream so that the peer gets all that was written: a lingering close.
 *
 * Sends what is written and the end of our direction, then reads and discards
 * what the peer still sends until it ends too, for a limited time and at most
 * 4 MiB, and closes then. Without this, input that nobody has read makes the
 * kernel send a reset, which may destroy the last answer on its way: see
 * fluv_close(). A stream whose end has been read is closed at once.
 *
 * What waits on the stream ends with FLUV_ECANCELED at once. Until the close
 * the loop is kept alive; fluv_loop_close() does not wait for it.
 *
 * @param stream    The stream. Taken over at once. NULL gives a future that is
 *                  done.
 * @param limit_ms  Milliseconds after which it is closed in any case; 0: as
 *                  fluv_close().
 * @param loc       Place of the call; fluv_close_linger() fills it in.
 *
 * @return  Future, never NULL, under way at once: detach it to forget it.
 *          Its value is 0, once the stream is closed.
 * @errors  FLUV_ENOMEM  nobody can wait for it; the close happens.
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
 * Close a TCP stream by a reset; the peer gets ECONNRESET. Else as
 * fluv_close().
 *
 * @param stream  The stream. Taken over at once. NULL gives a future that is
 *                done.
 * @param loc     Place of the call; fluv_reset() fills it in.
 *
 * @return  Future, never NULL, under way at once. Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: the close happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_reset_loc(fluv_stream_t* stream, const fluv_loc_t* loc);
#define fluv_reset(stream) fluv_reset_loc((stream), FLUV_LOC)

/**
 * Bytes read from a stream since it was opened.
 *
 * @param stream  The stream. Borrowed.
 *
 * @return  The number.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
uint64_t fluv_stream_get_bytes_read(const fluv_stream_t* stream);

/**
 * Bytes that a stream has accepted for writing since it was opened.
 *
 * @param stream  The stream. Borrowed.
 *
 * @return  The number, with what of a cancelled write is still in fluv's own
 *          memory.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
uint64_t fluv_stream_get_bytes_written(const fluv_stream_t* stream);

#endif /* FLUV_STREAM_H */
