/* SPDX-License-Identifier: 0BSD */
/* A TCP server that sends back what it gets, until SIGINT.
 *
 * Shows:   fluv_tcp_listen, fluv_accept, one task per connection; a signal as
 *          a future by way of a promise; an orderly end
 * Run:     samples/tcp_echo [HOST:PORT]      (default 127.0.0.1:0)
 * Prints:  listening on HOST:PORT
 * Next:    samples/tcp_client.c
 */
#include <fluv/uv.h>
#include <signal.h>
#include <stdio.h>

/* One task per connection: it owns the stream and closes it. */
static int64_t connection(void* arg) {
  fluv_stream_t* peer = arg;
  char buf[16384];
  int64_t n;

  do {
    n = fluv_await(fluv_read(peer, buf, sizeof(buf)));
    if (n > 0)
      n = fluv_await(fluv_write_all(peer, buf, n));
  } while (n > 0);
  fluv_await(fluv_close(peer));
  return n;
}

/* For a connection whose task could not be made. */
static void hang_up(void* peer) {
  fluv_drop(fluv_close(peer));
}

static int64_t accept_all(void* arg) {
  fluv_listener_t* listener = arg;
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_stream_t* peer;
  int64_t err;

  options.name = "connection";
  options.free_arg = hang_up;
  while ((err = fluv_await(fluv_accept(listener, &peer))) >= 0)
    fluv_detach(fluv_spawn_with(connection, peer, &options));
  return err;
}

static void on_sigint(uv_signal_t* handle, int signum) {
  fluv_promise_resolve(handle->data, signum);
}

/* Whatever calls back becomes a future: the callback answers a promise. */
static int64_t serve_until_sigint(fluv_listener_t* listener) {
  static uv_signal_t handle;
  fluv_promise_t* promise;
  fluv_future_t* arms[2];
  int64_t result = 0;
  int64_t err = fluv_promise_new(&promise, &arms[0]);

  if (err < 0)
    return err;
  handle.data = promise;
  err = uv_signal_init(fluv_loop_get_uv(fluv_loop_current()), &handle);
  if (err < 0) {
    fluv_drop(arms[0]);
    fluv_promise_free(promise);
    return err;
  }
  err = uv_signal_start_oneshot(&handle, on_sigint, SIGINT);
  if (err < 0)
    fluv_promise_resolve(promise, err);

  arms[1] = fluv_spawn(accept_all, listener);
  err = fluv_await(fluv_select(arms, 2, &result));
  fluv_promise_free(promise);
  uv_close((uv_handle_t*) &handle, NULL);
  return err < 0 ? err : result;
}

static int64_t server(void* arg) {
  fluv_listener_t* listener;
  char address[64];
  int64_t err = fluv_tcp_listen(arg, NULL, &listener);

  if (err < 0)
    return err;
  err = fluv_listener_get_address(listener, address, sizeof(address));
  if (err >= 0) {
    printf("listening on %s\n", address);
    fflush(stdout);
    err = serve_until_sigint(listener);
  }
  fluv_await(fluv_listener_close(listener));
  return err; /* fluv_run() now cancels the connections and waits for them. */
}

int main(int argc, char** argv) {
  char any_port[] = "127.0.0.1:0";
  char* address = argc > 1 ? argv[1] : any_port;
  int64_t err = fluv_run(server, address, NULL);

  if (err < 0)
    fprintf(stderr, "tcp_echo: %s: %s\n", address, fluv_strerror(err));
  return err < 0;
}
