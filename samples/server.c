/* SPDX-License-Identifier: 0BSD */
/* An HTTP server on all cores that ends with grace: it finishes the requests it
 * has, lets idle connections go at once, and waits for nobody longer than five
 * seconds.
 *
 * Shows:   fluv_tcp_serve on all workers of fluv_run(), fluv_shutdown_signal,
 *          fluv_run_until_cancelled, fluv_server_close
 * Run:     samples/server [HOST:PORT], then curl http://HOST:PORT/;
 *          Ctrl-C ends it, twice at once
 * Prints:  listening on HOST:PORT, and at the end how many were cut off
 * Next:    samples/tcp_client.c
 */
#include <fluv.h>
#include <stdio.h>
#include <string.h>

enum {
  GRACE_MS = 5000,
  /* GET /slow takes so long, to have something to wait for. */
  SLOW_MS = 500,
  REQUEST_SIZE = 4096
};

typedef struct {
  const char* address;
  fluv_server_t* server;
} app_t;

/* Read a request up to its empty line. Its size; 0: the peer has ended;
 * FLUV_ECANCELED: the server ends. */
static int64_t read_request(fluv_stream_t* peer,
                            char* buf,
                            fluv_token_t* closing) {
  size_t len = 0;
  int64_t n;

  do {
    if (len == REQUEST_SIZE - 1)
      return FLUV_ENOBUFS;
    n = fluv_await(fluv_run_until_cancelled(
        closing,
        fluv_read(peer, buf + len, REQUEST_SIZE - 1 - len)));
    if (n <= 0)
      return n;
    len += (size_t) n;
    buf[len] = '\0';
  } while (strstr(buf, "\r\n\r\n") == NULL);
  return (int64_t) len;
}

static int64_t answer(fluv_stream_t* peer, const char* request) {
  static const char text[] =
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
      "Content-Length: 6\r\n\r\nhello\n";
  const size_t size = sizeof(text) - 1;

  if (strncmp(request, "GET /slow ", 10) != 0)
    return fluv_await(fluv_write_all(peer, text, size));
  fluv_await(fluv_write_all(peer, text, size - 6));
  fluv_await(fluv_sleep(SLOW_MS));
  return fluv_await(fluv_write_all(peer, text + size - 6, 6));
}

/* One connection: a request, its answer, and the next. While it waits for a
 * request the end of the server ends it, never while it answers. */
static int64_t connection(fluv_stream_t* peer, void* arg) {
  const app_t* app = arg;
  char buf[REQUEST_SIZE];
  int64_t n;

  do {
    n = read_request(peer, buf, fluv_server_get_token(app->server));
    if (n > 0)
      n = answer(peer, buf);
  } while (n > 0);
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
  n = fluv_await(fluv_server_close(app->server, GRACE_MS));
  if (n >= 0)
    printf("ended; connections cut off: %d\n", (int) n);
  return n;
}

int main(int argc, char** argv) {
  app_t app = { argc > 1 ? argv[1] : "127.0.0.1:0", NULL };
  int64_t err = fluv_run(serve, &app, NULL);

  if (err < 0)
    fprintf(stderr, "server: %s: %s\n", app.address, fluv_strerror(err));
  return err < 0;
}
