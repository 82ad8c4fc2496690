/* SPDX-License-Identifier: MIT */
/* Acceptor: accepts on one worker and runs the connections.
 *
 *   waits until all acceptors have been started
 *     -> accepts, or receives connections of the first acceptor
 *     -> server closed: drains the backlog, waits for its connections
 *     -> closing: cancels its connections
 *     -> finished when the last connection has ended
 *
 * A connection is a handoff: to the loop that has accepted it, or to the loop
 * of another acceptor, before the stream is used. Its task first checks whether
 * the acceptor is closing, and then closes the connection. connection_done() is
 * called whatever becomes of the task and of the loop.
 *
 * A connection that a client sees as open is served while grace is left, also
 * if the server was closed before it was accepted: it may carry a request. So
 * the acceptor first refuses new handshakes, and closes the listener when its
 * backlog is empty. Where one acceptor accepts for all, the others stay open
 * until it has done so (`handing`).
 */
#include "io/acceptor.h"

#include <unistd.h>

#include "core/options.h"
#include "core/task.h"
#include "io/listener.h"
#include "io/stream.h"
#include "runtime/handoff.h"

enum {
  /* Out of memory: the time until the next attempt. */
  SHORTAGE_MS = 10,
  /* When a server is closed, the time in which handshakes under way may
   * complete: a long round trip. Only a server that has connections waits. */
  HANDSHAKE_MS = 100,
  /* After a connection's function has returned, the time in which the peer may
   * end the connection: most peers have ended it, others need a long round
   * trip. More would keep the sockets of peers that never end. */
  LINGER_MS = 1000
};

typedef struct connection {
  fluv__handoff_t handoff;
  fluv__list_t link; /* in acceptor->connections, once its task runs */
  fluv__acceptor_t* acceptor;
  fluv_stream_t* peer;
  bool started; /* its function may run: it is in the list */
} connection_t;

/* The main task or a connection has ended. If it was the last, the acceptor has
 * finished. */
static void check_finished(fluv__acceptor_t* acceptor) {
  fluv_server_t* server = acceptor->server;

  if (!acceptor->main_ended || !fluv__list_is_empty(&acceptor->connections))
    return;
  (void) fluv_tracker_leave(server->running);
  fluv__server_unref(server);
}

/* The acceptor has one connection less. */
static void connection_left(fluv__acceptor_t* acceptor) {
  if (atomic_fetch_sub(&acceptor->open, 1) == 1)
    fluv_notify_one(acceptor->empty);
}

/* The acceptor accepts no more, and sends no connections to others. */
static void stop_accepting(fluv__acceptor_t* acceptor) {
  fluv_server_t* server = acceptor->server;
  unsigned i;

  if (acceptor != &server->acceptor[0] ||
      !atomic_exchange(&server->handing, false))
    return;
  for (i = 0; i < server->count; i++)
    fluv_notify_one(server->acceptor[i].empty);
}

/* The main task has ended, or could not be made. */
static void on_main_ended(void* arg) {
  fluv__acceptor_t* acceptor = arg;

  atomic_store(&acceptor->closing, true);
  acceptor->main_ended = true;
  if (acceptor->fd >= 0) { /* its backlog would never be accepted */
    close(acceptor->fd);
    acceptor->fd = -1;
  }
  stop_accepting(acceptor);
  check_finished(acceptor);
}

static int64_t connection_main(void* arg) {
  connection_t* c = arg;
  fluv__acceptor_t* acceptor = c->acceptor;

  if (atomic_load(&acceptor->closing))
    return 0;
  c->started = true;
  fluv__list_append(&acceptor->connections, &c->link);
  (void) fluv_task_set_name("connection");
  c->peer->refs++; /* the function may close it */
  (void) acceptor->server->fn(c->peer, acceptor->server->arg);
  /* In this task, so that the close of the server waits and can cancel it. */
  if (!c->peer->closed && !c->peer->ended)
    (void) fluv_await(
        fluv_close_linger_loc(c->peer, LINGER_MS, acceptor->server->loc));
  return 0;
}

/* The task has returned, could not be made, or its loop is closed. */
static void connection_done(fluv__handoff_t* h, int64_t result) {
  connection_t* c = (connection_t*) (void*) h;
  fluv__acceptor_t* acceptor = c->acceptor;
  fluv_server_t* server = acceptor->server;

  (void) result;
  if (!c->peer->closed || c->peer->abandoned)
    fluv_drop(fluv_close_loc(c->peer, server->loc));
  if (c->started) {
    fluv__stream_unref(c->peer);
    fluv__list_remove(&c->link);
  }
  connection_left(acceptor);
  if (c->started)
    check_finished(acceptor);
  fluv__server_unref(server);
}

/* Make a connection of an acceptor. NULL: out of memory. */
static connection_t* connection_new(fluv__acceptor_t* acceptor,
                                    fluv_stream_t* peer) {
  connection_t* c =
      (connection_t*) (void*) fluv__handoff_for_hook(sizeof(*c),
                                                     connection_main,
                                                     connection_done,
                                                     acceptor->server->loc);

  if (c == NULL)
    return NULL;
  c->acceptor = acceptor;
  c->peer = peer;
  fluv__server_ref(acceptor->server);
  atomic_fetch_add(&acceptor->open, 1);
  return c;
}

/* Choose the acceptor for a new connection: the one that has the fewest, if one
 * accepts for all. */
static fluv__acceptor_t* choose_acceptor(fluv__acceptor_t* self) {
  fluv_server_t* server = self->server;
  fluv__acceptor_t* best = self;
  unsigned i;

  for (i = 0; server->hand_over && i < server->count; i++)
    if (!atomic_load(&server->acceptor[i].closing) &&
        atomic_load(&server->acceptor[i].open) < atomic_load(&best->open))
      best = &server->acceptor[i];
  return best;
}

/* Dispatch a connection to this worker or to another one. */
static void dispatch(fluv__acceptor_t* self, fluv_stream_t* peer) {
  connection_t* c = connection_new(choose_acceptor(self), peer);

  if (c == NULL) {
    fluv_drop(fluv_close(peer));
    return;
  }
  if (c->acceptor != self &&
      fluv__handoff_send(&c->handoff, c->acceptor->loop) == 0)
    return;
  /* It stays here, or the other loop is closed and its worker has ended. */
  connection_left(c->acceptor);
  c->acceptor = self;
  atomic_fetch_add(&self->open, 1);
  fluv__handoff_run(&c->handoff, self->loop);
}

/* Wait, so that memory may be freed. */
static int64_t pause_for_memory(void) {
  (void) fluv_await(fluv_sleep(SHORTAGE_MS));
  return fluv_yield(); /* also when there was no memory to sleep */
}

/* Accept until the server is closed or an error stops the acceptor. */
static int64_t accept_all(fluv__acceptor_t* self, fluv_listener_t* listener) {
  const fluv_server_t* server = self->server;
  fluv_stream_t* peer;
  int64_t err;

  /* fluv_run_until_cancelled() prefers an accept that is ready to the token, so
   * under constant load only this check finds the token cancelled. */
  while (!fluv_token_is_cancelled(server->closing)) {
    err = fluv_await(fluv_run_until_cancelled(server->closing,
                                              fluv_accept(listener, &peer)));
    if (err == FLUV_ENOMEM) {
      err = pause_for_memory();
      if (err == 0)
        continue;
    }
    if (err < 0)
      return err;
    dispatch(self, peer);
  }
  return FLUV_ECANCELED;
}

static bool has_connections(const fluv_server_t* server) {
  return fluv_server_count_connections(server, -1) > 0;
}

/* The server is closed: serve the connections in the backlog, until `end_ns` at
 * most. Their number is bounded, because without a filter more may arrive
 * forever; those that arrived before the close are among the first. */
static void drain(fluv__acceptor_t* self,
                  fluv_listener_t* listener,
                  uint64_t end_ns) {
  int left = fluv__listener_backlog(listener) + 1;
  bool has_waited = false;
  fluv_stream_t* peer;
  int64_t err = 0;

  fluv__listener_refuse_new(listener);
  while (left > 0 && fluv_now() < end_ns && err >= 0) {
    err = fluv__listener_try_accept(listener, &peer, self->server->loc);
    if (err == 0) {
      left--;
      dispatch(self, peer);
      err = fluv_yield(); /* it may end and free its descriptor */
    } else if (err == FLUV_EAGAIN) {
      if (has_waited || !has_connections(self->server))
        return;
      has_waited = true;
      err = fluv_await(fluv_timeout_at(fluv_sleep(HANDSHAKE_MS), end_ns));
    } else if (!fluv__listener_error_lasts((int) err)) {
      err = pause_for_memory();
    }
  }
}

/* Wait until the acceptor has no connection and will receive none, until
 * `end_ns` at most. */
static void wait_until_empty(fluv__acceptor_t* acceptor, uint64_t end_ns) {
  const fluv_server_t* server = acceptor->server;
  int64_t err = 0;

  while (err >= 0 &&
         (atomic_load(&server->handing) || atomic_load(&acceptor->open) > 0)) {
    err = fluv_await(fluv_timeout_at(fluv_notified(acceptor->empty), end_ns));
    if (err == FLUV_ENOMEM && fluv_now() < end_ns)
      err = pause_for_memory();
  }
}

static void cancel_connections(fluv__acceptor_t* acceptor) {
  fluv__list_t* it;

  /* Cancelling only makes tasks ready. None runs, so none leaves the list. */
  fluv__list_foreach (it, &acceptor->connections) {
    atomic_fetch_add(&acceptor->server->cancelled, 1);
    fluv__cancel(fluv__container_of(it, connection_t, link)->handoff.task);
  }
}

/* Wait until all acceptors have been started. False: one could not be started,
 * or the worker ends. No connection begins earlier: fluv_tcp_serve() may still
 * fail, and the caller's function and argument may not exist after that. */
static bool wait_for_start(const fluv_server_t* server) {
  int64_t err;

  do
    err = fluv_await(fluv_token_cancelled(server->decided));
  while (err == FLUV_ENOMEM && pause_for_memory() == 0);
  return err == 0 && !server->failed;
}

/* The server is closed: the time at which this acceptor's grace is over. */
static uint64_t end_of_grace(fluv__acceptor_t* acceptor) {
  uint64_t grace_ms = atomic_load(&acceptor->server->grace_ms);

  if (acceptor->end_ns == 0)
    acceptor->end_ns = fluv__ns_after(fluv_now(), grace_ms);
  return acceptor->end_ns;
}

/* Accept until the server is closed and its backlog is empty, or the worker
 * ends, or an error stops the acceptor. */
static void accept_connections(fluv__acceptor_t* acceptor) {
  fluv_server_t* server = acceptor->server;
  fluv_listener_t* listener;
  int64_t err =
      fluv__listener_new(acceptor->fd, &server->tcp, &listener, server->loc);

  acceptor->fd = -1;
  if (err == 0) {
    err = accept_all(acceptor, listener);
    if (err == FLUV_ECANCELED && fluv_token_is_cancelled(server->closing))
      drain(acceptor, listener, end_of_grace(acceptor));
    fluv_drop(fluv_listener_close(listener));
  }
  stop_accepting(acceptor);
  if (err != FLUV_ECANCELED)
    fluv__server_report(server, (int) err);
}

static int64_t acceptor_main(void* arg) {
  fluv__acceptor_t* acceptor = arg;
  fluv_server_t* server = acceptor->server;

  if (!wait_for_start(server)) {
    on_main_ended(acceptor);
    return 0;
  }
  if (acceptor->fd >= 0)
    accept_connections(acceptor);
  /* This also returns when the task is cancelled because the worker ends. */
  (void) fluv_await(fluv_token_cancelled(server->closing));
  wait_until_empty(acceptor, end_of_grace(acceptor));
  atomic_store(&acceptor->closing, true);
  cancel_connections(acceptor);
  on_main_ended(acceptor);
  return 0;
}

/* Start the main task, on the acceptor's thread. */
static int start_here(fluv__acceptor_t* acceptor) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  const fluv_loc_t* loc = acceptor->server->loc;
  fluv_future_t* task;
  int64_t err;

  options.name = "server";
  options.free_arg = on_main_ended;
  task = fluv_spawn_loc(acceptor_main, acceptor, &options, loc);
  if (task->state != FLUV__DONE) {
    fluv_detach_loc(task, loc);
    return 0;
  }
  err = task->result;
  fluv_drop(task);
  return (int) err;
}

static void on_start(fluv__inbox_node_t* node) {
  fluv__acceptor_t* acceptor = fluv__container_of(node, fluv__acceptor_t, node);
  fluv_server_t* server = acceptor->server;
  int err;

  fluv__server_ref(server);
  err = start_here(acceptor);
  if (err < 0)
    fluv__server_report(server, err);
  fluv__server_unref(server);
}

int fluv__acceptor_start(fluv__acceptor_t* acceptor) {
  int err;

  fluv_tracker_enter(acceptor->server->running);
  fluv__server_ref(acceptor->server);
  if (acceptor->loop == fluv__loop)
    return start_here(acceptor);
  acceptor->node.run = on_start;
  err = fluv__inbox_post(&acceptor->loop->inbox, &acceptor->node);
  if (err != 0)
    on_main_ended(acceptor); /* no other thread uses it */
  return err;
}
