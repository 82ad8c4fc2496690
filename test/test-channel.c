/* SPDX-License-Identifier: MIT */
/* Channels on one loop: order, places, closing, cancelling, memory. */
#include "fluv-test.h"

static fluv_sender_t* tx;
static fluv_receiver_t* rx;
static int destroyed;

static void count_destroyed(void* item) {
  destroyed += *(int*) item;
}

static void make(size_t capacity) {
  ck_assert_err(
      fluv_channel_new(capacity, sizeof(int), count_destroyed, &tx, &rx),
      0);
}

static void unmake(void) {
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
}

static void setup(void) {
  test_setup_paused();
  destroyed = 0;
}

static int64_t send_one(void* arg) {
  int64_t err = fluv_await(fluv_send(tx, arg));

  test_note(err == 0 ? "s" : "x");
  return err;
}

/* Receive one and note it as a digit. */
static int recv_one(void) {
  char digit[2] = "?";
  int item = -1;

  ck_assert_err(fluv_await(fluv_recv(rx, &item)), 0);
  digit[0] = (char) ('0' + item);
  test_note(digit);
  return item;
}

TEST_TASK(senders_wait_in_a_queue) {
  int items[4] = { 1, 2, 3, 4 };
  fluv_future_t* f[4];
  int i;

  make(1);
  for (i = 0; i < 4; i++)
    f[i] = fluv_spawn(send_one, &items[i]);
  fluv_yield();
  ck_assert_trace("s");
  ck_assert_err(fluv_try_send(tx, &items[0]), FLUV_EAGAIN);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 0);
  for (i = 0; i < 4; i++)
    ck_assert_int_eq(recv_one(), items[i]);
  ck_assert_err(fluv_await(fluv_join_all(f, 4, NULL)), 0);
  ck_assert_uint_eq(fluv_sender_get_capacity(tx), 1);
  unmake();
  return 0;
}

TEST_TASK(a_send_that_does_not_happen_leaves_the_message) {
  int items[3] = { 1, 2, 3 };
  fluv_future_t* f[2];

  make(1);
  ck_assert_err(fluv_await(fluv_send(tx, &items[0])), 0);
  ck_assert_err(fluv_await(fluv_timeout(fluv_send(tx, &items[1]), 1)),
                FLUV_ETIMEDOUT);
  f[0] = fluv_send(tx, &items[1]);
  f[1] = fluv_send(tx, &items[2]);
  fluv_start(f[0]);
  fluv_start(f[1]);
  fluv_drop(f[0]);
  ck_assert_int_eq(recv_one(), 1);
  ck_assert_int_eq(recv_one(), 3);
  ck_assert_err(fluv_await(f[1]), 0);
  unmake();
  ck_assert_int_eq(destroyed, 0);
  return 0;
}

TEST_TASK(the_last_sender_lets_the_receiver_drain) {
  fluv_sender_t* clone;
  fluv_future_t* f;
  int item = 1;

  make(4);
  clone = fluv_sender_clone(tx);
  ck_assert_err(fluv_try_send(tx, &item), 0);
  fluv_sender_free(tx);
  ck_assert_int_eq(recv_one(), 1);
  f = fluv_recv(rx, &item);
  fluv_start(f);
  ck_assert(!fluv_future_is_done(f));
  fluv_sender_free(clone);
  ck_assert_err(fluv_await(f), FLUV_ECLOSED);
  ck_assert_err(fluv_try_recv(rx, &item), FLUV_ECLOSED);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(a_queued_send_counts_as_a_sender) {
  int items[2] = { 1, 2 };
  fluv_future_t* f;

  make(1);
  ck_assert_err(fluv_try_send(tx, &items[0]), 0);
  f = fluv_send(tx, &items[1]);
  fluv_start(f);
  fluv_sender_free(tx);
  ck_assert_int_eq(recv_one(), 1);
  ck_assert_int_eq(recv_one(), 2);
  ck_assert_err(fluv_await(f), 0);
  ck_assert_err(fluv_await(fluv_recv(rx, &items[0])), FLUV_ECLOSED);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(a_closed_channel_is_drained) {
  int items[3] = { 1, 2, 3 };
  fluv_future_t* closed;
  fluv_future_t* f;

  make(2);
  closed = fluv_sender_closed(tx);
  fluv_start(closed);
  ck_assert_err(fluv_try_send(tx, &items[0]), 0);
  ck_assert_err(fluv_try_send(tx, &items[1]), 0);
  f = fluv_send(tx, &items[2]);
  fluv_start(f);
  ck_assert(!fluv_sender_is_closed(tx));
  fluv_receiver_close(rx);
  ck_assert(fluv_sender_is_closed(tx));
  ck_assert_err(fluv_await(f), FLUV_ECLOSED);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_err(fluv_await(fluv_send(tx, &items[2])), FLUV_ECLOSED);
  ck_assert_int_eq(recv_one(), 1);
  ck_assert_uint_eq(fluv_receiver_get_length(rx), 1);
  ck_assert_int_eq(recv_one(), 2);
  ck_assert_err(fluv_await(fluv_recv(rx, &items[0])), FLUV_ECLOSED);
  unmake();
  return 0;
}

TEST_TASK(what_nobody_receives_is_destroyed_once) {
  int item;

  make(8);
  for (item = 1; item <= 3; item++)
    ck_assert_err(fluv_try_send(tx, &item), 0);
  ck_assert_int_eq(recv_one(), 1);
  fluv_receiver_free(rx);
  ck_assert_int_eq(destroyed, 5);
  ck_assert_err(fluv_try_send(tx, &item), FLUV_ECLOSED);
  fluv_sender_free(tx);
  ck_assert_int_eq(destroyed, 5);
  return 0;
}

TEST_TASK(permits_keep_their_places) {
  fluv_permit_t permit = { NULL, 0 };
  fluv_permit_t other;
  fluv_future_t* f;
  int item = 1;

  make(3);
  ck_assert_err(fluv_try_reserve(tx, 4, &permit), FLUV_EINVAL);
  ck_assert_err(fluv_permit_send(&permit, &item), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_reserve(tx, 2, &permit)), 0);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  ck_assert_err(fluv_try_reserve(tx, 2, &other), FLUV_EAGAIN);
  f = fluv_reserve(tx, 2, &other);
  fluv_start(f);
  ck_assert_err(fluv_permit_send(&permit, &item), 0);
  ck_assert(!fluv_future_is_done(f));
  fluv_permit_release(&permit); /* one place back */
  ck_assert_err(fluv_await(f), 0);
  fluv_receiver_close(rx);
  fluv_sender_free(tx);
  /* Still two promised: the receiver waits for them. */
  ck_assert_int_eq(recv_one(), 1);
  ck_assert_err(fluv_try_recv(rx, &item), FLUV_EAGAIN);
  item = 2;
  ck_assert_err(fluv_permit_send(&other, &item), 0);
  ck_assert_int_eq(recv_one(), 2);
  f = fluv_recv(rx, &item);
  fluv_start(f);
  fluv_permit_release(&other);
  fluv_permit_release(&other);
  ck_assert_err(fluv_await(f), FLUV_ECLOSED);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(a_permit_without_receiver_fails) {
  fluv_permit_t permit;
  int item = 1;

  make(1);
  ck_assert_err(fluv_try_reserve(tx, 1, &permit), 0);
  fluv_receiver_free(rx);
  ck_assert_err(fluv_permit_send(&permit, &item), FLUV_ECLOSED);
  fluv_permit_release(&permit);
  fluv_sender_free(tx);
  ck_assert_int_eq(destroyed, 0);
  return 0;
}

TEST_TASK(weak_senders_do_not_keep_it_open) {
  fluv_weak_sender_t* weak;
  fluv_sender_t* again;
  int item;

  make(1);
  weak = fluv_sender_downgrade(tx);
  again = fluv_weak_sender_upgrade(weak);
  ck_assert_ptr_nonnull(again);
  fluv_sender_free(again);
  fluv_sender_free(tx);
  ck_assert_ptr_null(fluv_weak_sender_upgrade(weak));
  ck_assert_err(fluv_await(fluv_recv(rx, &item)), FLUV_ECLOSED);
  fluv_receiver_free(rx);
  fluv_weak_sender_free(weak);
  return 0;
}

TEST_TASK(many_are_received_at_once) {
  int items[5];
  fluv_future_t* f;
  int item;

  make(4);
  ck_assert_err(fluv_await(fluv_recv_many(rx, items, 0)), 0);
  for (item = 1; item <= 4; item++)
    ck_assert_err(fluv_try_send(tx, &item), 0);
  ck_assert_err(fluv_await(fluv_recv_many(rx, items, 3)), 3);
  ck_assert_int_eq(items[2], 3);
  ck_assert_err(fluv_await(fluv_recv_many(rx, items, 5)), 1);
  ck_assert_int_eq(items[0], 4);
  f = fluv_recv_many(rx, items, 5);
  fluv_start(f);
  ck_assert_err(fluv_try_send(tx, &item), 0);
  ck_assert_err(fluv_await(f), 1);
  ck_assert_int_eq(items[0], 5);
  fluv_sender_free(tx);
  ck_assert_err(fluv_await(fluv_recv_many(rx, items, 5)), FLUV_ECLOSED);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(a_cancelled_recv_takes_nothing) {
  fluv_future_t* f;
  int64_t which;
  int64_t result;
  int item = 0;
  int in = 4;

  make(1);
  f = fluv_recv(rx, &item);
  fluv_start(f);
  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_timeout(fluv_recv(rx, &item), 1)),
                FLUV_ETIMEDOUT);
  ck_assert_err(fluv_try_send(tx, &in), 0);
  {
    /* The loser of a select has not taken it either. */
    fluv_future_t* arms[2] = { fluv_ready(0), fluv_recv(rx, &item) };

    which = fluv_await(fluv_select_biased(arms, 2, &result));
    ck_assert_err(which, 0);
  }
  ck_assert_int_eq(item, 0);
  ck_assert_int_eq(recv_one(), 4);
  unmake();
  return 0;
}

TEST_TASK(rendezvous_sends_to_who_is_there) {
  int items[2] = { 1, 2 };
  fluv_future_t* f;
  fluv_future_t* in;
  int item = 0;

  make(0);
  ck_assert_err(fluv_try_send(tx, &items[0]), FLUV_EAGAIN);
  f = fluv_spawn(send_one, &items[0]);
  fluv_yield();
  ck_assert(!fluv_future_is_done(f));
  ck_assert_int_eq(recv_one(), 1);
  ck_assert_err(fluv_await(f), 0);
  in = fluv_recv(rx, &item);
  fluv_start(in);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  ck_assert_err(fluv_try_send(tx, &items[1]), 0);
  ck_assert_err(fluv_try_send(tx, &items[1]), FLUV_EAGAIN);
  ck_assert_err(fluv_await(in), 0);
  ck_assert_int_eq(item, 2);
  unmake();
  return 0;
}

TEST_TASK(a_rendezvous_has_as_many_places_as_receivers_wait) {
  fluv_future_t* in[4];
  fluv_permit_t permits[2];
  int items[4];
  int i;

  make(0);
  ck_assert_err(fluv_try_reserve(tx, 2, &permits[0]), FLUV_EINVAL);
  ck_assert_err(fluv_try_reserve(tx, 1, &permits[0]), FLUV_EAGAIN);
  for (i = 0; i < 4; i++) {
    ck_assert_uint_eq(fluv_sender_get_room(tx), (size_t) i);
    in[i] =
        i == 1 ? fluv_recv_many(rx, &items[i], 1) : fluv_recv(rx, &items[i]);
    fluv_start(in[i]);
  }
  ck_assert_err(fluv_try_reserve(tx, 1, &permits[0]), 0);
  ck_assert_err(fluv_try_reserve(tx, 1, &permits[1]), 0);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 2);
  fluv_drop(in[2]);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  ck_assert_err(fluv_permit_send(&permits[0], &(int){ 5 }), 0);
  ck_assert_err(fluv_await(in[0]), 0);
  ck_assert_int_eq(items[0], 5);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  fluv_permit_release(&permits[0]);
  fluv_permit_release(&permits[1]);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 2);
  fluv_receiver_close(rx);
  ck_assert_err(fluv_await(in[1]), FLUV_ECLOSED);
  ck_assert_err(fluv_await(in[3]), FLUV_ECLOSED);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 0);
  unmake();
  return 0;
}

TEST_TASK(an_unbounded_channel_grows_and_shrinks) {
  enum {
    MANY = 10000,
    ROUNDS = 3
  };
  int item;
  int round;
  int want;

  make(FLUV_UNBOUNDED);
  for (round = 0; round < ROUNDS; round++) {
    for (item = 0; item < MANY; item++)
      ck_assert_err(fluv_await(fluv_send(tx, &item)), 0);
    for (want = 0; want < MANY; want++) {
      ck_assert_err(fluv_try_recv(rx, &item), 0);
      ck_assert_int_eq(item, want);
    }
  }
  ck_assert_uint_eq(fluv_sender_get_room(tx), FLUV_UNBOUNDED);
  unmake();
  return 0;
}

static int64_t receive_all(void* arg) {
  int64_t n = 0;
  int item;

  while (fluv_await(fluv_recv(rx, &item)) == 0) {
    *(int*) arg += item;
    n++;
    fluv_yield();
  }
  return n;
}

TEST_TASK(each_message_goes_to_one_of_several_receivers) {
  fluv_future_t* f[3];
  int64_t n[3];
  int sum = 0;
  int item;
  int i;

  make(2);
  for (i = 0; i < 3; i++)
    f[i] = fluv_spawn(receive_all, &sum);
  fluv_receiver_free(fluv_receiver_clone(rx));
  for (item = 1; item <= 30; item++)
    ck_assert_err(fluv_await(fluv_send(tx, &item)), 0);
  fluv_sender_free(tx);
  for (i = 0; i < 3; i++) {
    n[i] = fluv_await(f[i]);
    ck_assert_int_gt(n[i], 0);
  }
  ck_assert_err(n[0] + n[1] + n[2], 30);
  ck_assert_int_eq(sum, 465);
  fluv_receiver_free(rx);
  return 0;
}

static void size_works(size_t size) {
  unsigned char in[1000];
  unsigned char out[1000] = { 0 };
  size_t i;

  for (i = 0; i < sizeof(in); i++)
    in[i] = (unsigned char) (i * 7 + size);
  ck_assert_err(fluv_channel_new(3, size, NULL, &tx, &rx), 0);
  for (i = 0; i < 5; i++) {
    ck_assert_err(fluv_await(fluv_send(tx, in)), 0);
    ck_assert_err(fluv_await(fluv_recv(rx, out)), 0);
    ck_assert_mem_eq(in, out, size);
  }
  unmake();
}

TEST_TASK(messages_of_any_size) {
  const size_t sizes[] = { 0, 1, 7, 8, 24, 1000 };
  size_t i;

  for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
    size_works(sizes[i]);
  ck_assert_err(fluv_channel_new(1, SIZE_MAX / 2, NULL, &tx, &rx), FLUV_EINVAL);
  ck_assert_err(fluv_channel_new(1, 1, NULL, NULL, &rx), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_send(NULL, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_recv(NULL, NULL)), FLUV_EINVAL);
  return 0;
}

static int64_t memory(void* arg) {
  fluv_permit_t permit = { NULL, 0 };
  fluv_sender_t* t;
  fluv_receiver_t* r;
  int64_t err = fluv_channel_new(FLUV_UNBOUNDED, sizeof(int), NULL, &t, &r);
  int item;

  (void) arg;
  if (err != 0)
    return err;
  for (item = 0; item < 20 && err == 0; item++)
    err = fluv_await(fluv_send(t, &item));
  if (err == 0)
    err = fluv_await(fluv_reserve(t, 100, &permit));
  if (err == 0)
    err = fluv_await(fluv_recv(r, &item));
  fluv_permit_release(&permit);
  fluv_sender_free(t);
  fluv_receiver_free(r);
  return err;
}

TEST_TASK(messages_without_bytes_are_counted) {
  const size_t capacities[] = { 0, 3, FLUV_UNBOUNDED };
  fluv_permit_t permit;
  fluv_future_t* f;
  size_t k;

  for (k = 0; k < 3; k++) {
    ck_assert_err(fluv_channel_new(capacities[k], 0, NULL, &tx, &rx), 0);
    f = fluv_recv(rx, NULL);
    fluv_start(f);
    ck_assert_err(fluv_await(fluv_send(tx, NULL)), 0);
    ck_assert_err(fluv_await(f), 0);
    if (k > 0) {
      ck_assert_err(fluv_try_send(tx, NULL), 0);
      ck_assert_err(fluv_try_reserve(tx, 1, &permit), 0);
      ck_assert_err(fluv_permit_send(&permit, NULL), 0);
      fluv_permit_release(&permit);
      ck_assert_err(fluv_await(fluv_send(tx, NULL)), 0);
      ck_assert_err(fluv_try_recv(rx, NULL), 0);
      ck_assert_err(fluv_await(fluv_recv_many(rx, NULL, 9)), 2);
    }
    unmake();
  }
  return 0;
}

TEST_TASK(a_message_with_bytes_is_not_at_null) {
  fluv_permit_t permit;

  make(3);
  ck_assert_err(fluv_await(fluv_send(tx, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_try_send(tx, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_try_reserve(tx, 1, &permit), 0);
  ck_assert_err(fluv_permit_send(&permit, NULL), FLUV_EINVAL);
  ck_assert_uint_eq(permit.count, 1);
  fluv_permit_release(&permit);
  ck_assert_err(fluv_await(fluv_recv(rx, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_recv_many(rx, NULL, 1)), FLUV_EINVAL);
  ck_assert_err(fluv_try_recv(rx, NULL), FLUV_EINVAL);
  ck_assert_uint_eq(fluv_receiver_get_length(rx), 0);
  unmake();
  return 0;
}

START_TEST(out_of_memory) {
  TEST_OOM(memory, NULL);
}
END_TEST

static Suite* channel_suite(void) {
  Suite* s = suite_create("channel");
  TCase* tc = test_case(s, "send", setup, test_teardown);

  ADD(tc,
      senders_wait_in_a_queue,
      a_send_that_does_not_happen_leaves_the_message,
      the_last_sender_lets_the_receiver_drain,
      a_queued_send_counts_as_a_sender,
      a_closed_channel_is_drained,
      what_nobody_receives_is_destroyed_once,
      permits_keep_their_places,
      a_permit_without_receiver_fails,
      weak_senders_do_not_keep_it_open);
  tc = test_case(s, "recv", setup, test_teardown);
  ADD(tc,
      many_are_received_at_once,
      a_cancelled_recv_takes_nothing,
      rendezvous_sends_to_who_is_there,
      a_rendezvous_has_as_many_places_as_receivers_wait,
      an_unbounded_channel_grows_and_shrinks,
      each_message_goes_to_one_of_several_receivers,
      messages_of_any_size,
      messages_without_bytes_are_counted,
      a_message_with_bytes_is_not_at_null);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(channel_suite)
