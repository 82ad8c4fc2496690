/* SPDX-License-Identifier: MIT */
/* Structs that grow: options and results whose first field is their size.
 *
 * The library and the program may have been compiled with different headers.
 * What both know is copied; what only one knows must not matter:
 *
 *   size given          meaning
 *   ----------          -------
 *   0                   the struct of version 0.1: what a designated
 *                       initialiser leaves, { .timeout_ms = 500 }
 *   smaller than ours   an older program: the rest is 0, the default
 *   ours                equal headers
 *   larger              a newer program: it must not use (not 0) what this
 *                       library does not know, or it is refused
 *   anything else       not initialised: refused
 *
 * A field that is added after 0.1 therefore needs the initialiser (its comment
 * must say so), must make the struct larger (no use of padding), and must mean
 * the default when it is 0.
 */
#ifndef FLUV_CORE_OPTIONS_H
#define FLUV_CORE_OPTIONS_H

#include "core/internal.h"

typedef struct fluv__sizes {
  size_t now;   /* of this header */
  size_t first; /* of version 0.1 */
} fluv__sizes_t;

extern const fluv__sizes_t fluv__blocking_options_sizes;
extern const fluv__sizes_t fluv__blocking_stats_sizes;
extern const fluv__sizes_t fluv__loop_options_sizes;
extern const fluv__sizes_t fluv__metrics_sizes;
extern const fluv__sizes_t fluv__runtime_options_sizes;
extern const fluv__sizes_t fluv__server_options_sizes;
extern const fluv__sizes_t fluv__task_options_sizes;
extern const fluv__sizes_t fluv__tcp_options_sizes;

/* Copy a caller's options; `src` NULL: the defaults. 0 or FLUV_EINVAL, and then
 * `dst` has the defaults. */
int fluv__options_read(void* dst, const void* src, const fluv__sizes_t* sizes);

/* Copy results to a caller, whose struct says its size. 0 or FLUV_EINVAL, and
 * then it is untouched. */
int fluv__result_write(void* dst, const void* src, const fluv__sizes_t* sizes);

#endif /* FLUV_CORE_OPTIONS_H */
