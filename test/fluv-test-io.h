/* SPDX-License-Identifier: MIT */
/* What the tests of sockets share: connections whose far end is a plain
 * blocking socket, so that a test decides what the kernel holds. */
#ifndef FLUV_TEST_IO_H
#define FLUV_TEST_IO_H

#include "fluv-test.h"

/* Long enough for every address as text. */
#define IO_ADDRESS 64

/* More than a narrow wire and fluv's own 16 KiB hold together. */
#define IO_MUCH ((size_t) 1 << 20)

/* A connection: a stream of fluv's, and the peer's plain socket. */
typedef struct io_wire {
  fluv_stream_t* stream;
  int fd;
} io_wire_t;

/* These wait: call them in a task. The options hold for the stream's side. */
void io_wire_open(io_wire_t* wire);
void io_wire_open_with(io_wire_t* wire, const fluv_tcp_options_t* options);
/* With so little buffer on both sides that a megabyte does not fit. */
void io_wire_open_narrow(io_wire_t* wire);
/* Narrow, with a write of IO_MUCH that is stuck half way. The bytes are a
 * pattern of the seed 1; free them. */
fluv_future_t* io_wire_open_stuck(io_wire_t* wire, char** out_bytes);
/* The same, and drops the write. Returns how much was taken of it. */
uint64_t io_wire_open_dropped(io_wire_t* wire);
/* Closes what is still open: a stream that is not NULL, an fd that is not -1.*/
void io_wire_close(io_wire_t* wire);

/* Two streams of fluv's that are connected. */
void io_streams_open(fluv_stream_t** out_a, fluv_stream_t** out_b);

/* Let the loop poll `n` times while the running task waits. */
void io_turns(int n);

/* A listener on a free port of 127.0.0.1. */
fluv_listener_t* io_listen(void);
void io_listener_close(fluv_listener_t* listener);
/* Starts an accept and lets the loop poll `turns` times. */
fluv_future_t* io_accept_start(fluv_listener_t* listener,
                               fluv_stream_t** out,
                               int turns);
/* Closes the listener after both ends of a connection that it has accepted. */
void io_accepted_close(fluv_listener_t* listener,
                       fluv_stream_t* stream,
                       int fd);
/* "HOST:PORT" with the port of the listener. */
void io_address_on(char buf[IO_ADDRESS],
                   const char* host,
                   const fluv_listener_t* listener);

/* Plain sockets. Those that wait give up after some seconds. */
int io_connect(const fluv_listener_t* listener);
int io_connect_to(const char* address, int recv_buffer);
void io_send(int fd, const void* bytes, size_t len);
void io_recv(int fd, void* bytes, size_t len);
void io_recv_eof(int fd);
void io_close_with_reset(int fd);
/* Bytes that wait in a socket to be read. */
int io_unread(int fd);
/* Takes `len` bytes while the loop turns; call it in a task. */
void io_drain(int fd, void* bytes, size_t len);
/* The same, and compares them with the pattern of that seed. */
void io_drain_pattern(int fd, size_t len, unsigned seed);
/* Waits for the end of the stream while the loop turns. */
void io_drain_eof(int fd);

/* The descriptor behind a stream or a listener. */
int io_fd_of_stream(const fluv_stream_t* stream);
int io_fd_of_listener(const fluv_listener_t* listener);
/* Connections in the backlog of a listener, and how many it takes. */
unsigned io_backlog_used(const fluv_listener_t* listener);
unsigned io_backlog_size(const fluv_listener_t* listener);
int io_get_option(int fd, int level, int option);

/* Bytes that differ from place to place and from seed to seed. */
char* io_pattern(size_t len, unsigned seed);
void io_assert_pattern(const char* bytes, size_t len, unsigned seed);

bool io_has_ipv6(void);

#endif /* FLUV_TEST_IO_H */
