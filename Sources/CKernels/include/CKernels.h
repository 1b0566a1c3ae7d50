// Hot loops that need the machine's widest vectors, chosen at run time; and libxxhash hashes.
#ifndef CKERNELS_H
#define CKERNELS_H
#include <stddef.h>
#include <stdint.h>

#include "bunzip.h"
#include "census.h"
#include "deflate_size.h"
#include "grams.h"
#include "memory.h"
#include "minhash.h"
#include "scanning.h"
#include "vectors.h"

uint64_t pl_xxh64(const void *_Nullable bytes, size_t length, uint64_t seed);
uint64_t pl_xxh3(const void *_Nullable bytes, size_t length);
uint32_t pl_xxh32(const void *_Nullable bytes, size_t length, uint32_t seed);
/// XXH3 with 128 bits: returns the high half and writes the low one.
uint64_t pl_xxh3_128(const void *_Nullable bytes, size_t length, uint64_t *_Nonnull low);

/// Writes `length` bytes of UTF-8 as the inside of a JSON string (", \ and controls escaped).
/// `out` must have room for 6 × length bytes. Returns the bytes written.
size_t pl_json_escape(const uint8_t *_Nonnull bytes, size_t length, uint8_t *_Nonnull out);

/// Index of the first byte that a JSON string must escape, or `length`.
size_t pl_json_plain_prefix(const uint8_t *_Nonnull bytes, size_t length);

/// The number of scalars in valid UTF-8: of bytes that are not continuation bytes.
size_t pl_scalars(const uint8_t *_Nullable utf8, size_t length);

/// From now on, an unreadable page of a mapped file (the file was truncated, or its disk fails) reads as zeros and is
/// counted, instead of ending the process. Returns a slot to release before the file is unmapped; -1 if none is
/// available.
int pl_guard_mapping(const void *_Nonnull start, size_t length);
void pl_release_mapping(int slot);
/// Unreadable pages so far.
size_t pl_mapping_losses(int slot);
/// The same for all mappings, including past ones.
size_t pl_all_mapping_losses(void);

/// Gives freed memory back to the system, from the middle of every arena too.
void pl_return_freed_memory(void);
/// Makes all threads share one malloc arena, which saves address space and costs time.
void pl_use_one_arena(void);
/// Gives mapped pages another length, elsewhere if need be, without copying them. NULL on failure, as errno says.
void *_Nullable pl_resize_pages(void *_Nonnull start, size_t length, size_t wanted);

/// From now on, what is written to the file goes past the page cache: whole pages, at multiples of their size, in memory
/// too. Returns 0, and changes nothing, unless the file system is one of local disks that does this well (ext4, XFS).
int pl_begin_direct(int descriptor);
void pl_end_direct(int descriptor);

/// Processors that this process may use; all of the machine's unless it was given some of them.
int pl_processors(void);

/// From now on, processes whose parents end become children of this process if they descend from it. 0 on success.
int pl_adopt_orphans(void);
/// fork(2), for a process of one thread that goes on in the same program. -1 on failure.
int pl_fork(void);
/// Changes how many files a process of this user may have open at once. Nothing if it has ended or may have no more.
void pl_limit_open_files(int process, uint64_t limit);
/// Names this process, as `ps` and `killall` see it.
void pl_name_process(const char *_Nonnull name);
/// Starts a program, looked up in PATH, that is killed when the calling thread or its process ends for whatever reason. It
/// has a process group of its own, no signal blocked or ignored, an empty standard input, and not the descriptor `hidden`.
/// Returns 0, or what errno says of why it cannot be started.
int pl_start_bound(char *_Nullable const *_Nonnull words, int hidden, int *_Nonnull child);
/// The reading and the writing end of a pipe, closed in other programs from its first moment on. 0 on success.
int pl_pipe(int *_Nonnull ends);
/// Room in a pipe, as far as the system allows.
void pl_enlarge_pipe(int end, int bytes);
/// write(2), without SIGPIPE where nobody reads any more.
int64_t pl_write_pipe(int end, const void *_Nonnull bytes, size_t length);

#endif
