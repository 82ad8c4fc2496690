/* SPDX-License-Identifier: MIT */
/* What fluv changes in the whole process; see process.h. */
#define _GNU_SOURCE
#include "core/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "core/stack.h"

/* A signal whose handler is ours while a loop lives. */
typedef struct fault {
  int signum;
  bool beneath; /* ours was covered by another's, which may call it */
  struct sigaction next;
  fluv__atomic_bool_t spent; /* SA_RESETHAND: it was called */
} fault_t;

static fault_t faults[] = { { .signum = SIGSEGV }, { .signum = SIGBUS } };

enum {
  FAULTS = sizeof(faults) / sizeof(*faults)
};

fluv__atomic_bool_t fluv__process_displaced;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t fault_users; /* these three under the lock */
static size_t pipe_users;
static bool pipe_ignored;

static void call(const struct sigaction* action,
                 int signum,
                 siginfo_t* info,
                 void* context) {
  if (action->sa_flags & SA_SIGINFO)
    action->sa_sigaction(signum, info, context);
  else
    action->sa_handler(signum);
}

/* Does the same happen again when the handler returns? Not after kill(2), and
 * not with a memory error that no instruction has met. */
static bool will_repeat(int signum, const siginfo_t* info) {
#ifdef BUS_MCEERR_AO
  if (signum == SIGBUS && info->si_code == BUS_MCEERR_AO)
    return false;
#endif
  (void) signum;
  return info->si_code > 0;
}

static void end_process(int signum, const siginfo_t* info) {
  signal(signum, SIG_DFL);
  if (!will_repeat(signum, info))
    raise(signum); /* pending until the handler returns */
}

static bool is_special(const struct sigaction* action, void (*what)(int)) {
  return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == what;
}

/* The mask of a handler is that of the code which it interrupts, and what its
 * action asks for. Ours has added nothing but its own signal. */
static void set_mask(const struct sigaction* action, int signum) {
  sigset_t mask;
  int i;

  pthread_sigmask(SIG_BLOCK, NULL, &mask);
  if (action->sa_flags & SA_NODEFER)
    sigdelset(&mask, signum);
  for (i = 1; i < NSIG; i++)
    if (sigismember(&action->sa_mask, i) == 1)
      sigaddset(&mask, i);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* It is not ours: do what would have been done without us. */
static void pass_on(fault_t* fault, siginfo_t* info, void* context) {
  struct sigaction next = fault->next;
  int signum = fault->signum;

  if (is_special(&next, SIG_IGN) && !will_repeat(signum, info))
    return;
  if (is_special(&next, SIG_IGN) || is_special(&next, SIG_DFL) ||
      atomic_load(&fault->spent)) {
    end_process(signum, info);
    return;
  }
  if ((next.sa_flags & SA_ONSTACK) == 0 && will_repeat(signum, info)) {
    sigaction(signum, &next, NULL);
    atomic_store(&fluv__process_displaced, true);
    return;
  }
  if (next.sa_flags & SA_RESETHAND)
    atomic_store(&fault->spent, true);
  set_mask(&next, signum);
  call(&next, signum, info, context);
}

static void on_fault(int signum, siginfo_t* info, void* context) {
  int saved = errno;

  if (fluv__overflow_report(info, context))
    end_process(signum, info);
  else
    pass_on(&faults[signum == SIGSEGV ? 0 : 1], info, context);
  errno = saved;
}

static bool is_ours(const struct sigaction* action) {
  return (action->sa_flags & SA_SIGINFO) != 0 &&
         action->sa_sigaction == on_fault;
}

static bool same_handler(const struct sigaction* a, const struct sigaction* b) {
  if ((a->sa_flags & SA_SIGINFO) != (b->sa_flags & SA_SIGINFO))
    return false;
  return (a->sa_flags & SA_SIGINFO) != 0 ? a->sa_sigaction == b->sa_sigaction
                                         : a->sa_handler == b->sa_handler;
}

/* What was there is known before ours is there, for ours may run at once. */
static void install(fault_t* fault) {
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };
  struct sigaction now;

  if (sigaction(fault->signum, NULL, &now) != 0 || is_ours(&now))
    return;
  /* In front of a handler that calls ours, each would call the other. */
  if (fault->beneath && !same_handler(&now, &fault->next))
    return;
  fault->beneath = false;
  fault->next = now;
  atomic_store(&fault->spent, false);
  action.sa_sigaction = on_fault;
  sigemptyset(&action.sa_mask);
  sigaction(fault->signum, &action, NULL);
}

static void uninstall(fault_t* fault, bool displaced) {
  struct sigaction now;

  if (sigaction(fault->signum, NULL, &now) != 0)
    return;
  if (!is_ours(&now))
    fault->beneath = !displaced && !same_handler(&now, &fault->next);
  else if (atomic_load(&fault->spent))
    signal(fault->signum, SIG_DFL);
  else
    sigaction(fault->signum, &fault->next, NULL);
}

static void install_all(void) {
  int i;

  for (i = 0; i < FAULTS; i++)
    install(&faults[i]);
}

static void uninstall_all(void) {
  bool displaced = atomic_exchange(&fluv__process_displaced, false);
  int i;

  for (i = 0; i < FAULTS; i++)
    uninstall(&faults[i], displaced);
}

/* SIGPIPE would end the process when a peer closes; a handler of the host's
 * own is left alone. */
static void ignore_pipe(void) {
  struct sigaction action;

  if (sigaction(SIGPIPE, NULL, &action) != 0 || !is_special(&action, SIG_DFL))
    return;
  signal(SIGPIPE, SIG_IGN);
  pipe_ignored = true;
}

static void restore_pipe(void) {
  struct sigaction action;

  if (pipe_ignored && sigaction(SIGPIPE, NULL, &action) == 0 &&
      is_special(&action, SIG_IGN))
    signal(SIGPIPE, SIG_DFL);
  pipe_ignored = false;
}

void fluv__process_enter(const fluv_loop_options_t* options) {
  pthread_mutex_lock(&lock);
  if (!options->leave_sigsegv && fault_users++ == 0)
    install_all();
  if (!options->leave_sigpipe && pipe_users++ == 0)
    ignore_pipe();
  pthread_mutex_unlock(&lock);
}

void fluv__process_leave(const fluv_loop_options_t* options) {
  pthread_mutex_lock(&lock);
  if (!options->leave_sigsegv && --fault_users == 0)
    uninstall_all();
  if (!options->leave_sigpipe && --pipe_users == 0)
    restore_pipe();
  pthread_mutex_unlock(&lock);
}

void fluv__process_forked(void) {
  pthread_mutex_init(&lock, NULL); /* a thread that is not here may hold it */
  if (fault_users > 0)
    uninstall_all();
  if (pipe_users > 0)
    restore_pipe();
  fault_users = pipe_users = 0;
}

void fluv__process_restore(void) {
  pthread_mutex_lock(&lock);
  if (fault_users > 0 && atomic_exchange(&fluv__process_displaced, false))
    install_all();
  pthread_mutex_unlock(&lock);
}
