/* SPDX-License-Identifier: 0BSD */
/* An HTTP server on all cores that shuts down gracefully: it answers the
 * requests that have arrived at least in part, closes idle connections at once,
 * and waits at most five seconds.
 *
 * Shows:   fluv_tcp_serve on all workers of fluv_run(), fluv_shutdown_signal,
 *          fluv_run_until_cancelled, fluv_server_close
 * Run:     samples/server [HOST:PORT [GRACE_MS]], then curl http://HOST:PORT/;
 *          Ctrl-C ends it, twice at once
 * Prints:  listening on HOST:PORT, and at the end how many were cut off
 * Next:    samples/tcp_client.c
 */
#include <fluv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  GRACE_MS = 5000,
  /* When the server shuts down, the next request of a connection that is kept
   * alive may already be on its way. The server waits this long for it. */
  LAST_MS = 50,
  /* The time that GET /slow takes. */
  SLOW_MS = 500,
  REQUEST_SIZE = 4096
};

typedef struct {
  const char* address;
  uint64_t grace_ms;
  fluv_server_t* server;
} app_t;

/* Wait for the next request of a connection that is kept alive. When the server
 * shuts down, take only what has arrived or is on its way. */
static int64_t read_when_idle(fluv_stream_t* peer,
                              char* buf,
                              size_t size,
                              fluv_token_t* closing) {
  int64_t n =
      fluv_await(fluv_run_until_cancelled(closing, fluv_read(peer, buf, size)));

  if (n == FLUV_ECANCELED)
    n = fluv_await(fluv_timeout(fluv_read(peer, buf, size), LAST_MS));
  return n;
}

/* Read a request up to its empty line. Returns its size; 0 if the peer has
 * ended the connection; FLUV_ETIMEDOUT if the server shuts down and the
 * connection is idle. A connection that is new, or has sent a part of a
 * request, is not idle: the server waits for it until the grace is over. */
static int64_t read_request(fluv_stream_t* peer,
                            char* buf,
                            bool first,
                            fluv_token_t* closing) {
  size_t len = 0;
  int64_t n;

  do {
    if (len == REQUEST_SIZE - 1)
      return FLUV_ENOBUFS;
    if (first || len > 0)
      n = fluv_await(fluv_read(peer, buf + len, REQUEST_SIZE - 1 - len));
    else
      n = read_when_idle(peer, buf, REQUEST_SIZE - 1, closing);
    if (n <= 0)
      return n;
    len += (size_t) n;
    buf[len] = '\0';
  } while (strstr(buf, "\r\n\r\n") == NULL);
  return (int64_t) len;
}

/* GET /slow takes SLOW_MS, GET /slow/N takes N milliseconds. The last answer of
 * a connection says that the connection ends. */
static int64_t answer(fluv_stream_t* peer, const char* request, bool last) {
  char head[128];
  unsigned slow_ms = SLOW_MS;
  int size = snprintf(head,
                      sizeof(head),
                      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                      "Content-Length: 6\r\n%s\r\n",
                      last ? "Connection: close\r\n" : "");
  fluv_buf_t pieces[] = { { head, (size_t) size }, { "hello\n", 6 } };

  if (strncmp(request, "GET /slow", 9) != 0)
    return fluv_await(fluv_writev_all(peer, pieces, 2));
  sscanf(request, "GET /slow/%u", &slow_ms);
  fluv_await(fluv_write_all(peer, pieces[0].base, pieces[0].len));
  fluv_await(fluv_sleep(slow_ms));
  return fluv_await(fluv_write_all(peer, pieces[1].base, pieces[1].len));
}

/* One connection: answers requests until the peer ends the connection or the
 * server shuts down. The server closes the stream when the function returns. */
static int64_t connection(fluv_stream_t* peer, void* arg) {
  const app_t* app = arg;
  fluv_token_t* closing = fluv_server_get_token(app->server);
  char buf[REQUEST_SIZE];
  bool first = true;
  bool last = false;
  int64_t n;

  do {
    n = read_request(peer, buf, first, closing);
    first = false;
    if (n > 0) {
      last = fluv_token_is_cancelled(closing);
      n = answer(peer, buf, last);
    }
  } while (n > 0 && !last);
  return n;
}

static int64_t serve(void* arg) {
  app_t* app = arg;
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  char address[64];
  int64_t n;

  options.runtime = fluv_runtime_current();
  n = fluv_tcp_serve(app->address, connection, app, &options, &app->server);
  if (n < 0)
    return n;
  fluv_server_get_address(app->server, address, sizeof(address));
  printf("listening on %s\n", address);
  fflush(stdout);

  n = fluv_await(fluv_shutdown_signal());
  if (n < 0)
    return n;
  n = fluv_await(fluv_server_close(app->server, app->grace_ms));
  if (n >= 0)
    printf("ended; connections cut off: %d\n", (int) n);
  return n;
}

int main(int argc, char** argv) {
  app_t app = { argc > 1 ? argv[1] : "127.0.0.1:0", GRACE_MS, NULL };
  int64_t err;

  if (argc > 2)
    app.grace_ms = strtoull(argv[2], NULL, 10);
  err = fluv_run(serve, &app, NULL);

  if (err < 0)
    fprintf(stderr, "server: %s: %s\n", app.address, fluv_strerror(err));
  return err < 0;
}
