/* SPDX-License-Identifier: MIT */
/* Every macro of <fluv.h> used once: must compile, without a warning, as
 * strict C99, C11 and C++17. Never run. */
#include <fluv.h>

int64_t headers_use(void* arg);

static fluv_future_t* go_on(int64_t result, void* arg) {
  (void) arg;
  return fluv_ready(result);
}

static int64_t use_futures(void) {
  fluv_future_t* f = fluv_then(fluv_ready(1), go_on, NULL, NULL);
  fluv_promise_t* promise = NULL;

  f = fluv_catch(f, go_on, NULL, NULL);
  f = fluv_finally(f, go_on, NULL, NULL);
  fluv_drop(fluv_failed(FLUV_EOF));
  fluv_detach(fluv_never());
  if (fluv_promise_new(&promise, &f) < 0)
    return FLUV_ENOMEM;
  fluv_promise_free(promise);
  return fluv_await(f) + fluv_block_on(fluv_ready(0));
}

static int64_t use_combinators(void) {
  int64_t results[2] = { 0, 0 };
  fluv_future_t* arms[2] = { fluv_sleep(1), fluv_sleep_until(FLUV_FOREVER) };
  fluv_future_t* all[7] = {
    fluv_join_all(arms, 2, results),
    fluv_try_join_all(arms, 2, results),
    fluv_select(arms, 2, results),
    fluv_select_biased(arms, 2, results),
    fluv_select_ok(arms, 2, results),
    fluv_select_with(arms, 2, FLUV_SELECT_OK | FLUV_SELECT_BIASED, results),
    fluv_timeout(fluv_timeout_at(arms[0], fluv_now()), 5),
  };

  return fluv_await(all[0]);
}

static int64_t use_tasks(void) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_loop_options_t loop_options = FLUV_LOOP_OPTIONS_INIT;
  fluv_scope_t* scope = NULL;
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t err = fluv_scope_begin(&scope);

  if (err < 0)
    return err;
  fluv_scope_add(scope, fluv_clock_advance(1));
  fluv_scope_spawn(scope, headers_use, NULL);
  fluv_joinset_add(set, fluv_spawn(headers_use, NULL), NULL);
  fluv_joinset_spawn(set, headers_use, NULL);
  fluv_drop(fluv_joinset_next(set, NULL, NULL));
  fluv_drop(fluv_joinset_close(set));
  fluv_detach(fluv_spawn_with(headers_use, NULL, &options));
  fluv_yield();
  return fluv_scope_end(scope) + fluv_attach(NULL) +
         fluv_run(headers_use, NULL, &loop_options);
}

static void on_stuck(const fluv_stuck_t* stuck, void* arg) {
  (void) stuck;
  (void) arg;
}

static int64_t use_blocking(void) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;
  fluv_blocking_stats_t stats = FLUV_BLOCKING_STATS_INIT;

  fluv_watchdog_set_hook(on_stuck, NULL);
  fluv_drop(fluv_spawn_blocking(headers_use, NULL));
  fluv_drop(fluv_spawn_blocking_with(headers_use, NULL, &options));
  return fluv_blocking_get_stats(&stats);
}

static int64_t use_streams(fluv_stream_t* stream, fluv_listener_t* listener) {
  fluv_tcp_options_t options = FLUV_TCP_OPTIONS_INIT;
  fluv_interval_t* interval = fluv_interval_new(1, FLUV_INTERVAL_SKIP);
  fluv_buf_t piece = { "x", 1 };
  char byte;

  fluv_drop(fluv_interval_tick(interval));
  fluv_drop(fluv_tcp_connect("localhost:1", &options, &stream));
  fluv_drop(fluv_accept(listener, &stream));
  fluv_drop(fluv_listener_close(listener));
  fluv_drop(fluv_read(stream, &byte, 1));
  fluv_drop(fluv_read_exact(stream, &byte, 1));
  fluv_drop(fluv_write_all(stream, &byte, 1));
  fluv_drop(fluv_writev_all(stream, &piece, 1));
  fluv_drop(fluv_shutdown(stream));
  fluv_drop(fluv_reset(stream));
  return fluv_await(fluv_close(stream));
}

static int64_t serve(fluv_stream_t* peer, void* arg) {
  return fluv_await(fluv_write_all(peer, arg, 1));
}

static int64_t use_threads(fluv_loop_t* loop) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_server_options_t server_options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* server = NULL;
  fluv_remote_t* remote = NULL;

  fluv_drop(fluv_spawn_on(loop, headers_use, NULL));
  fluv_drop(fluv_spawn_any(headers_use, NULL));
  fluv_drop(fluv_runtime_spawn(NULL, headers_use, NULL));
  fluv_drop(fluv_shutdown_signal());
  fluv_drop(fluv_server_close(server, 0));
  return fluv_runtime_new(&options, &server_options.runtime) +
         fluv_runtime_spawn_remote(NULL, headers_use, NULL, &remote) +
         fluv_spawn_remote(loop, headers_use, NULL, &remote) +
         fluv_tcp_serve("*:1", serve, NULL, &server_options, &server);
}

int64_t headers_use(void* arg) {
  (void) arg;
  return use_futures() + use_combinators() + use_tasks() + use_blocking() +
         use_streams(NULL, NULL) + use_threads(NULL);
}
