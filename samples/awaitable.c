/* SPDX-License-Identifier: 0BSD */
/* An API that answers by a callback on a thread of its own, made awaitable.
 *
 * Shows:   fluv_promise_new, fluv_promise_resolve, fluv_promise_free
 * Run:     samples/awaitable
 * Prints:  samples/awaitable.out
 * Next:    samples/requests.c
 */
#include <fluv.h>
#include <pthread.h>
#include <stdio.h>

/* The API, which knows nothing of fluv: a meter that takes its time. */
typedef void (*meter_fn)(unsigned watts, void* arg);

struct meter {
  pthread_t thread;
  bool reading;
  unsigned watts;
  meter_fn fn;
  void* arg;
};

static void* meter_main(void* arg) {
  struct meter* meter = arg;

  meter->fn(meter->watts, meter->arg);
  return NULL;
}

/* Calls back once, on another thread, if it returns true. */
static bool meter_read(struct meter* meter, meter_fn fn, void* arg) {
  meter->fn = fn;
  meter->arg = arg;
  meter->reading = !pthread_create(&meter->thread, NULL, meter_main, meter);
  return meter->reading;
}

static void meter_close(struct meter* meter) {
  if (meter->reading)
    pthread_join(meter->thread, NULL);
}

/* The bridge: the callback gets the promise, the caller gets the future. */
static void on_watts(unsigned watts, void* arg) {
  fluv_promise_resolve(arg, watts);
  fluv_promise_free(arg);
}

static fluv_future_t* read_watts(struct meter* meter) {
  fluv_promise_t* promise;
  fluv_future_t* future;
  int err = fluv_promise_new(&promise, &future);

  if (err < 0)
    return fluv_failed(err);
  if (!meter_read(meter, on_watts, promise)) {
    fluv_promise_resolve(promise, FLUV_EAGAIN);
    fluv_promise_free(promise);
  }
  return future;
}

/* Now it composes like everything else. */
static int64_t measure(void* arg) {
  struct meter kitchen = { .watts = 1200 };
  struct meter cellar = { .watts = 75 };
  fluv_future_t* both[] = { read_watts(&kitchen), read_watts(&cellar) };
  int64_t watts[2];
  int64_t err = fluv_await(fluv_timeout(fluv_join_all(both, 2, watts), 20000));

  (void) arg;
  meter_close(&kitchen);
  meter_close(&cellar);
  if (err < 0)
    return err;
  printf("kitchen: %lld W\n", (long long) watts[0]);
  printf("cellar: %lld W\n", (long long) watts[1]);
  return 0;
}

int main(void) {
  int64_t err = fluv_run(measure, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "awaitable: %s\n", fluv_strerror(err));
  return err < 0;
}
