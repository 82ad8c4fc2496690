/* SPDX-License-Identifier: MIT */
/* What the tests of servers share. */
#ifndef FLUV_TEST_SERVER_H
#define FLUV_TEST_SERVER_H

#include <stdatomic.h>

#include "fluv-test-io.h"

/* Connections whose function has returned. */
extern atomic_int ended;

void server_setup(void);

/* A connection function: sends back what it reads, until the peer ends. */
int64_t echo(fluv_stream_t* peer, void* arg);

/* Serve on a free port; with rt NULL on the loop of this thread. */
fluv_server_t* serve(fluv_connection_fn fn,
                     void* arg,
                     fluv_runtime_t* rt,
                     bool hand_over);
int connect_to(const fluv_server_t* server);

/* Yield until the server has `n` connections. */
void wait_for_count(const fluv_server_t* server, size_t n);

/* Runtimes of several sizes, with and without handing connections over. */
enum {
  WAYS = 8
};

typedef struct way {
  unsigned workers;
  bool hand_over;
} way_t;

extern const way_t ways[WAYS];
fluv_runtime_t* make_runtime(int way);

/* A task that closes the server `arg` without a limit. */
int64_t close_task(void* arg);

#endif /* FLUV_TEST_SERVER_H */
