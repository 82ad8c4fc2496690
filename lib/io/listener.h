/* SPDX-License-Identifier: MIT */
/* Listening sockets, before a loop has them. */
#ifndef FLUV_IO_LISTENER_H
#define FLUV_IO_LISTENER_H

#include <fluv.h>

/* Any thread: a socket that is bound and does not listen yet, or an error. */
int fluv__bind(const char* address, const fluv_tcp_options_t* options);

/* Any thread: let it listen. 0 or an error. */
int fluv__listen(int fd, const fluv_tcp_options_t* options);

/* Make a listener of this thread's loop from it. The descriptor is taken over,
 * also when this fails. */
int fluv__listener_new(int fd,
                       const fluv_tcp_options_t* options,
                       fluv_listener_t** out_listener,
                       const fluv_loc_t* loc);

#endif /* FLUV_IO_LISTENER_H */
