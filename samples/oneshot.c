/* SPDX-License-Identifier: 0BSD */
/* One message from a spawned task.
 *
 * Shows:   fluv_oneshot_send, fluv_oneshot_recv
 * Run:     samples/oneshot
 * Prints:  samples/oneshot.out
 * Next:    samples/broadcast.c
 */
#include <fluv.h>
#include <stdio.h>

typedef struct question {
  int number;
  fluv_oneshot_tx_t* answer;
} question_t;

static int64_t answer(void* arg) {
  question_t* question = arg;
  int square = question->number * question->number;
  int64_t err = fluv_await(fluv_sleep(1));

  /* Sending takes the sender over; freed unsent, the other end would get
   * FLUV_EBROKEN. */
  if (err == 0)
    err = fluv_oneshot_send(question->answer, &square);
  if (err < 0)
    fluv_oneshot_tx_free(question->answer);
  return err;
}

static int64_t ask(void* arg) {
  question_t question = { 12, NULL };
  fluv_oneshot_rx_t* rx;
  fluv_future_t* task;
  int64_t err;
  int square = 0;

  (void) arg;
  err = fluv_oneshot_new(sizeof(int), NULL, &question.answer, &rx);
  if (err < 0)
    return err;
  task = fluv_spawn(answer, &question);
  err = fluv_await(fluv_oneshot_recv(rx, &square));
  if (err == 0)
    printf("%d squared is %d\n", question.number, square);
  fluv_oneshot_rx_free(rx);
  fluv_await(task);
  return err;
}

int main(void) {
  int64_t err = fluv_run(ask, NULL, NULL);

  if (err < 0)
    fprintf(stderr, "oneshot: %s\n", fluv_strerror(err));
  return err < 0;
}
