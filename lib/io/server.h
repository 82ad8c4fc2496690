/* SPDX-License-Identifier: MIT */
/* Server: an acceptor on each worker, which accepts and runs connections.
 *
 * References to the server: the user's, which fluv_server_close() takes over;
 * one of each acceptor until it has finished; one of each connection. `running`
 * counts the acceptors; fluv_server_close() waits for it.
 */
#ifndef FLUV_IO_SERVER_H
#define FLUV_IO_SERVER_H

#include "base/list.h"
#include "core/loop.h"
#include "core/object.h"

/* The part of a server on one worker. Only the thread of its loop uses it,
 * except the atomic fields. */
typedef struct fluv__acceptor {
  fluv_server_t* server;
  fluv_loop_t* loop;        /* a reference */
  fluv__inbox_node_t node;  /* starts the acceptor on its thread */
  int fd;                   /* listens; -1: none, or its listener owns it */
  fluv__list_t connections; /* connections whose task runs */
  bool main_ended;          /* the main task has ended or was never made */
  uint64_t end_ns;          /* end of the grace; 0: not closed yet */
  /* Any thread reads these. `empty` is notified when `open` becomes 0 or
   * `handing` false. `closing`: begins no more connections; written by its own
   * thread. `open` counts connections, including those that other acceptors
   * have sent but which have not arrived. */
  fluv_notify_t* empty;
  fluv__atomic_bool_t closing;
  fluv__atomic_size_t open;
} fluv__acceptor_t;

struct fluv_server {
  fluv__object_t object;
  fluv__atomic_uint_t refs;

  /* Set before the first acceptor starts, constant afterwards. */
  fluv_connection_fn fn;
  void* arg;
  const fluv_loc_t* loc;
  fluv_tcp_options_t tcp;
  bool hand_over; /* the first acceptor accepts for all */
  char address[64];

  /* Start. `failed` is written before `decided` is cancelled and says whether
   * fluv_tcp_serve() fails; acceptors wait for `decided`. */
  fluv_token_t* decided;
  bool failed;

  /* Shutdown. `closing` is cancelled by fluv_server_close(), which sets
   * `grace_ms` before (it is 0 until then) and `given_back`, to detect a second
   * call. While `handing` is set the first acceptor may still send connections
   * to the others. `err` is the first error that stopped an acceptor. */
  fluv_token_t* closing;
  _Atomic(uint64_t) grace_ms;
  fluv__atomic_bool_t given_back;
  fluv__atomic_bool_t handing;
  fluv_tracker_t* running;
  fluv__atomic_size_t cancelled; /* connections, when the grace was over */
  atomic_int err;

  unsigned count;
  fluv__acceptor_t acceptor[];
};

/* A server with `count` acceptors that have neither loop nor socket. If this
 * fails, *out_server may be a part of one, to be given to
 * fluv__server_unref(). */
int fluv__server_new(unsigned count, fluv_server_t** out_server);
void fluv__server_ref(fluv_server_t* server);
void fluv__server_unref(fluv_server_t* server);

/* Warn that an acceptor has stopped, and keep the first such error. */
void fluv__server_report(fluv_server_t* server, int err);

#endif /* FLUV_IO_SERVER_H */
