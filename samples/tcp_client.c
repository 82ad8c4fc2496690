/* SPDX-License-Identifier: 0BSD */
/* Talks to an echo server: some lines, then much in both directions at once.
 *
 * Shows:   fluv_tcp_connect; reading and writing one stream in two tasks
 * Run:     samples/tcp_client HOST:PORT      (where samples/tcp_echo listens)
 * Prints:  samples/tcp_client.out
 * Next:    samples/callbacks_before.c
 */
#include <fluv.h>
#include <stdio.h>
#include <string.h>

enum {
  BLOCKS = 64,
  BLOCK_SIZE = 8192,
  LIMIT_MS = 20000
};

static const char* const lines[] = { "one", "two", "three" };

static int64_t send_line(fluv_stream_t* peer, const char* line) {
  char back[64];
  size_t len = strlen(line);
  int64_t err = fluv_await(fluv_write_all(peer, line, len));

  if (err >= 0)
    err = fluv_await(fluv_read_exact(peer, back, len));
  if (err < 0)
    return err;
  printf("%s -> %.*s\n", line, (int) len, back);
  return memcmp(line, back, len) == 0 ? 0 : FLUV_EINVAL;
}

static void fill(char* block, int number) {
  for (int i = 0; i < BLOCK_SIZE; i++)
    block[i] = (char) (number + i);
}

static int64_t send_blocks(void* arg) {
  fluv_stream_t* peer = arg;
  char block[BLOCK_SIZE];

  for (int i = 0; i < BLOCKS; i++) {
    int64_t err;
    fill(block, i);
    err = fluv_await(fluv_write_all(peer, block, sizeof(block)));
    if (err < 0)
      return err;
  }
  return fluv_await(fluv_shutdown(peer));
}

/* Returns how many blocks came back as they were sent. */
static int64_t receive_blocks(void* arg) {
  fluv_stream_t* peer = arg;
  char want[BLOCK_SIZE];
  char have[BLOCK_SIZE];
  int64_t n = 0;

  for (int i = 0; i < BLOCKS; i++) {
    int64_t err = fluv_await(fluv_read_exact(peer, have, sizeof(have)));
    if (err < 0)
      return err;
    fill(want, i);
    n += memcmp(want, have, sizeof(have)) == 0;
  }
  /* The server hangs up once it has sent everything back. */
  return fluv_await(fluv_read(peer, have, 1)) == 0 ? n : FLUV_EINVAL;
}

static int64_t talk(fluv_stream_t* peer) {
  fluv_future_t* both[2];
  int64_t results[2];
  int64_t err = 0;

  for (size_t i = 0; err >= 0 && i < sizeof(lines) / sizeof(lines[0]); i++)
    err = send_line(peer, lines[i]);
  if (err < 0)
    return err;

  both[0] = fluv_spawn(send_blocks, peer);
  both[1] = fluv_spawn(receive_blocks, peer);
  err = fluv_await(fluv_try_join_all(both, 2, results));
  if (err < 0)
    return err;
  printf("%d blocks sent, %d came back\n", BLOCKS, (int) results[1]);
  return results[1] == BLOCKS ? 0 : FLUV_EINVAL;
}

static int64_t client(void* arg) {
  fluv_stream_t* peer;
  int64_t err = fluv_await(fluv_tcp_connect(arg, NULL, &peer));

  if (err < 0)
    return err;
  err = talk(peer);
  fluv_await(fluv_close(peer));
  return err;
}

static int64_t client_in_time(void* arg) {
  return fluv_await(fluv_timeout(fluv_spawn(client, arg), LIMIT_MS));
}

int main(int argc, char** argv) {
  int64_t err;

  if (argc != 2) {
    fprintf(stderr, "usage: tcp_client HOST:PORT\n");
    return 2;
  }
  err = fluv_run(client_in_time, argv[1], NULL);
  if (err < 0)
    fprintf(stderr, "tcp_client: %s: %s\n", argv[1], fluv_strerror(err));
  return err < 0;
}
