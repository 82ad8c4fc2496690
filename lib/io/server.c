/* SPDX-License-Identifier: MIT */
/* Server: a seat on each worker, which accepts and runs the connections.
 *
 *   seat: waits until all have been started -> accepts, or is handed
 *         connections -> server closed: takes what is in the backlog, waits for
 *         its connections -> closing: cancels them -> over when the last has
 *         ended
 *
 * All of a seat but `open` and `closing` belongs to its loop's thread. A
 * connection is a handoff: to the loop that has accepted it, or to that of
 * another seat, before the stream is used. There its task looks whether the
 * seat is closing, and then hangs up. Its end is told whatever becomes of the
 * task and of the loop.
 *
 * A connection that a client sees as open is served, also when the server is
 * closed before it was accepted, while grace is left: it may carry a request.
 * So no new handshakes are let in first, and the listener is closed when its
 * backlog is empty. Where one worker accepts for all, the others stay open
 * until it has done so (`handing`).
 *
 * References to the server: the user's, which fluv_server_close() takes over;
 * one of each seat until it is over; one of each connection. `running` counts
 * the seats, and is what the close waits for.
 */
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "core/options.h"
#include "core/task.h"
#include "io/address.h"
#include "io/listener.h"
#include "io/stream.h"
#include "runtime/handoff.h"

enum {
  /* Without memory even to wait for a connection: until the next try. */
  SHORTAGE_MS = 10,
  /* For handshakes that have begun when a server is closed to end: a long way
   * there and back. Only a server that has connections waits for it. */
  HANDSHAKE_MS = 100,
  /* For a peer to end after its connection's function has returned: nothing for
   * most, a long way there and back for the others. More keeps the sockets of
   * peers that never end. */
  LINGER_MS = 1000
};

typedef struct seat {
  fluv_server_t* server;
  fluv_loop_t* loop; /* a reference */
  fluv__inbox_node_t node;
  int fd;                      /* listens; -1: none, or taken */
  fluv__list_t connections;    /* that were begun */
  fluv_notify_t* empty;        /* told when `open` or `handing` ends */
  fluv__atomic_bool_t closing; /* written by its thread */
  bool main_ended;
  uint64_t end_ns;          /* of the grace; 0: not closed yet */
  fluv__atomic_size_t open; /* connections, also those on their way here */
} seat_t;

struct fluv_server {
  fluv__object_t object;
  fluv__atomic_uint_t refs;
  fluv_connection_fn fn;
  void* arg;
  const fluv_loc_t* loc;
  fluv_tcp_options_t tcp;
  bool hand_over;
  _Atomic(uint64_t) grace_ms;  /* as long as the server is not closed: 0 */
  fluv_token_t* decided;       /* cancelled: fluv_tcp_serve() ends, and */
  bool failed;                 /* this says how; written before */
  fluv_token_t* closing;       /* accept no more */
  fluv__atomic_bool_t handing; /* the first seat may still hand over */
  fluv_tracker_t* running;
  fluv__atomic_size_t cancelled;
  fluv__atomic_bool_t given_back; /* by fluv_server_close() */
  atomic_int err;                 /* the first that made a seat stop */
  char address[64];
  unsigned count;
  seat_t seat[];
};

typedef struct connection {
  fluv__handoff_t handoff;
  fluv__list_t link; /* in seat->connections, once begun */
  seat_t* seat;
  fluv_stream_t* peer;
  bool begun;
} connection_t;

static void server_destroy(fluv_server_t* server) {
  unsigned i;

  for (i = 0; i < server->count; i++) {
    if (server->seat[i].fd >= 0)
      close(server->seat[i].fd);
    fluv_notify_free(server->seat[i].empty);
    fluv_loop_unref(server->seat[i].loop);
  }
  fluv_token_free(server->decided);
  fluv_token_free(server->closing);
  fluv_tracker_free(server->running);
  fluv__object_free(server, NULL);
}

static void server_ref(fluv_server_t* server) {
  /* Relaxed: whoever refs holds a reference already. */
  atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
}

static void server_unref(void* arg) {
  fluv_server_t* server = arg;

  /* Release, and acquire in the last, as for every count of references. */
  if (atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) == 1)
    server_destroy(server);
}

/* The main task has ended, or a connection: was it the last of the seat? */
static void seat_check(seat_t* seat) {
  fluv_server_t* server = seat->server;

  if (!seat->main_ended || !fluv__list_is_empty(&seat->connections))
    return;
  (void) fluv_tracker_leave(server->running);
  server_unref(server);
}

/* A connection is no longer the seat's. */
static void seat_leave(seat_t* seat) {
  if (atomic_fetch_sub(&seat->open, 1) == 1)
    fluv_notify_one(seat->empty);
}

/* The seat will accept no more, and hand over none to others. */
static void stop_accepting(seat_t* seat) {
  fluv_server_t* server = seat->server;
  unsigned i;

  if (seat != &server->seat[0] || !atomic_exchange(&server->handing, false))
    return;
  for (i = 0; i < server->count; i++)
    fluv_notify_one(server->seat[i].empty);
}

/* The seat's main task has ended, or could not be made. */
static void seat_main_ended(void* arg) {
  seat_t* seat = arg;

  atomic_store(&seat->closing, true);
  seat->main_ended = true;
  if (seat->fd >= 0) { /* nobody accepts what would wait there */
    close(seat->fd);
    seat->fd = -1;
  }
  stop_accepting(seat);
  seat_check(seat);
}

static int64_t connection_main(void* arg) {
  connection_t* c = arg;
  seat_t* seat = c->seat;

  if (atomic_load(&seat->closing))
    return 0;
  c->begun = true;
  fluv__list_append(&seat->connections, &c->link);
  (void) fluv_task_set_name("connection");
  c->peer->refs++; /* the function may close it, too */
  (void) seat->server->fn(c->peer, seat->server->arg);
  /* In this task, so that the server's close waits for it and can end it. */
  if (!c->peer->closed && !c->peer->ended)
    (void) fluv_await(
        fluv_close_linger_loc(c->peer, LINGER_MS, seat->server->loc));
  return 0;
}

/* The task has returned, could not be made, or its loop is gone. */
static void connection_done(fluv__handoff_t* h, int64_t result) {
  connection_t* c = (connection_t*) (void*) h;
  seat_t* seat = c->seat;
  fluv_server_t* server = seat->server;

  (void) result;
  if (!c->peer->closed || c->peer->abandoned)
    fluv_drop(fluv_close_loc(c->peer, server->loc));
  if (c->begun) {
    fluv__stream_unref(c->peer);
    fluv__list_remove(&c->link);
  }
  seat_leave(seat);
  if (c->begun)
    seat_check(seat);
  server_unref(server);
}

/* A connection for a seat. NULL: out of memory. */
static connection_t* connection_new(seat_t* seat, fluv_stream_t* peer) {
  connection_t* c =
      (connection_t*) (void*) fluv__handoff_for_hook(sizeof(*c),
                                                     connection_main,
                                                     connection_done,
                                                     seat->server->loc);

  if (c == NULL)
    return NULL;
  c->seat = seat;
  c->peer = peer;
  server_ref(seat->server);
  atomic_fetch_add(&seat->open, 1);
  return c;
}

/* The seat that has the fewest connections, where they are handed over. */
static seat_t* choose(seat_t* self) {
  fluv_server_t* server = self->server;
  seat_t* best = self;
  unsigned i;

  for (i = 0; server->hand_over && i < server->count; i++)
    if (!atomic_load(&server->seat[i].closing) &&
        atomic_load(&server->seat[i].open) < atomic_load(&best->open))
      best = &server->seat[i];
  return best;
}

/* Begin a connection, here or on another worker. */
static void place(seat_t* self, fluv_stream_t* peer) {
  connection_t* c = connection_new(choose(self), peer);

  if (c == NULL) {
    fluv_drop(fluv_close(peer));
    return;
  }
  if (c->seat != self && fluv__handoff_send(&c->handoff, c->seat->loop) == 0)
    return;
  /* It is ours, or that loop is closed, its worker gone. */
  seat_leave(c->seat);
  c->seat = self;
  atomic_fetch_add(&self->open, 1);
  fluv__handoff_run(&c->handoff, self->loop);
}

/* Let time pass, so that memory may be freed. */
static int64_t pause_for_memory(void) {
  (void) fluv_await(fluv_sleep(SHORTAGE_MS));
  return fluv_yield(); /* also when there was no memory to sleep */
}

/* Accept until the server is closed, or something is wrong. */
static int64_t accept_all(seat_t* self, fluv_listener_t* listener) {
  const fluv_server_t* server = self->server;
  fluv_stream_t* peer;
  int64_t err;

  /* A connection that is there counts more than the token, so that while they
   * keep coming it would never be looked at. */
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
    place(self, peer);
  }
  return FLUV_ECANCELED;
}

static bool has_connections(const fluv_server_t* server) {
  return fluv_server_count_connections(server, -1) > 0;
}

/* The server is closed: serve what is in the backlog, until then. The number is
 * bounded, because without a filter more may come without end, and what came
 * before the close is among the first. */
static void drain(seat_t* self, fluv_listener_t* listener, uint64_t end_ns) {
  int left = fluv__listener_backlog(listener) + 1;
  bool has_waited = false;
  fluv_stream_t* peer;
  int64_t err = 0;

  fluv__listener_refuse_new(listener);
  while (left > 0 && fluv_now() < end_ns && err >= 0) {
    err = fluv__listener_try_accept(listener, &peer, self->server->loc);
    if (err == 0) {
      left--;
      place(self, peer);
      err = fluv_yield(); /* it may end, and leave its descriptor */
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

/* Until the seat has no connection and will be handed none, or that time. */
static void wait_until_empty(seat_t* seat, uint64_t end_ns) {
  const fluv_server_t* server = seat->server;
  int64_t err = 0;

  while (err >= 0 &&
         (atomic_load(&server->handing) || atomic_load(&seat->open) > 0)) {
    err = fluv_await(fluv_timeout_at(fluv_notified(seat->empty), end_ns));
    if (err == FLUV_ENOMEM && fluv_now() < end_ns)
      err = pause_for_memory();
  }
}

static void report(fluv_server_t* server, int err) {
  int none = 0;

  (void) atomic_compare_exchange_strong(&server->err, &none, err);
  fluv__warn("a worker accepts no more at %s: %s",
             server->address,
             fluv_strerror(err));
}

static void cancel_connections(seat_t* seat) {
  fluv__list_t* it;

  /* Cancelling makes tasks ready; none runs, so none leaves the list. */
  fluv__list_foreach (it, &seat->connections) {
    atomic_fetch_add(&seat->server->cancelled, 1);
    fluv__cancel(fluv__container_of(it, connection_t, link)->handoff.task);
  }
}

/* Until all seats have been started. False: one could not be, or the worker
 * ends. No connection is begun before, for fluv_tcp_serve() may still fail, and
 * the caller's function and argument then are no more. */
static bool wait_for_start(const fluv_server_t* server) {
  int64_t err;

  do
    err = fluv_await(fluv_token_cancelled(server->decided));
  while (err == FLUV_ENOMEM && pause_for_memory() == 0);
  return err == 0 && !server->failed;
}

/* The server is closed: when its grace is over, for this seat. */
static uint64_t end_of_grace(seat_t* seat) {
  uint64_t grace_ms = atomic_load(&seat->server->grace_ms);
  uint64_t now = fluv_now();

  if (seat->end_ns == 0)
    seat->end_ns = grace_ms < (UINT64_MAX - now) / 1000000
                       ? now + grace_ms * 1000000
                       : UINT64_MAX;
  return seat->end_ns;
}

/* Accept until the server is closed and nothing is left to be accepted, or the
 * worker ends, or something is wrong. */
static void accept_connections(seat_t* seat) {
  fluv_server_t* server = seat->server;
  fluv_listener_t* listener;
  int64_t err =
      fluv__listener_new(seat->fd, &server->tcp, &listener, server->loc);

  seat->fd = -1;
  if (err == 0) {
    err = accept_all(seat, listener);
    if (err == FLUV_ECANCELED && fluv_token_is_cancelled(server->closing))
      drain(seat, listener, end_of_grace(seat));
    fluv_drop(fluv_listener_close(listener));
  }
  stop_accepting(seat);
  if (err != FLUV_ECANCELED)
    report(server, (int) err);
}

static int64_t seat_main(void* arg) {
  seat_t* seat = arg;
  fluv_server_t* server = seat->server;

  if (!wait_for_start(server)) {
    seat_main_ended(seat);
    return 0;
  }
  if (seat->fd >= 0)
    accept_connections(seat);
  /* Also when this task is cancelled, since the worker ends. */
  (void) fluv_await(fluv_token_cancelled(server->closing));
  wait_until_empty(seat, end_of_grace(seat));
  atomic_store(&seat->closing, true);
  cancel_connections(seat);
  seat_main_ended(seat);
  return 0;
}

/* On the seat's thread. */
static int seat_begin(seat_t* seat) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  const fluv_loc_t* loc = seat->server->loc;
  fluv_future_t* task;
  int64_t err;

  options.name = "server";
  options.free_arg = seat_main_ended;
  task = fluv_spawn_loc(seat_main, seat, &options, loc);
  if (task->state != FLUV__DONE) {
    fluv_detach_loc(task, loc);
    return 0;
  }
  err = task->result;
  fluv_drop(task);
  return (int) err;
}

static void on_seat_begin(fluv__inbox_node_t* node) {
  seat_t* seat = fluv__container_of(node, seat_t, node);
  fluv_server_t* server = seat->server;
  int err;

  server_ref(server);
  err = seat_begin(seat);
  if (err < 0)
    report(server, err);
  server_unref(server);
}

static int start_seat(seat_t* seat) {
  int err;

  fluv_tracker_enter(seat->server->running);
  server_ref(seat->server);
  if (seat->loop == fluv__loop)
    return seat_begin(seat);
  seat->node.run = on_seat_begin;
  err = fluv__inbox_post(&seat->loop->inbox, &seat->node);
  if (err != 0)
    seat_main_ended(seat); /* no thread has it but ours */
  return err;
}

static int bind_seat(fluv_server_t* server, unsigned i, const char* address) {
  int fd = fluv__bind(address, &server->tcp);

  server->seat[i].fd = fd;
  return fd < 0 ? fd : 0;
}

/* Bind a socket for each seat that accepts. All of them before one listens, so
 * that what fails here resets nobody. */
static int bind_all(fluv_server_t* server, const char* address) {
  bool shared = server->tcp.reuse_port;
  int err = bind_seat(server, 0, address);
  unsigned i;

  if (err == 0)
    err = fluv__address_of_fd(server->seat[0].fd,
                              false,
                              server->address,
                              sizeof(server->address));
  server->tcp.reuse_port = true; /* by the others of this server */
  for (i = 1; err == 0 && !server->hand_over && i < server->count; i++)
    err = bind_seat(server, i, server->address);
  server->tcp.reuse_port = shared;
  return err;
}

/* The first socket listens without SO_REUSEPORT: the kernel then refuses it if
 * anybody else listens at the port, also one who shares it. After that the
 * option is set and the others join; nobody else can have come between, for
 * who has not the option is refused by the first, and who has it was refused
 * before. What the first is sent meanwhile waits in its backlog. */
static int listen_all(fluv_server_t* server) {
  int err = fluv__listen(server->seat[0].fd, &server->tcp);
  unsigned i;

  if (server->hand_over || server->count == 1)
    return err;
#ifdef SO_REUSEPORT
  if (err == 0 && !server->tcp.reuse_port)
    err = fluv__set_option(server->seat[0].fd, SOL_SOCKET, SO_REUSEPORT, 1);
#endif
  for (i = 1; err == 0 && i < server->count; i++)
    err = fluv__listen(server->seat[i].fd, &server->tcp);
  return err;
}

static int server_alloc(unsigned count, fluv_server_t** out_server) {
  fluv_server_t* server =
      fluv__calloc(1, sizeof(*server) + count * sizeof(server->seat[0]));
  unsigned i;
  int err;

  if (server == NULL)
    return FLUV_ENOMEM;
  *out_server = server;
  fluv__object_init(server, SERVER, NULL);
  atomic_init(&server->refs, 1);
  atomic_init(&server->given_back, false);
  server->count = count;
  for (i = 0; i < count; i++) {
    server->seat[i].server = server;
    server->seat[i].fd = -1;
    fluv__list_init(&server->seat[i].connections);
  }
  err = fluv_token_new(&server->closing);
  if (err == 0)
    err = fluv_token_new(&server->decided);
  if (err == 0)
    err = fluv_tracker_new(&server->running);
  for (i = 0; err == 0 && i < count; i++)
    err = fluv_notify_new(&server->seat[i].empty);
  return err;
}

/* The loops it serves on; starts the runtime. */
static int take_loops(fluv_server_t* server, fluv_runtime_t* runtime) {
  unsigned i;

  if (runtime == NULL) {
    server->seat[0].loop = fluv_loop_ref(fluv__loop);
    return 0;
  }
  for (i = 0; i < server->count; i++) {
    fluv_loop_t* loop = fluv_runtime_get_loop(runtime, i);

    if (loop == NULL)
      return FLUV_ESTOPPED; /* shut down since it was started */
    server->seat[i].loop = fluv_loop_ref(loop);
  }
  return 0;
}

/* Copy what the caller said. 0 or an error. */
static int apply_options(fluv_server_t* server,
                         const fluv_server_options_t* options) {
  int err = fluv__tcp_options_read(&server->tcp, options->tcp);

  server->hand_over = options->hand_over;
#ifndef __linux__
  server->hand_over = true; /* SO_REUSEPORT may not spread */
#endif
  return err;
}

static int start_all(fluv_server_t* server) {
  unsigned i;
  int err = 0;

  atomic_init(&server->handing, server->hand_over && server->count > 1);
  (void) fluv_tracker_close(server->running);
  for (i = 0; err == 0 && i < server->count; i++)
    err = start_seat(&server->seat[i]);
  return err;
}

/* The seats that were started learn what has become of the others. */
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
    err = server_alloc(count, &server);
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
      *out_server = server; /* before the first connection asks for it */
    decide(server, err);
  }
  if (err != 0 && server != NULL)
    server_unref(server);
  return err;
}

int fluv_server_get_address(const fluv_server_t* server,
                            char* buf,
                            size_t size) {
  size_t len;

  if (server == NULL || buf == NULL)
    return FLUV_EINVAL;
  fluv__check(server, SERVER);
  len = strlen(server->address) + 1;
  if (len > size)
    return FLUV_ENOBUFS;
  memcpy(buf, server->address, len);
  return 0;
}

size_t fluv_server_count_connections(const fluv_server_t* server, int worker) {
  size_t n = 0;
  unsigned i;

  fluv__require(server, SERVER);
  for (i = 0; i < server->count; i++)
    if (worker == -1 || worker == (int) i)
      n += atomic_load(&server->seat[i].open);
  return n;
}

fluv_token_t* fluv_server_get_token(const fluv_server_t* server) {
  fluv__require(server, SERVER);
  return server->closing;
}

/* All seats are over. */
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
    server_unref(server);
    return fluv__future_fail(FLUV_ENOLOOP, loc);
  }
  return fluv_then_loc(fluv_tracker_wait_loc(server->running, loc),
                       on_closed,
                       server,
                       server_unref,
                       loc);
}
