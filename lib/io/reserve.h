/* SPDX-License-Identifier: MIT */
/* Making libuv's table of descriptors large enough in advance. */
#ifndef FLUV_IO_RESERVE_H
#define FLUV_IO_RESERVE_H

#include "core/loop.h"

/* Before the first socket of a loop. 0, or why it could not be done. */
int fluv__reserve_watchers(fluv_loop_t* loop);

#endif /* FLUV_IO_RESERVE_H */
