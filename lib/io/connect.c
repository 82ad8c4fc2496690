/* SPDX-License-Identifier: MIT */
/* Connecting.
 *
 *   look up (names only) -> try an address -> done
 *                            ^ |
 *                            \\-/ the next one, while there is one
 *
 * A look-up is a future of its own, which is dropped when the operation is
 * cancelled. What libuv holds of an attempt lies in memory of its own with a
 * pointer to the operation. Cancelling cuts that pointer and closes the stream.
 */
#include <string.h>
#include <uv.h>

#include "io/address.h"
#include "io/lookup.h"
#include "io/stream.h"

typedef struct connect_op connect_op_t;

typedef struct attempt {
  uv_connect_t req;
  fluv_stream_t* stream;
  connect_op_t* op; /* NULL: nobody wants it any more */
} attempt_t;

/* What a connect needs to remember; apart, since it is large. */
typedef struct plan {
  fluv__hostport_t address;
  fluv_tcp_options_t options;
  fluv__lookup_t* lookup; /* what was found */
} plan_t;

struct connect_op {
  fluv_future_t base;
  fluv_stream_t** out_stream;
  plan_t* plan;
  const struct addrinfo* next; /* address to try next */
  fluv_future_t* lookup;       /* under way */
  fluv__waiter_t lookup_waiter;
  attempt_t* attempt; /* under way */
  fluv__timer_t limit;
  int error;   /* what the last address said */
  bool passed; /* the limit */
};

static void connect_end(connect_op_t* op, int64_t result) {
  fluv__timer_stop(op->base.loop, &op->limit);
  fluv__complete(&op->base, result);
}

static void try_next(connect_op_t* op);

/* An attempt is over without a connection; its loop may have closed it. */
static void discard(fluv_stream_t* stream) {
  fluv__stream_wait_end(stream);
  if (!stream->closed)
    fluv__stream_close(stream, NULL);
  fluv__stream_unref(stream);
}

static void on_connect(uv_connect_t* req, int status) {
  attempt_t* attempt = fluv__container_of(req, attempt_t, req);
  fluv_stream_t* stream = attempt->stream;
  connect_op_t* op = attempt->op;

  fluv__free(attempt);
  if (op == NULL)
    return; /* orphaned: its stream is being closed */
  op->attempt = NULL;
  if (status == 0)
    status =
        fluv__tcp_options_apply(fluv__stream_fd(stream), &op->plan->options);
  if (status < 0) {
    op->error = status;
    discard(stream);
    try_next(op);
    return;
  }
  fluv__stream_wait_end(stream);
  *op->out_stream = stream;
  connect_end(op, 0);
}

/* Begin to connect to one address. 0: on_connect() will be called. */
static int try_address(connect_op_t* op, const struct sockaddr* address) {
  attempt_t* attempt = fluv__calloc(1, sizeof(*attempt));
  int err = FLUV_ENOMEM;

  if (attempt != NULL)
    attempt->stream = fluv__stream_new(-1, op->base.loc);
  if (attempt == NULL || attempt->stream == NULL)
    goto fail;
  err = fluv__stream_init(attempt->stream);
  if (err < 0)
    goto fail;
  fluv__stream_wait_begin(attempt->stream);
  err = uv_tcp_connect(&attempt->req,
                       &attempt->stream->uv.tcp,
                       address,
                       on_connect);
  if (err < 0) {
    fluv__stream_wait_end(attempt->stream);
    goto fail;
  }
  attempt->op = op;
  op->attempt = attempt;
  return 0;

fail:
  if (attempt != NULL && attempt->stream != NULL) {
    fluv__stream_close(attempt->stream, NULL);
    fluv__stream_unref(attempt->stream);
  }
  fluv__free(attempt);
  return err;
}

static void try_next(connect_op_t* op) {
  while (op->next != NULL) {
    const struct addrinfo* at = op->next;

    op->next = at->ai_next;
    op->error = try_address(op, at->ai_addr);
    if (op->error == 0)
      return;
  }
  connect_end(op, op->error);
}

static void on_lookup(fluv__waiter_t* waiter, fluv_future_t* f) {
  connect_op_t* op = fluv__container_of(waiter, connect_op_t, lookup_waiter);
  fluv__lookup_t* lookup = op->plan->lookup;
  int status = (int) f->result;

  op->lookup = NULL;
  fluv__future_free(f, op->base.loc);
  if (status == FLUV_ECANCELED)
    lookup = op->plan->lookup = NULL; /* freed with the future */
  op->next = lookup != NULL ? lookup->found : NULL;
  op->error = status < 0 ? status : FLUV_EAI_NONAME;
  try_next(op);
}

static int start_lookup(connect_op_t* op) {
  plan_t* plan = op->plan;
  fluv_future_t* f =
      fluv__lookup_start(&plan->address, op->base.loc, &plan->lookup);
  int err;

  if (plan->lookup == NULL) {
    err = (int) f->result;
    fluv__future_free(f, op->base.loc);
    return err;
  }
  fluv__take(f, op->base.loop, op->base.loc);
  op->lookup = f;
  op->lookup_waiter.wake = on_lookup;
  f->waiter = &op->lookup_waiter;
  return 0;
}

/* If it was started, it ends by itself at some time. */
static void drop_lookup(connect_op_t* op) {
  fluv_loop_t* loop = op->base.loop;
  const fluv_loc_t* drop_loc = loop->drop_loc;
  fluv_future_t* lookup = op->lookup;

  op->lookup = NULL;
  op->plan->lookup = NULL; /* freed with the future */
  lookup->waiter = NULL;
  fluv__drop(lookup, op->base.loc);
  loop->drop_loc = drop_loc;
}

/* Stop what is under way. */
static void orphan_pending(connect_op_t* op) {
  attempt_t* attempt = op->attempt;

  if (op->lookup != NULL)
    drop_lookup(op);
  if (attempt != NULL) {
    attempt->op = NULL;
    op->attempt = NULL;
    discard(attempt->stream);
  }
}

static void connect_cancel(fluv_future_t* f) {
  connect_op_t* op = (connect_op_t*) f;

  orphan_pending(op);
  connect_end(op, op->passed ? FLUV_ETIMEDOUT : FLUV_ECANCELED);
}

static void limit_fire(fluv__timer_t* timer) {
  connect_op_t* op = fluv__container_of(timer, connect_op_t, limit);

  op->passed = true;
  connect_cancel(&op->base);
}

static void connect_start(fluv_future_t* f) {
  connect_op_t* op = (connect_op_t*) f;
  struct sockaddr_storage address;
  int err;

  if (op->plan->options.timeout_ms != 0)
    fluv__timer_after(f->loop, &op->limit, op->plan->options.timeout_ms);
  if (fluv__address_parse(&op->plan->address, AF_INET, &address) == 0)
    err = try_address(op, (struct sockaddr*) &address);
  else
    err = start_lookup(op);
  if (err < 0)
    connect_end(op, err);
}

static void connect_release(fluv_future_t* f) {
  plan_t* plan = ((connect_op_t*) f)->plan;

  if (plan->lookup != NULL)
    fluv__lookup_free(plan->lookup);
  fluv__free(plan);
}

static void connect_give_back(fluv_future_t* f) {
  if (f->result == 0)
    fluv_drop(fluv_close(*((connect_op_t*) f)->out_stream));
}

static const fluv__ops_t connect_ops = {
  .kind = "connect",
  .start = connect_start,
  .give_back = connect_give_back,
  .cancel = connect_cancel,
  .release = connect_release,
};

fluv_future_t* fluv_tcp_connect_loc(const char* address,
                                    const fluv_tcp_options_t* given,
                                    fluv_stream_t** out_stream,
                                    const fluv_loc_t* loc) {
  fluv_tcp_options_t options;
  fluv__hostport_t hostport;
  connect_op_t* op;
  plan_t* plan;

  if (out_stream == NULL || fluv__tcp_options_read(&options, given) < 0 ||
      fluv__address_split(address, &hostport) < 0)
    return fluv__future_fail(FLUV_EINVAL, loc);
  plan = fluv__malloc(sizeof(*plan));
  if (plan == NULL)
    return fluv__future_enomem();
  op =
      (connect_op_t*) fluv__future_new(&connect_ops, sizeof(connect_op_t), loc);
  if (op == NULL) {
    fluv__free(plan);
    return fluv__future_enomem();
  }
  *plan = (plan_t){ hostport, options, NULL };
  op->base.flags = FLUV__NEEDS_RELEASE;
  op->out_stream = out_stream;
  op->plan = plan;
  op->next = NULL;
  op->lookup = NULL;
  op->attempt = NULL;
  op->error = 0;
  op->passed = false;
  fluv__timer_init(&op->limit, limit_fire);
  return &op->base;
}
