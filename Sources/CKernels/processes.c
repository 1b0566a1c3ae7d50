#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "CKernels.h"

int pl_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

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
