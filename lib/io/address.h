/* SPDX-License-Identifier: MIT */
/* Addresses as text, and socket options. */
#ifndef FLUV_IO_ADDRESS_H
#define FLUV_IO_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/internal.h"

/* The longest name of a host that DNS allows, and the longest port. */
enum {
  FLUV__HOST_SIZE = 256,
  FLUV__PORT_SIZE = 6
};

typedef struct fluv__hostport {
  char host[FLUV__HOST_SIZE]; /* "" for every address */
  char port[FLUV__PORT_SIZE];
  unsigned port_number;
} fluv__hostport_t;

/* Take "HOST:PORT" apart. 0 or FLUV_EINVAL. */
int fluv__address_split(const char* text, fluv__hostport_t* out);

/* A socket address from numbers; for no host the one of `any_family`.
 * FLUV_EINVAL if the host is not written in numbers. */
int fluv__address_parse(const fluv__hostport_t* address,
                        int any_family,
                        struct sockaddr_storage* out);

socklen_t fluv__address_len(const struct sockaddr_storage* address);

/* Write "HOST:PORT". 0, FLUV_ENOBUFS or FLUV_EINVAL. */
int fluv__address_format(const struct sockaddr_storage* address,
                         char* buf,
                         size_t size);

/* The address of a socket's own end, or its peer's. */
int fluv__address_of_fd(int fd, bool peer, char* buf, size_t size);

/* Copy what a caller gave, NULL for the defaults. 0, or FLUV_EINVAL if it makes
 * no sense. */
int fluv__tcp_options_read(fluv_tcp_options_t* options,
                           const fluv_tcp_options_t* given);

/* What options say of a connection's descriptor. 0 or an error. */
int fluv__tcp_options_apply(int fd, const fluv_tcp_options_t* options);

int fluv__set_option(int fd, int level, int name, int value);
int fluv__set_keepalive(int fd, unsigned delay_s);

#endif /* FLUV_IO_ADDRESS_H */
