/* SPDX-License-Identifier: 0BSD */
/* A program on plain libuv: it asks a server for three words in capitals, each
 * after a pause and on a connection of its own.
 *
 * Shows:   what the next sample replaces: one errand in a chain of callbacks,
 *          and everything that must survive from one to the next outside them
 * Run:     samples/callbacks_before
 * Prints:  samples/callbacks_before.out
 * Next:    samples/callbacks_after.c
 */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "callbacks_server.h"

enum {
  TURNS = 3
};

static char words[TURNS][8] = { "timer", "connect", "write" };

static int turn;
static struct sockaddr_in address;
static uv_timer_t timer;
static uv_tcp_t tcp;
static uv_connect_t connecting;
static uv_write_t writing;
static char answer[64];
static size_t have;
static int result;

static void on_pause_over(uv_timer_t* handle);

static void next(void) {
  if (result >= 0 && turn < TURNS)
    result = uv_timer_start(&timer, on_pause_over, 10, 0);
  if (result < 0 || turn == TURNS)
    uv_close((uv_handle_t*) &timer, NULL);
}

static void on_closed(uv_handle_t* handle) {
  (void) handle;
  if (result >= 0)
    printf("%s -> %.*s\n", words[turn++], (int) have, answer);
  next();
}

static void hang_up(int err) {
  result = err;
  uv_close((uv_handle_t*) &tcp, on_closed);
}

static void on_alloc(uv_handle_t* handle, size_t size, uv_buf_t* buf) {
  (void) handle;
  (void) size;
  *buf = uv_buf_init(answer + have, (unsigned) (strlen(words[turn]) - have));
}

static void on_answer(uv_stream_t* stream, ssize_t n, const uv_buf_t* buf) {
  (void) stream;
  (void) buf;
  if (n > 0)
    have += (size_t) n;
  if (n < 0 || have == strlen(words[turn]))
    hang_up(n < 0 ? (int) n : 0);
}

static void on_written(uv_write_t* req, int status) {
  have = 0;
  if (status >= 0)
    status = uv_read_start(req->handle, on_alloc, on_answer);
  if (status < 0)
    hang_up(status);
}

static void on_connected(uv_connect_t* req, int status) {
  uv_buf_t buf = uv_buf_init(words[turn], (unsigned) strlen(words[turn]));

  if (status >= 0)
    status = uv_write(&writing, req->handle, &buf, 1, on_written);
  if (status < 0)
    hang_up(status);
}

static void on_pause_over(uv_timer_t* handle) {
  const struct sockaddr* to = (const struct sockaddr*) &address;

  result = uv_tcp_init(handle->loop, &tcp);
  if (result < 0) {
    next();
    return;
  }
  result = uv_tcp_connect(&connecting, &tcp, to, on_connected);
  if (result < 0)
    hang_up(result);
}

int main(void) {
  uv_loop_t* uv = uv_default_loop();

  result = server_start(uv);
  if (result >= 0) {
    uv_ip4_addr("127.0.0.1", result, &address);
    uv_timer_init(uv, &timer);
    next();
  }
  uv_run(uv, UV_RUN_DEFAULT);
  server_stop();
  uv_run(uv, UV_RUN_DEFAULT);
  uv_loop_close(uv);
  if (result < 0)
    fprintf(stderr, "callbacks_before: %s\n", uv_strerror(result));
  return result < 0;
}
