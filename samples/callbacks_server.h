/* SPDX-License-Identifier: 0BSD */
/* The server that callbacks_before.c and callbacks_after.c talk to: plain
 * libuv, in the same process. It sends back in capitals what it gets, until
 * the peer hangs up.
 */
#ifndef CALLBACKS_SERVER_H
#define CALLBACKS_SERVER_H

#include <ctype.h>
#include <stdlib.h>
#include <uv.h>

static uv_tcp_t server;

static void on_peer_gone(uv_handle_t* peer) {
  free(peer);
}

static void on_peer_alloc(uv_handle_t* peer, size_t size, uv_buf_t* buf) {
  static char bytes[256];

  (void) peer;
  (void) size;
  *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_request(uv_stream_t* peer, ssize_t n, const uv_buf_t* buf) {
  uv_buf_t answer = uv_buf_init(buf->base, n > 0 ? (unsigned) n : 0);

  for (ssize_t i = 0; i < n; i++)
    answer.base[i] = (char) toupper((unsigned char) answer.base[i]);
  if (n < 0 || (n > 0 && uv_try_write(peer, &answer, 1) != n))
    uv_close((uv_handle_t*) peer, on_peer_gone);
}

static void on_connection(uv_stream_t* listener, int status) {
  uv_tcp_t* peer = status < 0 ? NULL : malloc(sizeof(*peer));

  if (peer == NULL || uv_tcp_init(listener->loop, peer) < 0) {
    free(peer);
    return;
  }
  if (uv_accept(listener, (uv_stream_t*) peer) < 0 ||
      uv_read_start((uv_stream_t*) peer, on_peer_alloc, on_request) < 0)
    uv_close((uv_handle_t*) peer, on_peer_gone);
}

/* Returns the port, or an error. The server keeps no loop alive. */
static int server_start(uv_loop_t* uv) {
  struct sockaddr_in address;
  int size = sizeof(address);
  int err = uv_ip4_addr("127.0.0.1", 0, &address);

  uv_tcp_init(uv, &server); /* Cannot fail: it makes no socket yet. */
  if (err >= 0)
    err = uv_tcp_bind(&server, (struct sockaddr*) &address, 0);
  if (err >= 0)
    err = uv_listen((uv_stream_t*) &server, 16, on_connection);
  if (err >= 0)
    err = uv_tcp_getsockname(&server, (struct sockaddr*) &address, &size);
  uv_unref((uv_handle_t*) &server);
  return err < 0 ? err : ntohs(address.sin_port);
}

static void server_stop(void) {
  uv_close((uv_handle_t*) &server, NULL);
}

#endif /* CALLBACKS_SERVER_H */
