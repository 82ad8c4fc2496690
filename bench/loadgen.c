/* SPDX-License-Identifier: MIT */
/* Drives any TCP echo server and verifies every byte that comes back.
 *
 * Usage: loadgen [-c connections] [-s bytes] [-d seconds | -n requests]
 *                [-w warm-up seconds] [-p server_pid] [-t threads] HOST:PORT
 *
 * One message is in flight on each connection; the next one starts when the
 * echo is complete. So this measures what the server can do, not how it fares
 * under an arrival rate: a slow answer delays the questions after it.
 *
 * First every connection echoes one message, so all of them are accepted before
 * anything is counted. Then come the warm-up and the measured interval (-d), or
 * as many measured requests as -n says. At the end the answers still missing
 * are waited for and verified too.
 *
 * Prints lines "NAME VALUE UNIT". Fails if any byte was wrong, any connection
 * was lost, any answer never came, or nothing was measured.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  /* A prime, so that ids and sequence numbers spread over all offsets; small
   * enough that the pattern stays in the second level cache. */
  PATTERN_PERIOD = 65521,
  PATTERN_STRIDE = 40503,
  SCRATCH_SIZE = 65536,
  EVENTS = 256,
  OPENING_MAX = 64,   /* half the usual backlog of 128: no SYN is dropped */
  STALL_SECONDS = 10, /* no answer at all for so long is a failure */
  REPORTED_MAX = 10,  /* failures printed in full; the others are counted */
  THREADS_MAX = 64,
  CONNECTIONS_MAX = 60000,
  SIZE_MAX_BYTES = 64 << 20,
  /* 128 buckets per power of two: a figure is at most 0.8 % too high. */
  HIST_BITS = 7,
  HIST_SUB = 1 << HIST_BITS,
  HIST_SIZE = (64 - HIST_BITS + 1) * HIST_SUB
};

struct histogram {
  uint64_t counts[HIST_SIZE];
  uint64_t total;
  uint64_t max;
};

struct options {
  const char* address;
  size_t connections;
  size_t size;
  double seconds;
  uint64_t requests; /* 0: as many as fit into `seconds` */
  double warmup;
  pid_t server; /* 0: not given */
  size_t threads;
};

/* What all workers share. Written before they start, but for the marked. */
struct run {
  struct options options;
  struct sockaddr_storage addr;
  socklen_t addr_len;
  const char* pattern;
  clockid_t server_clock;
  int64_t server_cpu; /* worker 0's: clock at the start, then the difference */
  bool server_lost;   /* worker 0's: the clock could not be read */
  uint64_t errors;    /* atomic */
  pthread_barrier_t barrier;
};

struct conn {
  int fd;
  uint64_t id;
  uint64_t seq;
  const char* message; /* into the pattern */
  size_t sent;
  size_t received;
  int64_t start;
  bool in_flight;
  bool want_write; /* EPOLLOUT is asked for */
};

struct worker {
  struct run* run;
  pthread_t thread;
  size_t index;
  int epoll;
  struct conn* conns;
  size_t conn_count;
  size_t opened;       /* connections that have echoed their first message */
  size_t in_flight;    /* messages */
  uint64_t quota;      /* messages that may still be started */
  uint64_t done;       /* measured requests */
  bool opening;        /* an echo does not start the next message */
  bool counting;       /* an echo is a measured request */
  int64_t now;         /* last reading of the clock */
  int64_t last_answer; /* when a message last came back, or a phase began */
  int64_t begin;       /* of the measured interval */
  int64_t end;
  struct histogram histogram;
  char scratch[SCRATCH_SIZE];
};

static _Noreturn void die(const char* what, const char* why) {
  fprintf(stderr, "loadgen: %s: %s\n", what, why);
  exit(1);
}

static int64_t clock_ns(void) {
  struct timespec ts;

  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* CPU time of all the server's threads, ended ones too, in nanoseconds. */
static int64_t server_ns(struct run* run) {
  struct timespec ts;

  if (run->options.server == 0)
    return 0;
  if (clock_gettime(run->server_clock, &ts) != 0) {
    run->server_lost = true;
    return 0;
  }
  return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static size_t histogram_index(uint64_t value) {
  unsigned int shift;

  if (value < HIST_SUB)
    return (size_t) value;
  shift = 63 - HIST_BITS - (unsigned int) __builtin_clzll(value);
  return (size_t) shift * HIST_SUB + (size_t) (value >> shift);
}

/* The largest value that falls into a bucket. */
static uint64_t histogram_upper(size_t index) {
  size_t shift;

  if (index < HIST_SUB)
    return index;
  shift = index / HIST_SUB - 1;
  return ((uint64_t) (index % HIST_SUB + HIST_SUB + 1) << shift) - 1;
}

static void histogram_add(struct histogram* h, int64_t value) {
  uint64_t v = value < 0 ? 0 : (uint64_t) value;

  h->counts[histogram_index(v)]++;
  h->total++;
  if (v > h->max)
    h->max = v;
}

static void histogram_merge(struct histogram* to,
                            const struct histogram* from) {
  size_t i;

  for (i = 0; i < HIST_SIZE; i++)
    to->counts[i] += from->counts[i];
  to->total += from->total;
  if (from->max > to->max)
    to->max = from->max;
}

static uint64_t histogram_quantile(const struct histogram* h, double q) {
  double wanted = q * (double) h->total;
  uint64_t seen = 0;
  uint64_t upper;
  size_t i;

  for (i = 0; i < HIST_SIZE; i++) {
    seen += h->counts[i];
    if (seen > 0 && (double) seen >= wanted) {
      upper = histogram_upper(i);
      return upper < h->max ? upper : h->max;
    }
  }
  return h->max;
}

static uint64_t errors_add(struct run* run, uint64_t n) {
  return __atomic_fetch_add(&run->errors, n, __ATOMIC_SEQ_CST);
}

static void conn_fail(struct worker* w, struct conn* c, const char* why) {
  if (errors_add(w->run, 1) < REPORTED_MAX)
    fprintf(stderr,
            "loadgen: connection %" PRIu64 ", message %" PRIu64
            ": %s (%zu bytes sent, %zu received)\n",
            c->id,
            c->seq,
            why,
            c->sent,
            c->received);
  if (c->in_flight) {
    c->in_flight = false;
    w->in_flight--;
  }
  if (c->fd >= 0)
    close(c->fd);
  c->fd = -1;
}

static void conn_want_write(struct worker* w, struct conn* c, bool want) {
  struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

  if (c->want_write == want)
    return;
  c->want_write = want;
  if (want)
    ev.events |= EPOLLOUT;
  if (epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &ev) != 0)
    conn_fail(w, c, strerror(errno));
}

static void conn_send(struct worker* w, struct conn* c) {
  size_t left = w->run->options.size - c->sent;
  ssize_t n = send(c->fd, c->message + c->sent, left, MSG_NOSIGNAL);

  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    conn_fail(w, c, strerror(errno));
    return;
  }
  if (n > 0)
    c->sent += (size_t) n;
  conn_want_write(w, c, c->sent < w->run->options.size);
}

/* The pattern does not repeat within its length, so the offset of a message in
 * it distinguishes the message from the one before and from its neighbours'. */
static void conn_prepare(struct worker* w, struct conn* c) {
  uint64_t place = (c->id * PATTERN_STRIDE + c->seq) % PATTERN_PERIOD;

  c->message = w->run->pattern + place;
  c->sent = 0;
  c->received = 0;
  c->start = w->now;
  c->in_flight = true;
  w->in_flight++;
}

static void conn_begin(struct worker* w, struct conn* c) {
  if (w->quota == 0)
    return;
  w->quota--;
  conn_prepare(w, c);
  conn_send(w, c);
}

static void conn_answered(struct worker* w, struct conn* c) {
  w->now = clock_ns();
  w->last_answer = w->now;
  w->in_flight--;
  c->in_flight = false;
  c->seq++;
  if (w->opening) {
    w->opened++;
    return;
  }
  if (w->counting) {
    w->done++;
    histogram_add(&w->histogram, w->now - c->start);
  }
  conn_begin(w, c);
}

static void conn_receive(struct worker* w, struct conn* c) {
  ssize_t n = recv(c->fd, w->scratch, sizeof(w->scratch), 0);
  size_t len = (size_t) n;

  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR)
      conn_fail(w, c, strerror(errno));
    return;
  }
  if (n == 0) {
    conn_fail(w, c, "closed by the server");
    return;
  }
  if (!c->in_flight || len > c->sent - c->received) {
    conn_fail(w, c, "mismatch: more came back than was sent");
    return;
  }
  if (memcmp(w->scratch, c->message + c->received, len) != 0) {
    conn_fail(w, c, "mismatch: other bytes came back than were sent");
    return;
  }
  c->received += len;
  if (c->received == w->run->options.size)
    conn_answered(w, c);
}

static void conn_event(struct worker* w, struct conn* c, uint32_t events) {
  if (c->want_write && (events & ~(uint32_t) EPOLLIN) != 0)
    conn_send(w, c);
  if (c->fd >= 0 && (events & ~(uint32_t) EPOLLOUT) != 0)
    conn_receive(w, c);
}

/* The first message goes out when the connection is there; if it cannot be
 * made, sending or receiving tells why. */
static void conn_open(struct worker* w, struct conn* c) {
  struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
  const struct run* run = w->run;
  int one = 1;

  conn_prepare(w, c);
  c->want_write = true;
  c->fd = socket(run->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0 ||
      setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
      (connect(c->fd, (const struct sockaddr*) &run->addr, run->addr_len) !=
           0 &&
       errno != EINPROGRESS) ||
      epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
    conn_fail(w, c, strerror(errno));
}

/* Waits once, until `deadline` at most. False if the server is stuck. */
static bool worker_poll(struct worker* w, int64_t deadline) {
  int64_t stall = w->last_answer + STALL_SECONDS * INT64_C(1000000000);
  int64_t wait = (deadline < stall ? deadline : stall) - w->now;
  struct epoll_event events[EVENTS];
  int n;
  int i;

  if (wait < 0)
    wait = 0;
  n = epoll_wait(w->epoll, events, EVENTS, (int) ((wait + 999999) / 1000000));
  if (n < 0 && errno != EINTR)
    die("epoll_wait", strerror(errno));
  w->now = clock_ns();
  for (i = 0; i < n; i++)
    conn_event(w, events[i].data.ptr, events[i].events);
  return n != 0 || w->now < stall;
}

static void worker_phase(struct worker* w) {
  w->now = clock_ns();
  w->last_answer = w->now;
}

static void worker_open(struct worker* w) {
  size_t next = 0;
  bool alive = true;

  worker_phase(w);
  w->opening = true;
  while (alive && w->opened < w->conn_count &&
         __atomic_load_n(&w->run->errors, __ATOMIC_SEQ_CST) == 0) {
    while (next < w->conn_count && w->in_flight < OPENING_MAX)
      conn_open(w, &w->conns[next++]);
    alive = worker_poll(w, INT64_MAX);
  }
  if (!alive) {
    fprintf(stderr,
            "loadgen: %zu of %zu connections were never served\n",
            w->conn_count - w->opened,
            w->conn_count);
    errors_add(w->run, w->conn_count - w->opened);
  }
  w->opening = false;
}

static void worker_begin_all(struct worker* w) {
  size_t i;

  for (i = 0; i < w->conn_count; i++)
    if (w->conns[i].fd >= 0 && !w->conns[i].in_flight)
      conn_begin(w, &w->conns[i]);
}

static void worker_drive(struct worker* w, int64_t deadline) {
  while (w->in_flight > 0 && w->now < deadline)
    if (!worker_poll(w, deadline))
      break;
}

/* This worker's part of a number that all share. */
static uint64_t worker_share(const struct worker* w, uint64_t total) {
  uint64_t threads = w->run->options.threads;

  return total / threads + (w->index < total % threads);
}

static void worker_measure(struct worker* w) {
  const struct options* o = &w->run->options;
  int64_t deadline = INT64_MAX;

  worker_phase(w);
  if (o->warmup > 0) {
    w->quota = UINT64_MAX;
    worker_begin_all(w);
    worker_drive(w, w->now + (int64_t) (o->warmup * 1e9));
  }
  if (w->index == 0)
    w->run->server_cpu = server_ns(w->run);
  worker_phase(w);
  w->begin = w->now;
  w->counting = true;
  w->quota = UINT64_MAX;
  if (o->requests > 0) {
    /* What the warm-up has in flight is measured when it comes back. */
    w->quota = worker_share(w, o->requests);
    w->quota -= w->quota < w->in_flight ? w->quota : w->in_flight;
  } else {
    deadline = w->begin + (int64_t) (o->seconds * 1e9);
  }
  worker_begin_all(w);
  worker_drive(w, deadline);
  w->end = w->now;
  w->counting = false;
}

/* Waits for the answers to what is still in flight. */
static void worker_drain(struct worker* w) {
  worker_phase(w);
  w->quota = 0;
  worker_drive(w, INT64_MAX);
  if (w->in_flight > 0) {
    fprintf(stderr, "loadgen: %zu answers never came\n", w->in_flight);
    errors_add(w->run, w->in_flight);
  }
}

static void* worker_main(void* arg) {
  struct worker* w = arg;
  struct run* run = w->run;

  worker_open(w);
  pthread_barrier_wait(&run->barrier);
  if (__atomic_load_n(&run->errors, __ATOMIC_SEQ_CST) > 0)
    return NULL;
  pthread_barrier_wait(&run->barrier);
  worker_measure(w);
  pthread_barrier_wait(&run->barrier);
  if (w->index == 0)
    run->server_cpu = server_ns(run) - run->server_cpu;
  worker_drain(w);
  return NULL;
}

static struct worker* worker_new(struct run* run, size_t index) {
  struct worker* w = calloc(1, sizeof(*w));
  size_t i;

  if (w == NULL)
    die("worker", strerror(ENOMEM));
  w->run = run;
  w->index = index;
  w->conn_count = (size_t) worker_share(w, run->options.connections);
  w->conns = calloc(w->conn_count, sizeof(*w->conns));
  if (w->conns == NULL)
    die("connections", strerror(ENOMEM));
  for (i = 0; i < w->conn_count; i++) {
    w->conns[i].fd = -1;
    w->conns[i].id = i * run->options.threads + index;
  }
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (w->epoll < 0)
    die("epoll_create1", strerror(errno));
  return w;
}

static void worker_free(struct worker* w) {
  size_t i;

  for (i = 0; i < w->conn_count; i++)
    if (w->conns[i].fd >= 0)
      close(w->conns[i].fd);
  close(w->epoll);
  free(w->conns);
  free(w);
}

static char* pattern_new(size_t size) {
  size_t len = PATTERN_PERIOD + size;
  char* pattern = malloc(len);
  uint64_t x = UINT64_C(0x9e3779b97f4a7c15);
  size_t i;

  if (pattern == NULL)
    die("pattern", strerror(ENOMEM));
  for (i = 0; i < len; i++) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pattern[i] = (char) (x >> 56);
  }
  return pattern;
}

static void raise_file_limit(size_t connections) {
  rlim_t wanted = connections + 64; /* standard streams, epolls, slack */
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    die("getrlimit", strerror(errno));
  if (limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted)
    limit.rlim_max = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
    die("cannot raise the limit of open files", strerror(errno));
}

static _Noreturn void usage(void) {
  fprintf(stderr,
          "usage: loadgen [-c connections] [-s bytes] "
          "[-d seconds | -n requests]\n"
          "               [-w warm-up seconds] [-p server_pid] [-t threads] "
          "HOST:PORT\n");
  exit(2);
}

static double number(const char* text, double min, double max) {
  char* end;
  double value;

  errno = 0;
  value = strtod(text, &end);
  if (end == text || *end != '\0' || errno != 0 || !(value >= min) ||
      value > max)
    die(text, "not a number in range");
  return value;
}

static uint64_t integer(const char* text, uint64_t min, uint64_t max) {
  char* end;
  uint64_t value;

  errno = 0;
  value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 ||
      value < min || value > max)
    die(text, "not a whole number in range");
  return value;
}

/* HOST is a name or a number, an IPv6 one in brackets. */
static void resolve(struct run* run) {
  const char* text = run->options.address;
  const char* colon = strrchr(text, ':');
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
  struct addrinfo* found;
  char* host;
  int err;

  if (colon == NULL)
    die(text, "HOST:PORT expected");
  if (text[0] == '[' && colon[-1] == ']')
    host = strndup(text + 1, (size_t) (colon - text - 2));
  else
    host = strndup(text, (size_t) (colon - text));
  if (host == NULL)
    die(text, strerror(ENOMEM));
  integer(colon + 1, 1, 65535); /* getaddrinfo would cut it off */
  err = getaddrinfo(host, colon + 1, &hints, &found);
  if (err != 0)
    die(text, gai_strerror(err));
  memcpy(&run->addr, found->ai_addr, found->ai_addrlen);
  run->addr_len = found->ai_addrlen;
  freeaddrinfo(found);
  free(host);
}

static void parse_option(struct options* o, int option) {
  switch (option) {
  case 'c':
    o->connections = (size_t) integer(optarg, 1, CONNECTIONS_MAX);
    break;
  case 's':
    o->size = (size_t) integer(optarg, 1, SIZE_MAX_BYTES);
    break;
  case 'd':
    o->seconds = number(optarg, 0.001, 86400);
    break;
  case 'n':
    o->requests = integer(optarg, 1, UINT64_MAX / 2);
    break;
  case 'w':
    o->warmup = number(optarg, 0, 86400);
    break;
  case 'p':
    o->server = (pid_t) integer(optarg, 1, INT32_MAX);
    break;
  case 't':
    o->threads = (size_t) integer(optarg, 1, THREADS_MAX);
    break;
  default:
    usage();
  }
}

static void parse_options(struct options* o, int argc, char** argv) {
  int option;

  o->connections = 1;
  o->size = 64;
  o->threads = 1;
  o->warmup = -1;
  while ((option = getopt(argc, argv, "c:s:d:n:w:p:t:")) != -1)
    parse_option(o, option);
  if (optind != argc - 1 || (o->seconds > 0 && o->requests > 0))
    usage();
  o->address = argv[optind];
  if (o->threads > o->connections)
    die("-t", "more threads than connections");
  if (o->seconds <= 0)
    o->seconds = 2;
  /* A counted run is exact only if nothing is added to the count. */
  if (o->warmup < 0)
    o->warmup = o->requests > 0 ? 0 : 0.5;
}

static void print_us(const char* name, double ns) {
  printf("%s %.3f us\n", name, ns / 1e3);
}

static void print_results(const struct run* run,
                          const struct histogram* h,
                          double seconds) {
  double done = (double) h->total;

  printf("requests %" PRIu64 " count\n", h->total);
  printf("elapsed %.6f s\n", seconds);
  printf("requests_per_second %.1f 1/s\n", seconds > 0 ? done / seconds : 0);
  if (h->total > 0) {
    print_us("latency_p50", (double) histogram_quantile(h, 0.5));
    print_us("latency_p90", (double) histogram_quantile(h, 0.9));
    print_us("latency_p99", (double) histogram_quantile(h, 0.99));
    print_us("latency_p99.9", (double) histogram_quantile(h, 0.999));
    print_us("latency_max", (double) h->max);
    if (run->options.server != 0 && !run->server_lost)
      print_us("server_cpu_us_per_request", (double) run->server_cpu / done);
  }
  printf("errors %" PRIu64 " count\n", run->errors);
}

/* Runs the workers and adds up what they measured. Returns the seconds. */
static double run_workers(struct run* run, struct histogram* total) {
  struct worker* workers[THREADS_MAX];
  size_t threads = run->options.threads;
  int64_t begin = INT64_MAX;
  int64_t end = 0;
  size_t i;
  int err;

  for (i = 0; i < threads; i++)
    workers[i] = worker_new(run, i);
  for (i = 0; i < threads; i++) {
    err = pthread_create(&workers[i]->thread, NULL, worker_main, workers[i]);
    if (err != 0)
      die("pthread_create", strerror(err));
  }
  for (i = 0; i < threads; i++) {
    pthread_join(workers[i]->thread, NULL);
    histogram_merge(total, &workers[i]->histogram);
    if (workers[i]->begin < begin)
      begin = workers[i]->begin;
    if (workers[i]->end > end)
      end = workers[i]->end;
    worker_free(workers[i]);
  }
  return (double) (end - begin) / 1e9;
}

int main(int argc, char** argv) {
  static struct histogram total;
  static struct run run;
  char* pattern;
  double seconds;
  int err;

  parse_options(&run.options, argc, argv);
  resolve(&run);
  raise_file_limit(run.options.connections);
  pattern = pattern_new(run.options.size);
  run.pattern = pattern;
  if (run.options.server != 0) {
    err = clock_getcpuclockid(run.options.server, &run.server_clock);
    if (err != 0)
      die("no CPU clock for the server", strerror(err));
  }
  err = pthread_barrier_init(&run.barrier,
                             NULL,
                             (unsigned int) run.options.threads);
  if (err != 0)
    die("pthread_barrier_init", strerror(err));
  seconds = run_workers(&run, &total);
  pthread_barrier_destroy(&run.barrier);
  free(pattern);
  if (run.server_lost) {
    fprintf(stderr, "loadgen: the server's CPU clock is gone\n");
    run.errors++;
  }
  print_results(&run, &total, seconds);
  if (fflush(stdout) != 0)
    die("stdout", strerror(errno));
  return run.errors > 0 || total.total == 0;
}
