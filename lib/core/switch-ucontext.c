/* SPDX-License-Identifier: MIT */
/* The switch by ucontext, where none is written in assembly. Slower, because
 * it keeps the signal mask by system calls. What is saved is the
 * address of a ucontext_t on that stack. */
#include "core/switch.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

void fluv__switch(void** save, void* to) {
  ucontext_t here;

  *save = &here;
  /* Fails only for a stack that is too small, which none is. */
  if (swapcontext(&here, to) != 0)
    fluv__die("swapcontext failed");
}

void fluv__switch_renew(void* start) {
  pthread_sigmask(SIG_SETMASK, NULL, &((ucontext_t*) start)->uc_sigmask);
}

void* fluv__switch_init(char* low, char* top, void (*entry)(void)) {
  char* place = top - sizeof(ucontext_t);
  ucontext_t* context = (ucontext_t*) ((uintptr_t) place & ~(uintptr_t) 63);

  if (getcontext(context) != 0)
    fluv__die("getcontext failed");
  context->uc_stack.ss_sp = low;
  context->uc_stack.ss_size = (size_t) ((char*) context - low);
  context->uc_link = NULL;
  makecontext(context, entry, 0);
  return context;
}
