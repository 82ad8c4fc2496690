/* SPDX-License-Identifier: MIT */
/* Listening sockets, before they belong to a loop. */
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

/* Accept a connection from the backlog, while no accept waits: 0, FLUV_EAGAIN,
 * or another error. */
int fluv__listener_try_accept(fluv_listener_t* listener,
                              fluv_stream_t** out_stream,
                              const fluv_loc_t* loc);

/* Will accepting never work again after this error? */
bool fluv__listener_error_lasts(int err);

/* The size of the backlog that was requested. */
int fluv__listener_backlog(const fluv_listener_t* listener);

/* From now on the kernel drops new handshakes; those under way can
 * complete. When the backlog is empty, it stays empty, and the listener can be
 * closed without a reset. Does nothing where the kernel has no filters. */
void fluv__listener_refuse_new(fluv_listener_t* listener);

#endif /* FLUV_IO_LISTENER_H */
