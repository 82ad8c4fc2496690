/* SPDX-License-Identifier: MIT */
/* What tasks may wait for when their runtime, or fluv_run(), ends: whatever it
 * is, they are told, clean up, and are waited for. */
#include "fluv-test-io.h"
#include "fluv-test-jobs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  HOUR = 3600000,
  /* Times that a loop has come round before a task is taken to wait. */
  HOPS = 4,
  FDS = 6
};

typedef struct wait {
  const char* name;
  int64_t (*fn)(void);
  int waiters; /* tasks and jobs that wait then */
} wait_t;

static atomic_int waiting;
static atomic_int begun;
static atomic_int ended;
static atomic_int cleaned;
static _Atomic int64_t told;
static atomic_bool let_go;

static fluv_sender_t* tx;
static fluv_receiver_t* rx;
static fluv_sender_t* full_tx;
static fluv_receiver_t* full_rx;
static fluv_oneshot_tx_t* once_tx;
static fluv_oneshot_rx_t* once_rx;
static fluv_broadcast_tx_t* all_tx;
static fluv_broadcast_rx_t* all_rx;
static fluv_watch_tx_t* watch_tx;
static fluv_watch_rx_t* watch_rx;
static fluv_mutex_t* mutex;
static fluv_condvar_t* cv;
static fluv_rwlock_t* lock;
static fluv_semaphore_t* permits;
static fluv_notify_t* notify;
static fluv_barrier_t* barrier;
static fluv_once_t* once;
static fluv_token_t* token;
static fluv_tracker_t* tracker;
static fluv_runtime_t* elsewhere; /* is not shut down */
static fluv_server_t* server;
static uv_work_t running_work;
static uv_work_t queued_work;
static char bytes[1 << 20];
static int item;
static int fds[FDS];

static void begin_pipes(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &tx, &rx), 0);
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &full_tx, &full_rx), 0);
  ck_assert_err(fluv_try_send(full_tx, &item), 0);
  ck_assert_err(fluv_oneshot_new(sizeof(item), NULL, &once_tx, &once_rx), 0);
  ck_assert_err(fluv_broadcast_new(2, sizeof(item), &all_tx, &all_rx), 0);
  ck_assert_err(fluv_watch_new(sizeof(item), &item, &watch_tx, &watch_rx), 0);
}

static void begin_locks(void) {
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_condvar_new(&cv), 0);
  ck_assert_err(fluv_rwlock_new(&lock), 0);
  ck_assert_err(fluv_semaphore_new(1, &permits), 0);
  ck_assert_err(fluv_notify_new(&notify), 0);
  ck_assert_err(fluv_barrier_new(2, &barrier), 0);
  ck_assert_err(fluv_once_new(&once), 0);
  ck_assert_err(fluv_token_new(&token), 0);
  ck_assert_err(fluv_tracker_new(&tracker), 0);
  fluv_tracker_enter(tracker);
  ck_assert(fluv_tracker_close(tracker));
}

static void begin(void) {
  int i;

  for (i = 0; i < FDS; i++)
    fds[i] = -1;
  begin_pipes();
  begin_locks();
  ck_assert_err(fluv_runtime_new(NULL, &elsewhere), 0);
}

/* Nothing was taken, and nothing is held. */
static void finish_pipes(void) {
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  ck_assert_uint_eq(fluv_receiver_get_length(full_rx), 1);
  ck_assert_err(fluv_try_recv(full_rx, &item), 0);
  ck_assert_uint_eq(fluv_sender_get_room(full_tx), 1);
  ck_assert_err(fluv_oneshot_send(once_tx, &item), 0);
  ck_assert_err(fluv_oneshot_try_recv(once_rx, &item), 0);
  ck_assert_err(fluv_broadcast_send(all_tx, &item), 1);
  ck_assert_err(fluv_broadcast_try_recv(all_rx, &item), 0);
  ck_assert_err(fluv_watch_send(watch_tx, &item), 0);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  fluv_sender_free(full_tx);
  fluv_receiver_free(full_rx);
  fluv_oneshot_rx_free(once_rx);
  fluv_broadcast_tx_free(all_tx);
  fluv_broadcast_rx_free(all_rx);
  fluv_watch_tx_free(watch_tx);
  fluv_watch_rx_free(watch_rx);
}

static void finish_locks(void) {
  ck_assert(!fluv_mutex_is_locked(mutex));
  ck_assert_err(fluv_rwlock_try_write(lock), 0);
  ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  ck_assert_uint_eq(fluv_semaphore_get_permits(permits), 1);
  ck_assert_err(fluv_once_set(once, 1), 0);
  ck_assert(!fluv_token_is_cancelled(token));
  ck_assert_uint_eq(fluv_tracker_get_count(tracker), 1);
  ck_assert_err(fluv_tracker_leave(tracker), 0);
  fluv_mutex_free(mutex);
  fluv_condvar_free(cv);
  fluv_rwlock_free(lock);
  fluv_semaphore_free(permits);
  fluv_notify_free(notify);
  fluv_barrier_free(barrier);
  fluv_once_free(once);
  fluv_token_free(token);
  fluv_tracker_free(tracker);
}

static void finish(void) {
  int i;

  fluv_runtime_free(elsewhere);
  finish_pipes();
  finish_locks();
  /* The peers see that what was connected to them is closed. */
  for (i = 0; i < FDS; i++) {
    if (fds[i] == -1)
      continue;
    io_recv_eof(fds[i]);
    close(fds[i]);
  }
}

/* Telling that a task waits. */

static void hop(void* arg) {
  intptr_t left = (intptr_t) arg;

  if (left == 0)
    atomic_fetch_add(&waiting, 1);
  else
    ck_assert_err(fluv_post(fluv_loop_current(), hop, (void*) (left - 1)), 0);
}

static void announce(void) {
  hop((void*) HOPS);
}

static int64_t wait_for(fluv_future_t* f) {
  announce();
  return fluv_await(f);
}

static void count_end(void* arg) {
  (void) arg;
  atomic_fetch_add(&ended, 1);
}

static void begin_task(void) {
  atomic_fetch_add(&begun, 1);
  ck_assert_err(fluv_defer(count_end, NULL), 0);
}

/* A task that others wait for, on whatever loop. */
static int64_t child(void* arg) {
  int64_t err;

  (void) arg;
  begin_task();
  err = wait_for(fluv_never());
  ck_assert_err(err, FLUV_ECANCELED);
  return err;
}

/* Holds the locks meanwhile. */
static int64_t hold(void* arg) {
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), 0);
  ck_assert_err(child(arg), FLUV_ECANCELED);
  ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return 0;
}

static void start_holder(void) {
  fluv_detach(fluv_spawn(hold, NULL));
  while (!fluv_mutex_is_locked(mutex))
    ck_assert_err(fluv_yield(), 0);
}

static bool is_one(const void* value, void* arg) {
  (void) arg;
  return *(const int*) value == 1;
}

static fluv_future_t* go_on(int64_t result, void* arg) {
  (void) arg;
  ck_assert_err(result, FLUV_ECANCELED);
  atomic_fetch_add(&ended, 1);
  return NULL;
}

static fluv_loop_t* other_loop(void) {
  fluv_runtime_t* rt = fluv_runtime_current();
  fluv_loop_t* loop = fluv_runtime_get_loop(rt, 0);

  return loop != fluv_loop_current() ? loop : fluv_runtime_get_loop(rt, 1);
}

/* Jobs. The pool has a single thread. */

static int64_t poll_cancelled(void* arg) {
  (void) arg;
  atomic_fetch_add(&begun, 1);
  atomic_fetch_add(&waiting, 1);
  while (!fluv_blocking_is_cancelled())
    sched_yield();
  atomic_fetch_add(&ended, 1);
  return 0;
}

static int64_t never_runs(void* arg) {
  (void) arg;
  ck_abort_msg("a job that was queued has run");
  return 0;
}

static int64_t wait_for_child(void* arg) {
  fluv_remote_t* remote;

  ck_assert_err(fluv_spawn_remote(arg, child, NULL, &remote), 0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), FLUV_ECANCELED);
  return 0;
}

static void work_until_let_go(uv_work_t* work) {
  (void) work;
  atomic_fetch_add(&waiting, 1);
  while (!atomic_load(&let_go))
    sched_yield();
}

static void work_never(uv_work_t* work) {
  (void) work;
  ck_abort_msg("a request that was queued has run");
}

/* Waits for one future. */
#define WAITS_FOR(name, future)                                                \
 static int64_t wait_##name(void) {                                            \
  return wait_for(future);                                                     \
 }

WAITS_FOR(sleep, fluv_sleep(HOUR))
WAITS_FOR(sleep_forever, fluv_sleep(FLUV_FOREVER))
WAITS_FOR(never, fluv_never())
WAITS_FOR(then, fluv_finally(fluv_never(), go_on, NULL, NULL))
WAITS_FOR(timeout, fluv_timeout(fluv_never(), HOUR))
WAITS_FOR(recv, fluv_recv(rx, &item))
WAITS_FOR(recv_many, fluv_recv_many(rx, &item, 1))
WAITS_FOR(send, fluv_send(full_tx, &item))
WAITS_FOR(sender_closed, fluv_sender_closed(tx))
WAITS_FOR(oneshot_recv, fluv_oneshot_recv(once_rx, &item))
WAITS_FOR(oneshot_closed, fluv_oneshot_closed(once_tx))
WAITS_FOR(broadcast_recv, fluv_broadcast_recv(all_rx, &item))
WAITS_FOR(broadcast_closed, fluv_broadcast_closed(all_tx))
WAITS_FOR(watch_changed, fluv_watch_changed(watch_rx))
WAITS_FOR(watch_value, fluv_watch_wait_for(watch_rx, is_one, NULL, &item))
WAITS_FOR(watch_closed, fluv_watch_closed(watch_tx))
WAITS_FOR(semaphore, fluv_semaphore_acquire(permits, 2))
WAITS_FOR(notify, fluv_notified(notify))
WAITS_FOR(barrier, fluv_barrier_wait(barrier))
WAITS_FOR(once, fluv_once_wait(once))
WAITS_FOR(once_made, fluv_once_get(once, child, NULL))
WAITS_FOR(token, fluv_token_cancelled(token))
WAITS_FOR(until_cancelled, fluv_run_until_cancelled(token, fluv_never()))
WAITS_FOR(tracker, fluv_tracker_wait(tracker))
WAITS_FOR(tracked, fluv_tracker_spawn(tracker, child, NULL))
WAITS_FOR(task, fluv_spawn(child, NULL))
WAITS_FOR(task_of_any, fluv_spawn_any(child, NULL))
WAITS_FOR(task_of_other_loop, fluv_spawn_on(other_loop(), child, NULL))
WAITS_FOR(task_elsewhere, fluv_runtime_spawn(elsewhere, child, NULL))
WAITS_FOR(shutdown_signal, fluv_shutdown_signal())
WAITS_FOR(job, fluv_spawn_blocking(poll_cancelled, NULL))
WAITS_FOR(job_that_waits,
          fluv_spawn_blocking(wait_for_child, fluv_loop_current()))

static int64_t wait_promise(void) {
  fluv_promise_t* promise;
  fluv_future_t* f;
  int64_t err;

  ck_assert_err(fluv_promise_new(&promise, &f), 0);
  err = wait_for(f);
  fluv_promise_free(promise);
  return err;
}

static int64_t wait_reserve(void) {
  fluv_permit_t permit = { NULL, 0 };
  int64_t err = wait_for(fluv_reserve(full_tx, 1, &permit));

  ck_assert_uint_eq(permit.count, 0);
  return err;
}

static int64_t wait_mutex(void) {
  start_holder();
  return wait_for(fluv_mutex_lock(mutex));
}

static int64_t wait_read_lock(void) {
  start_holder();
  return wait_for(fluv_rwlock_read(lock));
}

static int64_t wait_write_lock(void) {
  start_holder();
  return wait_for(fluv_rwlock_write(lock));
}

static int64_t wait_condvar(void) {
  int64_t err;

  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  err = wait_for(fluv_condvar_wait(cv, mutex));
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return err;
}

static int64_t wait_select(void) {
  fluv_future_t* arms[] = {
    fluv_recv(rx, &item),
    fluv_spawn(child, NULL),
    fluv_sleep(HOUR),
  };

  return wait_for(fluv_select(arms, 3, NULL));
}

static int64_t wait_join_all(void) {
  fluv_future_t* all[] = { fluv_spawn(child, NULL),
                           fluv_spawn_any(child, NULL) };

  return wait_for(fluv_join_all(all, 2, NULL));
}

static int64_t wait_deadline(void) {
  int64_t err;

  ck_assert_err(fluv_deadline_begin(HOUR), 0);
  err = wait_for(fluv_never());
  ck_assert(!fluv_deadline_end());
  return err;
}

static int64_t wait_scope(void) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, child, NULL), 0);
  announce();
  return fluv_scope_end(scope);
}

static int64_t wait_joinset(void) {
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t err;

  ck_assert_err(fluv_joinset_spawn(set, child, NULL), 0);
  err = wait_for(fluv_joinset_next(set, NULL, NULL));
  ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
  return err;
}

static int64_t wait_interval(void) {
  fluv_interval_t* interval = fluv_interval_new(HOUR, FLUV_INTERVAL_BURST);
  int64_t err;

  ck_assert_int_gt(fluv_await(fluv_interval_tick(interval)), 0);
  err = wait_for(fluv_interval_tick(interval));
  fluv_interval_free(interval);
  return err;
}

static int64_t wait_job_queued(void) {
  fluv_future_t* first = fluv_spawn_blocking(poll_cancelled, NULL);
  int64_t err = wait_for(fluv_spawn_blocking(never_runs, NULL));

  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  return err;
}

/* One request that has begun and must be waited for, and one that has not. */
static int64_t wait_request(void) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());
  fluv_future_t* running = FLUV_UV(
      &running_work,
      uv_queue_work(uv, &running_work, work_until_let_go, fluv_uv_on_work));
  int64_t err = wait_for(
      FLUV_UV(&queued_work,
              uv_queue_work(uv, &queued_work, work_never, fluv_uv_on_work)));

  atomic_store(&let_go, true);
  ck_assert_err(fluv_await(running), 0);
  return err;
}

/* Sockets. */

static int64_t wait_read(void) {
  io_wire_t wire;
  int64_t err;

  io_wire_open(&wire);
  err = wait_for(fluv_read(wire.stream, bytes, sizeof(bytes)));
  io_wire_close(&wire);
  return err;
}

/* The stream is left to the loop. */
static int64_t wait_read_unclosed(void) {
  io_wire_t wire;

  io_wire_open(&wire);
  fds[0] = wire.fd;
  return wait_for(fluv_read(wire.stream, bytes, sizeof(bytes)));
}

static int64_t wait_write(void) {
  io_wire_t wire;
  int64_t err;

  io_wire_open_narrow(&wire);
  err = wait_for(fluv_write_all(wire.stream, bytes, sizeof(bytes)));
  io_wire_close(&wire);
  return err;
}

static int64_t wait_accept(void) {
  fluv_listener_t* listener = io_listen();
  fluv_stream_t* stream;
  int64_t err = wait_for(fluv_accept(listener, &stream));

  io_listener_close(listener);
  return err;
}

/* To a port whose backlog is full. */
static int64_t wait_connect(void) {
  struct sockaddr_in in = { .sin_family = AF_INET };
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t size = sizeof(in);
  fluv_stream_t* stream;
  char address[IO_ADDRESS];
  int fillers[4];
  int64_t err;
  int i;

  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ck_assert_int_eq(bind(listener, (struct sockaddr*) &in, size), 0);
  ck_assert_int_eq(listen(listener, 0), 0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr*) &in, &size), 0);
  for (i = 0; i < 4; i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void) connect(fillers[i], (struct sockaddr*) &in, size);
  }
  snprintf(address, sizeof(address), "127.0.0.1:%d", ntohs(in.sin_port));
  err = wait_for(fluv_tcp_connect(address, NULL, &stream));
  for (i = 0; i < 4; i++)
    close(fillers[i]);
  close(listener);
  return err;
}

static int64_t converse(fluv_stream_t* peer, void* arg) {
  char byte;

  (void) arg;
  begin_task();
  return wait_for(fluv_read(peer, &byte, 1));
}

/* On this loop, or on all of the runtime's; with `n` connections. */
static void serve(fluv_runtime_t* rt, int n) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  char address[IO_ADDRESS];
  int i;

  options.runtime = rt;
  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", converse, NULL, &options, &server),
      0);
  ck_assert_err(fluv_server_get_address(server, address, sizeof(address)), 0);
  for (i = 0; i < n; i++)
    fds[i] = io_connect_to(address, 0);
  while (fluv_server_count_connections(server, -1) < (size_t) n)
    ck_assert_err(fluv_yield(), 0);
}

static int64_t wait_server_close(void) {
  serve(NULL, 2);
  return wait_for(fluv_server_close(server, FLUV_FOREVER));
}

/* What a server's main task does. */
static int64_t serve_until_told(fluv_runtime_t* rt) {
  int64_t err;

  serve(rt, FDS);
  err = wait_for(fluv_shutdown_signal());
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_int_ge(fluv_await(fluv_server_close(server, 0)), 0);
  fluv_shield_end();
  return err;
}

static int64_t wait_server_of_loop(void) {
  return serve_until_told(NULL);
}

static int64_t wait_server_of_runtime(void) {
  return serve_until_told(fluv_runtime_current());
}

#define WAIT(name, waiters)                                                    \
 { #name, wait_##name, waiters }

static const wait_t waits[] = {
  WAIT(sleep, 1),
  WAIT(sleep_forever, 1),
  WAIT(never, 1),
  WAIT(then, 1),
  WAIT(timeout, 1),
  WAIT(deadline, 1),
  WAIT(interval, 1),
  WAIT(promise, 1),
  WAIT(recv, 1),
  WAIT(recv_many, 1),
  WAIT(send, 1),
  WAIT(reserve, 1),
  WAIT(sender_closed, 1),
  WAIT(oneshot_recv, 1),
  WAIT(oneshot_closed, 1),
  WAIT(broadcast_recv, 1),
  WAIT(broadcast_closed, 1),
  WAIT(watch_changed, 1),
  WAIT(watch_value, 1),
  WAIT(watch_closed, 1),
  WAIT(mutex, 2),
  WAIT(read_lock, 2),
  WAIT(write_lock, 2),
  WAIT(condvar, 1),
  WAIT(semaphore, 1),
  WAIT(notify, 1),
  WAIT(barrier, 1),
  WAIT(once, 1),
  WAIT(once_made, 2),
  WAIT(token, 1),
  WAIT(until_cancelled, 1),
  WAIT(tracker, 1),
  WAIT(tracked, 2),
  WAIT(task, 2),
  WAIT(task_of_any, 2),
  WAIT(task_of_other_loop, 2),
  WAIT(task_elsewhere, 2),
  WAIT(select, 2),
  WAIT(join_all, 3),
  WAIT(scope, 2),
  WAIT(joinset, 2),
  WAIT(job, 2),
  WAIT(job_queued, 2),
  WAIT(job_that_waits, 2),
  WAIT(request, 2),
  WAIT(shutdown_signal, 1),
  WAIT(read, 1),
  WAIT(read_unclosed, 1),
  WAIT(write, 1),
  WAIT(accept, 1),
  WAIT(connect, 1),
  WAIT(server_close, 3),
  WAIT(server_of_loop, FDS + 1),
  WAIT(server_of_runtime, FDS + 1),
};

enum {
  WAITS = sizeof(waits) / sizeof(waits[0])
};

static int64_t wait_and_clean_up(void* arg) {
  const wait_t* w = arg;

  begin_task();
  atomic_store(&told, w->fn());
  /* One more await is refused; behind a shield it is not. */
  ck_assert_err(fluv_await(fluv_sleep(HOUR)), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  fluv_shield_end();
  atomic_fetch_add(&cleaned, 1);
  return atomic_load(&told);
}

static void check(const wait_t* w) {
  ck_assert_msg(atomic_load(&told) == FLUV_ECANCELED,
                "%s: %s",
                w->name,
                fluv_err_name(atomic_load(&told)));
  ck_assert_msg(atomic_load(&cleaned) == 1, "%s: not cleaned up", w->name);
  ck_assert_msg(atomic_load(&waiting) == w->waiters,
                "%s: %d wait",
                w->name,
                atomic_load(&waiting));
  ck_assert_msg(
      atomic_load(&begun) + (w->fn == wait_then ? 1 : 0) == atomic_load(&ended),
      "%s: %d of %d have ended",
      w->name,
      atomic_load(&ended),
      atomic_load(&begun));
}

/* Longer than a test may take: who is waited for in vain is seen. */
static fluv_loop_options_t patient(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.shutdown_ms = HOUR;
  return options;
}

static void shut_runtime(void* arg) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_loop_options_t loop_options = patient();
  const wait_t* w = arg;
  fluv_remote_t* remote;
  fluv_runtime_t* rt;

  options.workers = 2;
  options.loop = &loop_options;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, wait_and_clean_up, arg, &remote),
                0);
  while (atomic_load(&waiting) < w->waiters)
    sched_yield();
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  check(w);
  ck_assert_err(fluv_wait(remote, 0), FLUV_ECANCELED);
  fluv_runtime_free(rt);
}

START_TEST(a_runtime_ends_what_waits) {
  begin();
  test_on_thread(shut_runtime, (void*) (uintptr_t) &waits[_i]);
  finish();
}
END_TEST

static int64_t leave_behind(void* arg) {
  const wait_t* w = arg;

  fluv_detach(fluv_spawn(wait_and_clean_up, arg));
  while (atomic_load(&waiting) < w->waiters)
    ck_assert_err(fluv_yield(), 0);
  return 3;
}

static void end_run(void* arg) {
  fluv_loop_options_t options = patient();

  ck_assert_err(fluv_run(leave_behind, arg, &options), 3);
  check(arg);
}

START_TEST(fluv_run_ends_what_waits) {
  begin();
  test_on_thread(end_run, (void*) (uintptr_t) &waits[_i]);
  finish();
}
END_TEST

static void setup(void) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  setenv("FLUV_WORKERS", "2", 1);
  jobs_setup();
}

static Suite* shutdown_suite(void) {
  Suite* s = suite_create("shutdown");
  TCase* tc = test_case(s, "runtime", setup, jobs_teardown);

  tcase_add_loop_test(tc, a_runtime_ends_what_waits, 0, WAITS);
  tc = test_case(s, "run", setup, jobs_teardown);
  tcase_add_loop_test(tc, fluv_run_ends_what_waits, 0, WAITS);
  return s;
}

TEST_MAIN(shutdown_suite)
