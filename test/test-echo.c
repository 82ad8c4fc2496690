/* SPDX-License-Identifier: MIT */
/* An echo server under load, and with clients that know nothing of fluv. */
#include "fluv-test-io.h"

#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* The server: one task for each connection. */

typedef struct server {
  fluv_listener_t* listener;
  int open;
  int most;
  int served;
} server_t;

typedef struct connection {
  server_t* server;
  fluv_stream_t* peer;
} connection_t;

static int64_t serve_connection(void* arg) {
  connection_t* connection = arg;
  server_t* server = connection->server;
  char buf[4096];
  int64_t n;

  if (++server->open > server->most)
    server->most = server->open;
  while ((n = fluv_await(fluv_read(connection->peer, buf, sizeof(buf)))) > 0)
    if ((n = fluv_await(fluv_write_all(connection->peer, buf, (size_t) n))) < 0)
      break;
  fluv_await(fluv_close(connection->peer));
  server->open--;
  server->served++;
  free(connection);
  return n;
}

static int64_t serve(void* arg) {
  server_t* server = arg;
  fluv_stream_t* peer;
  connection_t* connection;
  int64_t err;

  while ((err = fluv_await(fluv_accept(server->listener, &peer))) >= 0) {
    connection = malloc(sizeof(*connection));
    ck_assert_ptr_nonnull(connection);
    connection->server = server;
    connection->peer = peer;
    fluv_detach(fluv_spawn(serve_connection, connection));
  }
  return err;
}

static fluv_future_t* server_start(server_t* server) {
  memset(server, 0, sizeof(*server));
  server->listener = io_listen();
  return fluv_spawn(serve, server);
}

/* Ends when the server and the last of its connections have. */
static void server_stop(server_t* server, fluv_future_t* task) {
  io_listener_close(server->listener);
  ck_assert_err(fluv_await(task), FLUV_ECANCELED);
  while (server->open > 0)
    io_turns(1);
}

/* Clients of our own. */

typedef struct client {
  const char* address;
  unsigned seed;
  int rounds;
  size_t size;
} client_t;

static int64_t talk(void* arg) {
  client_t* client = arg;
  char* said = io_pattern(client->size, client->seed);
  char* heard = malloc(client->size);
  fluv_stream_t* stream = NULL;
  char byte;
  int i;

  ck_assert_ptr_nonnull(heard);
  ck_assert_err(fluv_await(fluv_tcp_connect(client->address, NULL, &stream)),
                0);
  for (i = 0; i < client->rounds; i++) {
    ck_assert_err(fluv_await(fluv_write_all(stream, said, client->size)),
                  (int64_t) client->size);
    memset(heard, 0, client->size);
    ck_assert_err(fluv_await(fluv_read_exact(stream, heard, client->size)),
                  (int64_t) client->size);
    io_assert_pattern(heard, client->size, client->seed);
  }
  ck_assert_err(fluv_await(fluv_shutdown(stream)), 0);
  ck_assert_err(fluv_await(fluv_read(stream, &byte, 1)), 0);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  free(said);
  free(heard);
  return 0;
}

static void talk_with_many(unsigned count, int rounds, size_t size) {
  client_t* clients = calloc(count, sizeof(*clients));
  fluv_future_t** tasks = calloc(count, sizeof(fluv_future_t*));
  char address[IO_ADDRESS];
  server_t server;
  fluv_future_t* server_task = server_start(&server);
  unsigned i;

  ck_assert_ptr_nonnull(clients);
  ck_assert_ptr_nonnull(tasks);
  io_address_on(address, "127.0.0.1", server.listener);
  for (i = 0; i < count; i++) {
    clients[i].address = address;
    clients[i].seed = i;
    clients[i].rounds = rounds;
    clients[i].size = size + i;
    tasks[i] = fluv_spawn(talk, &clients[i]);
  }
  ck_assert_err(fluv_await(fluv_join_all(tasks, count, NULL)), 0);
  server_stop(&server, server_task);
  ck_assert_int_eq(server.served, (int) count);
  ck_assert_int_gt(server.most, (int) count / 2);
  free(clients);
  free(tasks);
}

static void allow_fds(rlim_t count) {
  struct rlimit limit;

  ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur >= count)
    return;
  limit.rlim_cur = count;
  ck_assert_msg(setrlimit(RLIMIT_NOFILE, &limit) == 0,
                "the test needs %lu descriptors",
                (unsigned long) count);
}

TEST_TASK(two_hundred_connections_echo_at_once) {
  allow_fds(600);
  talk_with_many(200, 20, 700);
  return 0;
}

TEST_TASK(connections_echo_more_than_a_buffer_holds) {
  talk_with_many(8, 3, 100000);
  return 0;
}

/* A client goes away in the middle; the others do not notice. */
TEST_TASK(client_that_resets_disturbs_nobody) {
  client_t client = { NULL, 3, 10, 5000 };
  char address[IO_ADDRESS];
  server_t server;
  fluv_future_t* server_task = server_start(&server);
  fluv_future_t* good;
  int fd;
  int i;

  fluv_set_unhandled(NULL, NULL);
  io_address_on(address, "127.0.0.1", server.listener);
  client.address = address;
  good = fluv_spawn(talk, &client);
  for (i = 0; i < 10; i++) {
    fd = io_connect(server.listener);
    io_send(fd, "x", 1);
    io_turns(i % 3 + 1);
    io_close_with_reset(fd);
  }
  ck_assert_err(fluv_await(good), 0);
  server_stop(&server, server_task);
  ck_assert_int_ge(server.served, 1);
  return 0;
}

/* The server is stopped while everybody is talking. */
TEST_TASK(cancelled_server_leaves_nothing_behind) {
  enum {
    CLIENTS = 20
  };
  server_t server;
  fluv_future_t* server_task = server_start(&server);
  int fds[CLIENTS];
  int i;

  for (i = 0; i < CLIENTS; i++) {
    fds[i] = io_connect(server.listener);
    io_send(fds[i], "x", 1);
  }
  while (server.open < CLIENTS)
    io_turns(1);
  fluv_cancel(server_task);
  ck_assert_err(fluv_await(server_task), FLUV_ECANCELED);
  io_listener_close(server.listener);
  for (i = 0; i < CLIENTS; i++)
    close(fds[i]);
  while (server.open > 0)
    io_turns(1);
  ck_assert_int_eq(server.served, CLIENTS);
  return 0;
}

/* Other programs as clients. A thread feeds them, for the loop must run. */

#define LINE "the quick brown fox\n"

typedef struct program {
  const char* const* argv;
  fluv_promise_t* answered;
  char heard[sizeof(LINE)];
  int status;
} program_t;

static pid_t start_program(const char* const* argv, int to, int from) {
  posix_spawn_file_actions_t actions;
  pid_t pid = -1;
  int err;

  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from, STDOUT_FILENO);
  err = posix_spawnp(&pid,
                     argv[0],
                     &actions,
                     NULL,
                     (char* const*) (uintptr_t) argv,
                     environ);
  posix_spawn_file_actions_destroy(&actions);
  return err == 0 ? pid : -1;
}

/* The program's input stays open until its answer is there: some clients end
 * at the end of their input without waiting for what is still to come, and
 * others never do, so the feeder ends them. */
static void* feed_program(void* arg) {
  program_t* program = arg;
  const size_t len = strlen(LINE);
  size_t have = 0;
  int to[2];
  int from[2];
  pid_t pid;
  ssize_t n;

  program->status = -1;
  if (pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0) {
    pid = start_program(program->argv, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    if (pid != -1 && write(to[1], LINE, len) == (ssize_t) len)
      while (have < len &&
             (n = read(from[0], program->heard + have, len - have)) > 0)
        have += (size_t) n;
    close(to[1]);
    close(from[0]);
    if (pid != -1) {
      kill(pid, SIGTERM);
      waitpid(pid, &program->status, 0);
    }
  }
  fluv_promise_resolve(program->answered, (int64_t) have);
  fluv_promise_free(program->answered);
  return NULL;
}

static bool is_installed(const char* name) {
  char command[64];

  snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
  return system(command) == 0;
}

static void echo_to_program(const char* const* argv, server_t* server) {
  program_t program = { argv, NULL, "", 0 };
  fluv_future_t* answered;
  pthread_t thread;

  ck_assert_err(fluv_promise_new(&program.answered, &answered), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, feed_program, &program), 0);
  ck_assert_err(fluv_await(answered), (int64_t) strlen(LINE));
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_str_eq(program.heard, LINE);
  ck_assert_int_ne(program.status, -1);
  while (server->served < 1)
    io_turns(1);
}

TEST_TASK(netcat_hears_its_echo) {
  const char* argv[] = { "nc", "127.0.0.1", NULL, NULL };
  char address[IO_ADDRESS];
  server_t server;
  fluv_future_t* task;

  if (!is_installed("nc"))
    return 0;
  task = server_start(&server);
  io_address_on(address, "", server.listener);
  argv[2] = address + 1;
  echo_to_program(argv, &server);
  server_stop(&server, task);
  return 0;
}

TEST_TASK(curl_hears_its_echo) {
  const char* argv[] = { "curl", "--silent", "--no-buffer", NULL, NULL };
  char address[IO_ADDRESS];
  server_t server;
  fluv_future_t* task;

  if (!is_installed("curl"))
    return 0;
  task = server_start(&server);
  io_address_on(address, "telnet://127.0.0.1", server.listener);
  argv[3] = address;
  echo_to_program(argv, &server);
  server_stop(&server, task);
  return 0;
}

static Suite* echo_suite(void) {
  Suite* s = suite_create("echo");
  TCase* tc;

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      two_hundred_connections_echo_at_once,
      connections_echo_more_than_a_buffer_holds,
      client_that_resets_disturbs_nobody,
      netcat_hears_its_echo,
      curl_hears_its_echo);

  tc = test_case(s, "cancel", test_setup, test_teardown);
  ADD(tc, cancelled_server_leaves_nothing_behind);
  return s;
}

TEST_MAIN(echo_suite)
