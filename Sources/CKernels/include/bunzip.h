// Decoding bzip2, from any of its blocks on.
#ifndef CKERNELS_BUNZIP_H
#define CKERNELS_BUNZIP_H
#include <stddef.h>
#include <stdint.h>

/// Bytes that must be readable behind the compressed ones.
enum { PL_BUNZIP_PADDING = 160 };
/// The longest block, compressed: 900,000 symbols of 20 bits, and its tables.
enum { PL_BUNZIP_BLOCK_BYTES = 2300000 };

enum {
  PL_BUNZIP_OK = 0,
  /// The bytes end within the block.
  PL_BUNZIP_SHORT = -1,
  PL_BUNZIP_DAMAGED = -2,
};

typedef struct pl_bunzip pl_bunzip;

/// Memory for one block. NULL if there is none.
pl_bunzip *_Nullable pl_bunzip_new(void);
void pl_bunzip_free(pl_bunzip *_Nullable decoder);

/// Decodes the block that begins at a bit, in place of the one before, and moves `*bit` behind it.
int pl_bunzip_read(pl_bunzip *_Nonnull decoder, const uint8_t *_Nonnull bytes, size_t length, uint64_t *_Nonnull bit);

/// Whether a stream's end is there, where no block is.
int pl_bunzip_is_end(const uint8_t *_Nonnull bytes, size_t length, uint64_t bit);

/// Writes the next bytes of the block, at most `room`, and returns how many; 0 at its end.
size_t pl_bunzip_take(pl_bunzip *_Nonnull decoder, uint8_t *_Nonnull out, size_t room);

/// Whether what was taken from the block up to its end has the checksum that it states.
int pl_bunzip_is_intact(const pl_bunzip *_Nonnull decoder);

/// The first bit at or after `bit` at which a block may begin; UINT64_MAX if its first 48 bits are not all in the bytes.
uint64_t pl_bunzip_find(const uint8_t *_Nonnull bytes, size_t length, uint64_t bit);

#endif
