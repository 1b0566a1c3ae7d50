// Undoing the sort of a block of bzip2; internal to `bunzip.c`.
#ifndef CKERNELS_BUNZIP_ROWS_H
#define CKERNELS_BUNZIP_ROWS_H
#include <stdint.h>

enum { block_symbols = 900000 };

typedef struct pl_rows pl_rows;

pl_rows *pl_rows_new(void);
void pl_rows_free(pl_rows *rows);

/// From the last bytes of a block's sorted rows to its bytes, in place. `length` is 1 to `block_symbols`, and `first`
/// the row that holds the block as it stood, below `length`.
void pl_rows_unsort(pl_rows *rows, uint8_t *bytes, uint32_t length, uint32_t first);

#endif
