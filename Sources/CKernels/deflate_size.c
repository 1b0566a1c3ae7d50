// The compressed size of zlib at level 9, following its rules for choosing matches, blocks and codes (RFC 1951 leaves
// them to the encoder), with a faster search.
//
// zlib checks up to 4096 earlier positions with the same hash of three bytes and takes the longest match, the nearest
// of equal ones. In UTF-8 three bytes are one Japanese character, so most of that search finds matches of one
// character. Here positions are also chained by longer prefixes: if any position agrees in 14 bytes, the longest match
// is among those, and so on downwards; the search of a chain ends early because nothing on it can be longer than the
// next chain's prefix. Whether zlib would have checked a position is decided by counting: each position has a number
// within its bucket of three bytes.

#include "deflate_size.h"

#include <stdlib.h>
#include <string.h>

enum {
  WINDOW = 1 << 15,
  MASK = WINDOW - 1,
  SHORTEST = 3,
  LONGEST = 258,
  LOOKAHEAD = LONGEST + SHORTEST + 1,
  FARTHEST = WINDOW - LOOKAHEAD,
  TOO_FAR = 4096,        // a match of three bytes from further away costs more than literals
  CHAIN = 4096,          // level 9: positions checked,
  CHAIN_GOOD = 1024,     // fewer if the previous match has
  GOOD = 32,             // this many bytes
  SYMBOLS = (1 << 14) - 1,  // per block, at memory level 8
  LEVELS = 5,
  HASH_BITS = 15,
  HASHES = 1 << HASH_BITS,
};

// Prefixes that are chained; the first is zlib's own bucket.
static const unsigned prefix_bytes[LEVELS] = {3, 4, 6, 9, 14};

enum { LITERALS = 286, DISTANCES = 30, LENGTHS = 19, HEAP = 2 * LITERALS + 1 };

typedef struct {
  uint32_t frequency[HEAP];
  uint8_t bits[HEAP];
  int largest;  // symbol used
} code_tree;

struct pl_deflate_sizer {
  // Positions continue to count from text to text, so that those of earlier texts can be recognized as smaller.
  uint32_t origin;
  uint32_t heads[LEVELS][HASHES];
  uint16_t steps[LEVELS][WINDOW];  // distance to the previous position in the chain; 0: none
  uint32_t counts[HASHES];
  uint32_t numbers[WINDOW];
  code_tree literals, distances, lengths;
  unsigned symbols;
  // Bits of the open block with dynamic codes, and with the fixed codes.
  uint64_t own_bits, fixed_bits;
  uint8_t length_codes[256], distance_codes[512];
};

static const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
static const uint8_t repeat_extra[19] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 7};
static const uint8_t length_order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

static void make_tables(pl_deflate_sizer *s) {
  unsigned at = 0;
  for (unsigned code = 0; code < 28; code++)
    for (unsigned i = 0; i < 1u << length_extra[code] && at < 256; i++) s->length_codes[at++] = (uint8_t)code;
  s->length_codes[255] = 28;
  at = 0;
  for (unsigned code = 0; code < 16; code++)
    for (unsigned i = 0; i < 1u << distance_extra[code]; i++) s->distance_codes[at++] = (uint8_t)code;
  at = 256 >> 7;
  for (unsigned code = 16; code < 30; code++)
    for (unsigned i = 0; i < 1u << (distance_extra[code] - 7); i++) s->distance_codes[256 + at++] = (uint8_t)code;
}

// From a distance minus one.
static inline unsigned distance_code(const pl_deflate_sizer *s, unsigned distance) {
  return distance < 256 ? s->distance_codes[distance] : s->distance_codes[256 + (distance >> 7)];
}

static void begin_block(pl_deflate_sizer *s) {
  memset(s->literals.frequency, 0, sizeof(uint32_t) * LITERALS);
  memset(s->distances.frequency, 0, sizeof(uint32_t) * DISTANCES);
  memset(s->lengths.frequency, 0, sizeof(uint32_t) * LENGTHS);
  s->literals.frequency[256] = 1;  // end of block
  s->symbols = 0;
  s->own_bits = s->fixed_bits = 0;
}

// Codes

static inline unsigned fixed_literal_bits(unsigned symbol) {
  return symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8;
}

typedef struct {
  int places[HEAP];
  int count;
  uint8_t depths[HEAP];
  int parents[HEAP];
  int order[HEAP];  // nodes from the last joined to the first, starting at `first`
  int first;
} code_heap;

static inline int is_smaller(const code_tree *t, const code_heap *h, int a, int b) {
  return t->frequency[a] < t->frequency[b] || (t->frequency[a] == t->frequency[b] && h->depths[a] <= h->depths[b]);
}

static void sift_down(const code_tree *t, code_heap *h, int k) {
  int node = h->places[k];
  for (int j = k * 2; j <= h->count; j *= 2) {
    if (j < h->count && is_smaller(t, h, h->places[j + 1], h->places[j])) j++;
    if (is_smaller(t, h, node, h->places[j])) break;
    h->places[k] = h->places[j];
    k = j;
  }
  h->places[k] = node;
}

typedef struct {
  int symbols, longest;
  int extra_from;
  const uint8_t *extra;
  int has_fixed;
  unsigned fixed_bits;  // 0: those of literals
} code_kind;

static const code_kind literal_kind = {LITERALS, 15, 257, length_extra, 1, 0};
static const code_kind distance_kind = {DISTANCES, 15, 0, distance_extra, 1, 5};
static const code_kind length_kind = {LENGTHS, 7, 0, repeat_extra, 0, 0};

static inline unsigned fixed_bits_of(const code_kind *kind, int symbol) {
  return kind->fixed_bits ? kind->fixed_bits : fixed_literal_bits((unsigned)symbol);
}

// Computes code lengths from the joined nodes; those over the limit are shortened at the cost of others.
static void assign_bits(pl_deflate_sizer *s, code_tree *t, const code_kind *kind, code_heap *h) {
  int counts[16] = {0};
  int overflow = 0;
  t->bits[h->order[h->first]] = 0;
  for (int i = h->first + 1; i < HEAP; i++) {
    int node = h->order[i];
    int bits = t->bits[h->parents[node]] + 1;
    if (bits > kind->longest) bits = kind->longest, overflow++;
    t->bits[node] = (uint8_t)bits;
    if (node > t->largest) continue;
    counts[bits]++;
    unsigned extra = node >= kind->extra_from ? kind->extra[node - kind->extra_from] : 0;
    s->own_bits += (uint64_t)t->frequency[node] * ((unsigned)bits + extra);
    if (kind->has_fixed) s->fixed_bits += (uint64_t)t->frequency[node] * (fixed_bits_of(kind, node) + extra);
  }
  if (overflow == 0) return;
  do {
    int bits = kind->longest - 1;
    while (counts[bits] == 0) bits--;
    counts[bits]--;
    counts[bits + 1] += 2;
    counts[kind->longest]--;
    overflow -= 2;
  } while (overflow > 0);
  int i = HEAP;
  for (int bits = kind->longest; bits > 0; bits--) {
    for (int left = counts[bits]; left > 0;) {
      int node = h->order[--i];
      if (node > t->largest) continue;
      if (t->bits[node] != bits) {
        s->own_bits += (uint64_t)((int64_t)(bits - t->bits[node]) * (int64_t)t->frequency[node]);
        t->bits[node] = (uint8_t)bits;
      }
      left--;
    }
  }
}

static void build_code(pl_deflate_sizer *s, code_tree *t, const code_kind *kind) {
  code_heap h;
  h.count = 0;
  h.first = HEAP;
  t->largest = -1;
  for (int symbol = 0; symbol < kind->symbols; symbol++) {
    t->bits[symbol] = 0;
    if (t->frequency[symbol] == 0) continue;
    h.places[++h.count] = t->largest = symbol;
    h.depths[symbol] = 0;
  }
  // A code has at least two symbols.
  while (h.count < 2) {
    int symbol = h.places[++h.count] = t->largest < 2 ? ++t->largest : 0;
    t->frequency[symbol] = 1;
    h.depths[symbol] = 0;
    s->own_bits--;
    if (kind->has_fixed) s->fixed_bits -= fixed_bits_of(kind, symbol);
  }
  for (int i = h.count / 2; i >= 1; i--) sift_down(t, &h, i);
  int node = kind->symbols;
  do {
    int a = h.places[1];
    h.places[1] = h.places[h.count--];
    sift_down(t, &h, 1);
    int b = h.places[1];
    h.order[--h.first] = a;
    h.order[--h.first] = b;
    t->frequency[node] = t->frequency[a] + t->frequency[b];
    h.depths[node] = (uint8_t)((h.depths[a] >= h.depths[b] ? h.depths[a] : h.depths[b]) + 1);
    h.parents[a] = h.parents[b] = node;
    h.places[1] = node++;
    sift_down(t, &h, 1);
  } while (h.count >= 2);
  h.order[--h.first] = h.places[1];
  assign_bits(s, t, kind, &h);
}

// Counts the symbols that encode the code lengths: lengths, 16 repeats the previous one, 17 and 18 repeat zeros.
static void count_lengths(pl_deflate_sizer *s, const code_tree *t) {
  int previous = -1, next = t->bits[0], count = 0;
  int most = next ? 7 : 138, least = next ? 4 : 3;
  for (int n = 0; n <= t->largest; n++) {
    int bits = next;
    next = n < t->largest ? t->bits[n + 1] : 0xFFFF;
    if (++count < most && bits == next) continue;
    if (count < least) s->lengths.frequency[bits] += (uint32_t)count;
    else if (bits != 0) {
      if (bits != previous) s->lengths.frequency[bits]++;
      s->lengths.frequency[16]++;
    } else s->lengths.frequency[count <= 10 ? 17 : 18]++;
    count = 0;
    previous = bits;
    if (next == 0) most = 138, least = 3;
    else if (bits == next) most = 6, least = 3;
    else most = 7, least = 4;
  }
}

// Adds the bits of the open block to the total. It contains `bytes` of text; `is_whole` if the window still holds them.
static uint64_t end_block(pl_deflate_sizer *s, uint64_t bits, uint64_t bytes, int is_whole, int is_last) {
  build_code(s, &s->literals, &literal_kind);
  build_code(s, &s->distances, &distance_kind);
  count_lengths(s, &s->literals);
  count_lengths(s, &s->distances);
  build_code(s, &s->lengths, &length_kind);
  int last = 18;
  while (last >= 3 && s->lengths.bits[length_order[last]] == 0) last--;
  s->own_bits += 3 * ((uint64_t)last + 1) + 5 + 5 + 4;
  uint64_t own_bytes = (s->own_bits + 3 + 7) >> 3, fixed_bytes = (s->fixed_bits + 3 + 7) >> 3;
  uint64_t best_bytes = fixed_bytes <= own_bytes ? fixed_bytes : own_bytes;
  if (bytes + 4 <= best_bytes && is_whole) bits = ((bits + 3 + 7) & ~7ull) + 8 * (4 + bytes);
  else bits += 3 + (fixed_bytes == best_bytes ? s->fixed_bits : s->own_bits);
  begin_block(s);
  return is_last ? (bits + 7) & ~7ull : bits;
}

// Matches

static inline uint64_t load64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return v;
}

static inline unsigned bucket(const uint8_t *p) {
  return ((unsigned)p[0] << 10 ^ (unsigned)p[1] << 5 ^ p[2]) & (HASHES - 1);
}

// Hash of the first `bytes` bytes, 4 to 16 of them; 16 must be readable.
static inline unsigned prefix_hash(const uint8_t *p, unsigned bytes) {
  uint64_t mixed = bytes <= 8 ? load64(p) << (64 - 8 * bytes) : load64(p) * 0xD6E8FEB86659FD93ull ^ load64(p + bytes - 8);
  return (unsigned)((mixed * 0x9E3779B97F4A7C15ull) >> (64 - HASH_BITS));
}

static inline void chain(pl_deflate_sizer *s, int level, unsigned hash, uint32_t place) {
  uint32_t step = place - s->heads[level][hash];
  s->steps[level][place & MASK] = step < WINDOW ? (uint16_t)step : 0;
  s->heads[level][hash] = place;
}

// Adds a position to the chains; `left` bytes of text start there.
static inline void insert(pl_deflate_sizer *s, const uint8_t *p, uint32_t place, size_t left) {
  unsigned b = bucket(p);
  chain(s, 0, b, place);
  s->numbers[place & MASK] = s->counts[b]++;
  uint8_t rest[16] = {0};
  if (left < 16) p = memcpy(rest, p, left);
  for (int level = 1; level < LEVELS; level++) {
    unsigned prefix = prefix_bytes[level];
    if (left >= prefix) chain(s, level, prefix_hash(p, prefix), place);
  }
}

static inline unsigned match_bytes(const uint8_t *a, const uint8_t *b, unsigned most) {
  unsigned n = 0;
  while (n + 8 <= most) {
    uint64_t difference = load64(a + n) ^ load64(b + n);
    if (difference) return n + (unsigned)__builtin_ctzll(difference) / 8;
    n += 8;
  }
  while (n < most && a[n] == b[n]) n++;
  return n;
}

static inline int agree3(const uint8_t *a, const uint8_t *b) { return a[0] == b[0] && a[1] == b[1] && a[2] == b[2]; }

typedef struct {
  unsigned bytes;
  uint32_t place;
} match;

// The longest match beyond `best.bytes` among those that zlib would check; the nearest of equal ones. The position
// itself is already chained. `base` is the position of the window's first byte, which zlib treats as none.
static match longest_match(pl_deflate_sizer *s, const uint8_t *p, uint32_t place, uint32_t base, size_t lookahead,
                           match best) {
  unsigned most = lookahead < LONGEST ? (unsigned)lookahead : LONGEST;
  uint32_t look = best.bytes >= GOOD ? CHAIN_GOOD : CHAIN;
  uint32_t number = s->numbers[place & MASK];
  unsigned ceiling = most;  // nothing on the remaining chains is longer
  for (int level = LEVELS - 1; level >= 0; level--) {
    unsigned prefix = prefix_bytes[level];
    if (prefix > most) continue;
    if (best.bytes >= ceiling) break;
    uint32_t at = place;
    // Hashes may agree although prefixes do not: such a position belongs to a shorter chain.
    unsigned beat = best.bytes < prefix - 1 ? prefix - 1 : best.bytes;
    unsigned walked = 0;
    while (1) {
      uint32_t step = s->steps[level][at & MASK];
      if (step == 0) break;
      at -= step;
      uint32_t distance = place - at;
      if ((int32_t)(at - base) <= 0 || distance > FARTHEST) break;
      const uint8_t *q = p - distance;
      int may_be_better = q[beat] == p[beat] && agree3(q, p);
      if (!may_be_better && (++walked & 1023 || !agree3(q, p))) continue;
      uint32_t rank = number - 1 - s->numbers[at & MASK];
      if (rank >= look || (distance == FARTHEST && rank > 0)) break;
      if (!may_be_better) continue;
      unsigned bytes = match_bytes(q, p, most);
      if (bytes <= beat) continue;
      best = (match){bytes, at};
      beat = bytes;
      if (bytes >= ceiling) break;
    }
    if (best.bytes >= prefix) break;
    if (prefix - 1 < ceiling) ceiling = prefix - 1;
  }
  return best;
}

// Texts

static inline int add_symbol(pl_deflate_sizer *s) { return ++s->symbols == SYMBOLS; }

static inline int add_literal(pl_deflate_sizer *s, uint8_t byte) {
  s->literals.frequency[byte]++;
  return add_symbol(s);
}

static inline int add_match(pl_deflate_sizer *s, uint32_t distance, unsigned bytes) {
  s->literals.frequency[257 + s->length_codes[bytes - SHORTEST]]++;
  s->distances.frequency[distance_code(s, distance - 1)]++;
  return add_symbol(s);
}

uint64_t pl_deflate_size(pl_deflate_sizer *s, const uint8_t *text, size_t length) {
  if ((uint64_t)s->origin + length + 4 * WINDOW >= UINT32_MAX) {
    memset(s->heads, 0, sizeof s->heads);
    s->origin = 2 * WINDOW;
  }
  const uint32_t origin = s->origin;
  const uint8_t *const end = text + length;
  // zlib's window of 64 KiB: `base` is the text offset of its first byte, `filled` is the end.
  int64_t base = 0, filled = 0, block = 0, i = 0;
  match current = {SHORTEST - 1, 0};
  int holds_literal = 0;
  uint64_t bits = 16;
  begin_block(s);
  while (1) {
    if (filled - i < LOOKAHEAD) {
      do {
        if (i - base >= WINDOW + FARTHEST) base += WINDOW;
        int64_t room = base + 2 * WINDOW - filled, rest = (int64_t)length - filled;
        if (rest == 0) break;
        filled += rest < room ? rest : room;
      } while (filled - i < LOOKAHEAD && filled < (int64_t)length);
      if (i == filled) break;
    }
    const uint8_t *p = text + i;
    const uint32_t place = origin + (uint32_t)i;
    size_t lookahead = (size_t)(filled - i);
    match previous = current;
    current.bytes = SHORTEST - 1;
    if (lookahead >= SHORTEST) {
      insert(s, p, place, (size_t)(end - p));
      if (previous.bytes < LONGEST && s->steps[0][place & MASK] != 0) {
        current = longest_match(s, p, place, origin + (uint32_t)base, lookahead, previous);
        if (current.bytes > lookahead) current.bytes = (unsigned)lookahead;
        if (current.bytes == SHORTEST && place - current.place > TOO_FAR) current.bytes = SHORTEST - 1;
      }
    }
    if (previous.bytes >= SHORTEST && current.bytes <= previous.bytes) {
      int is_full = add_match(s, place - 1 - previous.place, previous.bytes);
      int64_t last_insert = filled - SHORTEST;
      for (unsigned n = previous.bytes - 2; n > 0; n--)
        if (++i <= last_insert) insert(s, text + i, origin + (uint32_t)i, (size_t)(length - (size_t)i));
      i++;
      holds_literal = 0;
      current.bytes = SHORTEST - 1;
      if (is_full) {
        bits = end_block(s, bits, (uint64_t)(i - block), block >= base, 0);
        block = i;
      }
    } else {
      if (holds_literal && add_literal(s, text[i - 1])) {
        bits = end_block(s, bits, (uint64_t)(i - block), block >= base, 0);
        block = i;
      }
      holds_literal = 1;
      i++;
    }
  }
  if (holds_literal) add_literal(s, text[i - 1]);
  bits = end_block(s, bits, (uint64_t)(i - block), block >= base, 1);
  s->origin += (uint32_t)length + WINDOW;
  return bits / 8 + 4;
}

pl_deflate_sizer *pl_deflate_sizer_new(void) {
  pl_deflate_sizer *s = calloc(1, sizeof *s);
  if (!s) return NULL;
  s->origin = 2 * WINDOW;
  make_tables(s);
  return s;
}

void pl_deflate_sizer_free(pl_deflate_sizer *sizer) { free(sizer); }
