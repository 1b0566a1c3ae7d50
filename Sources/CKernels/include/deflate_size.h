#ifndef DEFLATE_SIZE_H
#define DEFLATE_SIZE_H
#include <stddef.h>
#include <stdint.h>

/// Computes the size of a text compressed by zlib at level 9, without compressing it.
///
/// The size equals zlib's to the byte (default window, memory level and strategy, with its 6 bytes of framing),
/// whatever deflate the system has. Not thread-safe; about 1.4 MB; no reset needed between texts.
typedef struct pl_deflate_sizer pl_deflate_sizer;

pl_deflate_sizer *_Nullable pl_deflate_sizer_new(void);
void pl_deflate_sizer_free(pl_deflate_sizer *_Nullable sizer);

/// `length` must be below 2 GiB.
uint64_t pl_deflate_size(pl_deflate_sizer *_Nonnull sizer, const uint8_t *_Nonnull text, size_t length);

#endif
