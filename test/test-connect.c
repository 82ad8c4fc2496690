/* SPDX-License-Identifier: MIT */
/* Connecting: names, several addresses, one deadline, cancelling. */
#include "fluv-test-io.h"
#include "fluv-test-jobs.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/jobs.h"

/* The names that the tests look up, in place of a name server's answers. Port
 * by port the addresses of 127.0.0.0/8 listen or refuse as a test wants. */
static const struct {
  const char* name;
  int err;
  bool waits;
  const char* addresses[4];
} names[] = {
  { "one.test", 0, false, { "127.0.0.1" } },
  { "two.test", 0, false, { "127.0.0.2", "127.0.0.1" } },
  { "four.test",
    0,
    false,
    { "127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.1" } },
  { "refused.test", 0, false, { "127.0.0.2", "127.0.0.3" } },
  { "slow.test", 0, true, { "127.0.0.1" } },
  { "slow-none.test", EAI_NONAME, true, { NULL } },
  { "none.test", EAI_NONAME, false, { NULL } },
  { "again.test", EAI_AGAIN, false, { NULL } },
  { "fail.test", EAI_FAIL, false, { NULL } },
};

/* Marks a list that was made here. */
#define OUR_LIST 0x7e57

static sem_t may_answer;
static atomic_int lookups;

static struct addrinfo* make_entry(const char* address, const char* service) {
  struct addrinfo* entry = calloc(1, sizeof(*entry));
  struct sockaddr_in* in = calloc(1, sizeof(*in));

  if (entry == NULL || in == NULL)
    abort();
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t) (service == NULL ? 0 : atoi(service)));
  inet_pton(AF_INET, address, &in->sin_addr);
  entry->ai_flags = OUR_LIST;
  entry->ai_family = AF_INET;
  entry->ai_socktype = SOCK_STREAM;
  entry->ai_protocol = IPPROTO_TCP;
  entry->ai_addrlen = sizeof(*in);
  entry->ai_addr = (struct sockaddr*) in;
  return entry;
}

static struct addrinfo* make_list(const char* const addresses[4],
                                  const char* service) {
  struct addrinfo* list = NULL;
  struct addrinfo** end = &list;
  int i;

  for (i = 0; i < 4 && addresses[i] != NULL; i++) {
    *end = make_entry(addresses[i], service);
    end = &(*end)->ai_next;
  }
  return list;
}

FLUV_EXTERN
int getaddrinfo(const char* node,
                const char* service,
                const struct addrinfo* hints,
                struct addrinfo** result) {
  int (*real)(const char*,
              const char*,
              const struct addrinfo*,
              struct addrinfo**);
  size_t i;

  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (node == NULL || strcmp(node, names[i].name) != 0)
      continue;
    atomic_fetch_add(&lookups, 1);
    if (names[i].waits)
      while (sem_wait(&may_answer) == -1)
        ;
    if (names[i].err == 0)
      *result = make_list(names[i].addresses, service);
    return names[i].err;
  }

  *(void**) &real = dlsym(RTLD_NEXT, "getaddrinfo");
  return real(node, service, hints, result);
}

FLUV_EXTERN
void freeaddrinfo(struct addrinfo* list) {
  void (*real)(struct addrinfo*);
  struct addrinfo* next;

  if (list != NULL && list->ai_flags != OUR_LIST) {
    *(void**) &real = dlsym(RTLD_NEXT, "freeaddrinfo");
    real(list);
    return;
  }
  for (; list != NULL; list = next) {
    next = list->ai_next;
    free(list->ai_addr);
    free(list);
  }
}

static void setup(void) {
  static uv_tcp_t first;

  ck_assert_int_eq(sem_init(&may_answer, 0, 0), 0);
  atomic_store(&lookups, 0);
  test_open_more = jobs_open_pool;
  test_setup_paused();
  /* libuv keeps a spare descriptor from a loop's first socket on. */
  ck_assert_int_eq(uv_tcp_init(test_uv, &first), 0);
  uv_close((uv_handle_t*) &first, NULL);
}

/* A detached look-up ends before the fixture counts what is left. */
static void teardown(void) {
  jobs_wait_free();
  uv_run(test_uv, UV_RUN_DEFAULT);
  test_teardown();
}

/* Waits until a look-up is under way on its thread. */
static void wait_for_lookup(int count) {
  while (atomic_load(&lookups) < count)
    io_turns(1);
}

static int64_t connect_to(const char* address) {
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_tcp_connect(address, NULL, &stream));

  ck_assert_int_eq(err == 0, stream != NULL);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  return err;
}

/* A port that is bound but does not listen: it refuses connections. */
static int refusing_port(char address[IO_ADDRESS], const char* host) {
  struct sockaddr_in in;
  socklen_t size = sizeof(in);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_ne(fd, -1);
  memset(&in, 0, sizeof(in));
  in.sin_family = AF_INET;
  ck_assert_int_eq(bind(fd, (struct sockaddr*) &in, sizeof(in)), 0);
  ck_assert_int_eq(getsockname(fd, (struct sockaddr*) &in, &size), 0);
  snprintf(address, IO_ADDRESS, "%s:%d", host, ntohs(in.sin_port));
  return fd;
}

/* A port whose backlog is full: a connect to it waits. */

enum {
  FILLERS = 4
};

typedef struct full_port {
  int listener;
  int fillers[FILLERS];
} full_port_t;

static void full_port_open(full_port_t* full,
                           char address[IO_ADDRESS],
                           const char* host) {
  struct sockaddr_in in;
  struct pollfd last;
  socklen_t size = sizeof(in);
  int i;

  full->listener = refusing_port(address, host);
  ck_assert_int_eq(listen(full->listener, 0), 0);
  ck_assert_int_eq(getsockname(full->listener, (struct sockaddr*) &in, &size),
                   0);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (i = 0; i < FILLERS; i++) {
    full->fillers[i] =
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ne(full->fillers[i], -1);
    if (connect(full->fillers[i], (struct sockaddr*) &in, sizeof(in)) != 0)
      ck_assert_int_eq(errno, EINPROGRESS);
  }

  last.fd = full->fillers[FILLERS - 1];
  last.events = POLLOUT;
  ck_assert_msg(poll(&last, 1, 0) == 0, "the backlog is not full");
}

static void full_port_close(full_port_t* full) {
  int i;

  for (i = 0; i < FILLERS; i++)
    close(full->fillers[i]);
  close(full->listener);
}

/* Successful connects. */

TEST_TASK(connect_to_numbers) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  ck_assert_err(connect_to(address), 0);
  ck_assert_int_eq(atomic_load(&lookups), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_to_ipv6_numbers) {
  fluv_listener_t* listener = NULL;
  char address[IO_ADDRESS];

  if (!io_has_ipv6())
    return 0;
  ck_assert_err(fluv_tcp_listen("[::1]:0", NULL, &listener), 0);
  io_address_on(address, "[::1]", listener);
  ck_assert_err(connect_to(address), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_to_localhost) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];

  io_address_on(address, "localhost", listener);
  ck_assert_err(connect_to(address), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_to_a_name) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];

  io_address_on(address, "one.test", listener);
  ck_assert_err(connect_to(address), 0);
  ck_assert_int_eq(atomic_load(&lookups), 1);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_goes_on_to_the_next_address) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  char peer[IO_ADDRESS];
  char want[IO_ADDRESS];

  io_address_on(address, "two.test", listener);
  io_address_on(want, "127.0.0.1", listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, NULL, &stream)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, peer, sizeof(peer)), 0);
  ck_assert_str_eq(peer, want);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);

  io_address_on(address, "four.test", listener);
  ck_assert_err(connect_to(address), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_stops_at_the_first_address_that_answers) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = NULL;
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];
  char peer[IO_ADDRESS];

  if (test_is_emulated("TCP_INFO is empty"))
    return 0;
  ck_assert_err(fluv_tcp_listen("0.0.0.0:0", &options, &listener), 0);
  io_address_on(address, "four.test", listener);
  ck_assert_err(fluv_await(fluv_tcp_connect(address, &options, &stream)), 0);
  ck_assert_err(fluv_stream_get_peer_address(stream, peer, sizeof(peer)), 0);
  ck_assert_int_eq(strncmp(peer, "127.0.0.4:", 10), 0);
  ck_assert_uint_eq(io_backlog_used(listener), 1);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connects_run_side_by_side) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* a = NULL;
  fluv_stream_t* b = NULL;
  fluv_future_t* first;
  fluv_future_t* second;
  char address[IO_ADDRESS];

  io_address_on(address, "slow.test", listener);
  first = fluv_tcp_connect(address, NULL, &a);
  fluv_start(first);
  io_address_on(address, "127.0.0.1", listener);
  second = fluv_tcp_connect(address, NULL, &b);
  fluv_start(second);

  ck_assert_err(fluv_await(second), 0);
  ck_assert(!fluv_future_is_done(first));
  sem_post(&may_answer);
  ck_assert_err(fluv_await(first), 0);
  ck_assert_err(fluv_await(fluv_close(a)), 0);
  ck_assert_err(fluv_await(fluv_close(b)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(address_text_is_copied) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char* address = malloc(IO_ADDRESS);

  ck_assert_ptr_nonnull(address);
  io_address_on(address, "one.test", listener);
  connected = fluv_tcp_connect(address, NULL, &stream);
  memset(address, 'x', IO_ADDRESS);
  free(address);
  ck_assert_err(fluv_await(connected), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

/* Failing connects. */

TEST_TASK(connect_is_refused) {
  char address[IO_ADDRESS];
  int fd = refusing_port(address, "127.0.0.1");

  ck_assert_err(connect_to(address), FLUV_ECONNREFUSED);
  close(fd);
  return 0;
}

TEST_TASK(connect_is_refused_by_every_address) {
  char address[IO_ADDRESS];
  int fd = refusing_port(address, "refused.test");

  ck_assert_err(connect_to(address), FLUV_ECONNREFUSED);
  close(fd);
  return 0;
}

TEST_TASK(connect_to_an_unknown_name_fails) {
  ck_assert_err(connect_to("none.test:80"), FLUV_EAI_NONAME);
  ck_assert_err(connect_to("again.test:80"), FLUV_EAI_AGAIN);
  ck_assert_err(connect_to("fail.test:80"), FLUV_EAI_FAIL);
  return 0;
}

TEST_TASK(connect_refuses_bad_addresses) {
  static const char* const bad[] = {
    "",          ":",           "127.0.0.1",       "127.0.0.1:",
    "[::1]",     "[::1:80",     "127.0.0.1:65536", "one.test",
    "one.test:", "one.test:-1", "one.test:http",   "127.0.0.1:80x",
    "::1:80",    "[::g]:80",    "one.test:80 ",    "127.0.0.1:999999999999",
  };
  size_t i;

  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    ck_assert_msg(connect_to(bad[i]) == FLUV_EINVAL,
                  "\"%s\" is no address",
                  bad[i]);
  ck_assert_err(connect_to(NULL), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", NULL, NULL)),
                FLUV_EINVAL);
  ck_assert_int_eq(atomic_load(&lookups), 0);
  return 0;
}

TEST_TASK(connect_refuses_a_name_that_is_too_long) {
  char* address = malloc(5001);
  int64_t err;

  ck_assert_ptr_nonnull(address);
  memset(address, 'a', 5000);
  memcpy(address + 4997, ":80", 4);
  err = connect_to(address);
  ck_assert(err == FLUV_EINVAL || err == FLUV_EAI_NONAME);
  free(address);
  return 0;
}

TEST_TASK(connect_refuses_bad_options) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_stream_t* stream = NULL;

  options.send_buffer = -1;
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", &options, &stream)),
                FLUV_EINVAL);
  options.send_buffer = 0;
  options.recv_buffer = -1;
  ck_assert_err(fluv_await(fluv_tcp_connect("127.0.0.1:80", &options, &stream)),
                FLUV_EINVAL);
  ck_assert_ptr_null(stream);
  return 0;
}

/* One deadline for all. */

static void expect_timeout(const char* address, uint64_t limit_ms) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;

  options.timeout_ms = limit_ms;
  connected = fluv_tcp_connect(address, &options, &stream);
  fluv_start(connected);
  io_turns(3);
  ck_assert_err(fluv_await(fluv_clock_advance(limit_ms - 1)), 0);
  ck_assert(!fluv_future_is_done(connected));
  ck_assert_err(fluv_await(fluv_clock_advance(1)), 0);
  ck_assert_err(fluv_await(connected), FLUV_ETIMEDOUT);
  ck_assert_ptr_null(stream);
}

TEST_TASK(connect_to_a_silent_peer_times_out) {
  full_port_t full;
  char address[IO_ADDRESS];

  full_port_open(&full, address, "127.0.0.1");
  expect_timeout(address, 60);
  full_port_close(&full);
  return 0;
}

TEST_TASK(one_deadline_holds_for_all_addresses) {
  full_port_t full;
  char address[IO_ADDRESS];

  full_port_open(&full, address, "four.test");
  expect_timeout(address, 60);
  full_port_close(&full);
  return 0;
}

TEST_TASK(deadline_holds_for_the_look_up_too) {
  expect_timeout("slow.test:80", 60);
  sem_post(&may_answer);
  return 0;
}

TEST_TASK(connect_in_time_leaves_no_deadline_behind) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  char address[IO_ADDRESS];

  io_address_on(address, "two.test", listener);
  options.timeout_ms = 60;
  ck_assert_err(fluv_await(fluv_tcp_connect(address, &options, &stream)), 0);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert_err(fluv_await(fluv_write_all(stream, "x", 1)), 1);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

/* Cancelling at each point. */

TEST_TASK(cold_connect_does_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  connected = fluv_tcp_connect(address, NULL, &stream);
  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  fluv_cancel(connected);
  ck_assert(fluv_future_is_done(connected));
  ck_assert_err(fluv_await(connected), FLUV_ECANCELED);

  fluv_drop(fluv_tcp_connect(address, NULL, &stream));
  fluv_drop(fluv_tcp_connect("one.test:80", NULL, &stream));
  io_turns(3);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  ck_assert_int_eq(atomic_load(&lookups), 0);
  ck_assert_ptr_null(stream);
  io_listener_close(listener);
  return 0;
}

/* The second look-up ends with an error that is discarded. */
TEST_TASK(connect_cancelled_while_looking_up_ends_at_once) {
  static const char* const addresses[] = { "slow.test:80",
                                           "slow-none.test:80" };
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  int i;

  for (i = 0; i < 2; i++) {
    connected = fluv_tcp_connect(addresses[i], NULL, &stream);
    fluv_start(connected);
    wait_for_lookup(i + 1);
    fluv_cancel(connected);
    ck_assert_err(fluv_await(connected), FLUV_ECANCELED);
  }
  /* Not earlier: any waiting look-up could take it. */
  sem_post(&may_answer);
  sem_post(&may_answer);
  ck_assert_ptr_null(stream);
  return 0;
}

TEST_TASK(connect_dropped_while_looking_up_touches_nothing) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t** out = malloc(sizeof(fluv_stream_t*));
  fluv_future_t* connected;
  char address[IO_ADDRESS];

  ck_assert_ptr_nonnull(out);
  io_address_on(address, "slow.test", listener);
  connected = fluv_tcp_connect(address, NULL, out);
  fluv_start(connected);
  wait_for_lookup(1);
  fluv_drop(connected);
  free(out);
  sem_post(&may_answer);
  io_turns(10);
  ck_assert_uint_eq(io_backlog_used(listener), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(connect_cancelled_while_connecting_ends_at_once) {
  full_port_t full;
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char address[IO_ADDRESS];
  int before;

  full_port_open(&full, address, "127.0.0.1");
  before = test_count_fds();
  connected = fluv_tcp_connect(address, NULL, &stream);
  fluv_start(connected);
  io_turns(3);
  ck_assert(!fluv_future_is_done(connected));
  fluv_cancel(connected);
  ck_assert_err(fluv_await(connected), FLUV_ECANCELED);

  fluv_drop(fluv_timeout(fluv_tcp_connect(address, NULL, &stream), 10));
  connected = fluv_tcp_connect(address, NULL, &stream);
  fluv_start(connected);
  io_turns(3);
  fluv_drop(connected);
  io_turns(3);
  ck_assert_int_eq(test_count_fds(), before);
  ck_assert_ptr_null(stream);
  full_port_close(&full);
  return 0;
}

/* A connect is cancelled after more and more turns: it ends either way, and
 * what it has opened is either given or closed. */
static void cancel_after(const char* address, int turns) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected = fluv_tcp_connect(address, NULL, &stream);
  int64_t err;

  fluv_start(connected);
  if (turns > 0)
    io_turns(turns);
  fluv_cancel(connected);
  err = fluv_await(connected);
  ck_assert(err == 0 || err == FLUV_ECANCELED || err == FLUV_ECONNREFUSED);
  ck_assert_int_eq(err == 0, stream != NULL);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
}

TEST_TASK(connect_cancelled_at_any_time_leaks_nothing) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];
  int before = test_count_fds();
  int turns;

  for (turns = 0; turns < 8; turns++) {
    io_address_on(address, "127.0.0.1", listener);
    cancel_after(address, turns);
    io_address_on(address, "two.test", listener);
    cancel_after(address, turns);
    io_address_on(address, "refused.test", listener);
    cancel_after(address, turns);
  }
  io_turns(5);
  ck_assert_int_eq(test_count_fds(), before);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(dropped_connect_tells_what_it_has_opened) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* connected;
  char address[IO_ADDRESS];

  io_address_on(address, "127.0.0.1", listener);
  connected = fluv_tcp_connect(address, NULL, &stream);
  fluv_start(connected);
  while (!fluv_future_is_done(connected))
    io_turns(1);
  fluv_drop(connected);
  ck_assert_ptr_nonnull(stream);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  io_listener_close(listener);
  return 0;
}

TEST_TASK(sleep_wins_against_a_connect) {
  full_port_t full;
  fluv_stream_t* stream = NULL;
  fluv_future_t* arms[2];
  fluv_future_t* selected;
  char address[IO_ADDRESS];
  int64_t result = -1;
  int before;

  full_port_open(&full, address, "127.0.0.1");
  before = test_count_fds();
  arms[0] = fluv_tcp_connect(address, NULL, &stream);
  arms[1] = fluv_sleep(20);
  selected = fluv_select(arms, 2, &result);
  fluv_start(selected);
  ck_assert_err(fluv_await(fluv_clock_advance(20)), 0);
  ck_assert_err(fluv_await(selected), 1);
  ck_assert_err(result, 0);
  io_turns(2);
  ck_assert_int_eq(test_count_fds(), before);
  ck_assert_ptr_null(stream);
  full_port_close(&full);
  return 0;
}

static int64_t look_up_slow(void* arg) {
  fluv_stream_t* stream = NULL;

  (void) arg;
  return fluv_await(fluv_tcp_connect("slow.test:80", NULL, &stream));
}

/* The loop is closed while the look-up is still on its thread. */
START_TEST(loop_can_be_closed_under_a_look_up) {
  fluv_future_t* task = fluv_spawn(look_up_slow, NULL);
  int err;

  while (atomic_load(&lookups) == 0)
    test_turn(1);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);

  err = fluv_loop_close();
  ck_assert(err == 0 || err == FLUV_EBUSY);
  sem_post(&may_answer);
  uv_run(test_uv, UV_RUN_DEFAULT);
  if (err == 0)
    ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

/* A name server that never answers. */

static int64_t leave_look_up(void* arg) {
  fluv_stream_t* stream = NULL;
  fluv_future_t* f = fluv_tcp_connect("slow.test:80", NULL, &stream);

  fluv_start(f);
  while (atomic_load(&lookups) == 0)
    fluv_yield();
  if (arg != NULL)
    fluv_detach(f); /* it is cancelled at the end */
  else
    fluv_drop(f);
  return 3;
}

static void run_and_leave_look_up(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  fluv__jobs_starvation = 20 * UINT64_C(1000000);
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_look_up, arg, &options), 3);
  exit(9);
}

START_TEST(look_up_that_hangs_holds_up_neither_a_loop_nor_the_process) {
  int status;
  char* text =
      test_stderr_of(run_and_leave_look_up, (void*) (intptr_t) _i, &status);

  ck_assert_msg(WIFEXITED(status), "%s", text);
  ck_assert_int_eq(WEXITSTATUS(status), 9);
  ck_assert_has(text, "\"look-up of slow.test\"");
  ck_assert_has(text, "test-connect.c:");
  ck_assert_has_not(text, "task \"");
  free(text);
}
END_TEST

static int64_t connect_and_close(void* arg) {
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_tcp_connect(arg, NULL, &stream));

  return err < 0 ? err : fluv_await(fluv_close(stream));
}

/* Neither the program's jobs nor look-ups that hang take all threads. */
START_TEST(names_are_found_while_the_pool_is_full) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream = NULL;
  fluv_future_t* more;
  fluv_future_t* slow;
  char address[IO_ADDRESS];

  io_address_on(address, "one.test", listener);
  jobs_take_all();
  more = fluv_spawn_blocking(jobs_give, (void*) 4);
  ck_assert_err(test_run(connect_and_close, address), 0);
  ck_assert(!fluv_future_is_done(more));
  jobs_let_go();
  ck_assert_err(fluv_block_on(more), 4);

  slow = fluv_tcp_connect("slow.test:80", NULL, &stream);
  fluv_start(slow);
  while (atomic_load(&lookups) < 2)
    test_turn(1);
  ck_assert_err(test_run(connect_and_close, address), 0);
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(jobs_give, (void*) 5)), 5);
  fluv_drop(slow);
  sem_post(&may_answer);
  ck_assert_err(fluv_block_on(fluv_listener_close(listener)), 0);
}
END_TEST

static Suite* connect_suite(void) {
  Suite* s = suite_create("connect");
  TCase* tc;

  tc = test_case(s, "basic", setup, teardown);
  ADD(tc,
      connect_to_numbers,
      connect_to_ipv6_numbers,
      connect_to_localhost,
      connect_to_a_name,
      connect_goes_on_to_the_next_address,
      connect_stops_at_the_first_address_that_answers,
      connects_run_side_by_side,
      address_text_is_copied);
  ADD(tc,
      connect_is_refused,
      connect_is_refused_by_every_address,
      connect_to_an_unknown_name_fails,
      connect_refuses_bad_addresses,
      connect_refuses_a_name_that_is_too_long,
      connect_refuses_bad_options);
  ADD(tc,
      connect_to_a_silent_peer_times_out,
      one_deadline_holds_for_all_addresses,
      deadline_holds_for_the_look_up_too,
      connect_in_time_leaves_no_deadline_behind);

  tc = test_case(s, "basic", setup, teardown);
  ADD(tc, names_are_found_while_the_pool_is_full);
  tc = test_case(s, "shutdown", NULL, NULL);
  tcase_add_loop_test(
      tc,
      look_up_that_hangs_holds_up_neither_a_loop_nor_the_process,
      0,
      2);

  tc = test_case(s, "cancel", setup, teardown);
  ADD(tc,
      cold_connect_does_nothing,
      connect_cancelled_while_looking_up_ends_at_once,
      connect_dropped_while_looking_up_touches_nothing,
      connect_cancelled_while_connecting_ends_at_once,
      connect_cancelled_at_any_time_leaks_nothing,
      dropped_connect_tells_what_it_has_opened,
      sleep_wins_against_a_connect);

  tc = test_case(s, "close", setup, teardown);
  ADD(tc, loop_can_be_closed_under_a_look_up);
  return s;
}

TEST_MAIN(connect_suite)
