/* SPDX-License-Identifier: MIT */
/* Looking up names.
 *
 * uv_getaddrinfo() does not serve: a libuv request that was started keeps its
 * loop alive, and a name server that does not answer holds it for minutes. A
 * job of the pool can be abandoned, and reports name it.
 */
#include "io/lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/future.h"
#include "runtime/jobs.h"

/* What getaddrinfo(3) says, in libuv's numbers. */
static int translate(int err) {
  switch (err) {
  case 0:
    return 0;
  case EAI_AGAIN:
    return UV_EAI_AGAIN;
  case EAI_BADFLAGS:
    return UV_EAI_BADFLAGS;
  case EAI_FAIL:
    return UV_EAI_FAIL;
  case EAI_FAMILY:
    return UV_EAI_FAMILY;
  case EAI_MEMORY:
    return UV_EAI_MEMORY;
  case EAI_NONAME:
    return UV_EAI_NONAME;
  case EAI_OVERFLOW:
    return UV_EAI_OVERFLOW;
  case EAI_SERVICE:
    return UV_EAI_SERVICE;
  case EAI_SOCKTYPE:
    return UV_EAI_SOCKTYPE;
#ifdef EAI_NODATA
  case EAI_NODATA:
    return UV_EAI_NODATA;
#endif
#ifdef EAI_ADDRFAMILY
  case EAI_ADDRFAMILY:
    return UV_EAI_ADDRFAMILY;
#endif
  case EAI_SYSTEM:
    return uv_translate_sys_error(errno);
  default:
    return UV_EAI_FAIL;
  }
}

static bool is_ascii(const char* text) {
  for (; *text != '\0'; text++)
    if ((unsigned char) *text >= 0x80)
      return false;
  return true;
}

/* libuv can encode such a name for DNS. A synchronous call needs a loop, but
 * nothing has to run it. */
static int resolve_by_libuv(fluv__lookup_t* lookup,
                            const struct addrinfo* hints) {
  const fluv__hostport_t* address = &lookup->address;
  uv_getaddrinfo_t req;
  uv_loop_t loop;
  int err = uv_loop_init(&loop);

  if (err < 0)
    return err;
  err = uv_getaddrinfo(&loop, &req, NULL, address->host, address->port, hints);
  if (err == 0)
    lookup->found = req.addrinfo;
  (void) uv_loop_close(&loop);
  return err;
}

/* The job, on a thread of the pool. */
static int64_t resolve(void* arg) {
  fluv__lookup_t* lookup = arg;
  const fluv__hostport_t* address = &lookup->address;
  struct addrinfo hints;

  memset(&hints, 0, sizeof(hints));
  hints.ai_socktype = SOCK_STREAM;
  if (!is_ascii(address->host))
    return resolve_by_libuv(lookup, &hints);
  return translate(
      getaddrinfo(address->host, address->port, &hints, &lookup->found));
}

void fluv__lookup_free(fluv__lookup_t* lookup) {
  if (lookup->found != NULL)
    freeaddrinfo(lookup->found);
  fluv__free(lookup);
}

static void free_arg(void* arg) {
  fluv__lookup_free(arg);
}

static void drop_result(int64_t result, void* arg) {
  (void) result;
  fluv__lookup_free(arg);
}

fluv_future_t* fluv__lookup_start(const fluv__hostport_t* address,
                                  const fluv_loc_t* loc,
                                  fluv__lookup_t** out_lookup) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;
  fluv__lookup_t* lookup = fluv__calloc(1, sizeof(*lookup));
  char name[FLUV__JOB_NAME];
  fluv_future_t* f;

  *out_lookup = NULL;
  if (lookup == NULL)
    return fluv__future_enomem();
  lookup->address = *address;
  snprintf(name,
           sizeof(name),
           "look-up of %.*s",
           (int) sizeof(name) - 12,
           address->host);
  options.name = name;
  options.free_arg = free_arg;
  options.drop_result = drop_result;
  f = fluv__spawn_lookup(resolve, lookup, &options, loc);
  if (!fluv_future_is_done(f)) /* else it has been refused, and freed */
    *out_lookup = lookup;
  return f;
}
