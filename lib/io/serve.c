/* SPDX-License-Identifier: MIT */
/* Server: opening and closing. */
#include <unistd.h>

#include "core/options.h"
#include "io/acceptor.h"
#include "io/address.h"
#include "io/listener.h"

static int bind_one(fluv_server_t* server, unsigned i, const char* address) {
  int fd = fluv__bind(address, &server->tcp);

  server->acceptor[i].fd = fd;
  return fd < 0 ? fd : 0;
}

/* Bind the sockets of all acceptors before one of them listens, so that a
 * failure here resets no connection. */
static int bind_all(fluv_server_t* server, const char* address) {
  bool shared = server->tcp.reuse_port;
  int err = bind_one(server, 0, address);
  unsigned i;

  if (err == 0)
    err = fluv__address_of_fd(server->acceptor[0].fd,
                              false,
                              server->address,
                              sizeof(server->address));
  server->tcp.reuse_port = true; /* for the other sockets of this server */
  for (i = 1; err == 0 && !server->hand_over && i < server->count; i++)
    err = bind_one(server, i, server->address);
  server->tcp.reuse_port = shared;
  return err;
}

/* The first socket listens without SO_REUSEPORT: the kernel then refuses it if
 * any other socket listens at the port, even with that option. After that the
 * option is set and the other sockets of this server join. No foreign socket
 * can join in between: without the option the first socket excludes it, and
 * with the option it was refused before. Connections that arrive meanwhile wait
 * in the backlog of the first socket. */
static int listen_all(fluv_server_t* server) {
  int err = fluv__listen(server->acceptor[0].fd, &server->tcp);
  unsigned i;

  if (server->hand_over || server->count == 1)
    return err;
#ifdef SO_REUSEPORT
  if (err == 0 && !server->tcp.reuse_port)
    err = fluv__set_option(server->acceptor[0].fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
  for (i = 1; err == 0 && i < server->count; i++)
    err = fluv__listen(server->acceptor[i].fd, &server->tcp);
  return err;
}

/* Take references to the loops of the acceptors. */
static int take_loops(fluv_server_t* server, fluv_runtime_t* runtime) {
  unsigned i;

  if (runtime == NULL) {
    server->acceptor[0].loop = fluv_loop_ref(fluv__loop);
    return 0;
  }
  for (i = 0; i < server->count; i++) {
    fluv_loop_t* loop = fluv_runtime_get_loop(runtime, i);

    if (loop == NULL)
      return FLUV_ESTOPPED; /* it was shut down after its start */
    server->acceptor[i].loop = fluv_loop_ref(loop);
  }
  return 0;
}

/* Copy the options of the caller. 0 or an error. */
static int apply_options(fluv_server_t* server,
                         const fluv_server_options_t* options) {
  int err = fluv__tcp_options_read(&server->tcp, options->tcp);

  server->hand_over = options->hand_over;
#ifndef __linux__
  server->hand_over = true; /* SO_REUSEPORT may not distribute */
#endif
  return err;
}

static int start_all(fluv_server_t* server) {
  unsigned i;
  int err = 0;

  atomic_init(&server->handing, server->hand_over && server->count > 1);
  (void) fluv_tracker_close(server->running);
  for (i = 0; err == 0 && i < server->count; i++)
    err = fluv__acceptor_start(&server->acceptor[i]);
  return err;
}

/* Tell the acceptors that were started whether the others were, too. */
static void decide(fluv_server_t* server, int err) {
  server->failed = err != 0;
  fluv_token_cancel(server->decided, FLUV_ECANCELED);
}

int fluv_tcp_serve_loc(const char* address,
                       fluv_connection_fn fn,
                       void* arg,
                       const fluv_server_options_t* given,
                       fluv_server_t** out_server,
                       const fluv_loc_t* loc) {
  fluv_server_options_t read;
  const fluv_server_options_t* options = &read;
  fluv_server_t* server = NULL;
  unsigned count = 1;
  int err = 0;

  if (fn == NULL || out_server == NULL ||
      fluv__options_read(&read, given, &fluv__server_options_sizes) != 0)
    return FLUV_EINVAL;
  if (options->runtime != NULL) {
    count = fluv_runtime_count_workers(options->runtime);
    err = fluv_runtime_start(options->runtime);
  } else if (fluv__loop == NULL || fluv__loop->closing) {
    err = FLUV_ENOLOOP;
  }
  if (err == 0)
    err = fluv__server_new(count, &server);
  if (err == 0)
    err = apply_options(server, options);
  if (err == 0)
    err = take_loops(server, options->runtime);
  if (err == 0)
    err = bind_all(server, address);
  if (err == 0)
    err = listen_all(server);
  if (err == 0) {
    server->fn = fn;
    server->arg = arg;
    server->loc = loc;
    err = start_all(server);
    if (err == 0)
      *out_server = server; /* before the first connection reads it */
    decide(server, err);
  }
  if (err != 0 && server != NULL)
    fluv__server_unref(server);
  return err;
}

static void unref_server(void* arg) {
  fluv__server_unref(arg);
}

/* All acceptors have finished. */
static fluv_future_t* on_closed(int64_t result, void* arg) {
  fluv_server_t* server = arg;
  int err = atomic_load(&server->err);

  (void) result;
  return fluv_ready(err != 0 ? err : (int64_t) atomic_load(&server->cancelled));
}

fluv_future_t* fluv_server_close_loc(fluv_server_t* server,
                                     uint64_t grace_ms,
                                     const fluv_loc_t* loc) {
  if (server == NULL)
    return fluv_ready_loc(0, loc);
  fluv__check(server, SERVER);
  if (atomic_exchange(&server->given_back, true))
    fluv__object_overfreed(server, "references", __func__);
  atomic_store(&server->grace_ms, grace_ms);
  fluv_token_cancel(server->closing, FLUV_ECANCELED);
  if (fluv__loop == NULL) {
    fluv__server_unref(server);
    return fluv__future_fail(FLUV_ENOLOOP, loc);
  }
  return fluv_then_loc(fluv_tracker_wait_loc(server->running, loc),
                       on_closed,
                       server,
                       unref_server,
                       loc);
}
