/* SPDX-License-Identifier: MIT */
/* Connecting.
 *
 *   look up (names only) -> try an address -> done
 *                            ^ |
 *                            \\-/ the next one, while there is one
 *
 * What libuv holds meanwhile (the look-up, the attempt) lies in memory of its
 * own with a pointer to the operation. Cancelling cuts that pointer, and libuv
 * ends on what is left: a look-up by itself, an attempt by closing its stream.
 */
#include <string.h>
#include <uv.h>

#include "io/address.h"
#include "io/stream.h"

typedef struct connect_op connect_op_t;

typedef struct lookup {
  uv_getaddrinfo_t req;
  connect_op_t* op; /* NULL: nobody wants it any more */
} lookup_t;

typedef struct attempt {
  uv_connect_t req;
  fluv_stream_t* stream;
  connect_op_t* op; /* NULL: nobody wants it any more */
} attempt_t;

/* What a connect needs to remember; apart, since it is large. */
typedef struct plan {
  fluv__hostport_t address;
  fluv_tcp_options_t options;
  struct addrinfo* found; /* of a look-up */
} plan_t;

struct connect_op {
  fluv_future_t base;
  fluv_stream_t** out_stream;
  plan_t* plan;
  const struct addrinfo* next; /* address to try next */
  lookup_t* lookup;            /* under way */
  attempt_t* attempt;          /* under way */
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
    return; /* cut: its stream is being closed */
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

static void on_lookup(uv_getaddrinfo_t* req, int status, struct addrinfo* res) {
  lookup_t* lookup = fluv__container_of(req, lookup_t, req);
  connect_op_t* op = lookup->op;

  fluv__free(lookup);
  if (op == NULL) {
    uv_freeaddrinfo(res);
    return;
  }
  op->lookup = NULL;
  op->plan->found = res;
  op->next = res;
  op->error = status < 0 ? status : FLUV_EAI_NONAME;
  try_next(op);
}

static int start_lookup(connect_op_t* op) {
  const fluv__hostport_t* address = &op->plan->address;
  struct addrinfo hints;
  lookup_t* lookup = fluv__calloc(1, sizeof(*lookup));
  int err;

  if (lookup == NULL)
    return FLUV_ENOMEM;
  memset(&hints, 0, sizeof(hints));
  hints.ai_socktype = SOCK_STREAM;
  err = uv_getaddrinfo(op->base.loop->uv,
                       &lookup->req,
                       on_lookup,
                       address->host,
                       address->port,
                       &hints);
  if (err < 0) {
    fluv__free(lookup);
    return err;
  }
  lookup->op = op;
  op->lookup = lookup;
  return 0;
}

/* Stop what is under way. */
static void cut(connect_op_t* op) {
  attempt_t* attempt = op->attempt;

  if (op->lookup != NULL) {
    op->lookup->op = NULL;
    /* In vain if it has begun: it then ends by itself. */
    (void) uv_cancel((uv_req_t*) &op->lookup->req);
    op->lookup = NULL;
  }
  if (attempt != NULL) {
    attempt->op = NULL;
    op->attempt = NULL;
    discard(attempt->stream);
  }
}

static void connect_cancel(fluv_future_t* f) {
  connect_op_t* op = (connect_op_t*) f;

  cut(op);
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

  uv_freeaddrinfo(plan->found);
  fluv__free(plan);
}

static const fluv__ops_t connect_ops = {
  .kind = "connect",
  .start = connect_start,
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
