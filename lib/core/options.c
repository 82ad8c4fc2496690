/* SPDX-License-Identifier: MIT */
/* Structs that grow: options and results whose first field is their size. */
#include "core/options.h"

#include <string.h>

/* Larger is no size but memory that nobody initialised. */
enum {
  MAX_STRUCT_SIZE = 4096
};

/* The sizes of a struct whose last field in version 0.1 was `last`. */
#define END_OF(type, last) (offsetof(type, last) + sizeof(((type*) 0)->last))
#define ROUND_UP(n)        (((n) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define DEFINE_SIZES(name, type, last)                                         \
 CHECK_SIZE(type, last);                                                       \
 const fluv__sizes_t fluv__##name##_sizes = {                                  \
   sizeof(type),                                                               \
   ROUND_UP(END_OF(type, last)),                                               \
 }

/* Until 0.1 is out its structs may still grow. */
#if FLUV_VERSION_MAJOR == 0 && FLUV_VERSION_MINOR == 1
# define CHECK_SIZE(type, last)                                                \
  _Static_assert(ROUND_UP(END_OF(type, last)) == sizeof(type),                 \
                 #last " is not the last field of " #type                      \
                       ": name the new one")
#else
# define CHECK_SIZE(type, last)                                                \
  _Static_assert(ROUND_UP(END_OF(type, last)) <= sizeof(type), #type)
#endif

DEFINE_SIZES(blocking_options, fluv_blocking_options_t, drop_result);
DEFINE_SIZES(blocking_stats, fluv_blocking_stats_t, slots);
DEFINE_SIZES(loop_options, fluv_loop_options_t, leave_sigpipe);
DEFINE_SIZES(metrics, fluv_metrics_t, busy_ns);
DEFINE_SIZES(runtime_options, fluv_runtime_options_t, arg);
DEFINE_SIZES(server_options, fluv_server_options_t, hand_over);
DEFINE_SIZES(task_options, fluv_task_options_t, float_control);
DEFINE_SIZES(tcp_options, fluv_tcp_options_t, timeout_ms);

/* The size that a caller's struct says it has; 0: it makes no sense. */
static size_t given_size(const void* given, const fluv__sizes_t* sizes) {
  size_t size;

  memcpy(&size, given, sizeof(size));
  if (size == 0)
    return sizes->first;
  return size % sizeof(size) == 0 && size <= MAX_STRUCT_SIZE ? size : 0;
}

static bool is_zero(const char* bytes, size_t count) {
  while (count > 0 && *bytes == 0)
    bytes++, count--;
  return count == 0;
}

int fluv__options_read(void* dst, const void* src, const fluv__sizes_t* sizes) {
  size_t size = src != NULL ? given_size(src, sizes) : sizeof(size_t);
  size_t known = size < sizes->now ? size : sizes->now;

  memset(dst, 0, sizes->now);
  memcpy(dst, &sizes->now, sizeof(sizes->now));
  if (size == 0 ||
      (size > known && !is_zero((const char*) src + known, size - known)))
    return FLUV_EINVAL;
  if (src != NULL)
    memcpy((char*) dst + sizeof(size),
           (const char*) src + sizeof(size),
           known - sizeof(size));
  return 0;
}

int fluv__result_write(void* dst, const void* src, const fluv__sizes_t* sizes) {
  size_t size = given_size(dst, sizes);
  size_t known = size < sizes->now ? size : sizes->now;

  if (size == 0)
    return FLUV_EINVAL;
  memcpy((char*) dst + sizeof(size),
         (const char*) src + sizeof(size),
         known - sizeof(size));
  memset((char*) dst + known, 0, size - known);
  return 0;
}
