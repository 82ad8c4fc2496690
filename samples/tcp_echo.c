/* SPDX-License-Identifier: 0BSD */
/* A TCP server that sends back what it gets, until SIGINT.
 *
 * Shows:   fluv_tcp_serve with one task per connection, on this loop or on
 *          the workers of a runtime; fluv_shutdown_signal; an orderly end
 * Run:     samples/tcp_echo [--workers N] [HOST:PORT]  (default 127.0.0.1:0)
 * Prints:  listening on HOST:PORT
 * Next:    samples/server.c
 */
#include <fluv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char* address;
  fluv_runtime_t* runtime; /* NULL: this loop alone */
} config_t;

/* The body of each connection's task; fluv closes the stream behind it. */
static int64_t echo(fluv_stream_t* peer, void* arg) {
  char buf[16384];
  int64_t n;

  (void) arg;
  do {
    n = fluv_await(fluv_read(peer, buf, sizeof(buf)));
    if (n > 0)
      n = fluv_await(fluv_write_all(peer, buf, n));
  } while (n > 0);
  return n;
}

static int64_t server(void* arg) {
  const config_t* config = arg;
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* server;
  char address[64];
  int64_t err;

  options.runtime = config->runtime;
  err = fluv_tcp_serve(config->address, echo, NULL, &options, &server);
  if (err < 0)
    return err;
  err = fluv_server_get_address(server, address, sizeof(address));
  if (err >= 0) {
    printf("listening on %s\n", address);
    fflush(stdout);
    err = fluv_await(fluv_shutdown_signal());
  }
  fluv_await(fluv_server_close(server, 0)); /* Cancels the connections. */
  return err;
}

int main(int argc, char** argv) {
  config_t config = { "127.0.0.1:0", NULL };
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  int64_t err = 0;

  if (argc > 2 && strcmp(argv[1], "--workers") == 0) {
    options.workers = (unsigned) atoi(argv[2]);
    err = fluv_runtime_new(&options, &config.runtime);
    argc -= 2;
    argv += 2;
  }
  if (argc > 1)
    config.address = argv[1];
  if (err == 0)
    err = fluv_run(server, &config, NULL);
  fluv_runtime_free(config.runtime);
  if (err < 0)
    fprintf(stderr, "tcp_echo: %s: %s\n", config.address, fluv_strerror(err));
  return err < 0;
}
