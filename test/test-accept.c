/* SPDX-License-Identifier: MIT */
/* Accepting: order, being out of descriptors, cancelling, closing, threads. */
#include "fluv-test-io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND 0
#endif

/* Replaces the C library's accept(): counts, and fails on request. */
static int accept_calls;
static int accept_failures;
static int accept_errno;

FLUV_EXTERN
int accept4(int fd, struct sockaddr* address, socklen_t* size, int flags) {
  accept_calls++;
  if (accept_failures > 0) {
    accept_failures--;
    errno = accept_errno;
    return -1;
  }
  return (int) syscall(SYS_accept4, fd, address, size, flags);
}

/* In front of the C library's, too: adds an error to the next event. */
static bool poll_fails;

static int add_error(struct epoll_event* events, int n) {
  if (n > 0 && poll_fails) {
    poll_fails = false;
    events[0].events |= EPOLLERR;
  }
  return n;
}

FLUV_EXTERN
int epoll_pwait(int epfd,
                struct epoll_event* events,
                int size,
                int timeout,
                const sigset_t* mask) {
  return add_error(events,
                   (int) syscall(SYS_epoll_pwait,
                                 epfd,
                                 events,
                                 size,
                                 timeout,
                                 mask,
                                 _NSIG / 8));
}

FLUV_EXTERN
int epoll_wait(int epfd, struct epoll_event* events, int size, int timeout) {
  return epoll_pwait(epfd, events, size, timeout, NULL);
}

/* Accepting. */

TEST_TASK(accept_takes_what_waits_in_order) {
  enum {
    CONNECTIONS = 5
  };
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream;
  int fds[CONNECTIONS];
  char byte;
  int i;

  for (i = 0; i < CONNECTIONS; i++) {
    fds[i] = io_connect(listener);
    byte = (char) ('a' + i);
    io_send(fds[i], &byte, 1);
  }
  for (i = 0; i < CONNECTIONS; i++) {
    stream = NULL;
    ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
    ck_assert_err(fluv_await(fluv_read(stream, &byte, 1)), 1);
    ck_assert_int_eq(byte, 'a' + i);
    ck_assert_err(fluv_await(fluv_close(stream)), 0);
    close(fds[i]);
  }
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_waits_for_a_connection) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd;

  fluv_start(accepted);
  io_turns(3);
  ck_assert(!fluv_future_is_done(accepted));

  fd = io_connect(listener);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_ptr_nonnull(stream);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(second_accept_is_busy) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* first = NULL;
  fluv_stream_t* second = NULL;
  fluv_future_t* waiting = fluv_accept(listener, &first);
  int fd;

  fluv_start(waiting);
  ck_assert_err(fluv_await(fluv_accept(listener, &second)), FLUV_EBUSY);
  ck_assert_ptr_null(second);

  fd = io_connect(listener);
  ck_assert_err(fluv_await(waiting), 0);
  ck_assert_ptr_nonnull(first);
  ck_assert_err(fluv_await(fluv_close(first)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_refuses_null) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;

  ck_assert_err(fluv_await(fluv_accept(NULL, &stream)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_accept(listener, NULL)), FLUV_EINVAL);
  ck_assert_ptr_null(stream);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_passes_over_a_connection_that_was_given_up) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  int fd = io_connect(listener);

  accept_failures = 1;
  accept_errno = ECONNABORTED;
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_ptr_nonnull(stream);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_goes_on_after_a_signal) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  int fd = io_connect(listener);

  accept_failures = 1;
  accept_errno = EINTR;
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

/* Those of accept(2), of other systems, and of those to come. */
static const int passing[] = { ENONET,     ETIMEDOUT, EIO,    EPROTO,
                               EOPNOTSUPP, ESTALE,    EFAULT, ENETDOWN,
                               EMFILE,     ENFILE,    ENOMEM, ENOBUFS };

static int64_t accept_after_failures(fluv_listener_t* listener, int error) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);
  int64_t err;

  accept_failures = 40;
  accept_errno = error;
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_msg(!fluv_future_is_done(accepted), "%s", strerror(error));
  ck_assert_err(fluv_await(fluv_clock_advance(50000)), 0);
  err = fluv_await(accepted);
  if (err == 0)
    ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  return err;
}

TEST_TASK(accept_goes_on_after_any_error_that_may_pass) {
  fluv_listener_t* listener = io_listen();
  size_t i;

  for (i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
    ck_assert_msg(accept_after_failures(listener, passing[i]) == 0,
                  "after %s",
                  strerror(passing[i]));
  io_listener_close(listener);
  return 0;
}

TEST_TASK(accept_ends_when_its_descriptor_is_of_no_use) {
  static const int lasting[] = { EBADF, ENOTSOCK, EINVAL };
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  int fd = io_connect(listener);
  int i;

  for (i = 0; i < 3; i++) {
    accept_failures = 1;
    accept_errno = lasting[i];
    ck_assert_err(fluv_await(fluv_accept(listener, &stream)), -lasting[i]);
    ck_assert_ptr_null(stream);
  }
  close(fd);
  io_listener_close(listener);
  return 0;
}

/* libuv then stops watching and reports it once. */
TEST_TASK(accept_goes_on_after_the_watching_has_failed) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd;

  fluv_start(accepted);
  io_turns(2);
  poll_fails = true;
  fd = io_connect(listener);
  io_turns(3);
  ck_assert(!poll_fails);
  ck_assert_err(fluv_await(fluv_clock_advance(10)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);

  /* And without a waiting accept. */
  accepted = fluv_accept(listener, &stream);
  fluv_start(accepted);
  io_turns(2);
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  poll_fails = true;
  fd = io_connect(listener);
  io_turns(3);
  ck_assert(!poll_fails);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

static int64_t accept_one(void* arg) {
  fluv_listener_t* listener = arg;
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_accept(listener, &stream));

  if (err == 0)
    fluv_drop(fluv_close(stream));
  return err;
}

TEST_TASK(accept_serves_one_connection_after_the_other) {
  fluv_listener_t* listener = io_listen();
  fluv_future_t* server;
  int fd;
  int i;

  for (i = 0; i < 50; i++) {
    server = fluv_spawn(accept_one, listener);
    if (i % 2 == 0)
      io_turns(1);
    fd = io_connect(listener);
    ck_assert_err(fluv_await(server), 0);
    io_recv_eof(fd);
    close(fd);
  }
  io_listener_close(listener);
  return 0;
}

/* Out of descriptors. */

/* Leaves the process none, by taking all that are left. */
static int take_all_fds(int* fds, int size) {
  struct rlimit limit;
  int count = 0;

  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = (rlim_t) size;
  ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
  for (;;) {
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd == -1)
      break;
    ck_assert_int_lt(count, size);
    fds[count++] = fd;
  }
  ck_assert_int_eq(errno, EMFILE);
  return count;
}

static void give_back_fds(const int* fds, int count) {
  while (count > 0)
    close(fds[--count]);
}

TEST_TASK(accept_without_descriptors_tries_again) {
  enum {
    LIMIT = 256
  };
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted;
  int fd = io_connect(listener);
  int taken[LIMIT];
  int count = 0;
  char byte;

  /* Valgrind plays the limit: it accepts, and closes what is beyond it. */
  if (!RUNNING_ON_VALGRIND)
    count = take_all_fds(taken, LIMIT);
  accepted = fluv_accept(listener, &stream);
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(5000)), 0);
  if (!RUNNING_ON_VALGRIND)
    ck_assert(!fluv_future_is_done(accepted));
  /* The client still has its connection. */
  ck_assert_int_eq(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
  ck_assert_int_eq(errno, EAGAIN);

  give_back_fds(taken, count);
  ck_assert_err(fluv_await(fluv_clock_advance(1000)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  io_send(fd, "x", 1);
  ck_assert_err(fluv_await(fluv_read(stream, &byte, 1)), 1);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

/* After 10 ms at first, then longer and longer, and 1 s at most. */
TEST_TASK(accept_without_descriptors_does_not_spin) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);

  accept_failures = 1000;
  accept_errno = EMFILE;
  accept_calls = 0;
  fluv_start(accepted);
  io_turns(20);
  ck_assert_int_eq(accept_calls, 1);
  ck_assert_err(fluv_await(fluv_clock_advance(9)), 0);
  ck_assert_int_eq(accept_calls, 1);
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_int_eq(accept_calls, 2);
  ck_assert_err(fluv_await(fluv_clock_advance(1000)), 0);
  ck_assert_int_ge(accept_calls, 4);
  ck_assert_int_le(accept_calls, 10);

  accept_calls = 0;
  ck_assert_err(fluv_await(fluv_clock_advance(10000)), 0);
  ck_assert_int_ge(accept_calls, 10);
  ck_assert_int_le(accept_calls, 11);

  accept_failures = 0;
  ck_assert_err(fluv_await(fluv_clock_advance(1000)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

/* Each connection meets a lack of descriptors first. */
static void accept_in_shortage(fluv_listener_t* listener, int connections) {
  while (connections-- > 0) {
    fluv_stream_t* stream = NULL;
    fluv_future_t* accepted = fluv_accept(listener, &stream);
    int fd = io_connect(listener);

    accept_failures = 1;
    accept_errno = EMFILE;
    fluv_start(accepted);
    ck_assert_err(fluv_await(fluv_clock_advance(10)), 0);
    ck_assert_err(fluv_await(accepted), 0);
    ck_assert_err(fluv_await(fluv_close(stream)), 0);
    close(fd);
  }
}

static int64_t have_two_shortages(void* arg) {
  fluv_listener_t* listener = io_listen();

  (void) arg;
  accept_in_shortage(listener, 100);
  fluv_await(fluv_clock_advance(60000));
  accept_in_shortage(listener, 100);
  io_listener_close(listener);
  return 0;
}

static void run_two_shortages(void* arg) {
  test_setup_paused();
  (void) test_run(have_two_shortages, arg);
  (void) fluv_loop_close();
}

START_TEST(shortage_is_reported_once) {
  int status = -1;
  char* text = test_stderr_of(run_two_shortages, NULL, &status);
  const char* at = text;
  int count = 0;

  ck_assert_msg(status == 0, "status %#x: %s", (unsigned) status, text);
  while ((at = strstr(at, "accept: ")) != NULL) {
    count++;
    at++;
  }
  ck_assert_msg(count == 2, "%d reports: %s", count, text);
  free(text);
}
END_TEST

TEST_TASK(accept_without_descriptors_can_be_cancelled) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);

  accept_failures = 1000;
  accept_errno = ENFILE;
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(15)), 0);
  ck_assert(!fluv_future_is_done(accepted));
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);

  accept_failures = 0;
  accepted = fluv_accept(listener, &stream);
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(1000)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(listener_without_descriptors_can_be_closed) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);

  accept_failures = 1000;
  accept_errno = EMFILE;
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(15)), 0);
  io_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_ptr_null(stream);
  close(fd);
  return 0;
}

/* Cancelling. */

TEST_TASK(cancelled_accept_leaves_the_connection) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd;

  fluv_start(accepted);
  io_turns(2);
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);

  fd = io_connect(listener);
  io_turns(3);
  ck_assert_ptr_null(stream);
  ck_assert_uint_eq(io_backlog_used(listener), 1);

  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(cold_accept_takes_nothing) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int fd = io_connect(listener);

  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  fluv_drop(accepted);
  accepted = fluv_accept(listener, &stream);
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  ck_assert_ptr_null(stream);

  close(fd);
  io_listener_close(listener);
  return 0;
}

/* A connection arrives and the accept is cancelled, in both orders and with
 * more and more turns between: it is either given or left, never lost. */
static void cancel_around_a_connection(fluv_listener_t* listener,
                                       bool connect_first,
                                       int turns) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  int64_t err;
  int fd;

  if (!connect_first)
    fluv_start(accepted);
  fd = io_connect(listener);
  if (connect_first)
    fluv_start(accepted);
  if (turns > 0)
    io_turns(turns);
  fluv_cancel(accepted);

  err = fluv_await(accepted);
  ck_assert(err == 0 || err == FLUV_ECANCELED);
  ck_assert_int_eq(err == 0, stream != NULL);
  if (err != 0) {
    ck_assert_uint_eq(io_backlog_used(listener), 1);
    ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  }
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
}

TEST_TASK(accept_cancelled_at_any_time_loses_nothing) {
  if (test_is_emulated("TCP_INFO is empty"))
    return 0;

  fluv_listener_t* listener = io_listen();
  int turns;

  for (turns = 0; turns < 4; turns++) {
    cancel_around_a_connection(listener, false, turns);
    cancel_around_a_connection(listener, true, turns);
  }
  io_listener_close(listener);
  return 0;
}

TEST_TASK(timed_out_accept_leaves_the_connection) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* limited = fluv_timeout(fluv_accept(listener, &stream), 50);
  int fd;

  fluv_start(limited);
  ck_assert_err(fluv_await(fluv_clock_advance(50)), 0);
  ck_assert_err(fluv_await(limited), FLUV_ETIMEDOUT);
  fd = io_connect(listener);
  io_turns(2);
  ck_assert_ptr_null(stream);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(cancelled_task_leaves_its_accept) {
  fluv_listener_t* listener = io_listen();
  fluv_future_t* server = fluv_spawn(accept_one, listener);
  fluv_stream_t* stream = NULL;
  int fd;

  io_turns(2);
  fluv_cancel(server);
  ck_assert_err(fluv_await(server), FLUV_ECANCELED);
  fd = io_connect(listener);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);
  io_listener_close(listener);
  return 0;
}

/* Closing. */

TEST_TASK(closed_listener_ends_its_accept) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  fluv_future_t* closed;

  fluv_start(accepted);
  io_turns(2);
  closed = fluv_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(cold_accept_on_a_closed_listener_fails) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);

  io_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_EBADF);
  ck_assert_ptr_null(stream);
  return 0;
}

/* A cold accept keeps the memory of a closed listener, so that a second close
 * through the same pointer finds a valid object. */
TEST_TASK(second_close_of_a_listener_does_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted = fluv_accept(listener, &stream);
  fluv_future_t* first = fluv_listener_close(listener);

  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
  ck_assert_err(fluv_await(first), 0);
  ck_assert_err(fluv_await(fluv_listener_close(listener)), 0);
  ck_assert_err(fluv_await(accepted), FLUV_EBADF);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(closed_listener_resets_its_backlog) {
  fluv_listener_t* listener = io_listen();
  int fd = io_connect(listener);
  char byte;

  io_turns(2);
  io_listener_close(listener);
  ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
  ck_assert_int_eq(errno, ECONNRESET);
  close(fd);
  return 0;
}

TEST_TASK(closed_listener_refuses) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  io_listener_close(listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)),
                FLUV_ECONNREFUSED);
  ck_assert_ptr_null(stream);
  return 0;
}

START_TEST(listener_closes_without_anybody_waiting) {
  fluv_listener_t* listener = io_listen();

  fluv_drop(fluv_listener_close(listener));
  ck_assert_err(fluv_block_on(fluv_listener_close(NULL)), 0);
  listener = io_listen();
  fluv_detach(fluv_listener_close(listener));
}
END_TEST

TEST_TASK(accepted_stream_outlives_its_listener) {
  io_wire_t wire;
  char byte = 0;

  io_wire_open(&wire);
  io_turns(2);
  io_send(wire.fd, "x", 1);
  ck_assert_err(fluv_await(fluv_read(wire.stream, &byte, 1)), 1);
  ck_assert_int_eq(byte, 'x');
  io_wire_close(&wire);
  return 0;
}

TEST_TASK(accepted_stream_never_used_can_be_closed) {
  io_wire_t wire;

  io_wire_open(&wire);
  ck_assert_err(fluv_await(fluv_close(wire.stream)), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

static void leave_a_listener(void* arg) {
  int64_t err;

  (void) arg;
  test_setup();
  io_listen();
  err = fluv_loop_close();
  _exit(err == FLUV_EBUSY || err == 0 ? 0 : 1);
}

START_TEST(loop_with_a_listener_does_not_close_silently) {
  int status = -1;
  char* text = test_stderr_of(leave_a_listener, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "listen");
  free(text);
}
END_TEST

/* Threads. */

static int64_t greet(void* arg) {
  fluv_stream_t* stream = arg;
  char byte = 0;
  int64_t n = fluv_await(fluv_read(stream, &byte, 1));

  if (n == 1)
    n = fluv_await(fluv_write_all(stream, "hello", 5));
  fluv_await(fluv_close(stream));
  return n;
}

static void* greet_on_a_thread(void* arg) {
  static int64_t result;

  result = fluv_run(greet, arg, NULL);
  return &result;
}

TEST_TASK(accepted_stream_belongs_to_the_loop_that_first_uses_it) {
  io_wire_t wire;
  pthread_t thread;
  void* result;
  char text[5];

  io_wire_open(&wire);
  io_send(wire.fd, "x", 1);
  ck_assert_int_eq(
      pthread_create(&thread, NULL, greet_on_a_thread, wire.stream),
      0);
  ck_assert_int_eq(pthread_join(thread, &result), 0);
  ck_assert_err(*(int64_t*) result, 5);
  io_recv(wire.fd, text, 5);
  ck_assert_int_eq(memcmp(text, "hello", 5), 0);
  io_recv_eof(wire.fd);
  close(wire.fd);
  return 0;
}

/* Misuse. */

static void* ask_on_a_thread(void* arg) {
  (void) !fluv_run(greet, arg, NULL);
  return NULL;
}

static int64_t use_from_two_threads(void* arg) {
  io_wire_t wire;
  pthread_t thread;
  char byte;

  (void) arg;
  io_wire_open(&wire);
  ck_assert_err(fluv_try_read(wire.stream, &byte, 1), FLUV_EAGAIN);
  ck_assert_int_eq(pthread_create(&thread, NULL, ask_on_a_thread, wire.stream),
                   0);
  pthread_join(thread, NULL);
  return 0;
}

static void run_two_threads(void* arg) {
  (void) arg;
  (void) !fluv_run(use_from_two_threads, NULL, NULL);
}

static int64_t accept_here(void* arg) {
  fluv_stream_t* stream = NULL;

  return fluv_await(fluv_accept((fluv_listener_t*) arg, &stream));
}

static void* accept_on_a_thread(void* arg) {
  (void) !fluv_run(accept_here, arg, NULL);
  return NULL;
}

static int64_t listen_from_two_threads(void* arg) {
  pthread_t thread;

  (void) arg;
  ck_assert_int_eq(
      pthread_create(&thread, NULL, accept_on_a_thread, io_listen()),
      0);
  pthread_join(thread, NULL);
  return 0;
}

static void run_listener_on_two_threads(void* arg) {
  (void) arg;
  (void) !fluv_run(listen_from_two_threads, NULL, NULL);
}

START_TEST(stream_of_another_thread_aborts) {
  test_aborts(run_two_threads, NULL, "thread", NULL);
}
END_TEST

START_TEST(listener_of_another_thread_aborts) {
  test_aborts(run_listener_on_two_threads, NULL, "thread", NULL);
}
END_TEST

static Suite* accept_suite(void) {
  Suite* s = suite_create("accept");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      accept_takes_what_waits_in_order,
      accept_waits_for_a_connection,
      second_accept_is_busy,
      accept_refuses_null,
      accept_passes_over_a_connection_that_was_given_up,
      accept_goes_on_after_a_signal,
      accept_serves_one_connection_after_the_other);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      accept_without_descriptors_tries_again,
      accept_without_descriptors_does_not_spin,
      accept_goes_on_after_any_error_that_may_pass,
      accept_ends_when_its_descriptor_is_of_no_use,
      accept_goes_on_after_the_watching_has_failed,
      accept_without_descriptors_can_be_cancelled,
      listener_without_descriptors_can_be_closed,
      cancelled_accept_leaves_the_connection,
      cold_accept_takes_nothing,
      accept_cancelled_at_any_time_loses_nothing,
      timed_out_accept_leaves_the_connection,
      cancelled_task_leaves_its_accept);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, shortage_is_reported_once);

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc,
      closed_listener_ends_its_accept,
      cold_accept_on_a_closed_listener_fails,
      second_close_of_a_listener_does_nothing,
      closed_listener_resets_its_backlog,
      closed_listener_refuses,
      listener_closes_without_anybody_waiting,
      accepted_stream_outlives_its_listener,
      accepted_stream_never_used_can_be_closed);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc, loop_with_a_listener_does_not_close_silently);

  tc = test_case(s, "threads", test_setup, test_teardown);
  ADD(tc, accepted_stream_belongs_to_the_loop_that_first_uses_it);

  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, stream_of_another_thread_aborts, listener_of_another_thread_aborts);
  return s;
}

TEST_MAIN(accept_suite)
