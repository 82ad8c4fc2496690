/* SPDX-License-Identifier: MIT */
/* A TCP echo server on plain libuv: what any layer above it is measured with.
 *
 * Usage: uv_echo guide|fast [HOST:PORT]      (default 127.0.0.1:0)
 *
 * guide  the way libuv's guide shows: a buffer of the suggested size from
 *        malloc for each read, uv_write with a request from malloc, both freed
 *        in the callback.
 * fast   as little as plain libuv can do: one static read buffer, uv_try_write
 *        first, and only what the socket does not take is copied and queued.
 *
 * Both stop reading from a peer that does not read, so no more than one read's
 * worth of a connection's bytes is ever queued. Prints "listening on HOST:PORT"
 * and serves until SIGINT or SIGTERM.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
  READ_SIZE = 65536, /* what libuv suggests, so that both ways read alike */
  BACKLOG = 1024     /* a burst of clients must not run into SYN retries */
};

struct conn {
  uv_tcp_t tcp; /* first: the handle's address is the connection's */
  bool paused;  /* reading is stopped until the queued write is out */
};

struct write {
  uv_write_t req; /* first: the request's address is the write's */
  char* base;     /* freed with the request */
};

struct server {
  uv_loop_t loop;
  uv_tcp_t listener;
  uv_signal_t signals[2];
  uv_alloc_cb alloc_cb;
  uv_read_cb read_cb;
  bool nodelay;
};

static char read_buffer[READ_SIZE];

static _Noreturn void fail(int err, const char* what) {
  fprintf(stderr, "uv_echo: %s: %s\n", what, uv_strerror(err));
  exit(1);
}

static void check(int err, const char* what) {
  if (err < 0)
    fail(err, what);
}

static struct server* server_of(struct conn* conn) {
  return uv_loop_get_data(conn->tcp.loop);
}

static void on_conn_closed(uv_handle_t* handle) {
  free(handle);
}

static void conn_close(struct conn* conn) {
  if (!uv_is_closing((uv_handle_t*) &conn->tcp))
    uv_close((uv_handle_t*) &conn->tcp, on_conn_closed);
}

static void conn_resume(struct conn* conn) {
  struct server* server = server_of(conn);

  conn->paused = false;
  if (uv_read_start((uv_stream_t*) &conn->tcp,
                    server->alloc_cb,
                    server->read_cb) < 0)
    conn_close(conn);
}

/* Called when libuv holds bytes that the socket has not taken yet. */
static void conn_pause(struct conn* conn) {
  conn->paused = true;
  uv_read_stop((uv_stream_t*) &conn->tcp);
}

static void on_written(uv_write_t* req, int status) {
  struct write* write = (struct write*) req;
  uv_stream_t* stream = req->handle;
  struct conn* conn = (struct conn*) stream;

  free(write->base);
  free(write);
  if (uv_is_closing((uv_handle_t*) stream))
    return;
  if (status < 0)
    conn_close(conn);
  else if (conn->paused && uv_stream_get_write_queue_size(stream) == 0)
    conn_resume(conn);
}

/* Takes `base` over, whatever happens. */
static void conn_write(struct conn* conn, char* base, size_t len) {
  uv_stream_t* stream = (uv_stream_t*) &conn->tcp;
  struct write* write = malloc(sizeof(*write));
  uv_buf_t buf = uv_buf_init(base, (unsigned int) len);

  if (write == NULL) {
    free(base);
    conn_close(conn);
    return;
  }
  write->base = base;
  if (uv_write(&write->req, stream, &buf, 1, on_written) < 0) {
    free(base);
    free(write);
    conn_close(conn);
    return;
  }
  /* A write that went out at once leaves nothing here, only its callback. */
  if (uv_stream_get_write_queue_size(stream) > 0)
    conn_pause(conn);
}

static void guide_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  (void) handle;
  buf->base = malloc(suggested);
  buf->len = buf->base == NULL ? 0 : suggested;
}

static void guide_read(uv_stream_t* stream,
                       ssize_t nread,
                       const uv_buf_t* buf) {
  struct conn* conn = (struct conn*) stream;

  if (nread > 0) {
    conn_write(conn, buf->base, (size_t) nread);
    return;
  }
  free(buf->base);
  if (nread < 0)
    conn_close(conn);
}

static void fast_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buf) {
  (void) handle;
  (void) suggested;
  *buf = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void fast_write_rest(struct conn* conn, const char* rest, size_t len) {
  char* copy = malloc(len);

  if (copy == NULL) {
    conn_close(conn);
    return;
  }
  memcpy(copy, rest, len);
  conn_write(conn, copy, len);
}

static void fast_read(uv_stream_t* stream, ssize_t nread, const uv_buf_t* buf) {
  struct conn* conn = (struct conn*) stream;
  uv_buf_t out;
  int n;

  if (nread == 0)
    return;
  if (nread < 0) {
    conn_close(conn);
    return;
  }
  out = uv_buf_init(buf->base, (unsigned int) nread);
  n = uv_try_write(stream, &out, 1);
  if (n == UV_EAGAIN)
    n = 0;
  if (n < 0)
    conn_close(conn);
  else if (n < nread)
    fast_write_rest(conn, buf->base + n, (size_t) (nread - n));
}

static void on_connection(uv_stream_t* listener, int status) {
  struct server* server = uv_loop_get_data(listener->loop);
  struct conn* conn;

  if (status < 0) {
    fprintf(stderr, "uv_echo: accept: %s\n", uv_strerror(status));
    return;
  }
  /* Without a handle to accept into libuv would never call again. */
  conn = calloc(1, sizeof(*conn));
  if (conn == NULL)
    fail(UV_ENOMEM, "connection");
  check(uv_tcp_init(&server->loop, &conn->tcp), "connection");
  if (uv_accept(listener, (uv_stream_t*) &conn->tcp) < 0 ||
      (server->nodelay && uv_tcp_nodelay(&conn->tcp, 1) < 0))
    conn_close(conn);
  else
    conn_resume(conn);
}

static void close_walk(uv_handle_t* handle, void* arg) {
  struct server* server = arg;
  bool own =
      handle->type == UV_TCP && handle != (uv_handle_t*) &server->listener;

  if (!uv_is_closing(handle))
    uv_close(handle, own ? on_conn_closed : NULL);
}

static void on_signal(uv_signal_t* handle, int signum) {
  struct server* server = uv_loop_get_data(handle->loop);

  (void) signum;
  uv_walk(&server->loop, close_walk, server);
}

/* HOST is a number, an IPv6 one in brackets. */
static void parse_address(const char* text, struct sockaddr_storage* addr) {
  const char* colon = strrchr(text, ':');
  const char* start = text;
  char host[64];
  char* end;
  long port;
  size_t len;

  if (colon == NULL)
    fail(UV_EINVAL, text);
  port = strtol(colon + 1, &end, 10);
  if (end == colon + 1 || *end != '\0' || port < 0 || port > 65535)
    fail(UV_EINVAL, text);
  len = (size_t) (colon - text);
  if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
    start++;
    len -= 2;
  }
  if (len >= sizeof(host))
    fail(UV_EINVAL, text);
  memcpy(host, start, len);
  host[len] = '\0';
  if (start == text)
    check(uv_ip4_addr(host, (int) port, (struct sockaddr_in*) addr), text);
  else
    check(uv_ip6_addr(host, (int) port, (struct sockaddr_in6*) addr), text);
}

static void print_address(const uv_tcp_t* listener) {
  struct sockaddr_storage addr;
  int len = sizeof(addr);
  char host[64];
  int err;

  err = uv_tcp_getsockname(listener, (struct sockaddr*) &addr, &len);
  check(err, "getsockname");
  if (addr.ss_family == AF_INET6) {
    struct sockaddr_in6* in6 = (struct sockaddr_in6*) &addr;

    check(uv_ip6_name(in6, host, sizeof(host)), "name");
    printf("listening on [%s]:%d\n", host, ntohs(in6->sin6_port));
  } else {
    struct sockaddr_in* in4 = (struct sockaddr_in*) &addr;

    check(uv_ip4_name(in4, host, sizeof(host)), "name");
    printf("listening on %s:%d\n", host, ntohs(in4->sin_port));
  }
  if (fflush(stdout) != 0)
    fail(UV_EIO, "stdout");
}

static void server_start(struct server* server, const char* address) {
  static const int signums[2] = { SIGINT, SIGTERM };
  struct sockaddr_storage addr;
  size_t i;

  parse_address(address, &addr);
  check(uv_loop_init(&server->loop), "loop");
  uv_loop_set_data(&server->loop, server);
  for (i = 0; i < 2; i++) {
    uv_signal_t* handle = &server->signals[i];

    check(uv_signal_init(&server->loop, handle), "signal");
    check(uv_signal_start(handle, on_signal, signums[i]), "signal");
  }
  check(uv_tcp_init(&server->loop, &server->listener), "listener");
  check(uv_tcp_bind(&server->listener, (struct sockaddr*) &addr, 0), address);
  check(uv_listen((uv_stream_t*) &server->listener, BACKLOG, on_connection),
        address);
  print_address(&server->listener);
}

int main(int argc, char** argv) {
  static struct server server;
  bool fast = argc > 1 && strcmp(argv[1], "fast") == 0;

  if (argc < 2 || argc > 3 || (!fast && strcmp(argv[1], "guide") != 0)) {
    fprintf(stderr, "usage: uv_echo guide|fast [HOST:PORT]\n");
    return 2;
  }
  server.alloc_cb = fast ? fast_alloc : guide_alloc;
  server.read_cb = fast ? fast_read : guide_read;
  server.nodelay = fast;
  /* A peer that is gone shall be an error of the write, not our end. */
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
    fail(UV_EINVAL, "signal");
  server_start(&server, argc == 3 ? argv[2] : "127.0.0.1:0");
  check(uv_run(&server.loop, UV_RUN_DEFAULT), "run");
  check(uv_loop_close(&server.loop), "loop close");
  return 0;
}
