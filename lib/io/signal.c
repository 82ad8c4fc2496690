/* SPDX-License-Identifier: MIT */
/* Waiting for a signal that asks the process to end.
 *
 * The handles outlive the operation until libuv has closed them, so they have
 * memory of their own. They are started for one signal only: the kernel then
 * restores the default action (SA_RESETHAND), and a second SIGINT ends the
 * process even if the loop is blocked.
 */
#include <signal.h>
#include <uv.h>

#include "core/loop.h"

enum {
  SIGNALS = 2
};

typedef struct handles {
  uv_signal_t signal[SIGNALS];
  unsigned open;
} handles_t;

typedef struct signal_op {
  fluv_future_t base;
  handles_t* handles;
} signal_op_t;

static const int signums[SIGNALS] = { SIGINT, SIGTERM };

/* Operations that wait, in the whole process. */
static fluv__atomic_uint_t waiting;

/* In a child of fork(2), libuv's handler would tell the parent of the child's
 * signals. */
static void forget_in_child(void) {
  int i;

  if (atomic_exchange(&waiting, 0) == 0)
    return;
  for (i = 0; i < SIGNALS; i++)
    signal(signums[i], SIG_DFL);
}

static fluv__fork_t fork_watch = { .child = forget_in_child };

static void on_close(uv_handle_t* handle) {
  handles_t* handles = handle->data;

  if (--handles->open == 0)
    fluv__free(handles);
}

static void handles_close(handles_t* handles) {
  unsigned open = handles->open;
  unsigned i;

  if (open == 0)
    fluv__free(handles);
  for (i = 0; i < open; i++) {
    handles->signal[i].data = handles;
    if (!uv_is_closing((uv_handle_t*) &handles->signal[i])) /* by the host */
      uv_close((uv_handle_t*) &handles->signal[i], on_close);
  }
}

static void signal_end(signal_op_t* op, int64_t result) {
  handles_t* handles = op->handles;

  op->handles = NULL;
  atomic_fetch_sub(&waiting, 1);
  if (handles != NULL)
    handles_close(handles);
  fluv__complete(&op->base, result);
}

static void on_signal(uv_signal_t* handle, int signum) {
  signal_end(handle->data, signum);
}

static bool owns(const uv_handle_t* handle) {
  return handle->type == UV_SIGNAL &&
         ((const uv_signal_t*) handle)->signal_cb == on_signal;
}

static void signal_cancel(fluv_future_t* f) {
  signal_end((signal_op_t*) f, FLUV_ECANCELED);
}

static const fluv__ops_t signal_ops = {
  .kind = "shutdown signal",
  .live = true,
  .cancel = signal_cancel,
};

/* Watch for all signals; an error leaves some handles open. */
static int watch(signal_op_t* op) {
  handles_t* handles = op->handles;
  int err = 0;

  while (err == 0 && handles->open < SIGNALS) {
    uv_signal_t* signal = &handles->signal[handles->open];

    err = uv_signal_init(op->base.loop->uv, signal);
    if (err < 0)
      break;
    signal->data = op;
    err = uv_signal_start_oneshot(signal, on_signal, signums[handles->open++]);
  }
  return err;
}

fluv_future_t* fluv_shutdown_signal_loc(const fluv_loc_t* loc) {
  signal_op_t* op =
      (signal_op_t*) fluv__future_new(&signal_ops, sizeof(signal_op_t), loc);
  int err = FLUV_ENOMEM;

  if (op == NULL)
    return fluv__future_enomem();
  fluv__fork_watch(&fork_watch);
  atomic_fetch_add(&waiting, 1);
  op->base.loop->owns_more = owns;
  op->base.state = FLUV__PENDING;
  op->handles = fluv__calloc(1, sizeof(*op->handles));
  if (op->handles != NULL)
    err = watch(op);
  if (err < 0)
    signal_end(op, err);
  return &op->base;
}
