/* SPDX-License-Identifier: MIT */
/* TCP: listen, accept, connect, and socket options.
 *
 * Addresses are "HOST:PORT": "127.0.0.1:80", "[::1]:80", "localhost:80";
 * ":80" and "*:80" stand for every address of this machine. Listening takes
 * numbers only; connecting takes names too.
 */
#ifndef FLUV_TCP_H
#define FLUV_TCP_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** A listening socket. */
typedef struct fluv_listener fluv_listener_t;

/** Socket options. Zero means the default in every field. */
typedef struct fluv_tcp_options {
  /** sizeof(fluv_tcp_options_t); set by the initialiser. */
  size_t size;
  /** Connections that may wait to be accepted; default 511. */
  int backlog;
  /** Share the port with other sockets that have this option. */
  bool reuse_port;
  /** An IPv6 socket that does not take IPv4 connections. */
  bool ipv6_only;
  /** Let small writes wait to be sent together. Default: send at once. */
  bool nagle;
  /** Seconds of silence before the peer is probed; default: never. */
  unsigned keepalive_s;
  /** Socket buffers in bytes; default: the kernel's. */
  int send_buffer;
  int recv_buffer;
  /** Connect: milliseconds for all addresses together; default: no limit. */
  uint64_t timeout_ms;
} fluv_tcp_options_t;

#define FLUV_TCP_OPTIONS_INIT                                                  \
 { sizeof(fluv_tcp_options_t), 0, false, false, false, 0, 0, 0, 0 }

/**
 * Listen for connections.
 *
 * The address can be used again at once after a restart (SO_REUSEADDR).
 *
 * @param address       "HOST:PORT" in numbers; port 0 takes a free one.
 * @param options       NULL: defaults. They also hold for accepted streams.
 * @param out_listener  Gets the listener; close it with
 *                      fluv_listener_close().
 * @param loc           Place of the call; fluv_tcp_listen() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  the address or an option makes no sense;
 *          FLUV_EADDRINUSE  the port is taken; FLUV_EACCES;
 *          FLUV_EADDRNOTAVAIL; FLUV_EMFILE; FLUV_ENOMEM; FLUV_ENOTSUP  this
 *          system lacks the option; FLUV_ENOLOOP  this thread has no loop.
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_LOOP_THREAD
int fluv_tcp_listen_loc(const char* address,
                        const fluv_tcp_options_t* options,
                        fluv_listener_t** out_listener,
                        const fluv_loc_t* loc);
#define fluv_tcp_listen(address, options, out_listener)                        \
 fluv_tcp_listen_loc((address), (options), (out_listener), FLUV_LOC)

/**
 * Wait for a connection.
 *
 * When the process is out of descriptors, the connection stays in the backlog
 * and accepting is retried, first after 10 ms, then at most every second.
 *
 * @param listener    The listener. Borrowed until the future has ended.
 * @param out_stream  Gets the stream; it belongs to the loop that first uses
 *                    it. Close it with fluv_close(). It must stay until the
 *                    future was read or dropped.
 * @param loc         Place of the call; fluv_accept() fills it in.
 *
 * @return  Future, never NULL. Its value is 0.
 * @errors  FLUV_EBUSY  another accept waits; FLUV_EINVAL  a NULL;
 *          FLUV_EBADF  the listener was closed.
 * @cancel  Ends at once; connections stay in the backlog.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_accept_loc(fluv_listener_t* listener,
                               fluv_stream_t** out_stream,
                               const fluv_loc_t* loc);
#define fluv_accept(listener, out_stream)                                      \
 fluv_accept_loc((listener), (out_stream), FLUV_LOC)

/**
 * Close a listener. A pending accept ends with FLUV_ECANCELED at once;
 * connections in the backlog are reset.
 *
 * @param listener  The listener. Taken over at once. NULL gives a future that
 *                  is done.
 * @param loc       Place of the call; fluv_listener_close() fills it in.
 *
 * @return  Future, never NULL, pending at once; it may be dropped.
 *          Its value is 0.
 * @errors  None.
 * @cancel  Does nothing: the close happens.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_listener_close_loc(fluv_listener_t* listener,
                                       const fluv_loc_t* loc);
#define fluv_listener_close(listener)                                          \
 fluv_listener_close_loc((listener), FLUV_LOC)

/**
 * Get the address that a listener is bound to, with its port.
 *
 * @param listener  The listener. Borrowed.
 * @param buf       Gets "HOST:PORT".
 * @param size      Size of `buf` in bytes; 64 is always enough.
 *
 * @return  0.
 * @errors  FLUV_ENOBUFS  `buf` is too small; FLUV_EINVAL  a NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_listener_get_address(const fluv_listener_t* listener,
                              char* buf,
                              size_t size);

/**
 * Connect to a peer, trying all addresses of its name one after the other.
 *
 * @param address     "HOST:PORT". Copied.
 * @param options     NULL: defaults.
 * @param out_stream  Gets the stream; close it with fluv_close(). It must stay
 *                    until the future was read or dropped.
 * @param loc         Place of the call; fluv_tcp_connect() fills it in.
 *
 * @return  Future, never NULL. Its value is 0.
 * @errors  FLUV_EINVAL  the address or an option makes no sense;
 *          FLUV_EAI_NONAME, FLUV_EAI_AGAIN and other resolver errors: the name
 *          could not be looked up; FLUV_ECONNREFUSED, FLUV_EHOSTUNREACH and
 *          other socket errors: of the last address; FLUV_ETIMEDOUT
 *          `timeout_ms` passed.
 * @cancel  Closes the socket; nothing was sent. A pending look-up ends later,
 *          in fluv's own memory.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_tcp_connect_loc(const char* address,
                                    const fluv_tcp_options_t* options,
                                    fluv_stream_t** out_stream,
                                    const fluv_loc_t* loc);
#define fluv_tcp_connect(address, options, out_stream)                         \
 fluv_tcp_connect_loc((address), (options), (out_stream), FLUV_LOC)

/**
 * Set whether small writes are sent at once or collected (TCP_NODELAY).
 *
 * @param stream  A TCP stream. Borrowed.
 * @param enable  True: at once, which is the default.
 *
 * @return  0.
 * @errors  FLUV_EBADF  the stream was closed; FLUV_EINVAL  a NULL; errors of
 *          setsockopt(2).
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_tcp_set_nodelay(fluv_stream_t* stream, bool enable);

/**
 * Set after how much silence the peer is probed (SO_KEEPALIVE).
 *
 * @param stream   A TCP stream. Borrowed.
 * @param delay_s  Seconds of silence before the first probe; 0: do not probe.
 *
 * @return  0.
 * @errors  FLUV_EBADF  the stream was closed; FLUV_EINVAL  a NULL; errors of
 *          setsockopt(2).
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_tcp_set_keepalive(fluv_stream_t* stream, unsigned delay_s);

/**
 * Set the kernel's buffer sizes.
 *
 * @param stream      A stream. Borrowed.
 * @param send_bytes  Send buffer in bytes; 0: unchanged.
 * @param recv_bytes  Receive buffer in bytes; 0: unchanged.
 *
 * @return  0.
 * @errors  FLUV_EBADF  the stream was closed; FLUV_EINVAL  a NULL or a negative
 *          size; errors of setsockopt(2).
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_stream_set_buffers(fluv_stream_t* stream,
                            int send_bytes,
                            int recv_bytes);

/**
 * Get the kernel's buffer sizes.
 *
 * @param stream      A stream. Borrowed.
 * @param send_bytes  Gets the send buffer's size in bytes. NULL: not wanted.
 * @param recv_bytes  Gets the receive buffer's. NULL: not wanted.
 *
 * @return  0.
 * @errors  FLUV_EBADF  the stream was closed; FLUV_EINVAL  a NULL; errors of
 *          getsockopt(2).
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_stream_get_buffers(const fluv_stream_t* stream,
                            int* send_bytes,
                            int* recv_bytes);

/**
 * Get our own address of a connection.
 *
 * @param stream  A TCP stream. Borrowed.
 * @param buf     Gets "HOST:PORT".
 * @param size    Size of `buf` in bytes; 64 is always enough.
 *
 * @return  0.
 * @errors  FLUV_ENOBUFS  `buf` is too small; FLUV_EBADF  the stream was
 *          closed; FLUV_EINVAL  a NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_stream_get_local_address(const fluv_stream_t* stream,
                                  char* buf,
                                  size_t size);

/**
 * Get the peer's address of a connection.
 *
 * @param stream  A TCP stream. Borrowed.
 * @param buf     Gets "HOST:PORT".
 * @param size    Size of `buf` in bytes; 64 is always enough.
 *
 * @return  0.
 * @errors  FLUV_ENOBUFS  `buf` is too small; FLUV_EBADF  the stream was
 *          closed; FLUV_ENOTCONN  the peer has disconnected; FLUV_EINVAL  a
 *          NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_LOOP_THREAD
int fluv_stream_get_peer_address(const fluv_stream_t* stream,
                                 char* buf,
                                 size_t size);

#endif /* FLUV_TCP_H */
