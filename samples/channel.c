/* SPDX-License-Identifier: 0BSD */
/* Five producers and one consumer over a channel of 32.
 *
 * Shows:   fluv_send, fluv_recv, and how a channel ends
 * Run:     samples/channel
 * Prints:  samples/channel.out
 * Next:    samples/oneshot.c
 */
#include <fluv.h>
#include <stdio.h>

enum {
  PRODUCERS = 5,
  EACH = 20
};

typedef struct producer {
  int number;
  fluv_sender_t* tx;
} producer_t;

/* A send waits while 32 messages are in the channel. */
static int64_t produce(void* arg) {
  producer_t* self = arg;
  int64_t err = 0;

  for (int i = 0; i < EACH && err == 0; i++) {
    int item = self->number * 1000 + i;

    err = fluv_await(fluv_send(self->tx, &item));
  }
  fluv_sender_free(self->tx);
  return err;
}

static int64_t consume(void* arg) {
  producer_t producers[PRODUCERS];
  int count[PRODUCERS] = { 0 };
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  int64_t err;
  int item;

  (void) arg;
  err = fluv_channel_new(32, sizeof(int), NULL, &tx, &rx);
  if (err < 0)
    return err;
  for (int i = 0; i < PRODUCERS; i++) {
    producers[i].number = i;
    producers[i].tx = fluv_sender_clone(tx);
    fluv_detach(fluv_spawn(produce, &producers[i]));
  }
  fluv_sender_free(tx);

  /* Ends when the last producer has given up its sender. */
  while ((err = fluv_await(fluv_recv(rx, &item))) == 0)
    count[item / 1000]++;
  fluv_receiver_free(rx);
  for (int i = 0; i < PRODUCERS; i++)
    printf("producer %d sent %d\n", i, count[i]);
  return err == FLUV_ECLOSED ? 0 : err;
}

int main(void) {
  int64_t err = fluv_run(consume, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "channel: %s\n", fluv_strerror(err));
  return err < 0;
}
