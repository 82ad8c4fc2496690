/* SPDX-License-Identifier: MIT */
/* Errors of accepting: those that pass, those that last, no descriptors. */
#include "fluv-test-io.h"

#include <errno.h>
#include <fcntl.h>
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

/* Starts an accept that has a connection to take; the next `failures` calls of
 * accept4() fail with `error`. */
static fluv_future_t* start_failing_accept(fluv_listener_t* listener,
                                           fluv_stream_t** out,
                                           int* out_fd,
                                           int failures,
                                           int error) {
  fluv_future_t* accepted = fluv_accept(listener, out);

  *out_fd = io_connect(listener);
  accept_failures = failures;
  accept_errno = error;
  fluv_start(accepted);
  return accepted;
}

/* Errors that pass, and errors that last. */

TEST_TASK(accept_passes_over_a_connection_that_was_given_up) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  int fd = io_connect(listener);

  accept_failures = 1;
  accept_errno = ECONNABORTED;
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  ck_assert_ptr_nonnull(stream);
  io_accepted_close(listener, stream, fd);
  return 0;
}

TEST_TASK(accept_goes_on_after_a_signal) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  int fd = io_connect(listener);

  accept_failures = 1;
  accept_errno = EINTR;
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  io_accepted_close(listener, stream, fd);
  return 0;
}

/* Those of accept(2), of other systems, and of those to come. */
static const int passing[] = { ENONET,     ETIMEDOUT, EIO,    EPROTO,
                               EOPNOTSUPP, ESTALE,    EFAULT, ENETDOWN,
                               EMFILE,     ENFILE,    ENOMEM, ENOBUFS };

static int64_t accept_after_failures(fluv_listener_t* listener, int error) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted;
  int64_t err;
  int fd;

  accepted = start_failing_accept(listener, &stream, &fd, 40, error);
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
  fluv_future_t* accepted = io_accept_start(listener, &stream, 2);
  int fd;

  poll_fails = true;
  fd = io_connect(listener);
  io_turns(3);
  ck_assert(!poll_fails);
  ck_assert_err(fluv_await(fluv_clock_advance(10)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  close(fd);

  /* And without a waiting accept. */
  accepted = io_accept_start(listener, &stream, 2);
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  poll_fails = true;
  fd = io_connect(listener);
  io_turns(3);
  ck_assert(!poll_fails);
  ck_assert_err(fluv_await(fluv_accept(listener, &stream)), 0);
  io_accepted_close(listener, stream, fd);
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
  io_accepted_close(listener, stream, fd);
  return 0;
}

/* After 10 ms at first, then longer and longer, and 1 s at most. */
TEST_TASK(accept_without_descriptors_does_not_spin) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted;
  int fd;

  accept_calls = 0;
  accepted = start_failing_accept(listener, &stream, &fd, 1000, EMFILE);
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
  io_accepted_close(listener, stream, fd);
  return 0;
}

/* Each connection meets a lack of descriptors first. */
static void accept_in_shortage(fluv_listener_t* listener, int connections) {
  while (connections-- > 0) {
    fluv_stream_t* stream = NULL;
    fluv_future_t* accepted;
    int fd;

    accepted = start_failing_accept(listener, &stream, &fd, 1, EMFILE);
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
  fluv_future_t* accepted;
  int fd;

  accepted = start_failing_accept(listener, &stream, &fd, 1000, ENFILE);
  ck_assert_err(fluv_await(fluv_clock_advance(15)), 0);
  ck_assert(!fluv_future_is_done(accepted));
  fluv_cancel(accepted);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);

  accept_failures = 0;
  accepted = fluv_accept(listener, &stream);
  fluv_start(accepted);
  ck_assert_err(fluv_await(fluv_clock_advance(1000)), 0);
  ck_assert_err(fluv_await(accepted), 0);
  io_accepted_close(listener, stream, fd);
  return 0;
}

TEST_TASK(listener_without_descriptors_can_be_closed) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* accepted;
  int fd;

  accepted = start_failing_accept(listener, &stream, &fd, 1000, EMFILE);
  ck_assert_err(fluv_await(fluv_clock_advance(15)), 0);
  io_listener_close(listener);
  ck_assert_err(fluv_await(accepted), FLUV_ECANCELED);
  ck_assert_ptr_null(stream);
  close(fd);
  return 0;
}

static Suite* accept_errors_suite(void) {
  Suite* s = suite_create("accept-errors");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      accept_passes_over_a_connection_that_was_given_up,
      accept_goes_on_after_a_signal);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      accept_without_descriptors_tries_again,
      accept_without_descriptors_does_not_spin,
      accept_goes_on_after_any_error_that_may_pass,
      accept_ends_when_its_descriptor_is_of_no_use,
      accept_goes_on_after_the_watching_has_failed,
      accept_without_descriptors_can_be_cancelled,
      listener_without_descriptors_can_be_closed);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, shortage_is_reported_once);
  return s;
}

TEST_MAIN(accept_errors_suite)
