#include "CKernels.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { capacity = 4096 };

// A slot with a start is in use; its end is written first.
static struct {
  _Atomic uintptr_t start;
  _Atomic uintptr_t end;
  atomic_ulong losses;
} slots[capacity];

static atomic_ulong losses;
static uintptr_t page_size;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_bus_error(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t at = (uintptr_t)info->si_addr;
  for (int i = 0; i < capacity; i++) {
    uintptr_t start = atomic_load(&slots[i].start);
    if (start == 0 || at < start || at >= atomic_load(&slots[i].end)) continue;
    void *page = (void *)(at & ~(page_size - 1));
    if (mmap(page, page_size, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) break;
    atomic_fetch_add(&slots[i].losses, 1);
    atomic_fetch_add(&losses, 1);
    return;
  }
  // Not in a guarded file: the same instruction faults again and ends the process.
  signal(number, SIG_DFL);
}

static void begin(void) {
  page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
  struct sigaction action = {0};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  sigaction(SIGBUS, &action, NULL);
}

int pl_guard_mapping(const void *start, size_t length) {
  pthread_once(&once, begin);
  pthread_mutex_lock(&lock);
  int slot = -1;
  for (int i = 0; i < capacity && slot < 0; i++) {
    if (atomic_load(&slots[i].start) == 0) slot = i;
  }
  if (slot >= 0) {
    atomic_store(&slots[slot].losses, 0);
    atomic_store(&slots[slot].end, (uintptr_t)start + length);
    atomic_store(&slots[slot].start, (uintptr_t)start);
  }
  pthread_mutex_unlock(&lock);
  return slot;
}

void pl_release_mapping(int slot) {
  if (slot >= 0) atomic_store(&slots[slot].start, 0);
}

size_t pl_mapping_losses(int slot) { return slot >= 0 ? atomic_load(&slots[slot].losses) : 0; }

size_t pl_all_mapping_losses(void) { return atomic_load(&losses); }
