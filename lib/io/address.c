/* SPDX-License-Identifier: MIT */
/* Addresses as text, and socket options. */
#include "io/address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/options.h"
#include "io/stream.h"

static int parse_port(const char* text, fluv__hostport_t* out) {
  size_t len = strlen(text);
  size_t i;

  if (len == 0 || len >= FLUV__PORT_SIZE)
    return FLUV_EINVAL;
  out->port_number = 0;
  for (i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return FLUV_EINVAL;
    out->port_number = out->port_number * 10 + (unsigned) (text[i] - '0');
  }
  memcpy(out->port, text, len + 1);
  return out->port_number <= 65535 ? 0 : FLUV_EINVAL;
}

int fluv__address_split(const char* text, fluv__hostport_t* out) {
  const char* host = text;
  const char* colon;
  bool bracketed = false;
  struct sockaddr_in6 in6;
  size_t len;

  if (text == NULL)
    return FLUV_EINVAL;
  colon = strrchr(text, ':');
  if (colon == NULL)
    return FLUV_EINVAL;
  len = (size_t) (colon - text);
  if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
    host++;
    len -= 2;
    bracketed = true;
  } else if (memchr(host, ':', len) != NULL) {
    return FLUV_EINVAL; /* IPv6 without brackets: where does the port begin? */
  }
  if (len == 1 && host[0] == '*')
    len = 0;
  if (len >= FLUV__HOST_SIZE)
    return FLUV_EINVAL;
  memcpy(out->host, host, len);
  out->host[len] = '\0';
  if (bracketed && uv_ip6_addr(out->host, 0, &in6) != 0)
    return FLUV_EINVAL;
  return parse_port(colon + 1, out);
}

int fluv__address_parse(const fluv__hostport_t* address,
                        int any_family,
                        struct sockaddr_storage* out) {
  int port = (int) address->port_number;
  const char* host = address->host;

  memset(out, 0, sizeof(*out));
  if (host[0] == '\0')
    host = any_family == AF_INET6 ? "::" : "0.0.0.0";
  if (uv_ip4_addr(host, port, (struct sockaddr_in*) out) == 0 ||
      uv_ip6_addr(host, port, (struct sockaddr_in6*) out) == 0)
    return 0;
  return FLUV_EINVAL;
}

socklen_t fluv__address_len(const struct sockaddr_storage* address) {
  return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                        : sizeof(struct sockaddr_in);
}

int fluv__address_format(const struct sockaddr_storage* address,
                         char* buf,
                         size_t size) {
  char host[64];
  unsigned port;
  int n;

  if (buf == NULL)
    return FLUV_EINVAL;
  if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6* in6 = (const struct sockaddr_in6*) address;

    port = ntohs(in6->sin6_port);
    n = uv_ip6_name(in6, host, sizeof(host));
  } else if (address->ss_family == AF_INET) {
    const struct sockaddr_in* in = (const struct sockaddr_in*) address;

    port = ntohs(in->sin_port);
    n = uv_ip4_name(in, host, sizeof(host));
  } else {
    return FLUV_EINVAL;
  }
  if (n < 0)
    return n;
  n = snprintf(buf,
               size,
               address->ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u",
               host,
               port);
  return n >= 0 && (size_t) n < size ? 0 : FLUV_ENOBUFS;
}

int fluv__address_of_fd(int fd, bool peer, char* buf, size_t size) {
  struct sockaddr_storage address;
  socklen_t len = sizeof(address);
  int err;

  if (fd < 0)
    return fd;
  err = peer ? getpeername(fd, (struct sockaddr*) &address, &len)
             : getsockname(fd, (struct sockaddr*) &address, &len);
  if (err != 0)
    return uv_translate_sys_error(errno);
  return fluv__address_format(&address, buf, size);
}

int fluv_stream_get_local_address(const fluv_stream_t* stream,
                                  char* buf,
                                  size_t size) {
  if (stream == NULL || buf == NULL)
    return FLUV_EINVAL;
  fluv__stream_check(stream, "fluv_stream_get_local_address()", NULL);
  return fluv__address_of_fd(fluv__stream_fd(stream), false, buf, size);
}

int fluv_stream_get_peer_address(const fluv_stream_t* stream,
                                 char* buf,
                                 size_t size) {
  if (stream == NULL || buf == NULL)
    return FLUV_EINVAL;
  fluv__stream_check(stream, "fluv_stream_get_peer_address()", NULL);
  return fluv__address_of_fd(fluv__stream_fd(stream), true, buf, size);
}

/* Options. */

int fluv__set_option(int fd, int level, int name, int value) {
  if (fd < 0)
    return fd;
  if (setsockopt(fd, level, name, &value, sizeof(value)) != 0)
    return uv_translate_sys_error(errno);
  return 0;
}

int fluv__set_keepalive(int fd, unsigned delay_s) {
  int err;

  if (delay_s > INT32_MAX)
    return FLUV_EINVAL;
  err = fluv__set_option(fd, SOL_SOCKET, SO_KEEPALIVE, delay_s != 0);
#ifdef TCP_KEEPIDLE
  if (err == 0 && delay_s != 0)
    err = fluv__set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int) delay_s);
#endif
  return err;
}

int fluv__tcp_options_read(fluv_tcp_options_t* options,
                           const fluv_tcp_options_t* given) {
  int err = fluv__options_read(options, given, &fluv__tcp_options_sizes);

  if (err == 0 && (options->backlog < 0 || options->send_buffer < 0 ||
                   options->recv_buffer < 0))
    err = FLUV_EINVAL;
  return err;
}

int fluv__tcp_options_apply(int fd, const fluv_tcp_options_t* options) {
  int err = 0;

  if (!options->nagle)
    err = fluv__set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (err == 0 && options->keepalive_s != 0)
    err = fluv__set_keepalive(fd, options->keepalive_s);
  if (err == 0 && options->send_buffer != 0)
    err = fluv__set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
  if (err == 0 && options->recv_buffer != 0)
    err = fluv__set_option(fd, SOL_SOCKET, SO_RCVBUF, options->recv_buffer);
  return err;
}

static int stream_fd(const fluv_stream_t* stream, const char* what) {
  if (stream == NULL)
    return FLUV_EINVAL;
  fluv__stream_check(stream, what, NULL);
  return fluv__stream_fd(stream);
}

int fluv_tcp_set_nodelay(fluv_stream_t* stream, bool enable) {
  return fluv__set_option(stream_fd(stream, "fluv_tcp_set_nodelay()"),
                          IPPROTO_TCP,
                          TCP_NODELAY,
                          enable);
}

int fluv_tcp_set_keepalive(fluv_stream_t* stream, unsigned delay_s) {
  return fluv__set_keepalive(stream_fd(stream, "fluv_tcp_set_keepalive()"),
                             delay_s);
}

int fluv_stream_set_buffers(fluv_stream_t* stream,
                            int send_bytes,
                            int recv_bytes) {
  int fd = stream_fd(stream, "fluv_stream_set_buffers()");
  int err = 0;

  if (fd < 0)
    return fd;
  if (send_bytes < 0 || recv_bytes < 0)
    return FLUV_EINVAL;
  if (send_bytes != 0)
    err = fluv__set_option(fd, SOL_SOCKET, SO_SNDBUF, send_bytes);
  if (err == 0 && recv_bytes != 0)
    err = fluv__set_option(fd, SOL_SOCKET, SO_RCVBUF, recv_bytes);
  return err;
}

static int get_option(int fd, int name, int* out) {
  socklen_t len = sizeof(*out);

  if (out == NULL)
    return 0;
  if (getsockopt(fd, SOL_SOCKET, name, out, &len) != 0)
    return uv_translate_sys_error(errno);
  return 0;
}

int fluv_stream_get_buffers(const fluv_stream_t* stream,
                            int* send_bytes,
                            int* recv_bytes) {
  int fd = stream_fd(stream, "fluv_stream_get_buffers()");
  int err;

  if (fd < 0)
    return fd;
  err = get_option(fd, SO_SNDBUF, send_bytes);
  return err < 0 ? err : get_option(fd, SO_RCVBUF, recv_bytes);
}
