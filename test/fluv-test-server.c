/* SPDX-License-Identifier: MIT */
/* What the tests of servers share. */
#include "fluv-test-server.h"

atomic_int ended;

int64_t echo(fluv_stream_t* peer, void* arg) {
  char buf[64];
  int64_t n;

  (void) arg;
  do {
    n = fluv_await(fluv_read(peer, buf, sizeof(buf)));
    if (n > 0)
      n = fluv_await(fluv_write_all(peer, buf, (size_t) n));
  } while (n > 0);
  atomic_fetch_add(&ended, 1);
  return n;
}

void server_setup(void) {
  test_setup();
  atomic_store(&ended, 0);
}

fluv_server_t* serve(fluv_connection_fn fn,
                     void* arg,
                     fluv_runtime_t* rt,
                     bool hand_over) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* server;

  options.runtime = rt;
  options.hand_over = hand_over;
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", fn, arg, &options, &server), 0);
  return server;
}

int connect_to(const fluv_server_t* server) {
  char address[IO_ADDRESS];

  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  return io_connect_to(address, 0);
}

void wait_for_count(const fluv_server_t* server, size_t n) {
  while (fluv_server_count_connections(server, -1) != n)
    fluv_yield();
}

const way_t ways[WAYS] = { { 1, false }, { 2, false }, { 4, false },
                           { 8, false }, { 1, true },  { 2, true },
                           { 4, true },  { 8, true } };

fluv_runtime_t* make_runtime(int way) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_runtime_t* rt;

  options.workers = ways[way].workers;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  return rt;
}

int64_t close_task(void* arg) {
  return fluv_await(fluv_server_close(arg, FLUV_FOREVER));
}
