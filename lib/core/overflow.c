/* SPDX-License-Identifier: MIT */
/* A task that runs over its stack hits the guard. The handler here says which
 * task it was and how large its stack is, and then lets the process die as it
 * would have. Faults elsewhere go to the handler that was there before.
 *
 * The handler runs on an alternate stack, one for each thread with a loop. It
 * uses only what is allowed in signal handlers: write() and its own number
 * formatting. */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/task.h"

/* Room for the handler and for sanitizers' own, if they are chained to. */
enum {
  ALT_STACK_SIZE = 64 * 1024
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction previous_segv;
static struct sigaction previous_bus;
static size_t guard_size; /* set before the handler is */

static void put_text(const char* text) {
  ssize_t n = write(STDERR_FILENO, text, strlen(text));

  (void) n; /* nobody is left to tell */
}

static void put_number(size_t number) {
  char digits[24];
  char* p = digits + sizeof(digits) - 1;

  *p = '\0';
  do {
    *--p = (char) ('0' + number % 10);
    number /= 10;
  } while (number != 0);
  put_text(p);
}

static void report(const fluv__task_t* task) {
  const fluv_loc_t* loc = task->base.loc;

  put_text("fluv: task \"");
  put_text(fluv__task_name(task));
  put_text("\" ran over its stack of ");
  put_number((size_t) 1 << task->stack->bits);
  put_text(" bytes");
  if (loc != NULL) {
    put_text("; spawned at ");
    put_text(loc->file);
    put_text(":");
    put_number((size_t) loc->line);
    put_text(" (");
    put_text(loc->func);
    put_text(")");
  }
  put_text("\n");
}

static bool is_overflow(const fluv__task_t* task, const void* address) {
  uintptr_t low;
  uintptr_t at = (uintptr_t) address;

  if (task == NULL || task->stack == NULL)
    return false;
  low = (uintptr_t) task->stack->low;
  return at < low && at >= low - guard_size;
}

static void on_fault(int signum, siginfo_t* info, void* context) {
  struct sigaction* before = signum == SIGSEGV ? &previous_segv : &previous_bus;
  const fluv_loop_t* loop = fluv__loop;

  if (loop != NULL && is_overflow(loop->current, info->si_addr)) {
    report(loop->current);
  } else if (before->sa_flags & SA_SIGINFO) {
    before->sa_sigaction(signum, info, context);
    return;
  } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
    before->sa_handler(signum);
    return;
  }
  /* The faulting instruction runs again and ends the process. */
  signal(signum, SIG_DFL);
}

static void install(void) {
  struct sigaction action;

  guard_size = fluv__stack_guard();
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &previous_segv);
  sigaction(SIGBUS, &action, &previous_bus);
}

void* fluv__overflow_watch(void) {
  stack_t alt;
  void* memory;

  pthread_once(&once, install);
  if (sigaltstack(NULL, &alt) != 0 || (alt.ss_flags & SS_DISABLE) == 0)
    return NULL; /* the host has one, which serves as well */
  memory = fluv__malloc(ALT_STACK_SIZE);
  if (memory == NULL)
    return NULL;
  memset(&alt, 0, sizeof(alt));
  alt.ss_sp = memory;
  alt.ss_size = ALT_STACK_SIZE;
  if (sigaltstack(&alt, NULL) != 0) {
    fluv__free(memory);
    return NULL;
  }
  return memory;
}

void fluv__overflow_unwatch(void* memory) {
  stack_t alt;

  if (memory == NULL)
    return;
  if (sigaltstack(NULL, &alt) == 0 && alt.ss_sp == memory) {
    alt.ss_flags = SS_DISABLE;
    sigaltstack(&alt, NULL);
  }
  fluv__free(memory);
}
