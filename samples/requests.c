/* SPDX-License-Identifier: 0BSD */
/* Requests of libuv as futures: a name, a file's properties, and work for the
 * thread pool.
 *
 * Shows:   FLUV_UV with uv_getaddrinfo, uv_fs_stat and uv_queue_work
 * Run:     samples/requests
 * Prints:  samples/requests.out
 * Next:    samples/channel.c
 */
#include <fluv/uv.h>
#include <stdio.h>
#include <string.h>

/* A request may lie on the stack: the await lasts until its callback has run,
 * also in a task that was cancelled. */
static int64_t resolve(uv_loop_t* uv, const char* name) {
  uv_getaddrinfo_cb on_found = fluv_uv_on_getaddrinfo;
  uv_getaddrinfo_t req;
  struct addrinfo hints;
  char text[16];
  int64_t err;

  memset(&hints, 0, sizeof(hints));
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  err = fluv_await(
      FLUV_UV(&req, uv_getaddrinfo(uv, &req, on_found, name, NULL, &hints)));
  if (err < 0)
    return err;
  err = uv_ip4_name((struct sockaddr_in*) req.addrinfo->ai_addr,
                    text,
                    sizeof(text));
  if (err >= 0)
    printf("%s is at %s\n", name, text);
  uv_freeaddrinfo(req.addrinfo);
  return err;
}

static int64_t get_status(uv_loop_t* uv, const char* path) {
  uv_fs_t req;
  int64_t err =
      fluv_await(FLUV_UV(&req, uv_fs_stat(uv, &req, path, fluv_uv_on_fs)));

  if (err >= 0)
    printf("%s is %s directory\n",
           path,
           (req.statbuf.st_mode & S_IFMT) == S_IFDIR ? "a" : "no");
  uv_fs_req_cleanup(&req);
  return err;
}

struct primes {
  uv_work_t req; /* First: the request's address is that of the struct. */
  int limit;
  int count;
};

/* Runs on a thread of libuv's pool. */
static void count_primes(uv_work_t* req) {
  struct primes* primes = (struct primes*) req;

  for (int n = 2; n < primes->limit; n++) {
    int d = 2;
    while (d * d <= n && n % d != 0)
      d++;
    primes->count += d * d > n;
  }
}

static int64_t compute(uv_loop_t* uv) {
  struct primes primes = { .limit = 10000, .count = 0 };
  int64_t err = fluv_await(
      FLUV_UV(&primes.req,
              uv_queue_work(uv, &primes.req, count_primes, fluv_uv_on_work)));

  if (err >= 0)
    printf("there are %d primes below %d\n", primes.count, primes.limit);
  return err;
}

static int64_t requests(void* arg) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());
  int64_t err = resolve(uv, "127.0.0.1");

  (void) arg;
  if (err >= 0)
    err = get_status(uv, "/");
  if (err >= 0)
    err = compute(uv);
  return err;
}

int main(void) {
  int64_t err = fluv_run(requests, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "requests: %s\n", fluv_strerror(err));
  return err < 0;
}
