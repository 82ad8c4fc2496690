/* SPDX-License-Identifier: MIT */
/* Connections for the tests of sockets, and what the kernel knows of them. */
#include "fluv-test-io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A plain socket that waits longer has found a fault. */
#define LIMIT_S 20
/* Descriptors above this are not counted. */
#define MAX_FDS 1024
/* Small enough to fill up quickly, large enough for whole segments. */
#define NARROW 65536

/* Addresses as text. */

static void parse_address(const char* address, struct sockaddr_storage* out) {
  struct sockaddr_in6* in6 = (struct sockaddr_in6*) out;
  struct sockaddr_in* in = (struct sockaddr_in*) out;
  const char* colon = strrchr(address, ':');
  char host[IO_ADDRESS];

  ck_assert_ptr_nonnull(colon);
  memset(out, 0, sizeof(*out));
  if (address[0] == '[') {
    snprintf(host,
             sizeof(host),
             "%.*s",
             (int) (colon - address - 2),
             address + 1);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons((uint16_t) atoi(colon + 1));
    ck_assert_int_eq(inet_pton(AF_INET6, host, &in6->sin6_addr), 1);
  } else {
    snprintf(host, sizeof(host), "%.*s", (int) (colon - address), address);
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t) atoi(colon + 1));
    ck_assert_int_eq(inet_pton(AF_INET, host, &in->sin_addr), 1);
  }
}

static socklen_t address_size(const struct sockaddr_storage* address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                        : sizeof(struct sockaddr_in);
}

static bool same_address(const struct sockaddr_storage* a,
                         const struct sockaddr_storage* b) {
  const struct sockaddr_in6* a6 = (const struct sockaddr_in6*) a;
  const struct sockaddr_in6* b6 = (const struct sockaddr_in6*) b;
  const struct sockaddr_in* a4 = (const struct sockaddr_in*) a;
  const struct sockaddr_in* b4 = (const struct sockaddr_in*) b;

  if (a->ss_family != b->ss_family)
    return false;
  if (a->ss_family == AF_INET6)
    return a6->sin6_port == b6->sin6_port &&
           memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) == 0;
  return a4->sin_port == b4->sin_port &&
         a4->sin_addr.s_addr == b4->sin_addr.s_addr;
}

static bool fd_is_at(int fd, const char* address, bool peer) {
  struct sockaddr_storage want;
  struct sockaddr_storage is;
  socklen_t size = sizeof(is);
  int err;

  memset(&is, 0, sizeof(is));
  err = peer ? getpeername(fd, (struct sockaddr*) &is, &size)
             : getsockname(fd, (struct sockaddr*) &is, &size);
  if (err != 0)
    return false;

  parse_address(address, &want);
  return same_address(&is, &want);
}

int io_fd_of_stream(const fluv_stream_t* stream) {
  char local[IO_ADDRESS];
  char peer[IO_ADDRESS];
  int fd;

  ck_assert_err(fluv_stream_get_local_address(stream, local, sizeof(local)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, peer, sizeof(peer)), 0);
  for (fd = 0; fd < MAX_FDS; fd++)
    if (fd_is_at(fd, local, false) && fd_is_at(fd, peer, true))
      return fd;

  ck_abort_msg("no descriptor from %s to %s", local, peer);
  return -1;
}

int io_fd_of_listener(const fluv_listener_t* listener) {
  char address[IO_ADDRESS];
  int fd;

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  for (fd = 0; fd < MAX_FDS; fd++)
    if (fd_is_at(fd, address, false) &&
        io_get_option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1)
      return fd;

  ck_abort_msg("no descriptor listens at %s", address);
  return -1;
}

int io_get_option(int fd, int level, int option) {
  int value = 0;
  socklen_t size = sizeof(value);

  ck_assert_int_eq(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

static struct tcp_info listener_info(const fluv_listener_t* listener) {
  struct tcp_info info;
  socklen_t size = sizeof(info);

  memset(&info, 0, sizeof(info));
  ck_assert_int_eq(getsockopt(io_fd_of_listener(listener),
                              IPPROTO_TCP,
                              TCP_INFO,
                              &info,
                              &size),
                   0);
  return info;
}

/* For a socket that listens, Linux tells of its queue in these two. */
unsigned io_backlog_used(const fluv_listener_t* listener) {
  return listener_info(listener).tcpi_unacked;
}

unsigned io_backlog_size(const fluv_listener_t* listener) {
  return listener_info(listener).tcpi_sacked;
}

/* Listening and connecting. */

fluv_listener_t* io_listen(void) {
  fluv_listener_t* listener = NULL;

  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  ck_assert_ptr_nonnull(listener);
  return listener;
}

void io_listener_close(fluv_listener_t* listener) {
  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
}

void io_address_on(char buf[IO_ADDRESS],
                   const char* host,
                   const fluv_listener_t* listener) {
  char address[IO_ADDRESS];

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  ck_assert_ptr_nonnull(strrchr(address, ':'));
  snprintf(buf, IO_ADDRESS, "%.40s%.10s", host, strrchr(address, ':'));
}

int io_connect_to(const char* address, int recv_buffer) {
  struct timeval limit = { LIMIT_S, 0 };
  struct sockaddr_storage peer;
  int err;
  int fd;

  parse_address(address, &peer);
  fd = socket(peer.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_ne(fd, -1);
  ck_assert_int_eq(
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
      0);
  ck_assert_int_eq(
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
      0);
  if (recv_buffer != 0)
    ck_assert_int_eq(setsockopt(fd,
                                SOL_SOCKET,
                                SO_RCVBUF,
                                &recv_buffer,
                                sizeof(recv_buffer)),
                     0);
  /* An interrupted connect continues: the second call waits for it. */
  do
    err = connect(fd, (struct sockaddr*) &peer, address_size(&peer));
  while (err != 0 && (errno == EINTR || errno == EALREADY));
  if (err != 0 && errno == EISCONN)
    err = 0;
  ck_assert_msg(err == 0, "connect to %s: %s", address, strerror(errno));
  return fd;
}

int io_connect(const fluv_listener_t* listener) {
  char address[IO_ADDRESS];

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  return io_connect_to(address, 0);
}

static void wire_open(io_wire_t* wire,
                      const fluv_tcp_options_t* options,
                      int recv_buffer) {
  fluv_listener_t* listener = NULL;
  char address[IO_ADDRESS];

  wire->stream = NULL;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", options, &listener), 0);
  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  wire->fd = io_connect_to(address, recv_buffer);
  ck_assert_err(fluv_await(fluv_accept(listener, &wire->stream)), 0);
  ck_assert_ptr_nonnull(wire->stream);
  io_listener_close(listener);
}

void io_wire_open(io_wire_t* wire) {
  wire_open(wire, NULL, 0);
}

void io_wire_open_with(io_wire_t* wire, const fluv_tcp_options_t* options) {
  wire_open(wire, options, 0);
}

void io_wire_open_narrow(io_wire_t* wire) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;

  options.send_buffer = NARROW;
  wire_open(wire, &options, NARROW);
}

void io_wire_close(io_wire_t* wire) {
  ck_assert_err(fluv_await(fluv_close(wire->stream)), 0);
  if (wire->fd != -1)
    close(wire->fd);
  wire->stream = NULL;
  wire->fd = -1;
}

fluv_future_t* io_accept_start(fluv_listener_t* listener,
                               fluv_stream_t** out,
                               int turns) {
  fluv_future_t* accepted = fluv_accept(listener, out);

  fluv_start(accepted);
  io_turns(turns);
  return accepted;
}

void io_accepted_close(fluv_listener_t* listener,
                       fluv_stream_t* stream,
                       int fd) {
  io_wire_t wire = { stream, fd };

  io_wire_close(&wire);
  io_listener_close(listener);
}

void io_streams_open(fluv_stream_t** out_a, fluv_stream_t** out_b) {
  fluv_listener_t* listener = io_listen();
  fluv_future_t* connected;
  char address[IO_ADDRESS];

  ck_assert_err(fluv_listener_get_address(listener, address, sizeof(address)),
                0);
  connected = fluv_tcp_connect(address, NULL, out_a);
  fluv_start(connected);
  ck_assert_err(fluv_await(fluv_accept(listener, out_b)), 0);
  ck_assert_err(fluv_await(connected), 0);
  io_listener_close(listener);
}

/* Plain sockets. */

void io_send(int fd, const void* bytes, size_t len) {
  ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t) len);
}

void io_recv(int fd, void* bytes, size_t len) {
  ck_assert_int_eq(recv(fd, bytes, len, MSG_WAITALL), (ssize_t) len);
}

void io_recv_eof(int fd) {
  char byte;
  ssize_t n = recv(fd, &byte, 1, 0);

  ck_assert_msg(n == 0,
                "no end of the stream: %zd, %s",
                n,
                n == -1 ? strerror(errno) : "a byte");
}

void io_close_with_reset(int fd) {
  struct linger reset = { 1, 0 };

  ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)),
                   0);
  ck_assert_int_eq(close(fd), 0);
}

int io_unread(int fd) {
  int n = -1;

  ck_assert_int_eq(ioctl(fd, FIONREAD, &n), 0);
  return n;
}

void io_drain(int fd, void* bytes, size_t len) {
  size_t have = 0;
  ssize_t n;

  while (have < len) {
    n = recv(fd, (char*) bytes + have, len - have, MSG_DONTWAIT);
    if (n == -1 && errno == EAGAIN) {
      io_turns(1);
      continue;
    }
    ck_assert_msg(n > 0,
                  "%zu of %zu bytes, then %s",
                  have,
                  len,
                  n == 0 ? "the end" : strerror(errno));
    have += (size_t) n;
  }
}

void io_drain_eof(int fd) {
  char byte;
  ssize_t n;

  while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) == -1 && errno == EAGAIN)
    io_turns(1);
  ck_assert_msg(n == 0,
                "no end of the stream: %zd, %s",
                n,
                n == -1 ? strerror(errno) : "a byte");
}

/* Turns of the loop: an idle handle keeps it from waiting, a check handle
 * counts its polls. Both are gone some turns later. */

typedef struct turns {
  uv_idle_t idle;
  uv_check_t check;
  fluv_promise_t* promise;
  int left;
  int open;
} turns_t;

static void on_idle(uv_idle_t* idle) {
  (void) idle;
}

static void on_turns_closed(uv_handle_t* handle) {
  turns_t* turns = handle->data;

  if (--turns->open == 0)
    free(turns);
}

static void on_check(uv_check_t* check) {
  turns_t* turns = check->data;

  if (--turns->left > 0)
    return;

  fluv_promise_resolve(turns->promise, 0);
  fluv_promise_free(turns->promise);
  uv_close((uv_handle_t*) &turns->idle, on_turns_closed);
  uv_close((uv_handle_t*) &turns->check, on_turns_closed);
}

void io_turns(int n) {
  turns_t* turns = calloc(1, sizeof(*turns));
  fluv_future_t* done;

  ck_assert_ptr_nonnull(turns);
  ck_assert_err(fluv_promise_new(&turns->promise, &done), 0);
  turns->left = n;
  turns->open = 2;
  turns->idle.data = turns;
  turns->check.data = turns;
  uv_idle_init(test_uv, &turns->idle);
  uv_check_init(test_uv, &turns->check);
  uv_idle_start(&turns->idle, on_idle);
  uv_check_start(&turns->check, on_check);
  ck_assert_err(fluv_await(done), 0);
}

/* Contents. */

static char pattern_at(size_t i, unsigned seed) {
  uint32_t x = (uint32_t) (i / 4 + 1) * 2654435761u + seed * 40503u;

  return (char) (x >> (8 * (i % 4)));
}

char* io_pattern(size_t len, unsigned seed) {
  char* bytes = malloc(len);
  size_t i;

  ck_assert_ptr_nonnull(bytes);
  for (i = 0; i < len; i++)
    bytes[i] = pattern_at(i, seed);
  return bytes;
}

void io_assert_pattern(const char* bytes, size_t len, unsigned seed) {
  size_t i;

  for (i = 0; i < len; i++)
    if (bytes[i] != pattern_at(i, seed))
      ck_abort_msg("byte %zu of %zu is wrong", i, len);
}

void io_drain_pattern(int fd, size_t len, unsigned seed) {
  char* bytes = malloc(len + 1);

  ck_assert_ptr_nonnull(bytes);
  io_drain(fd, bytes, len);
  io_assert_pattern(bytes, len, seed);
  free(bytes);
}

/* Writes that get stuck. */

fluv_future_t* io_wire_open_stuck(io_wire_t* wire, char** out_bytes) {
  fluv_future_t* write;

  *out_bytes = io_pattern(IO_MUCH, 1);
  io_wire_open_narrow(wire);
  write = fluv_write_all(wire->stream, *out_bytes, IO_MUCH);
  fluv_start(write);
  io_turns(5);
  ck_assert(!fluv_future_is_done(write));
  ck_assert_uint_gt(fluv_stream_get_bytes_written(wire->stream), 0);
  ck_assert_uint_lt(fluv_stream_get_bytes_written(wire->stream), IO_MUCH);
  return write;
}

uint64_t io_wire_open_dropped(io_wire_t* wire) {
  char* bytes;

  fluv_drop(io_wire_open_stuck(wire, &bytes));
  memset(bytes, 'x', IO_MUCH);
  free(bytes);
  return fluv_stream_get_bytes_written(wire->stream);
}

bool io_has_ipv6(void) {
  struct sockaddr_in6 any;
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool works;

  if (fd == -1)
    return false;

  memset(&any, 0, sizeof(any));
  any.sin6_family = AF_INET6;
  any.sin6_addr = in6addr_loopback;
  works = bind(fd, (struct sockaddr*) &any, sizeof(any)) == 0;
  close(fd);
  return works;
}
