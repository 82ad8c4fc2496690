/* SPDX-License-Identifier: MIT */
/* TCP: listening, socket options, addresses. */
#include "fluv-test-io.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Listening. */

START_TEST(listen_takes_a_free_port) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  ck_assert_int_eq(strncmp(address, "127.0.0.1:", 10), 0);
  ck_assert_int_gt(atoi(address + 10), 0);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}
END_TEST

TEST_TASK(listen_takes_ipv6) {
  fluv_listener_t* listener = NULL;
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  int fd;

  if (!io_has_ipv6())
    return 0;

  ck_assert_err(fluv_tcp_listen("[::1]:0", NULL, &listener), 0);
  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  ck_assert_int_eq(strncmp(address, "[::1]:", 6), 0);

  fd = io_connect(listener);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, address, sizeof(address)),
                0);
  ck_assert_int_eq(strncmp(address, "[::1]:", 6), 0);

  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  close(fd);
  return 0;
}

static void accept_from(fluv_listener_t* listener, const char* host) {
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  int fd;

  io_address_on(address, host, listener);
  fd = io_connect_to(address, 0);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
}

TEST_TASK(listen_on_every_address) {
  static const char* const every[] = { ":0", "*:0" };
  fluv_listener_t* listener;
  size_t i;

  for (i = 0; i < 2; i++) {
    listener = NULL;
    ck_assert_err(fluv_tcp_listen(every[i], NULL, &listener), 0);
    accept_from(listener, "127.0.0.1");
    if (io_has_ipv6())
      accept_from(listener, "[::1]");
    io_listener_close(listener);
  }
  return 0;
}

TEST_TASK(ipv6_only_takes_no_ipv4) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = NULL;
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  if (!io_has_ipv6())
    return 0;

  options.ipv6_only = true;
  ck_assert_err(fluv_tcp_listen("[::]:0", &options, &listener), 0);
  io_address_on(address, "127.0.0.1", listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)),
                FLUV_ECONNREFUSED);
  ck_assert_ptr_null(stream);
  accept_from(listener, "[::1]");
  io_listener_close(listener);
  return 0;
}

TEST_TASK(ipv6_takes_ipv4_too) {
  fluv_listener_t* listener = NULL;

  if (!io_has_ipv6())
    return 0;

  ck_assert_err(fluv_tcp_listen("[::]:0", NULL, &listener), 0);
  accept_from(listener, "127.0.0.1");
  accept_from(listener, "[::1]");
  io_listener_close(listener);
  return 0;
}

START_TEST(listen_refuses_bad_addresses) {
  static const char* const bad[] = {
    "",           "127.0.0.1",     "127.0.0.1:",    "127.0.0.1:65536",
    ":",          "127.0.0.1:-1",  "127.0.0.1:x",   "127.0.0.1:80x",
    "[::1]",      "[::1:80",       "[::1]80",       "[]:80",
    "::1:80",     "256.0.0.1:80",  "localhost:80",  "127.0.0.1:99999999999",
    "[127.0.0.1", "127.0.0.1: 80", " 127.0.0.1:80", "127.0.0.1:+80",
    "[::g]:80",   "127.0.0.1:0x1", "127.0.0.1:80 ", "1.2.3:80",
  };
  fluv_listener_t* listener = NULL;
  size_t i;

  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    _mark_point(bad[i], (int) i);
    ck_assert_msg(fluv_tcp_listen(bad[i], NULL, &listener) == FLUV_EINVAL,
                  "\"%s\" is no address",
                  bad[i]);
    ck_assert_ptr_null(listener);
  }
  ck_assert_err(fluv_tcp_listen(NULL, NULL, &listener), FLUV_EINVAL);
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, NULL), FLUV_EINVAL);
}
END_TEST

START_TEST(listen_refuses_an_endless_address) {
  fluv_listener_t* listener = NULL;
  char* address = malloc(100001);

  ck_assert_ptr_nonnull(address);
  memset(address, '1', 100000);
  memcpy(address + 99997, ":80", 4);
  ck_assert_err(fluv_tcp_listen(address, NULL, &listener), FLUV_EINVAL);
  address[0] = '[';
  ck_assert_err(fluv_tcp_listen(address, NULL, &listener), FLUV_EINVAL);
  free(address);
}
END_TEST

static void expect_option_refused(const fluv_tcp_options_t* options) {
  fluv_listener_t* listener = NULL;

  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", options, &listener),
                FLUV_EINVAL);
  ck_assert_ptr_null(listener);
}

START_TEST(listen_refuses_bad_options) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;

  options.backlog = -1;
  expect_option_refused(&options);
  options.backlog = 0;
  options.send_buffer = -1;
  expect_option_refused(&options);
  options.send_buffer = 0;
  options.recv_buffer = -1;
  expect_option_refused(&options);
}
END_TEST

START_TEST(listen_on_an_address_of_others_fails) {
  fluv_listener_t* listener = NULL;

  ck_assert_err(fluv_tcp_listen("192.0.2.1:0", NULL, &listener),
                FLUV_EADDRNOTAVAIL);
  ck_assert_ptr_null(listener);
}
END_TEST

START_TEST(listen_on_a_taken_port_fails) {
  fluv_listener_t* first = io_listen();
  fluv_listener_t* second = NULL;
  char address[IO_ADDRESS];

  ck_assert_err(fluv_listener_get_address(first, address, sizeof(address)), 0);
  ck_assert_err(fluv_tcp_listen(address, NULL, &second), FLUV_EADDRINUSE);
  ck_assert_ptr_null(second);

  /* Free again at once when the first is closed. */
  ck_assert_err(fluv_block_on(fluv_listener_close(first)), 0);
  ck_assert_err(fluv_tcp_listen(address, NULL, &second), 0);
  ck_assert_err(fluv_block_on(fluv_listener_close(second)), 0);
}
END_TEST

TEST_TASK(port_of_a_closed_connection_can_be_listened_at) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  int fd = io_connect(listener);

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  /* Our side closes first, so its end of the pair stays in TIME_WAIT. */
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_recv_eof(fd);
  close(fd);
  io_listener_close(listener);

  listener = NULL;
  ck_assert_err(fluv_tcp_listen(address, NULL, &listener), 0);
  io_listener_close(listener);
  return 0;
}

START_TEST(reuse_port_shares_a_port) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* first = NULL;
  fluv_listener_t* second = NULL;
  fluv_listener_t* third = NULL;
  char address[IO_ADDRESS];

  options.reuse_port = true;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", &options, &first), 0);
  ck_assert_err(fluv_listener_get_address(first, address, sizeof(address)), 0);
  ck_assert_err(fluv_tcp_listen(address, &options, &second), 0);
  ck_assert_err(fluv_tcp_listen(address, NULL, &third), FLUV_EADDRINUSE);

  ck_assert_err(fluv_block_on(fluv_listener_close(first)), 0);
  ck_assert_err(fluv_block_on(fluv_listener_close(second)), 0);
}
END_TEST

TEST_TASK(reuse_port_takes_each_connection_once) {
  enum {
    CONNECTIONS = 20
  };
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listeners[2] = { NULL, NULL };
  fluv_stream_t* streams[2];
  fluv_future_t* arms[2];
  char address[IO_ADDRESS];
  int fds[CONNECTIONS];
  int64_t result;
  int64_t which;
  int i;

  options.reuse_port = true;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", &options, &listeners[0]), 0);
  io_address_on(address, "127.0.0.1", listeners[0]);
  ck_assert_err(fluv_tcp_listen(address, &options, &listeners[1]), 0);
  for (i = 0; i < CONNECTIONS; i++)
    fds[i] = io_connect_to(address, 0);

  for (i = 0; i < CONNECTIONS; i++) {
    streams[0] = streams[1] = NULL;
    arms[0] = fluv_accept(listeners[0], &streams[0]);
    arms[1] = fluv_accept(listeners[1], &streams[1]);
    which = fluv_await(fluv_select(arms, 2, &result));
    ck_assert(which == 0 || which == 1);
    ck_assert_err(result, 0);
    ck_assert_ptr_nonnull(streams[which]);
    ck_assert_ptr_null(streams[1 - which]);
    ck_assert_err(fluv_await(fluv_close(streams[which])), 0);
  }

  for (i = 0; i < CONNECTIONS; i++) {
    io_recv_eof(fds[i]);
    close(fds[i]);
  }
  io_listener_close(listeners[0]);
  io_listener_close(listeners[1]);
  return 0;
}

static unsigned max_backlog(void) {
  FILE* file = fopen("/proc/sys/net/core/somaxconn", "r");
  unsigned most = 128;

  if (file != NULL) {
    ck_assert_int_eq(fscanf(file, "%u", &most), 1);
    fclose(file);
  }
  return most;
}

START_TEST(backlog_is_as_asked) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = NULL;

  if (test_is_emulated("TCP_INFO is empty"))
    return;
  options.backlog = 7;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", &options, &listener), 0);
  ck_assert_uint_eq(io_backlog_size(listener), 7);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);

  listener = io_listen();
  ck_assert_uint_eq(io_backlog_size(listener),
                    max_backlog() < 511 ? max_backlog() : 511);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}
END_TEST

START_TEST(listener_address_needs_room) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];
  char exact[IO_ADDRESS];
  size_t len;

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  len = strlen(address);
  ck_assert_err(fluv_listener_get_address(listener, exact, len), FLUV_ENOBUFS);
  ck_assert_err(fluv_listener_get_address(listener, exact, 0), FLUV_ENOBUFS);
  ck_assert_err(fluv_listener_get_address(listener, exact, len + 1), 0);
  ck_assert_str_eq(exact, address);
  ck_assert_err(fluv_listener_get_address(listener, NULL, 64), FLUV_EINVAL);
  ck_assert_err(fluv_listener_get_address(NULL, exact, 64), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}
END_TEST

START_TEST(listen_without_a_loop_fails) {
  fluv_listener_t* listener = NULL;

  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), FLUV_ENOLOOP);
  ck_assert_ptr_null(listener);
}
END_TEST

/* Options. */

static int option_of(const fluv_stream_t* stream, int level, int option) {
  return io_get_option(io_fd_of_stream(stream), level, option);
}

TEST_TASK(defaults_send_at_once_and_never_probe) {
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_int_ne(option_of(wire.stream, IPPROTO_TCP, TCP_NODELAY), 0);
  ck_assert_int_eq(option_of(wire.stream, SOL_SOCKET, SO_KEEPALIVE), 0);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(accepted_streams_take_the_listeners_options) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  io_wire_t wire;

  options.nagle = true;
  options.keepalive_s = 17;
  options.send_buffer = 40000;
  options.recv_buffer = 50000;
  io_wire_open_with(&wire, &options);
  ck_assert_int_eq(option_of(wire.stream, IPPROTO_TCP, TCP_NODELAY), 0);
  ck_assert_int_ne(option_of(wire.stream, SOL_SOCKET, SO_KEEPALIVE), 0);
  ck_assert_int_eq(option_of(wire.stream, IPPROTO_TCP, TCP_KEEPIDLE), 17);
  /* Linux counts its own overhead: twice what was asked. */
  ck_assert_int_eq(option_of(wire.stream, SOL_SOCKET, SO_SNDBUF), 80000);
  ck_assert_int_eq(option_of(wire.stream, SOL_SOCKET, SO_RCVBUF), 100000);
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(connected_streams_take_their_options) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  options.nagle = true;
  options.keepalive_s = 23;
  options.send_buffer = 40000;
  options.recv_buffer = 50000;
  ck_assert_err(fluv_await(fluv_tcp_connect(address, &options, &stream)), 0);
  ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_NODELAY), 0);
  ck_assert_int_ne(option_of(stream, SOL_SOCKET, SO_KEEPALIVE), 0);
  ck_assert_int_eq(option_of(stream, IPPROTO_TCP, TCP_KEEPIDLE), 23);
  ck_assert_int_eq(option_of(stream, SOL_SOCKET, SO_SNDBUF), 80000);
  ck_assert_int_eq(option_of(stream, SOL_SOCKET, SO_RCVBUF), 100000);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);

  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)), 0);
  ck_assert_int_ne(option_of(stream, IPPROTO_TCP, TCP_NODELAY), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(options_of_a_stream_can_be_changed) {
  io_wire_t wire;
  int send = 0;
  int recv = 0;

  io_wire_open(&wire);
  ck_assert_err(fluv_tcp_set_nodelay(wire.stream, false), 0);
  ck_assert_int_eq(option_of(wire.stream, IPPROTO_TCP, TCP_NODELAY), 0);
  ck_assert_err(fluv_tcp_set_nodelay(wire.stream, true), 0);
  ck_assert_int_ne(option_of(wire.stream, IPPROTO_TCP, TCP_NODELAY), 0);

  ck_assert_err(fluv_tcp_set_keepalive(wire.stream, 31), 0);
  ck_assert_int_ne(option_of(wire.stream, SOL_SOCKET, SO_KEEPALIVE), 0);
  ck_assert_int_eq(option_of(wire.stream, IPPROTO_TCP, TCP_KEEPIDLE), 31);
  ck_assert_err(fluv_tcp_set_keepalive(wire.stream, 0), 0);
  ck_assert_int_eq(option_of(wire.stream, SOL_SOCKET, SO_KEEPALIVE), 0);

  ck_assert_err(fluv_stream_set_buffers(wire.stream, 30000, 0), 0);
  ck_assert_err(fluv_stream_set_buffers(wire.stream, 0, 20000), 0);
  ck_assert_err(fluv_stream_get_buffers(wire.stream, &send, &recv), 0);
  ck_assert_int_eq(send, option_of(wire.stream, SOL_SOCKET, SO_SNDBUF));
  ck_assert_int_eq(recv, option_of(wire.stream, SOL_SOCKET, SO_RCVBUF));
  ck_assert_int_eq(send, 60000);
  ck_assert_int_eq(recv, 40000);
  ck_assert_err(fluv_stream_get_buffers(wire.stream, NULL, NULL), 0);
  ck_assert_err(fluv_stream_set_buffers(wire.stream, -1, 0), FLUV_EINVAL);
  ck_assert_err(fluv_stream_set_buffers(wire.stream, 0, -1), FLUV_EINVAL);
  io_wire_close(&wire);
  return 0;
}

/* A cold read keeps the closed stream's memory, so it can still be asked. */
TEST_TASK(options_of_a_closed_stream_fail) {
  io_wire_t wire;
  fluv_future_t* cold;
  char address[IO_ADDRESS];
  char byte;
  int size;

  io_wire_open(&wire);
  cold = fluv_read(wire.stream, &byte, 1);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  ck_assert_err(fluv_tcp_set_nodelay(wire.stream, true), FLUV_EBADF);
  ck_assert_err(fluv_tcp_set_keepalive(wire.stream, 1), FLUV_EBADF);
  ck_assert_err(fluv_stream_set_buffers(wire.stream, 1, 1), FLUV_EBADF);
  ck_assert_err(fluv_stream_get_buffers(wire.stream, &size, NULL), FLUV_EBADF);
  ck_assert_err(
      fluv_stream_get_local_address(wire.stream, address, sizeof(address)),
      FLUV_EBADF);
  ck_assert_err(
      fluv_stream_get_peer_address(wire.stream, address, sizeof(address)),
      FLUV_EBADF);
  fluv_drop(cold);
  close(wire.fd);
  return 0;
}

/* Addresses of a connection. */

TEST_TASK(both_ends_agree_on_their_addresses) {
  fluv_stream_t* a = NULL;
  fluv_stream_t* b = NULL;
  char local[IO_ADDRESS];
  char peer[IO_ADDRESS];

  io_streams_open(&a, &b);
  ck_assert_err(fluv_stream_get_local_address(a, local, sizeof(local)), 0);
  ck_assert_err(fluv_stream_get_peer_address(b, peer, sizeof(peer)), 0);
  ck_assert_str_eq(local, peer);
  ck_assert_err(fluv_stream_get_local_address(b, local, sizeof(local)), 0);
  ck_assert_err(fluv_stream_get_peer_address(a, peer, sizeof(peer)), 0);
  ck_assert_str_eq(local, peer);

  ck_assert_err(fluv_stream_get_peer_address(a, peer, strlen(local)),
                FLUV_ENOBUFS);
  ck_assert_err(fluv_stream_get_local_address(a, peer, 3), FLUV_ENOBUFS);
  ck_assert_err(fluv_stream_get_local_address(a, NULL, 64), FLUV_EINVAL);
  ck_assert_err(fluv_stream_get_peer_address(NULL, peer, 64), FLUV_EINVAL);

  ck_assert_err(fluv_await(fluv_close(a)), 0);
  ck_assert_err(fluv_await(fluv_close(b)), 0);
  return 0;
}

TEST_TASK(peer_that_is_gone_has_no_address) {
  io_wire_t wire;
  char address[IO_ADDRESS];
  char byte;

  io_wire_open(&wire);
  io_close_with_reset(wire.fd);
  wire.fd = -1;
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), FLUV_ECONNRESET);
  ck_assert_err(
      fluv_stream_get_peer_address(wire.stream, address, sizeof(address)),
      FLUV_ENOTCONN);
  io_wire_close(&wire);
  return 0;
}

static void add_listening(Suite* s) {
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      listen_takes_a_free_port,
      listen_takes_ipv6,
      listen_on_every_address,
      ipv6_only_takes_no_ipv4,
      ipv6_takes_ipv4_too,
      listen_refuses_bad_addresses,
      listen_refuses_an_endless_address,
      listen_refuses_bad_options,
      listen_on_an_address_of_others_fails,
      listen_on_a_taken_port_fails,
      port_of_a_closed_connection_can_be_listened_at,
      reuse_port_shares_a_port,
      reuse_port_takes_each_connection_once,
      backlog_is_as_asked,
      listener_address_needs_room);
  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, listen_without_a_loop_fails);
}

static Suite* tcp_suite(void) {
  Suite* s = suite_create("tcp");
  TCase* tc;

  add_listening(s);

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      defaults_send_at_once_and_never_probe,
      accepted_streams_take_the_listeners_options,
      connected_streams_take_their_options,
      options_of_a_stream_can_be_changed,
      both_ends_agree_on_their_addresses,
      peer_that_is_gone_has_no_address);

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc, options_of_a_closed_stream_fail);
  return s;
}

TEST_MAIN(tcp_suite)
