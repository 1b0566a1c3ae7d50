#include "bunzip.h"

#include <stdlib.h>
#include <string.h>

// ---- Memory ---------------------------------------------------------------------------------------

enum {
  block_symbols = 900000,
  alphabet = 258,
  longest_code = 20,
  quick_bits = 11,
  most_tables = 6,
  most_selectors = 18002,
  symbols_per_selector = 50,
};

// A canonical Huffman code.
typedef struct {
  // By the next `quick_bits` bits: the symbol and, above nine bits, the length of a code that is no longer than that.
  uint16_t quick[1 << quick_bits];
  // By length: the first code above those of that length, left-aligned in 32 bits; what leads to a code's symbol.
  uint64_t limit[longest_code + 2];
  int32_t offset[longest_code + 1];
  uint16_t symbols[alphabet];
} code_table;

typedef struct {
  // While a block is read, a symbol; then links in the upper 24 bits, bytes in the lower ones.
  uint32_t *links;
  uint8_t *bytes;
  uint32_t counts[256];
  uint32_t length, first, stated;
  // What was taken so far.
  uint32_t place, checksum, repeats;
  unsigned run;
  uint8_t last;
} block;

struct pl_bunzip {
  block blocks[PL_BUNZIP_BLOCKS];
  code_table tables[most_tables];
  uint8_t selectors[most_selectors];
  uint32_t checksums[8][256];
};

static void make_checksums(uint32_t tables[8][256]) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i << 24;
    for (int k = 0; k < 8; k++) c = c & 0x80000000u ? c << 1 ^ 0x04C11DB7u : c << 1;
    tables[0][i] = c;
  }
  for (int t = 1; t < 8; t++)
    for (int i = 0; i < 256; i++) tables[t][i] = tables[t - 1][i] << 8 ^ tables[0][tables[t - 1][i] >> 24];
}

pl_bunzip *pl_bunzip_new(void) {
  pl_bunzip *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  make_checksums(self->checksums);
  for (int i = 0; i < PL_BUNZIP_BLOCKS; i++) {
    self->blocks[i].links = malloc(block_symbols * sizeof(uint32_t));
    self->blocks[i].bytes = malloc(block_symbols);
    if (self->blocks[i].links && self->blocks[i].bytes) continue;
    pl_bunzip_free(self);
    return NULL;
  }
  return self;
}

void pl_bunzip_free(pl_bunzip *self) {
  if (!self) return;
  for (int i = 0; i < PL_BUNZIP_BLOCKS; i++) {
    free(self->blocks[i].links);
    free(self->blocks[i].bytes);
  }
  free(self);
}

// ---- Bits -----------------------------------------------------------------------------------------

typedef struct {
  const uint8_t *bytes;
  uint64_t bit, end;
} bit_reader;

static inline uint64_t big_endian(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return __builtin_bswap64(word);
}

// At least 56 bits from the place on, the first one highest. Behind the end they are whatever is there.
static inline uint64_t peek(const bit_reader *bits) { return big_endian(bits->bytes + (bits->bit >> 3)) << (bits->bit & 7); }

static inline uint32_t take(bit_reader *bits, unsigned count) {
  if (bits->bit >= bits->end) return 0;
  uint32_t value = (uint32_t)(peek(bits) >> (64 - count));
  bits->bit += count;
  return value;
}

static inline int is_past_end(const bit_reader *bits) { return bits->bit > bits->end; }

static inline int ran_out(const bit_reader *bits) { return bits->bit >= bits->end; }

// ---- Tables ---------------------------------------------------------------------------------------

static int make_code(code_table *table, const uint8_t *lengths, int count) {
  int of_length[longest_code + 2] = {0};
  for (int i = 0; i < count; i++) of_length[lengths[i]]++;
  int32_t starts[longest_code + 2];
  uint64_t code = 0;
  int32_t symbol = 0;
  for (int length = 1; length <= longest_code; length++) {
    starts[length] = symbol;
    table->offset[length] = symbol - (int32_t)code;
    code += (uint64_t)of_length[length];
    symbol += of_length[length];
    if (code > 1ull << length) return 0;
    table->limit[length] = code << (32 - length);
    code <<= 1;
  }
  table->limit[longest_code + 1] = UINT64_MAX;
  memset(table->quick, 0, sizeof table->quick);
  int32_t next[longest_code + 2];
  memcpy(next, starts, sizeof next);
  for (int i = 0; i < count; i++) {
    int length = lengths[i];
    int32_t place = next[length]++;
    table->symbols[place] = (uint16_t)i;
    if (length > quick_bits) continue;
    uint32_t from = (uint32_t)(place - table->offset[length]) << (quick_bits - length);
    for (uint32_t k = 0; k < 1u << (quick_bits - length); k++)
      table->quick[from + k] = (uint16_t)(length << 9 | i);
  }
  return 1;
}

// The symbol at the top of `word`, and its length; a length of 0 is no code.
static inline unsigned decode(const code_table *table, uint64_t word, unsigned *length) {
  unsigned entry = table->quick[word >> (64 - quick_bits)];
  if (__builtin_expect(entry != 0, 1)) {
    *length = entry >> 9;
    return entry & 511;
  }
  uint32_t top = (uint32_t)(word >> 32);
  unsigned n = 1;
  while (top >= table->limit[n]) n++;
  *length = n <= longest_code ? n : 0;
  return n <= longest_code ? table->symbols[(int32_t)(top >> (32 - n)) + table->offset[n]] : 0;
}

// ---- Reading a block ------------------------------------------------------------------------------

static const uint64_t block_magic = 0x314159265359ull, end_magic = 0x177245385090ull;

// The bytes that occur, in order; returns how many.
static int read_used(bit_reader *bits, uint8_t used[256]) {
  int count = 0;
  uint32_t sixteens = take(bits, 16);
  for (int i = 0; i < 16; i++) {
    if (!(sixteens >> (15 - i) & 1)) continue;
    uint32_t set = take(bits, 16);
    for (int k = 0; k < 16; k++)
      if (set >> (15 - k) & 1) used[count++] = (uint8_t)(16 * i + k);
  }
  return count;
}

static int read_selectors(pl_bunzip *self, bit_reader *bits, int tables, int count) {
  uint8_t order[most_tables] = {0, 1, 2, 3, 4, 5};
  for (int i = 0; i < count; i++) {
    int place = 0;
    while (take(bits, 1))
      if (++place >= tables) return 0;
    uint8_t chosen = order[place];
    memmove(order + 1, order, (size_t)place);
    order[0] = chosen;
    // Some programs write more than can be used.
    if (i < most_selectors) self->selectors[i] = chosen;
  }
  return 1;
}

static int read_code(code_table *table, bit_reader *bits, int symbols) {
  uint8_t lengths[alphabet];
  int length = (int)take(bits, 5);
  for (int i = 0; i < symbols; i++) {
    while (1) {
      if (length < 1 || length > longest_code || ran_out(bits)) return 0;
      if (!take(bits, 1)) break;
      length += take(bits, 1) ? -1 : 1;
    }
    lengths[i] = (uint8_t)length;
  }
  return make_code(table, lengths, symbols);
}

// The symbols: runs of the front of the list, places in it, and the end.
static int read_symbols(pl_bunzip *self, block *b, bit_reader *bits, int selectors, uint8_t *front, int used) {
  uint32_t *out = b->links, length = 0, run = 0, step = 1;
  const unsigned end = (unsigned)used + 1;
  for (int group = 0; group < selectors; group++) {
    const code_table *table = &self->tables[self->selectors[group]];
    for (int i = 0; i < symbols_per_selector; i++) {
      if (bits->bit >= bits->end) return PL_BUNZIP_SHORT;
      unsigned size, symbol = decode(table, peek(bits), &size);
      if (size == 0) return PL_BUNZIP_DAMAGED;
      bits->bit += size;
      if (symbol <= 1) {
        if (step > block_symbols) return PL_BUNZIP_DAMAGED;
        run += step << symbol;
        step <<= 1;
        continue;
      }
      if (run) {
        if (run > block_symbols - length) return PL_BUNZIP_DAMAGED;
        b->counts[front[0]] += run;
        for (uint32_t byte = front[0]; run; run--) out[length++] = byte;
      }
      step = 1;
      if (symbol == end) {
        b->length = length;
        return is_past_end(bits) ? PL_BUNZIP_SHORT : PL_BUNZIP_OK;
      }
      if (length == block_symbols) return PL_BUNZIP_DAMAGED;
      unsigned place = symbol - 1;
      uint8_t byte = front[place];
      if (place < 16)
        for (unsigned k = place; k > 0; k--) front[k] = front[k - 1];
      else
        memmove(front + 1, front, place);
      front[0] = byte;
      b->counts[byte]++;
      out[length++] = byte;
    }
  }
  return PL_BUNZIP_DAMAGED;
}

static int read_block(pl_bunzip *self, block *b, bit_reader *bits) {
  b->stated = take(bits, 16) << 16;
  b->stated |= take(bits, 16);
  // Randomized blocks, which no program has written since 1999, are not supported.
  if (take(bits, 1)) return PL_BUNZIP_DAMAGED;
  b->first = take(bits, 24);
  uint8_t front[256];
  int used = read_used(bits, front);
  int tables = (int)take(bits, 3), selectors = (int)take(bits, 15);
  if (used == 0 || tables < 2 || tables > most_tables || selectors == 0) return PL_BUNZIP_DAMAGED;
  if (!read_selectors(self, bits, tables, selectors)) return PL_BUNZIP_DAMAGED;
  for (int i = 0; i < tables; i++)
    if (!read_code(&self->tables[i], bits, used + 2)) return PL_BUNZIP_DAMAGED;
  memset(b->counts, 0, sizeof b->counts);
  int result = read_symbols(self, b, bits, selectors < most_selectors ? selectors : most_selectors, front, used);
  if (result != PL_BUNZIP_OK) return result;
  if (b->first >= b->length) return PL_BUNZIP_DAMAGED;
  b->place = b->repeats = b->run = 0;
  b->checksum = UINT32_MAX;
  return PL_BUNZIP_OK;
}

static uint64_t magic_at(const uint8_t *bytes, uint64_t bit) {
  return (big_endian(bytes + (bit >> 3)) << (bit & 7)) >> 16;
}

int pl_bunzip_is_end(const uint8_t *bytes, size_t length, uint64_t bit) {
  return bit + 48 <= (uint64_t)length * 8 && magic_at(bytes, bit) == end_magic;
}

int pl_bunzip_read(pl_bunzip *self, int slot, const uint8_t *bytes, size_t length, uint64_t *bit) {
  bit_reader bits = {bytes, *bit, (uint64_t)length * 8};
  if (bits.bit + 48 > bits.end) return PL_BUNZIP_SHORT;
  if (magic_at(bytes, bits.bit) != block_magic) return PL_BUNZIP_DAMAGED;
  bits.bit += 48;
  int result = read_block(self, &self->blocks[slot], &bits);
  if (result != PL_BUNZIP_OK) return ran_out(&bits) ? PL_BUNZIP_SHORT : result;
  *bit = bits.bit;
  return PL_BUNZIP_OK;
}

// ---- Undoing the sort -----------------------------------------------------------------------------

static void link_up(block *b) {
  uint32_t sum = 0, *links = b->links;
  for (int i = 0; i < 256; i++) {
    uint32_t count = b->counts[i];
    b->counts[i] = sum;
    sum += count;
  }
  for (uint32_t i = 0; i < b->length; i++) links[b->counts[links[i] & 0xFF]++] |= i << 8;
}

void pl_bunzip_unsort(pl_bunzip *self, int count) {
  const uint32_t *links[PL_BUNZIP_BLOCKS];
  uint8_t *out[PL_BUNZIP_BLOCKS];
  uint32_t places[PL_BUNZIP_BLOCKS], shortest = UINT32_MAX, together = 0;
  for (int i = 0; i < count; i++) {
    block *b = &self->blocks[i];
    link_up(b);
    links[i] = b->links;
    out[i] = b->bytes;
    places[i] = b->links[b->first] >> 8;
    if (b->length < shortest) shortest = b->length;
  }
  if (count == PL_BUNZIP_BLOCKS)
    for (; together < shortest; together++) {
#pragma clang loop unroll(full)
      for (int i = 0; i < PL_BUNZIP_BLOCKS; i++) {
        uint32_t link = links[i][places[i]];
        out[i][together] = (uint8_t)link;
        places[i] = link >> 8;
      }
    }
  for (int i = 0; i < count; i++)
    for (uint32_t k = together; k < self->blocks[i].length; k++) {
      uint32_t link = links[i][places[i]];
      out[i][k] = (uint8_t)link;
      places[i] = link >> 8;
    }
}

// ---- Bytes ----------------------------------------------------------------------------------------

static uint32_t checksum(const pl_bunzip *self, uint32_t c, const uint8_t *bytes, size_t length) {
  const uint32_t(*t)[256] = self->checksums;
  for (; length >= 8; length -= 8, bytes += 8) {
    uint64_t word = big_endian(bytes) ^ (uint64_t)c << 32;
    c = t[7][word >> 56] ^ t[6][word >> 48 & 255] ^ t[5][word >> 40 & 255] ^ t[4][word >> 32 & 255] ^
        t[3][word >> 24 & 255] ^ t[2][word >> 16 & 255] ^ t[1][word >> 8 & 255] ^ t[0][word & 255];
  }
  while (length--) c = c << 8 ^ t[0][c >> 24 ^ *bytes++];
  return c;
}

// Four equal bytes are followed by how many more there are.
static size_t expand(block *b, uint8_t *out, size_t room) {
  size_t o = 0;
  while (o < room) {
    if (b->repeats) {
      size_t count = b->repeats < room - o ? b->repeats : room - o;
      memset(out + o, b->last, count);
      b->repeats -= (uint32_t)count;
      o += count;
      continue;
    }
    if (b->place == b->length) break;
    uint8_t byte = b->bytes[b->place++];
    if (b->run == 4) {
      b->repeats = byte;
      b->run = 0;
      continue;
    }
    b->run = b->run && byte == b->last ? b->run + 1 : 1;
    b->last = byte;
    out[o++] = byte;
  }
  return o;
}

size_t pl_bunzip_take(pl_bunzip *self, int slot, uint8_t *out, size_t room) {
  block *b = &self->blocks[slot];
  size_t count = expand(b, out, room);
  b->checksum = checksum(self, b->checksum, out, count);
  return count;
}

int pl_bunzip_is_intact(const pl_bunzip *self, int slot) {
  const block *b = &self->blocks[slot];
  return b->place == b->length && b->repeats == 0 && ~b->checksum == b->stated;
}

// ---- Finding blocks -------------------------------------------------------------------------------

// For each byte, the shifts of a block's beginning at which it may be the second or third byte; what `pl_bunzip_find`
// looks at first.
typedef struct {
  uint8_t second[256], third[256];
} shift_tables;

static shift_tables shifts_of(uint64_t magic) {
  shift_tables tables = {{0}, {0}};
  for (unsigned shift = 0; shift < 8; shift++) {
    tables.second[magic >> (32 + shift) & 255] |= (uint8_t)(1 << shift);
    tables.third[magic >> (24 + shift) & 255] |= (uint8_t)(1 << shift);
  }
  return tables;
}

uint64_t pl_bunzip_find(const uint8_t *bytes, size_t length, uint64_t bit) {
  if (length < 6) return UINT64_MAX;
  const shift_tables tables = shifts_of(block_magic);
  const uint64_t last = (uint64_t)length * 8 - 48, mask = (1ull << 48) - 1;
  for (size_t at = bit >> 3; (uint64_t)at * 8 <= last; at++) {
    unsigned shifts = tables.second[bytes[at + 1]] & tables.third[bytes[at + 2]];
    for (; __builtin_expect(shifts != 0, 0); shifts &= shifts - 1) {
      unsigned shift = (unsigned)__builtin_ctz(shifts);
      uint64_t place = (uint64_t)at * 8 + shift;
      if (place >= bit && place <= last && (big_endian(bytes + at) >> (16 - shift) & mask) == block_magic) return place;
    }
  }
  return UINT64_MAX;
}
