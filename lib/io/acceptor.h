/* SPDX-License-Identifier: MIT */
/* Acceptor: the part of a server that accepts on one worker. */
#ifndef FLUV_IO_ACCEPTOR_H
#define FLUV_IO_ACCEPTOR_H

#include "io/server.h"

/* Any thread: start an acceptor on its worker. It accepts once the server is
 * decided. 0 or an error; then it has finished. */
int fluv__acceptor_start(fluv__acceptor_t* acceptor);

#endif /* FLUV_IO_ACCEPTOR_H */
