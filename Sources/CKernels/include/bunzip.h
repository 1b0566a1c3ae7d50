// Decoding blocks of bzip2, several at a time.
//
// Undoing a block's sort follows a chain through memory, so that a processor waits for each byte. Chains of several blocks
// are followed at once.
#ifndef CKERNELS_BUNZIP_H
#define CKERNELS_BUNZIP_H
#include <stddef.h>
#include <stdint.h>

/// Bytes that must be readable behind the compressed ones.
enum { PL_BUNZIP_PADDING = 16 };
/// Blocks that are decoded together.
enum { PL_BUNZIP_BLOCKS = 8 };
/// The longest block, compressed: 900,000 symbols of 20 bits, and its tables.
enum { PL_BUNZIP_BLOCK_BYTES = 2300000 };

enum {
  PL_BUNZIP_OK = 0,
  /// The bytes end within the block.
  PL_BUNZIP_SHORT = -1,
  PL_BUNZIP_DAMAGED = -2,
};

typedef struct pl_bunzip pl_bunzip;

/// Memory for PL_BUNZIP_BLOCKS blocks. NULL if there is none.
pl_bunzip *_Nullable pl_bunzip_new(void);
void pl_bunzip_free(pl_bunzip *_Nullable decoder);

/// Reads the block that begins at a bit, as block `slot` of the decoder, and moves `*bit` behind it.
int pl_bunzip_read(pl_bunzip *_Nonnull decoder, int slot, const uint8_t *_Nonnull bytes, size_t length,
                   uint64_t *_Nonnull bit);

/// Whether a stream's end is there, where no block is.
int pl_bunzip_is_end(const uint8_t *_Nonnull bytes, size_t length, uint64_t bit);

/// Undoes the sort of the first `count` blocks that were read.
void pl_bunzip_unsort(pl_bunzip *_Nonnull decoder, int count);

/// Writes the next bytes of a block, at most `room`, and returns how many; 0 at its end.
size_t pl_bunzip_take(pl_bunzip *_Nonnull decoder, int slot, uint8_t *_Nonnull out, size_t room);

/// Whether what was taken from a block up to its end has the checksum that it states.
int pl_bunzip_is_intact(const pl_bunzip *_Nonnull decoder, int slot);

/// The first bit at or after `bit` at which a block may begin; UINT64_MAX if its first 48 bits are not all in the bytes.
uint64_t pl_bunzip_find(const uint8_t *_Nonnull bytes, size_t length, uint64_t bit);

#endif
