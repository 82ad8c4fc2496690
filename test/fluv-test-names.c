/* SPDX-License-Identifier: MIT */
/* Names that the tests look up, in place of a name server's answers. */
#include "fluv-test-names.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "fluv-test-jobs.h"

/* Each port of 127.0.0.0/8 listens or refuses connections, as a test wants. */
static const struct {
  const char* name;
  int err;
  bool waits;
  const char* addresses[4];
} names[] = {
  { "one.test", 0, false, { "127.0.0.1" } },
  { "two.test", 0, false, { "127.0.0.2", "127.0.0.1" } },
  { "four.test",
    0,
    false,
    { "127.0.0.4", "127.0.0.3", "127.0.0.2", "127.0.0.1" } },
  { "refused.test", 0, false, { "127.0.0.2", "127.0.0.3" } },
  { "slow.test", 0, true, { "127.0.0.1" } },
  { "slow-none.test", EAI_NONAME, true, { NULL } },
  { "none.test", EAI_NONAME, false, { NULL } },
  { "again.test", EAI_AGAIN, false, { NULL } },
  { "fail.test", EAI_FAIL, false, { NULL } },
};

/* Marks a list that was made here. */
#define OUR_LIST 0x7e57

sem_t names_may_answer;
atomic_int names_lookups;

static struct addrinfo* make_entry(const char* address, const char* service) {
  struct addrinfo* entry = calloc(1, sizeof(*entry));
  struct sockaddr_in* in = calloc(1, sizeof(*in));

  if (entry == NULL || in == NULL)
    abort();
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t) (service == NULL ? 0 : atoi(service)));
  inet_pton(AF_INET, address, &in->sin_addr);
  entry->ai_flags = OUR_LIST;
  entry->ai_family = AF_INET;
  entry->ai_socktype = SOCK_STREAM;
  entry->ai_protocol = IPPROTO_TCP;
  entry->ai_addrlen = sizeof(*in);
  entry->ai_addr = (struct sockaddr*) in;
  return entry;
}

static struct addrinfo* make_list(const char* const addresses[4],
                                  const char* service) {
  struct addrinfo* list = NULL;
  struct addrinfo** end = &list;
  int i;

  for (i = 0; i < 4 && addresses[i] != NULL; i++) {
    *end = make_entry(addresses[i], service);
    end = &(*end)->ai_next;
  }
  return list;
}

FLUV_EXTERN
int getaddrinfo(const char* node,
                const char* service,
                const struct addrinfo* hints,
                struct addrinfo** result) {
  int (*real)(const char*,
              const char*,
              const struct addrinfo*,
              struct addrinfo**);
  size_t i;

  for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (node == NULL || strcmp(node, names[i].name) != 0)
      continue;
    atomic_fetch_add(&names_lookups, 1);
    if (names[i].waits)
      while (sem_wait(&names_may_answer) == -1)
        ;
    if (names[i].err == 0)
      *result = make_list(names[i].addresses, service);
    return names[i].err;
  }

  *(void**) &real = dlsym(RTLD_NEXT, "getaddrinfo");
  return real(node, service, hints, result);
}

FLUV_EXTERN
void freeaddrinfo(struct addrinfo* list) {
  void (*real)(struct addrinfo*);
  struct addrinfo* next;

  if (list != NULL && list->ai_flags != OUR_LIST) {
    *(void**) &real = dlsym(RTLD_NEXT, "freeaddrinfo");
    real(list);
    return;
  }
  for (; list != NULL; list = next) {
    next = list->ai_next;
    free(list->ai_addr);
    free(list);
  }
}

void names_setup(void) {
  static uv_tcp_t first;

  ck_assert_int_eq(sem_init(&names_may_answer, 0, 0), 0);
  atomic_store(&names_lookups, 0);
  test_open_more = jobs_open_pool;
  test_setup_paused();
  /* libuv keeps a spare descriptor from a loop's first socket on. */
  ck_assert_int_eq(uv_tcp_init(test_uv, &first), 0);
  uv_close((uv_handle_t*) &first, NULL);
}

/* A detached look-up ends before the fixture counts what is left. */
void names_teardown(void) {
  jobs_wait_free();
  uv_run(test_uv, UV_RUN_DEFAULT);
  test_teardown();
}

void names_wait_lookup(int count) {
  while (atomic_load(&names_lookups) < count)
    io_turns(1);
}

int64_t names_connect_to(const char* address) {
  fluv_stream_t* stream = NULL;
  int64_t err = fluv_await(fluv_tcp_connect(address, NULL, &stream));

  ck_assert_int_eq(err == 0, stream != NULL);
  ck_assert_err(fluv_await(fluv_close(stream)), 0);
  return err;
}

int64_t names_connect_host(const char* host) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];
  int64_t err;

  io_address_on(address, host, listener);
  err = names_connect_to(address);
  io_listener_close(listener);
  return err;
}

fluv_future_t* names_connect(const char* host,
                             const fluv_listener_t* listener,
                             fluv_stream_t** out) {
  char address[IO_ADDRESS];

  io_address_on(address, host, listener);
  return fluv_tcp_connect(address, NULL, out);
}
