/* SPDX-License-Identifier: MIT */
/* NULL for every handle of every public function. test/check-symbols.sh checks
 * that each exported function has a row.
 *
 * FUTURE   returns a future that has failed with FLUV_EINVAL
 * ERROR    returns FLUV_EINVAL
 * NOTHING  does nothing
 * ABORTS   aborts, and says its name
 * NONE     takes no handle, NULL has a meaning of its own, or it aborts
 *          anyway outside a task
 */
#include "fluv-test.h"

#include <stdio.h>

/* What aborts has no result. */
#pragma GCC diagnostic ignored "-Wunused-result"

/* clang-format off */
#define TABLE(FUTURE, ERROR, NOTHING, ABORTS, NONE) \
  FUTURE(fluv_accept_loc, (NULL, NULL, NULL)) \
  NONE(fluv_attach_with) \
  NONE(fluv_await_loc) \
  NOTHING(fluv_barrier_free, (NULL)) \
  ERROR(fluv_barrier_new, (1, NULL)) \
  ERROR(fluv_barrier_wait_blocking, (NULL, 0)) \
  FUTURE(fluv_barrier_wait_loc, (NULL, NULL)) \
  ABORTS(fluv_block_on_loc, (NULL, NULL)) \
  ERROR(fluv_blocking_get_stats, (NULL)) \
  NONE(fluv_blocking_is_cancelled) \
  NONE(fluv_blocking_set_limit) \
  FUTURE(fluv_broadcast_closed_loc, (NULL, NULL)) \
  ABORTS(fluv_broadcast_downgrade, (NULL)) \
  ABORTS(fluv_broadcast_get_lag, (NULL)) \
  ABORTS(fluv_broadcast_get_length, (NULL)) \
  ERROR(fluv_broadcast_new, (1, 1, NULL, NULL)) \
  ERROR(fluv_broadcast_recv_blocking, (NULL, NULL, 0)) \
  FUTURE(fluv_broadcast_recv_loc, (NULL, NULL, NULL)) \
  ERROR(fluv_broadcast_resubscribe, (NULL, NULL)) \
  NOTHING(fluv_broadcast_rx_free, (NULL)) \
  ERROR(fluv_broadcast_send, (NULL, NULL)) \
  ERROR(fluv_broadcast_subscribe, (NULL, NULL)) \
  ERROR(fluv_broadcast_try_recv, (NULL, NULL)) \
  ABORTS(fluv_broadcast_tx_clone, (NULL)) \
  NOTHING(fluv_broadcast_tx_free, (NULL)) \
  ABORTS(fluv_broadcast_upgrade, (NULL)) \
  NOTHING(fluv_broadcast_weak_free, (NULL)) \
  ABORTS(fluv_cancel, (NULL)) \
  ABORTS(fluv_catch_loc, (NULL, NULL, NULL, NULL, NULL)) \
  ERROR(fluv_channel_new, (1, 1, NULL, NULL, NULL)) \
  NONE(fluv_clock_advance_loc) \
  NONE(fluv_clock_pause) \
  NONE(fluv_clock_resume) \
  NONE(fluv_close_linger_loc) \
  NONE(fluv_close_loc) \
  NOTHING(fluv_condvar_free, (NULL)) \
  ERROR(fluv_condvar_new, (NULL)) \
  ABORTS(fluv_condvar_notify_all, (NULL)) \
  ABORTS(fluv_condvar_notify_one, (NULL)) \
  FUTURE(fluv_condvar_wait_loc, (NULL, NULL, NULL)) \
  NONE(fluv_deadline_begin) \
  NONE(fluv_deadline_end) \
  NONE(fluv_defer) \
  ABORTS(fluv_detach_loc, (NULL, NULL)) \
  NOTHING(fluv_drop_loc, (NULL, NULL)) \
  NONE(fluv_err_name) \
  ABORTS(fluv_finally_loc, (NULL, NULL, NULL, NULL, NULL)) \
  ABORTS(fluv_future_describe, (NULL, NULL, 0)) \
  ABORTS(fluv_future_get_id, (NULL)) \
  ABORTS(fluv_future_get_result, (NULL)) \
  ABORTS(fluv_future_is_done, (NULL)) \
  NOTHING(fluv_interval_free, (NULL)) \
  NONE(fluv_interval_new) \
  ERROR(fluv_interval_reset, (NULL)) \
  FUTURE(fluv_interval_tick_loc, (NULL, NULL)) \
  FUTURE(fluv_join_all_loc, (NULL, 1, NULL, NULL)) \
  ERROR(fluv_joinset_add_loc, (NULL, NULL, NULL, NULL)) \
  ABORTS(fluv_joinset_cancel, (NULL)) \
  NONE(fluv_joinset_close_loc) \
  ABORTS(fluv_joinset_count, (NULL)) \
  NONE(fluv_joinset_new_loc) \
  FUTURE(fluv_joinset_next_loc, (NULL, NULL, NULL, NULL)) \
  NONE(fluv_listener_close_loc) \
  ERROR(fluv_listener_get_address, (NULL, NULL, 0)) \
  NONE(fluv_loop_close) \
  ABORTS(fluv_loop_count_tasks, (NULL)) \
  NONE(fluv_loop_current) \
  ABORTS(fluv_loop_get_uv, (NULL)) \
  ABORTS(fluv_loop_ref, (NULL)) \
  NOTHING(fluv_loop_unref, (NULL)) \
  NOTHING(fluv_mutex_free, (NULL)) \
  ABORTS(fluv_mutex_is_locked, (NULL)) \
  ERROR(fluv_mutex_lock_blocking_loc, (NULL, 0, NULL)) \
  FUTURE(fluv_mutex_lock_loc, (NULL, NULL)) \
  ERROR(fluv_mutex_new, (NULL)) \
  ERROR(fluv_mutex_try_lock_loc, (NULL, NULL)) \
  ERROR(fluv_mutex_unlock_loc, (NULL, NULL)) \
  NONE(fluv_never_loc) \
  ERROR(fluv_notified_blocking, (NULL, 0)) \
  FUTURE(fluv_notified_loc, (NULL, NULL)) \
  NOTHING(fluv_notify_free, (NULL)) \
  ABORTS(fluv_notify_last, (NULL)) \
  ERROR(fluv_notify_new, (NULL)) \
  ABORTS(fluv_notify_one, (NULL)) \
  ABORTS(fluv_notify_waiters, (NULL)) \
  NONE(fluv_now) \
  NOTHING(fluv_once_free, (NULL)) \
  FUTURE(fluv_once_get_loc, (NULL, NULL, NULL, NULL)) \
  ERROR(fluv_once_new, (NULL)) \
  ERROR(fluv_once_set, (NULL, 1)) \
  ERROR(fluv_once_try_get, (NULL)) \
  FUTURE(fluv_once_wait_loc, (NULL, NULL)) \
  ABORTS(fluv_oneshot_close, (NULL)) \
  FUTURE(fluv_oneshot_closed_loc, (NULL, NULL)) \
  ABORTS(fluv_oneshot_is_closed, (NULL)) \
  ERROR(fluv_oneshot_new, (1, NULL, NULL, NULL)) \
  ERROR(fluv_oneshot_recv_blocking, (NULL, NULL, 0)) \
  FUTURE(fluv_oneshot_recv_loc, (NULL, NULL, NULL)) \
  NOTHING(fluv_oneshot_rx_free, (NULL)) \
  ERROR(fluv_oneshot_send, (NULL, NULL)) \
  ERROR(fluv_oneshot_try_recv, (NULL, NULL)) \
  NOTHING(fluv_oneshot_tx_free, (NULL)) \
  NONE(fluv_owns_handle) \
  NOTHING(fluv_permit_release, (NULL)) \
  ERROR(fluv_permit_send, (NULL, NULL)) \
  ERROR(fluv_post, (NULL, NULL, NULL)) \
  NOTHING(fluv_promise_free, (NULL)) \
  ABORTS(fluv_promise_is_cancelled, (NULL)) \
  ERROR(fluv_promise_new_loc, (NULL, NULL, NULL)) \
  ABORTS(fluv_promise_on_cancel, (NULL, NULL, NULL)) \
  ERROR(fluv_promise_resolve, (NULL, 0)) \
  FUTURE(fluv_read_exact_loc, (NULL, NULL, 0, NULL)) \
  FUTURE(fluv_read_loc, (NULL, NULL, 0, NULL)) \
  NONE(fluv_ready_loc) \
  ABORTS(fluv_receiver_clone, (NULL)) \
  ABORTS(fluv_receiver_close, (NULL)) \
  NOTHING(fluv_receiver_free, (NULL)) \
  ABORTS(fluv_receiver_get_length, (NULL)) \
  ERROR(fluv_recv_blocking, (NULL, NULL, 1, 0)) \
  FUTURE(fluv_recv_loc, (NULL, NULL, NULL)) \
  FUTURE(fluv_recv_many_loc, (NULL, NULL, 1, NULL)) \
  ABORTS(fluv_remote_cancel, (NULL)) \
  NOTHING(fluv_remote_free, (NULL)) \
  FUTURE(fluv_reserve_loc, (NULL, 1, NULL, NULL)) \
  NONE(fluv_reset_loc) \
  NONE(fluv_run_loc) \
  ABORTS(fluv_run_until_cancelled_loc, (NULL, NULL, NULL)) \
  ABORTS(fluv_runtime_count_workers, (NULL)) \
  NONE(fluv_runtime_current) \
  NOTHING(fluv_runtime_free, (NULL)) \
  ABORTS(fluv_runtime_get_loop, (NULL, 0)) \
  ERROR(fluv_runtime_get_metrics, (NULL, 0, NULL)) \
  ERROR(fluv_runtime_join, (NULL)) \
  NONE(fluv_runtime_leave) \
  ERROR(fluv_runtime_new, (NULL, NULL)) \
  ERROR(fluv_runtime_shutdown, (NULL, 0)) \
  NONE(fluv_runtime_spawn_loc) \
  NONE(fluv_runtime_spawn_on_loc) \
  NONE(fluv_runtime_spawn_remote_loc) \
  ERROR(fluv_runtime_start, (NULL)) \
  ERROR(fluv_rwlock_downgrade_loc, (NULL, NULL)) \
  NOTHING(fluv_rwlock_free, (NULL)) \
  ERROR(fluv_rwlock_new, (NULL)) \
  ERROR(fluv_rwlock_read_blocking_loc, (NULL, 0, NULL)) \
  FUTURE(fluv_rwlock_read_loc, (NULL, NULL)) \
  ERROR(fluv_rwlock_try_read_loc, (NULL, NULL)) \
  ERROR(fluv_rwlock_try_write_loc, (NULL, NULL)) \
  ERROR(fluv_rwlock_unlock_read_loc, (NULL, NULL)) \
  ERROR(fluv_rwlock_unlock_write_loc, (NULL, NULL)) \
  ERROR(fluv_rwlock_write_blocking_loc, (NULL, 0, NULL)) \
  FUTURE(fluv_rwlock_write_loc, (NULL, NULL)) \
  ERROR(fluv_scope_add_loc, (NULL, NULL, NULL)) \
  NONE(fluv_scope_begin) \
  ABORTS(fluv_scope_cancel, (NULL)) \
  NONE(fluv_scope_end_loc) \
  FUTURE(fluv_select_loc, (NULL, 1, 0, NULL, NULL)) \
  ERROR(fluv_semaphore_acquire_blocking, (NULL, 1, 0)) \
  FUTURE(fluv_semaphore_acquire_loc, (NULL, 1, NULL)) \
  ABORTS(fluv_semaphore_close, (NULL)) \
  ABORTS(fluv_semaphore_forget, (NULL, 1)) \
  NOTHING(fluv_semaphore_free, (NULL)) \
  ABORTS(fluv_semaphore_get_permits, (NULL)) \
  ABORTS(fluv_semaphore_is_closed, (NULL)) \
  ERROR(fluv_semaphore_new, (1, NULL)) \
  ERROR(fluv_semaphore_release, (NULL, 1)) \
  ERROR(fluv_semaphore_try_acquire, (NULL, 1)) \
  ERROR(fluv_send_blocking, (NULL, NULL, 0)) \
  FUTURE(fluv_send_loc, (NULL, NULL, NULL)) \
  ABORTS(fluv_sender_clone, (NULL)) \
  FUTURE(fluv_sender_closed_loc, (NULL, NULL)) \
  ABORTS(fluv_sender_downgrade, (NULL)) \
  NOTHING(fluv_sender_free, (NULL)) \
  ABORTS(fluv_sender_get_capacity, (NULL)) \
  ABORTS(fluv_sender_get_room, (NULL)) \
  ABORTS(fluv_sender_is_closed, (NULL)) \
  NONE(fluv_server_close_loc) \
  ABORTS(fluv_server_count_connections, (NULL, 0)) \
  ERROR(fluv_server_get_address, (NULL, NULL, 0)) \
  ABORTS(fluv_server_get_token, (NULL)) \
  ERROR(fluv_set_allocator, (NULL, NULL, NULL)) \
  NONE(fluv_set_unhandled) \
  NONE(fluv_shield_begin) \
  NONE(fluv_shield_end) \
  FUTURE(fluv_shutdown_loc, (NULL, NULL)) \
  NONE(fluv_shutdown_signal_loc) \
  NONE(fluv_sleep_loc) \
  NONE(fluv_sleep_until_loc) \
  FUTURE(fluv_spawn_blocking_loc, (NULL, NULL, NULL, NULL)) \
  FUTURE(fluv_spawn_loc, (NULL, NULL, NULL, NULL)) \
  FUTURE(fluv_spawn_on_loc, (NULL, NULL, NULL, NULL, NULL)) \
  ERROR(fluv_spawn_remote_loc, (NULL, NULL, NULL, NULL, NULL, NULL)) \
  ABORTS(fluv_start, (NULL)) \
  ERROR(fluv_stream_get_buffers, (NULL, NULL, NULL)) \
  ABORTS(fluv_stream_get_bytes_read, (NULL)) \
  ABORTS(fluv_stream_get_bytes_written, (NULL)) \
  ERROR(fluv_stream_get_local_address, (NULL, NULL, 0)) \
  ERROR(fluv_stream_get_peer_address, (NULL, NULL, 0)) \
  ERROR(fluv_stream_set_buffers, (NULL, 0, 0)) \
  NONE(fluv_strerror) \
  NONE(fluv_task_get_interrupt) \
  NONE(fluv_task_get_local) \
  NONE(fluv_task_get_name) \
  NONE(fluv_task_self) \
  NONE(fluv_task_set_local) \
  NONE(fluv_task_set_name) \
  FUTURE(fluv_tcp_connect_loc, (NULL, NULL, NULL, NULL)) \
  ERROR(fluv_tcp_listen_loc, (NULL, NULL, NULL, NULL)) \
  ERROR(fluv_tcp_serve_loc, (NULL, NULL, NULL, NULL, NULL, NULL)) \
  ERROR(fluv_tcp_set_keepalive, (NULL, 0)) \
  ERROR(fluv_tcp_set_nodelay, (NULL, true)) \
  ABORTS(fluv_then_loc, (NULL, NULL, NULL, NULL, NULL)) \
  ABORTS(fluv_timeout_at_loc, (NULL, 0, NULL)) \
  ABORTS(fluv_timeout_loc, (NULL, 0, NULL)) \
  ABORTS(fluv_token_cancel, (NULL, 0)) \
  ERROR(fluv_token_cancel_at_end, (NULL, 0)) \
  ERROR(fluv_token_cancelled_blocking, (NULL, 0)) \
  FUTURE(fluv_token_cancelled_loc, (NULL, NULL)) \
  ERROR(fluv_token_child, (NULL, NULL)) \
  ABORTS(fluv_token_clone, (NULL)) \
  NOTHING(fluv_token_free, (NULL)) \
  ABORTS(fluv_token_get_reason, (NULL)) \
  ABORTS(fluv_token_is_cancelled, (NULL)) \
  ERROR(fluv_token_new, (NULL)) \
  ABORTS(fluv_tracker_close, (NULL)) \
  ABORTS(fluv_tracker_enter, (NULL)) \
  NOTHING(fluv_tracker_free, (NULL)) \
  ABORTS(fluv_tracker_get_count, (NULL)) \
  ABORTS(fluv_tracker_is_closed, (NULL)) \
  ERROR(fluv_tracker_leave, (NULL)) \
  ERROR(fluv_tracker_new, (NULL)) \
  ABORTS(fluv_tracker_reopen, (NULL)) \
  FUTURE(fluv_tracker_spawn_loc, (NULL, NULL, NULL, NULL)) \
  ERROR(fluv_tracker_wait_blocking, (NULL, 0)) \
  FUTURE(fluv_tracker_wait_loc, (NULL, NULL)) \
  FUTURE(fluv_try_join_all_loc, (NULL, 1, NULL, NULL)) \
  ERROR(fluv_try_read, (NULL, NULL, 0)) \
  ERROR(fluv_try_recv, (NULL, NULL)) \
  ERROR(fluv_try_reserve, (NULL, 1, NULL)) \
  ERROR(fluv_try_send, (NULL, NULL)) \
  ERROR(fluv_try_write, (NULL, NULL, 0)) \
  NONE(fluv_uv_begin) \
  NONE(fluv_uv_done) \
  NONE(fluv_uv_on_connect) \
  NONE(fluv_uv_on_fs) \
  NONE(fluv_uv_on_getaddrinfo) \
  NONE(fluv_uv_on_shutdown) \
  NONE(fluv_uv_on_work) \
  NONE(fluv_uv_on_write) \
  NONE(fluv_uv_started) \
  NONE(fluv_version) \
  NONE(fluv_version_string) \
  ERROR(fluv_wait, (NULL, 0)) \
  ERROR(fluv_watch_changed_blocking, (NULL, 0)) \
  FUTURE(fluv_watch_changed_loc, (NULL, NULL)) \
  FUTURE(fluv_watch_closed_loc, (NULL, NULL)) \
  ABORTS(fluv_watch_count_receivers, (NULL)) \
  ABORTS(fluv_watch_get, (NULL, NULL)) \
  ABORTS(fluv_watch_get_and_see, (NULL, NULL)) \
  ERROR(fluv_watch_has_changed, (NULL)) \
  ABORTS(fluv_watch_modify, (NULL, NULL, NULL)) \
  ERROR(fluv_watch_new, (1, NULL, NULL, NULL)) \
  ABORTS(fluv_watch_replace, (NULL, NULL, NULL)) \
  ERROR(fluv_watch_rx_clone, (NULL, NULL)) \
  NOTHING(fluv_watch_rx_free, (NULL)) \
  ERROR(fluv_watch_send, (NULL, NULL)) \
  ERROR(fluv_watch_subscribe, (NULL, NULL)) \
  ABORTS(fluv_watch_tx_clone, (NULL)) \
  NOTHING(fluv_watch_tx_free, (NULL)) \
  FUTURE(fluv_watch_wait_for_loc, (NULL, NULL, NULL, NULL, NULL)) \
  NONE(fluv_watchdog_set_hook) \
  NOTHING(fluv_weak_sender_free, (NULL)) \
  ABORTS(fluv_weak_sender_upgrade, (NULL)) \
  FUTURE(fluv_write_all_loc, (NULL, NULL, 0, NULL)) \
  FUTURE(fluv_writev_all_loc, (NULL, NULL, 0, NULL)) \
  NONE(fluv_yield_loc)
/* clang-format on */

typedef enum expect {
  FAILS,
  HAPPENS_NOT,
  DIES,
  UNTESTED
} expect_t;

/* One function for each row. */
#define FUTURE(name, args)                                                     \
 static int64_t name##_row(void) {                                             \
  return fluv_block_on(name args);                                             \
 }
#define ERROR(name, args)                                                      \
 static int64_t name##_row(void) {                                             \
  return name args;                                                            \
 }
#define NOTHING(name, args)                                                    \
 static int64_t name##_row(void) {                                             \
  name args;                                                                   \
  return 0;                                                                    \
 }
#define ABORTS(name, args)                                                     \
 static int64_t name##_row(void) {                                             \
  (void) name args;                                                            \
  return 0;                                                                    \
 }
#define NONE(name)
TABLE(FUTURE, ERROR, NOTHING, ABORTS, NONE)
#undef FUTURE
#undef ERROR
#undef NOTHING
#undef ABORTS
#undef NONE

static const struct row {
  const char* name;
  expect_t expect;
  int64_t (*fn)(void);
} rows[] = {
#define FUTURE(name, args)  { #name, FAILS, name##_row },
#define NOTHING(name, args) { #name, HAPPENS_NOT, name##_row },
#define ABORTS(name, args)  { #name, DIES, name##_row },
#define NONE(name)          { #name, UNTESTED, NULL },
  TABLE(FUTURE, FUTURE, NOTHING, ABORTS, NONE)
};

static void call_row(void* arg) {
  const struct row* row = arg;

  (void) row->fn();
}

START_TEST(null_follows_one_rule) {
  size_t i;

  for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    const struct row* row = &rows[i];
    char name[64];
    size_t len;

    snprintf(name, sizeof(name), "%s", row->name);
    len = strlen(name);
    if (strcmp(name + len - 4, "_loc") == 0)
      name[len - 4] = '\0';
    if (row->expect == FAILS)
      ck_assert_msg(row->fn() == FLUV_EINVAL, "%s(NULL): not EINVAL", name);
    else if (row->expect == HAPPENS_NOT)
      (void) row->fn();
    else if (row->expect == DIES)
      test_aborts(call_row, (void*) (uintptr_t) row, "NULL", NULL);
  }
}
END_TEST

static Suite* null_suite(void) {
  Suite* s = suite_create("null");
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc, null_follows_one_rule);
  return s;
}

TEST_MAIN(null_suite)
