/* SPDX-License-Identifier: MIT */
/* A task that overflows its stack hits the guard, or jumps over it. The handler
 * of process.c asks here whether that has happened. If so, the message names
 * the task and the size of its stack, and the process dies as it would have.
 *
 * The handler runs on an alternate stack, one for each thread with a loop. It
 * uses only what is allowed in signal handlers: write() and its own number
 * formatting. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/self.h"
#include "core/task.h"

enum {
  /* Room for the handler and for sanitizers' own, if they are chained to. */
  ALT_STACK_SIZE = 64 * 1024,
  /* How far below its stack an overflow may reach. A larger frame cannot be
   * distinguished from a wild pointer. */
  MAX_JUMP = 64 * 1024 * 1024,
  /* A function without calls uses so much below the stack pointer: 128 bytes
   * on x86-64, and what a call pushes. */
  RED_ZONE = 256
};

static void put_text(const char* text) {
  ssize_t n = write(STDERR_FILENO, text, strlen(text));

  (void) n; /* a failure cannot be reported */
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

/* The interrupted code's stack pointer; 0 where it is not known. */
static uintptr_t stack_pointer(const void* context) {
  const ucontext_t* uc = context;

#if defined(__x86_64__) && defined(REG_RSP)
  return (uintptr_t) uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__) && defined(__linux__)
  return (uintptr_t) uc->uc_mcontext.sp;
#else
  (void) uc;
  return 0;
#endif
}

/* Is the address in the guard? Or was a frame so large that the stack pointer
 * has jumped over it? Then the fault is between that and the stack's end. */
static bool is_overflow(const fluv__task_t* task, uintptr_t at, uintptr_t sp) {
  uintptr_t low;

  if (task == NULL || task->stack == NULL)
    return false;
  low = (uintptr_t) task->stack->low;
  if (at >= low)
    return false;
  return low - at <= fluv__stack_guard() ||
         (sp != 0 && sp < low && low - sp <= MAX_JUMP && at >= sp - RED_ZONE);
}

bool fluv__overflow_report(const siginfo_t* info, const void* context) {
  const fluv_loop_t* loop = fluv__loop;

  if (loop == NULL || !is_overflow(loop->current,
                                   (uintptr_t) info->si_addr,
                                   stack_pointer(context)))
    return false;
  report(loop->current);
  return true;
}

void* fluv__overflow_watch(void) {
  stack_t alt;
  void* memory;

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
