/* SPDX-License-Identifier: MIT */
/* What fluv changes in the whole process: the handlers of faults, SIGPIPE. */
#include "fluv-test.h"

#include <setjmp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
# include <valgrind/valgrind.h>
#else
# define RUNNING_ON_VALGRIND 0
#endif

/* What SIGPIPE and the faults did before a test. */
static struct sigaction before[NSIG];
static const int changed[] = { SIGSEGV, SIGBUS, SIGPIPE };

static void note_before(void) {
  size_t i;

  signal(SIGPIPE, SIG_DFL);
  for (i = 0; i < 3; i++)
    ck_assert_int_eq(sigaction(changed[i], NULL, &before[changed[i]]), 0);
}

static bool is_as_before(int signum) {
  struct sigaction now;

  ck_assert_int_eq(sigaction(signum, NULL, &now), 0);
  return now.sa_sigaction == before[signum].sa_sigaction &&
         ((now.sa_flags ^ before[signum].sa_flags) & SA_SIGINFO) == 0;
}

static int count_as_before(void) {
  return is_as_before(SIGSEGV) + is_as_before(SIGBUS) + is_as_before(SIGPIPE);
}

/* A loop of one's own in the test, for it is about the first and the last. */

static void attach(uv_loop_t* uv, const fluv_loop_options_t* options) {
  ck_assert_int_eq(uv_loop_init(uv), 0);
  ck_assert_err(fluv_attach_with(uv, options), 0);
}

static void detach(uv_loop_t* uv) {
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(uv, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(uv), 0);
}

START_TEST(signals_are_as_before_when_the_last_loop_has_gone) {
  uv_loop_t uv;
  int i;

  note_before();
  for (i = 0; i < 3; i++) {
    attach(&uv, NULL);
    ck_assert_int_eq(count_as_before(), 0);
    detach(&uv);
    ck_assert_int_eq(count_as_before(), 3);
  }
}
END_TEST

static int64_t check_changed(void* arg) {
  (void) arg;
  ck_assert_int_eq(count_as_before(), 0);
  return 0;
}

static void run_and_check(void* arg) {
  (void) arg;
  ck_assert_err(fluv_run(check_changed, NULL, NULL), 0);
  ck_assert_int_eq(count_as_before(), 0);
}

START_TEST(signals_stay_while_another_thread_has_a_loop) {
  uv_loop_t uv;

  note_before();
  attach(&uv, NULL);
  test_on_thread(run_and_check, NULL);
  detach(&uv);
  ck_assert_int_eq(count_as_before(), 3);
}
END_TEST

START_TEST(signals_are_left_alone_where_the_loop_says_so) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  stack_t alt_before;
  stack_t alt;
  uv_loop_t uv;

  note_before();
  ck_assert_int_eq(sigaltstack(NULL, &alt_before), 0);
  options.leave_sigsegv = true;
  attach(&uv, &options);
  ck_assert(is_as_before(SIGSEGV) && is_as_before(SIGBUS));
  ck_assert(!is_as_before(SIGPIPE));
  ck_assert_int_eq(sigaltstack(NULL, &alt), 0);
  ck_assert_int_eq(alt.ss_flags, alt_before.ss_flags);
  detach(&uv);
  options.leave_sigpipe = true;
  attach(&uv, &options);
  ck_assert_int_eq(count_as_before(), 3);
  detach(&uv);
  options.leave_sigsegv = false;
  attach(&uv, &options);
  ck_assert(is_as_before(SIGPIPE) && !is_as_before(SIGSEGV));
  detach(&uv);
  ck_assert_int_eq(count_as_before(), 3);
}
END_TEST

/* A host's own handler: for a fault that it repairs. */

static char* page;
static size_t page_size;
static struct {
  int calls;
  bool on_alt_stack;
  bool has_info;
  sigset_t mask;
} seen;

static void repair(int signum) {
  stack_t alt;

  (void) signum;
  seen.calls++;
  sigaltstack(NULL, &alt);
  seen.on_alt_stack = (alt.ss_flags & SS_ONSTACK) != 0;
  pthread_sigmask(SIG_BLOCK, NULL, &seen.mask);
  mprotect(page, page_size, PROT_READ | PROT_WRITE);
}

static void repair_with_info(int signum, siginfo_t* info, void* context) {
  repair(signum);
  seen.has_info = context != NULL && info->si_addr == page;
}

static void close_page(void) {
  ck_assert_int_eq(mprotect(page, page_size, PROT_NONE), 0);
}

static void make_page(void) {
  page_size = (size_t) sysconf(_SC_PAGESIZE);
  page = mmap(NULL, page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(page, MAP_FAILED);
}

static void handle(int signum, int flags) {
  struct sigaction action = { .sa_flags = flags };

  if (flags & SA_SIGINFO)
    action.sa_sigaction = repair_with_info;
  else
    action.sa_handler = repair;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR1);
  sigaction(signum, &action, NULL);
}

static int64_t touch(void* arg) {
  (void) arg;
  *(volatile char*) page = 1;
  return 0;
}

static int flag_of(int i) {
  return ((i & 1) != 0 ? SA_SIGINFO : 0) | ((i & 2) != 0 ? SA_NODEFER : 0) |
         ((i & 4) != 0 ? SA_ONSTACK : 0);
}

START_TEST(hosts_handler_is_called_with_its_flags) {
  int flags = flag_of(_i);
  sigset_t mask;
  uv_loop_t uv;
  int i;

  make_page();
  handle(SIGSEGV, flags);
  note_before();
  attach(&uv, NULL);
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &mask, NULL), 0);
  for (i = 1; i <= 3; i++) {
    close_page();
    ck_assert_err(fluv_block_on(fluv_spawn(touch, NULL)), 0);
    ck_assert_int_eq(seen.calls, i);
    ck_assert(seen.on_alt_stack == ((flags & SA_ONSTACK) != 0));
    ck_assert(seen.has_info == ((flags & SA_SIGINFO) != 0));
    ck_assert_int_eq(sigismember(&seen.mask, SIGUSR1), 1);
    ck_assert_int_eq(sigismember(&seen.mask, SIGUSR2), 1);
#if !defined(FLUV_TSAN) || !FLUV_TSAN /* it blocks all signals meanwhile */
    ck_assert_int_eq(sigismember(&seen.mask, SIGSEGV),
                     (flags & SA_NODEFER) == 0);
#endif
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0);
    ck_assert_int_eq(sigismember(&mask, SIGSEGV), 0);
    uv_run(&uv, UV_RUN_NOWAIT);
    uv_run(&uv, UV_RUN_NOWAIT);
    ck_assert(!is_as_before(SIGSEGV)); /* ours is in front again */
  }
  detach(&uv);
  ck_assert_int_eq(count_as_before(), 3);
}
END_TEST

static void fault_twice(void* arg) {
  int flags = *(int*) arg;
  uv_loop_t uv;

  make_page();
  handle(SIGSEGV, flags | SA_RESETHAND);
  attach(&uv, NULL);
  touch(NULL);
  fprintf(stderr, "repaired %d\n", seen.calls);
  uv_run(&uv, UV_RUN_NOWAIT);
  close_page();
  touch(NULL);
  fprintf(stderr, "repaired %d\n", seen.calls);
}

START_TEST(hosts_handler_is_called_once_if_it_says_so) {
  int flags = _i == 0 ? SA_ONSTACK : 0;
  int status = 0;
  char* text = test_stderr_of(fault_twice, &flags, &status);

  ck_assert_has(text, "repaired 1");
  ck_assert_has_not(text, "repaired 2");
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  free(text);
}
END_TEST

START_TEST(handler_that_was_spent_is_not_put_back) {
  struct sigaction now;
  uv_loop_t uv;

  make_page();
  handle(SIGSEGV, SA_RESETHAND | (_i == 0 ? SA_ONSTACK : 0));
  attach(&uv, NULL);
  touch(NULL);
  ck_assert_int_eq(seen.calls, 1);
  detach(&uv);
  ck_assert_int_eq(sigaction(SIGSEGV, NULL, &now), 0);
  ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

static struct sigaction beneath;

static void repair_or_ask(int signum, siginfo_t* info, void* context) {
  seen.calls++;
  if (seen.calls > 100)
    _exit(1);
  if (info->si_addr == page)
    mprotect(page, page_size, PROT_READ | PROT_WRITE);
  else
    beneath.sa_sigaction(signum, info, context);
}

static void chain_and_die(void* arg) {
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
  volatile uintptr_t nowhere = 64;
  uv_loop_t uv;

  (void) arg;
  signal(SIGSEGV, SIG_DFL);
  make_page();
  attach(&uv, NULL);
  action.sa_sigaction = repair_or_ask;
  sigaction(SIGSEGV, &action, &beneath);
  touch(NULL);
  detach(&uv);
  attach(&uv, NULL);
  fprintf(stderr, "called %d\n", seen.calls);
  seen.calls = *(volatile char*) nowhere;
}

START_TEST(a_handler_that_calls_ours_is_not_called_in_a_circle) {
  int status = 0;
  char* text = test_stderr_of(chain_and_die, NULL, &status);

  ck_assert_has(text, "called 1");
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  free(text);
}
END_TEST

static void kill_myself(void* arg) {
  uv_loop_t uv;

  signal(*(int*) arg, SIG_DFL);
  attach(&uv, NULL);
  kill(getpid(), *(int*) arg);
  fprintf(stderr, "alive\n");
}

START_TEST(a_fault_that_was_sent_ends_the_process) {
  int signum = _i == 0 ? SIGSEGV : SIGBUS;
  int status = 0;
  char* text = test_stderr_of(kill_myself, &signum, &status);

  ck_assert_has_not(text, "alive");
  ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signum);
  free(text);
}
END_TEST

START_TEST(signals_are_as_before_in_a_forked_child) {
  uv_loop_t uv;
  int status = 0;
  pid_t child;

  note_before();
  attach(&uv, NULL);
  child = fork();
  ck_assert_int_ge(child, 0);
  if (child == 0)
    _exit(count_as_before());
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 3);
  ck_assert_int_eq(count_as_before(), 0);
  detach(&uv);
}
END_TEST

static Suite* process_suite(void) {
  Suite* s = suite_create("process");
  TCase* tc;

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc,
      signals_are_as_before_when_the_last_loop_has_gone,
      signals_stay_while_another_thread_has_a_loop,
      signals_are_left_alone_where_the_loop_says_so,
      signals_are_as_before_in_a_forked_child,
      a_handler_that_calls_ours_is_not_called_in_a_circle);
  tcase_add_loop_test(tc, a_fault_that_was_sent_ends_the_process, 0, 2);
  /* For memcheck each fault is an error, and the instruction that faulted is
   * repeated with old registers. */
  if (RUNNING_ON_VALGRIND)
    return s;
  tcase_add_loop_test(tc, hosts_handler_is_called_with_its_flags, 0, 8);
  tcase_add_loop_test(tc, hosts_handler_is_called_once_if_it_says_so, 0, 2);
  tcase_add_loop_test(tc, handler_that_was_spent_is_not_put_back, 0, 2);
  return s;
}

TEST_MAIN(process_suite)
