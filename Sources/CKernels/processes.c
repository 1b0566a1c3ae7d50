#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "CKernels.h"

int pl_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

int pl_fork(void) { return fork(); }

void pl_limit_open_files(int process, uint64_t limit) {
  struct rlimit limits;
  if (prlimit(process, RLIMIT_NOFILE, NULL, &limits) != 0 || limit > limits.rlim_max) return;
  limits.rlim_cur = limit;
  (void)prlimit(process, RLIMIT_NOFILE, &limits, NULL);
}

void pl_name_process(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }

/// In the new process: becomes the program. Returns only on failure.
static int become(char *const *words, int hidden, pid_t parent) {
  static const int restored[] = {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGXFSZ};
  if (setpgid(0, 0) != 0) return errno;
  for (size_t i = 0; i < sizeof restored / sizeof *restored; i++) signal(restored[i], SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno;
  // It may have ended before.
  if (getppid() != parent) _exit(127);
  int nothing = open("/dev/null", O_RDONLY);
  if (nothing < 0 || (nothing != STDIN_FILENO && dup2(nothing, STDIN_FILENO) < 0)) return errno;
  if (nothing != STDIN_FILENO) close(nothing);
  close(hidden);
  execvp(words[0], words);
  return errno;
}

int pl_start_bound(char *const *words, int hidden, int *child) {
  int told[2];
  if (pipe2(told, O_CLOEXEC) != 0) return errno;
  pid_t parent = getpid();
  pid_t made = fork();
  int failure = made < 0 ? errno : 0;
  if (made == 0) {
    failure = become(words, hidden, parent);
    ssize_t written = write(told[1], &failure, sizeof failure);
    _exit(written == sizeof failure ? 127 : 126);
  }
  close(told[1]);
  if (made > 0) {
    ssize_t count;
    while ((count = read(told[0], &failure, sizeof failure)) < 0 && errno == EINTR) {
    }
    if (count == sizeof failure) {
      while (waitpid(made, NULL, 0) < 0 && errno == EINTR) {
      }
    } else {
      failure = 0;
      *child = made;
    }
  }
  close(told[0]);
  return failure;
}

int pl_pipe(int *ends) { return pipe2(ends, O_CLOEXEC); }

void pl_enlarge_pipe(int end, int bytes) { (void)fcntl(end, F_SETPIPE_SZ, bytes); }

int64_t pl_write_pipe(int end, const void *bytes, size_t length) {
  sigset_t broken, before;
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken, &before);
  ssize_t written = write(end, bytes, length);
  int failure = errno;
  struct timespec now = {0, 0};
  if (written < 0 && failure == EPIPE) sigtimedwait(&broken, NULL, &now);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failure;
  return written;
}
