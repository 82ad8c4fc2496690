/* SPDX-License-Identifier: MIT */
/* Server: the object, its references, and what it says of itself. */
#include "io/server.h"

#include <string.h>
#include <unistd.h>

static void server_destroy(fluv_server_t* server) {
  unsigned i;

  for (i = 0; i < server->count; i++) {
    if (server->acceptor[i].fd >= 0)
      close(server->acceptor[i].fd);
    fluv_notify_free(server->acceptor[i].empty);
    fluv_loop_unref(server->acceptor[i].loop);
  }
  fluv_token_free(server->decided);
  fluv_token_free(server->closing);
  fluv_tracker_free(server->running);
  fluv__object_free(server, NULL);
}

void fluv__server_ref(fluv_server_t* server) {
  /* Relaxed: the caller holds a reference already. */
  atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
}

void fluv__server_unref(fluv_server_t* server) {
  /* Release, and acquire in the last, as for every count of references. */
  if (atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) == 1)
    server_destroy(server);
}

void fluv__server_report(fluv_server_t* server, int err) {
  int none = 0;

  (void) atomic_compare_exchange_strong(&server->err, &none, err);
  fluv__warn("a worker stopped accepting on %s: %s",
             server->address,
             fluv_strerror(err));
}

int fluv__server_new(unsigned count, fluv_server_t** out_server) {
  fluv_server_t* server =
      fluv__calloc(1, sizeof(*server) + count * sizeof(server->acceptor[0]));
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
    server->acceptor[i].server = server;
    server->acceptor[i].fd = -1;
    fluv__list_init(&server->acceptor[i].connections);
  }
  err = fluv_token_new(&server->closing);
  if (err == 0)
    err = fluv_token_new(&server->decided);
  if (err == 0)
    err = fluv_tracker_new(&server->running);
  for (i = 0; err == 0 && i < count; i++)
    err = fluv_notify_new(&server->acceptor[i].empty);
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
      n += atomic_load(&server->acceptor[i].open);
  return n;
}

fluv_token_t* fluv_server_get_token(const fluv_server_t* server) {
  fluv__require(server, SERVER);
  return server->closing;
}
