/* SPDX-License-Identifier: MIT */
/* Server: connections spread over the workers of a runtime.
 *
 *     static int64_t echo(fluv_stream_t* peer, void* arg) {
 *       ... fluv_await(fluv_read(peer, ...)) ...
 *     }
 *
 *     options.runtime = runtime;
 *     err = fluv_tcp_serve("*:8080", echo, NULL, &options, &server);
 *     fluv_await(fluv_shutdown_signal());
 *     fluv_await(fluv_server_close(server, 5000));
 */
#ifndef FLUV_SERVER_H
#define FLUV_SERVER_H

#ifndef FLUV_H_INSIDE
# error "Include <fluv.h>, not its parts."
#endif

/** Listens, and runs a task for each connection. */
typedef struct fluv_server fluv_server_t;

/** Serves a connection, in a task on the loop of its worker. When the function
 *  returns, `peer` is closed as by fluv_close_linger() with a limit of a
 *  second, so that the last answer arrives; unless the function has closed it
 *  itself. The result is ignored. */
typedef int64_t (*fluv_connection_fn)(fluv_stream_t* peer, void* arg);

/** Options of a server. Zero means the default in every field. */
typedef struct fluv_server_options {
  /** sizeof(fluv_server_options_t); set by the initialiser. */
  size_t size;
  /** Serve on all workers of this runtime, which must not be freed before the
   *  server's close has ended. NULL: serve on this thread's loop alone. */
  fluv_runtime_t* runtime;
  /** For the listening sockets and the connections. NULL: defaults. Copied.
   *  With `reuse_port` other processes may listen on the same port. */
  const fluv_tcp_options_t* tcp;
  /** One worker accepts all connections, and gives each to the worker that has
   *  the fewest. This spreads a few long connections evenly. Default: each
   *  worker has a listening socket and the kernel spreads connections by their
   *  addresses (SO_REUSEPORT on Linux); other systems always hand over. */
  bool hand_over;
} fluv_server_options_t;

#define FLUV_SERVER_OPTIONS_INIT                                               \
 { sizeof(fluv_server_options_t), NULL, NULL, false }

/**
 * Listen, and serve each connection in a task of its own.
 *
 * When this returns, the port is open; connections are accepted as soon as the
 * loops turn. When it fails, `fn` is never called, and fluv keeps none of the
 * caller's pointers. A worker that had to stop accepting is reported on stderr
 * and by fluv_server_close().
 *
 * @param address     "HOST:PORT" in numbers; port 0 takes a free one.
 * @param fn          Serves a connection.
 * @param arg         User pointer for `fn`, used on all workers; it must stay
 *                    until the server's close has ended.
 * @param options     NULL: defaults.
 * @param out_server  Gets the server, before the first connection is served;
 *                    close it with fluv_server_close().
 * @param loc         Place of the call; fluv_tcp_serve() fills it in.
 *
 * @return  0.
 * @errors  FLUV_EINVAL  the address or an option makes no sense, or a NULL;
 *          FLUV_EADDRINUSE  the port is taken; FLUV_EACCES;
 *          FLUV_EADDRNOTAVAIL; FLUV_EMFILE; FLUV_ENOMEM;
 *          FLUV_ENOLOOP  no runtime is given and this thread has no loop.
 *          As fluv_runtime_start().
 * @since   0.1
 */
FLUV_EXTERN FLUV_MUST_USE FLUV_ANY_THREAD
int fluv_tcp_serve_loc(const char* address,
                       fluv_connection_fn fn,
                       void* arg,
                       const fluv_server_options_t* options,
                       fluv_server_t** out_server,
                       const fluv_loc_t* loc);
#define fluv_tcp_serve(address, fn, arg, options, out_server)                  \
 fluv_tcp_serve_loc((address),                                                 \
                    (fn),                                                      \
                    (arg),                                                     \
                    (options),                                                 \
                    (out_server),                                              \
                    FLUV_LOC_NAMED(#fn))

/**
 * Get the address that a server is bound to, with its port.
 *
 * @param server  The server. Borrowed.
 * @param buf     Gets "HOST:PORT".
 * @param size    Size of `buf` in bytes; 64 is always enough.
 *
 * @return  0.
 * @errors  FLUV_ENOBUFS  `buf` is too small; FLUV_EINVAL  a NULL.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
int fluv_server_get_address(const fluv_server_t* server,
                            char* buf,
                            size_t size);

/**
 * Get the number of connections that are being served.
 *
 * @param server  The server. Borrowed.
 * @param worker  Number, from 0; -1: on all workers together.
 *
 * @return  The number; 0 if there is no such worker.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
size_t fluv_server_count_connections(const fluv_server_t* server, int worker);

/**
 * Get the token that fluv_server_close() cancels.
 *
 * A connection's function can use it to end early, for example while it waits
 * for the next request.
 *
 * @param server  The server. Borrowed.
 *
 * @return  The token. Borrowed, until the server's close has ended.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ANY_THREAD
fluv_token_t* fluv_server_get_token(const fluv_server_t* server);

/**
 * Close a server: stop listening, wait for the connections to end, and cancel
 * those that are left after a time.
 *
 * With a grace time, connections in the backlog are accepted and served too,
 * because they may carry a request. On Linux new connections are ignored
 * meanwhile, so that none is accepted and then reset. A connection's function
 * that ends early because of fluv_server_get_token() should first check whether
 * bytes are there (fluv_try_read()). Without a grace time the backlog is reset.
 *
 * @param server    The server. Taken over at once. NULL gives a future that is
 *                  done.
 * @param grace_ms  Milliseconds until connections are cancelled; 0: at once;
 *                  FLUV_FOREVER: never.
 * @param loc       Place of the call; fluv_server_close() fills it in.
 *
 * @return  Future, never NULL, pending at once; it may be dropped. Its value is
 *          the number of connections that had to be cancelled.
 * @errors  The error that made a worker stop accepting; FLUV_ENOMEM;
 *          FLUV_ENOLOOP  this thread has no loop: the server closes
 *          nevertheless.
 * @cancel  Stops waiting; the close goes on.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_server_close_loc(fluv_server_t* server,
                                     uint64_t grace_ms,
                                     const fluv_loc_t* loc);
#define fluv_server_close(server, grace_ms)                                    \
 fluv_server_close_loc((server), (grace_ms), FLUV_LOC)

/**
 * Wait for the first SIGINT or SIGTERM, which does not end the process.
 *
 * After the first one, both have their default action again: a second one ends
 * the process, even if the loop no longer turns.
 *
 * @param loc  Place of the call; fluv_shutdown_signal() fills it in.
 *
 * @return  Future, never NULL, pending at once. Its value is the signal's
 *          number. It keeps the loop alive.
 * @errors  FLUV_ENOMEM, FLUV_EMFILE.
 * @cancel  Ends at once; the signals have their default action again.
 * @since   0.1
 */
FLUV_EXTERN FLUV_ASYNC FLUV_LOOP_THREAD
fluv_future_t* fluv_shutdown_signal_loc(const fluv_loc_t* loc);
#define fluv_shutdown_signal() fluv_shutdown_signal_loc(FLUV_LOC)

#endif /* FLUV_SERVER_H */
