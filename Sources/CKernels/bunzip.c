#include "bunzip.h"
#include "bunzip_rows.h"

#include <stdlib.h>
#include <string.h>

// ---- Memory ---------------------------------------------------------------------------------------

enum {
  alphabet = 258,
  longest_code = 20,
  quick_bits = 11,
  most_tables = 6,
  most_selectors = 18002,
  symbols_per_group = 50,
  // Runs up to this are written with one store.
  short_run = 16,
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

struct pl_bunzip {
  // The last bytes of the block's sorted rows, then the block's bytes.
  uint8_t bytes[block_symbols + short_run];
  uint32_t length, stated;
  // What was taken so far.
  uint32_t place, checksum, repeats, run;
  uint8_t last;
  code_table tables[most_tables];
  uint8_t selectors[most_selectors];
  uint32_t checksums[8][256];
  pl_rows *rows;
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
  self->rows = pl_rows_new();
  if (self->rows) return self;
  free(self);
  return NULL;
}

void pl_bunzip_free(pl_bunzip *self) {
  if (!self) return;
  pl_rows_free(self->rows);
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
    if (ran_out(bits)) return 0;
    int place = __builtin_clzll(~peek(bits) | 1);
    if (place >= tables) return 0;
    bits->bit += (uint64_t)place + 1;
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

// Up to 50 symbols of one code. Stops behind `end`; returns how many there are, or -1 where bits are no code.
static int read_group(const code_table *table, bit_reader *bits, unsigned end, uint16_t symbols[symbols_per_group]) {
  uint64_t bit = bits->bit;
  for (int i = 0; i < symbols_per_group;) {
    uint64_t word = big_endian(bits->bytes + (bit >> 3)) << (bit & 7);
    // Two codes are at most 40 bits.
    for (int k = 0; k < 2; k++) {
      unsigned size, symbol = decode(table, word, &size);
      bits->bit = bit;
      if (__builtin_expect(size == 0, 0)) return -1;
      symbols[i++] = (uint16_t)symbol;
      bit += size;
      word <<= size;
      if (__builtin_expect(symbol == end, 0)) {
        bits->bit = bit;
        return i;
      }
    }
  }
  bits->bit = bit;
  return symbols_per_group;
}

// The bytes in the order of their last use: the first 16 here, the others in `rest`.
typedef struct {
  unsigned __int128 front;
  uint8_t rest[256];
} recent_bytes;

static recent_bytes recent(const uint8_t *used, int count) {
  recent_bytes list = {0, {0}};
  for (int i = 0; i < count; i++) {
    if (i < 16) list.front |= (unsigned __int128)used[i] << 8 * i;
    else list.rest[i - 16] = used[i];
  }
  return list;
}

// Moves the byte at a place to the front.
static inline uint8_t use(recent_bytes *list, unsigned place) {
  unsigned __int128 front = list->front;
  if (__builtin_expect(place < 16, 1)) {
    uint8_t byte = (uint8_t)(front >> 8 * place);
    unsigned __int128 moved = ((unsigned __int128)2 << (8 * place + 7)) - 1;
    list->front = (front & ~moved) | ((front << 8 | byte) & moved);
    return byte;
  }
  uint8_t byte = list->rest[place - 16];
  memmove(list->rest + 1, list->rest, place - 16);
  list->rest[0] = (uint8_t)(front >> 120);
  list->front = front << 8 | byte;
  return byte;
}

// The symbols: runs of the byte used last, places in the list of bytes, and the end.
static int read_symbols(pl_bunzip *self, bit_reader *bits, int selectors, const uint8_t *used_bytes, int used) {
  recent_bytes list = recent(used_bytes, used);
  uint8_t *out = self->bytes;
  uint16_t symbols[symbols_per_group];
  uint32_t length = 0, run = 0, step = 1;
  const unsigned end = (unsigned)used + 1;
  for (int group = 0; group < selectors; group++) {
    if (ran_out(bits)) return PL_BUNZIP_SHORT;
    int count = read_group(&self->tables[self->selectors[group]], bits, end, symbols);
    if (count < 0) return PL_BUNZIP_DAMAGED;
    for (int i = 0; i < count; i++) {
      unsigned symbol = symbols[i];
      if (symbol <= 1) {
        run += step << symbol;
        step <<= 1;
        if (run > block_symbols) return PL_BUNZIP_DAMAGED;
        continue;
      }
      if (run > block_symbols - length) return PL_BUNZIP_DAMAGED;
      memset(out + length, (uint8_t)list.front, short_run);
      if (__builtin_expect(run > short_run, 0)) memset(out + length, (uint8_t)list.front, run);
      length += run;
      run = 0;
      step = 1;
      if (symbol == end) {
        self->length = length;
        return bits->bit > bits->end ? PL_BUNZIP_SHORT : PL_BUNZIP_OK;
      }
      if (length == block_symbols) return PL_BUNZIP_DAMAGED;
      out[length++] = use(&list, symbol - 1);
    }
  }
  return PL_BUNZIP_DAMAGED;
}

static int read_block(pl_bunzip *self, bit_reader *bits) {
  self->stated = take(bits, 16) << 16;
  self->stated |= take(bits, 16);
  // Randomized blocks, which no program has written since 1999, are not supported.
  if (take(bits, 1)) return PL_BUNZIP_DAMAGED;
  uint32_t first = take(bits, 24);
  uint8_t used[256];
  int count = read_used(bits, used);
  int tables = (int)take(bits, 3), selectors = (int)take(bits, 15);
  if (count == 0 || tables < 2 || tables > most_tables || selectors == 0) return PL_BUNZIP_DAMAGED;
  if (!read_selectors(self, bits, tables, selectors)) return PL_BUNZIP_DAMAGED;
  for (int i = 0; i < tables; i++)
    if (!read_code(&self->tables[i], bits, count + 2)) return PL_BUNZIP_DAMAGED;
  int result = read_symbols(self, bits, selectors < most_selectors ? selectors : most_selectors, used, count);
  if (result != PL_BUNZIP_OK) return result;
  if (first >= self->length) return PL_BUNZIP_DAMAGED;
  pl_rows_unsort(self->rows, self->bytes, self->length, first);
  self->place = self->repeats = self->run = 0;
  self->checksum = UINT32_MAX;
  return PL_BUNZIP_OK;
}

static uint64_t magic_at(const uint8_t *bytes, uint64_t bit) {
  return (big_endian(bytes + (bit >> 3)) << (bit & 7)) >> 16;
}

int pl_bunzip_is_end(const uint8_t *bytes, size_t length, uint64_t bit) {
  return bit + 48 <= (uint64_t)length * 8 && magic_at(bytes, bit) == end_magic;
}

int pl_bunzip_read(pl_bunzip *self, const uint8_t *bytes, size_t length, uint64_t *bit) {
  bit_reader bits = {bytes, *bit, (uint64_t)length * 8};
  if (bits.bit + 48 > bits.end) return PL_BUNZIP_SHORT;
  if (magic_at(bytes, bits.bit) != block_magic) return PL_BUNZIP_DAMAGED;
  bits.bit += 48;
  int result = read_block(self, &bits);
  if (result != PL_BUNZIP_OK) return ran_out(&bits) ? PL_BUNZIP_SHORT : result;
  *bit = bits.bit;
  return PL_BUNZIP_OK;
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

// The high bits of the bytes that are zero.
static inline uint64_t zero_bytes(uint64_t word) {
  const uint64_t low = 0x7F7F7F7F7F7F7F7Full;
  return ~(((word & low) + low) | word | low);
}

// Four equal bytes are followed by how many more there are.
static size_t expand(pl_bunzip *self, uint8_t *out, size_t room) {
  const uint8_t *bytes = self->bytes;
  uint32_t place = self->place, run = self->run;
  uint8_t last = self->last;
  size_t o = 0;
  while (o < room) {
    if (self->repeats) {
      size_t count = self->repeats < room - o ? self->repeats : room - o;
      memset(out + o, last, count);
      self->repeats -= (uint32_t)count;
      o += count;
      continue;
    }
    if (place == self->length) break;
    if (run == 4) {
      self->repeats = bytes[place++];
      run = 0;
      continue;
    }
    if (run <= 2 && room - o >= 8 && self->length - place >= 8) {
      uint64_t word = big_endian(bytes + place);
      uint64_t equal = zero_bytes(word ^ (word >> 8 | (uint64_t)last << 56));
      // No three bytes in a row are equal.
      if ((equal & (equal >> 8 | (uint64_t)(run == 2) << 63)) == 0) {
        memcpy(out + o, bytes + place, 8);
        last = (uint8_t)word;
        run = 1 + (equal >> 7 & 1);
        place += 8;
        o += 8;
        continue;
      }
    }
    uint8_t byte = bytes[place++];
    run = run && byte == last ? run + 1 : 1;
    last = byte;
    out[o++] = byte;
  }
  self->place = place;
  self->run = run;
  self->last = last;
  return o;
}

size_t pl_bunzip_take(pl_bunzip *self, uint8_t *out, size_t room) {
  size_t count = expand(self, out, room);
  self->checksum = checksum(self, self->checksum, out, count);
  return count;
}

int pl_bunzip_is_intact(const pl_bunzip *self) {
  return self->place == self->length && self->repeats == 0 && ~self->checksum == self->stated;
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
