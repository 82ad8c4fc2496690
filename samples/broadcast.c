/* SPDX-License-Identifier: 0BSD */
/* Every subscriber gets every message.
 *
 * Shows:   fluv_broadcast_send, fluv_broadcast_subscribe
 * Run:     samples/broadcast
 * Prints:  samples/broadcast.out
 * Next:    samples/mutex.c
 */
#include <fluv.h>
#include <stdio.h>

typedef struct subscriber {
  const char* name;
  fluv_broadcast_rx_t* rx;
} subscriber_t;

static int64_t listen_in(void* arg) {
  subscriber_t* self = arg;
  int sum = 0;
  int item;
  int64_t err;

  while ((err = fluv_await(fluv_broadcast_recv(self->rx, &item))) !=
         FLUV_ECLOSED) {
    if (err == FLUV_ELAGGED) /* too slow; continue */
      continue;
    if (err < 0)
      break;
    sum += item;
  }
  printf("%s heard a sum of %d\n", self->name, sum);
  fluv_broadcast_rx_free(self->rx);
  return err == FLUV_ECLOSED ? 0 : err;
}

static int64_t speak(void* arg) {
  subscriber_t subscribers[2] = { { "first", NULL }, { "second", NULL } };
  fluv_broadcast_tx_t* tx;
  fluv_future_t* tasks[2];
  int64_t err;

  (void) arg;
  err = fluv_broadcast_new(16, sizeof(int), &tx, &subscribers[0].rx);
  if (err < 0)
    return err;
  tasks[0] = fluv_spawn(listen_in, &subscribers[0]);
  for (int i = 1; i <= 4; i++)
    fluv_broadcast_send(tx, &i);
  /* The second hears only what is sent from now on. */
  err = fluv_broadcast_subscribe(tx, &subscribers[1].rx);
  tasks[1] =
      err == 0 ? fluv_spawn(listen_in, &subscribers[1]) : fluv_ready(err);
  for (int i = 5; i <= 8; i++)
    fluv_broadcast_send(tx, &i);
  fluv_broadcast_tx_free(tx);
  return fluv_await(fluv_join_all(tasks, 2, NULL));
}

int main(void) {
  int64_t err = fluv_run(speak, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "broadcast: %s\n", fluv_strerror(err));
  return err < 0;
}
