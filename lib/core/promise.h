/* SPDX-License-Identifier: MIT */
/* What the library's own users of promises may set. */
#ifndef FLUV_CORE_PROMISE_H
#define FLUV_CORE_PROMISE_H

#include "core/internal.h"

/* As fluv_promise_on_cancel(); and on_gone(arg) is called on the home thread
 * when the future is freed, whether it was resolved or not. */
void fluv__promise_set_hooks(fluv_promise_t* p,
                             void (*on_cancel)(fluv_promise_t* p, void* arg),
                             void (*on_gone)(void* arg),
                             void* arg);

#endif /* FLUV_CORE_PROMISE_H */
