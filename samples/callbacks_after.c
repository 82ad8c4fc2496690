/* SPDX-License-Identifier: 0BSD */
/* The program of the sample before, with the errand as a task. The loop still
 * belongs to the program, and the server still is made of callbacks.
 *
 * Shows:   fluv_attach, fluv_loop_close: fluv in a program that runs libuv
 * Run:     samples/callbacks_after
 * Prints:  samples/callbacks_after.out
 * Next:    samples/awaitable.c
 */
#include <fluv.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "callbacks_server.h"

enum {
  TURNS = 3
};

static const char words[TURNS][8] = { "timer", "connect", "write" };

static int64_t ask(const char* address, const char* word) {
  fluv_stream_t* stream;
  char answer[64];
  size_t len = strlen(word);
  int64_t err = fluv_await(fluv_sleep(10));

  if (err >= 0)
    err = fluv_await(fluv_tcp_connect(address, NULL, &stream));
  if (err < 0)
    return err;
  err = fluv_await(fluv_write_all(stream, word, len));
  if (err >= 0)
    err = fluv_await(fluv_read_exact(stream, answer, len));
  fluv_await(fluv_close(stream));
  if (err >= 0)
    printf("%s -> %.*s\n", word, (int) len, answer);
  return err;
}

static int64_t errand(void* arg) {
  const int* port = arg;
  char address[32];
  int64_t err = 0;

  snprintf(address, sizeof(address), "127.0.0.1:%d", *port);
  for (int turn = 0; err >= 0 && turn < TURNS; turn++)
    err = ask(address, words[turn]);
  return err;
}

int main(void) {
  uv_loop_t* uv = uv_default_loop();
  int port = server_start(uv);
  int64_t result = port < 0 ? port : fluv_attach(uv);

  if (result >= 0) {
    fluv_future_t* task = fluv_spawn(errand, &port);
    uv_run(uv, UV_RUN_DEFAULT);
    result = fluv_block_on(task); /* It has ended; this takes its result. */
    fluv_loop_close();
  }
  server_stop();
  uv_run(uv, UV_RUN_DEFAULT); /* Also for the handles that fluv closed. */
  uv_loop_close(uv);
  if (result < 0)
    fprintf(stderr, "callbacks_after: %s\n", fluv_strerror(result));
  return result < 0;
}
