#define _GNU_SOURCE
#include "CKernels.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

enum { xfs_magic = 0x58465342 };

int pl_begin_direct(int descriptor) {
  struct statfs system;
  if (fstatfs(descriptor, &system) != 0) return 0;
  if (system.f_type != EXT4_SUPER_MAGIC && system.f_type != xfs_magic) return 0;
  int flags = fcntl(descriptor, F_GETFL);
  return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0;
}

void pl_end_direct(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags >= 0) fcntl(descriptor, F_SETFL, flags & ~O_DIRECT);
}
