/* SPDX-License-Identifier: MIT */
/* A future for any libuv request. */
#include <fluv/uv.h>

#include "core/loop.h"

typedef struct uv_op {
  fluv_future_t base;
  uv_req_t* req; /* the caller's; its data points back */
} uv_op_t;

static void uv_op_cancel(fluv_future_t* f) {
  /* This has no effect if the request was started or is of a kind that cannot
   * be cancelled. Its callback then completes the future. */
  (void) uv_cancel(((uv_op_t*) f)->req);
}

static const fluv__ops_t uv_ops = {
  .kind = "libuv request",
  .live = true,
  .cancel = uv_op_cancel,
};

bool fluv_uv_begin(uv_req_t* req, const fluv_loc_t* loc) {
  uv_op_t* op = (uv_op_t*) fluv__future_new(&uv_ops, sizeof(uv_op_t), loc);

  req->data = op;
  if (op == NULL)
    return false;
  op->base.state = FLUV__PENDING;
  op->req = req;
  return true;
}

fluv_future_t* fluv_uv_started(uv_req_t* req, int err) {
  fluv_future_t* f = req->data;

  if (f == NULL)
    return fluv__future_enomem();
  if (err < 0)
    fluv__complete(f, err);
  return f;
}

void fluv_uv_done(uv_req_t* req, int64_t result) {
  fluv_future_t* f = req->data;

  if (fluv__unlikely(f == NULL))
    fluv__die("fluv_uv_done() for a request that is not under way");
  if (fluv__unlikely(f->loop != fluv__loop))
    fluv__wrong_thread(f->loop, "fluv_uv_done()", f->loc, NULL);
  req->data = NULL;
  fluv__complete(f, result == UV_EAI_CANCELED ? FLUV_ECANCELED : result);
}

void fluv_uv_on_fs(uv_fs_t* req) {
  fluv_uv_done((uv_req_t*) req, req->result);
}

void fluv_uv_on_getaddrinfo(uv_getaddrinfo_t* req,
                            int status,
                            struct addrinfo* res) {
  (void) res;
  fluv_uv_done((uv_req_t*) req, status);
}

void fluv_uv_on_work(uv_work_t* req, int status) {
  fluv_uv_done((uv_req_t*) req, status);
}

void fluv_uv_on_write(uv_write_t* req, int status) {
  fluv_uv_done((uv_req_t*) req, status);
}

void fluv_uv_on_connect(uv_connect_t* req, int status) {
  fluv_uv_done((uv_req_t*) req, status);
}

void fluv_uv_on_shutdown(uv_shutdown_t* req, int status) {
  fluv_uv_done((uv_req_t*) req, status);
}
