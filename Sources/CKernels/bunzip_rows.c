#include "bunzip_rows.h"

#include <stdlib.h>
#include <string.h>

// A row's link leads to the row that begins one byte later in the block. Whoever follows them from the first row on
// meets the block's bytes in their order, but has to wait for memory before each. The chain is therefore cut at every
// row whose number `stride` divides: its pieces are followed `lanes` at a time, and then put together.
enum {
  lanes = 16,
  stride = 512,
  most_pieces = block_symbols / stride + 2,
  // Steps of all lanes. A quarter more than an even share, since the last pieces do not end together.
  most_steps = block_symbols / lanes * 5 / 4 + 4096,
};

// The first piece begins at the first row, the others at the rows 0, stride, 2 * stride and so on.
typedef struct {
  // Where its bytes are, how many are known, and the row behind these.
  uint32_t start, length, row;
} piece;

struct pl_rows {
  // In the upper 24 bits the next row, in the lower 8 the row's first byte.
  uint32_t links[block_symbols];
  uint8_t bytes[lanes * most_steps];
  // The one behind the others stands for none.
  piece pieces[most_pieces + 1];
};

pl_rows *pl_rows_new(void) { return malloc(sizeof(pl_rows)); }

void pl_rows_free(pl_rows *rows) { free(rows); }

static void count_bytes(const uint8_t *bytes, uint32_t length, uint32_t counts[256]) {
  uint32_t parts[4][256] = {{0}}, i = 0;
  for (; i + 4 <= length; i += 4)
    for (int k = 0; k < 4; k++) parts[k][bytes[i + (uint32_t)k]]++;
  for (; i < length; i++) parts[0][bytes[i]]++;
  for (int k = 0; k < 256; k++) counts[k] = parts[0][k] + parts[1][k] + parts[2][k] + parts[3][k];
}

static void link_up(uint32_t *links, const uint8_t *last, uint32_t length) {
  uint32_t places[256], sum = 0;
  count_bytes(last, length, places);
  for (int byte = 0; byte < 256; byte++) {
    uint32_t count = places[byte];
    places[byte] = sum;
    sum += count;
  }
  for (uint32_t row = 0; row < length; row++) links[places[last[row]]++] = row << 8 | last[row];
}

// Follows the pieces, each up to the row at which another one begins or until the lanes are full.
static void follow(pl_rows *self, uint32_t length, uint32_t first) {
  const uint32_t count = (length + stride - 1) / stride + 1;
  const uint32_t *links = self->links;
  piece *pieces = self->pieces;
  for (uint32_t i = 0; i < count; i++) pieces[i] = (piece){0, 0, i == 0 ? first : (i - 1) * stride};
  uint32_t rows[lanes], of[lanes], begun = 0, open = 0;
  for (uint32_t i = 0; i < lanes; i++) {
    of[i] = begun < count ? begun : most_pieces;
    rows[i] = begun < count ? pieces[begun].row : 0;
    pieces[of[i]].start = i * most_steps;
    if (begun < count) begun++, open++;
  }
  uint32_t step = 0;
  for (; step < most_steps && open; step++) {
#pragma clang loop unroll(full)
    for (uint32_t i = 0; i < lanes; i++) {
      uint32_t link = links[rows[i]], row = link >> 8;
      self->bytes[i * most_steps + step] = (uint8_t)link;
      if (__builtin_expect(row % stride == 0, 0)) {
        piece *done = &pieces[of[i]];
        done->length = i * most_steps + step + 1 - done->start;
        done->row = row;
        if (begun < count) {
          of[i] = begun++;
          row = pieces[of[i]].row;
          pieces[of[i]].start = i * most_steps + step + 1;
        } else if (of[i] != most_pieces) {
          of[i] = most_pieces;
          open--;
        }
      }
      rows[i] = row;
    }
  }
  for (uint32_t i = 0; i < lanes; i++) {
    piece *cut = &pieces[of[i]];
    cut->length = i * most_steps + step - cut->start;
    cut->row = rows[i];
  }
}

// Pieces in the order of the block. What a full lane did not hold of one is followed here.
static void join(const pl_rows *self, uint8_t *bytes, uint32_t length) {
  uint32_t place = 0;
  for (uint32_t number = 0; place < length;) {
    const piece *next = &self->pieces[number];
    uint32_t count = next->length < length - place ? next->length : length - place, row = next->row;
    memcpy(bytes + place, self->bytes + next->start, count);
    place += count;
    for (int is_cut = next->length == 0 || row % stride != 0; is_cut && place < length; is_cut = row % stride != 0) {
      uint32_t link = self->links[row];
      bytes[place++] = (uint8_t)link;
      row = link >> 8;
    }
    number = row / stride + 1;
  }
}

void pl_rows_unsort(pl_rows *self, uint8_t *bytes, uint32_t length, uint32_t first) {
  link_up(self->links, bytes, length);
  follow(self, length, first);
  join(self, bytes, length);
}
