import CKernels

/// One pass over a text: white space, controls, telephone numbers, brackets.
///
/// Unchanged text is copied in runs. Preceding characters are looked up in the output, so that characters already
/// removed do not matter.
struct CleaningPass {
  let rules: CleaningRules
  var out: [UInt8]
  var counts: CleaningCounts
  /// Where the current line starts in `out`.
  var lineStart = 0
  // Copies: a table of a type is looked up each time.
  private let isPlain = Self.plain
  let mayBeEmpty = Self.emptyEnds
  /// The input from here to the current position has not been copied yet.
  private var run = 0

  init(rules: CleaningRules, out: [UInt8], counts: CleaningCounts) {
    self.rules = rules
    self.out = out
    self.counts = counts
  }

  mutating func run(_ text: UnsafeBufferPointer<UInt8>) {
    guard let bytes = text.baseAddress else { return }
    out.reserveCapacity(text.count + 16)
    let end = text.count, level = Kernels.level
    let numbers: Int32 = rules.phones == .keep ? 0 : 1
    var scan = pl_scan()
    var i = 0
    while i < end {
      i = step(text, i)
      // What follows something removed is looked at in any case.
      if run < i { i = pl_find_unclean(level, bytes, i, end, numbers, &scan) }
    }
    flush(text, end)
    finish()
  }

  /// Looks at one scalar, and returns where to go on.
  private mutating func step(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int {
    let a = text[i]
    if a >= 0xE4 && a <= 0xEC { return i + 3 }  // ideographs, Hangul
    if a == 0xE3 {  // kana, and the block of CJK punctuation
      return i + 2 < text.count && text[i + 1] == 0x80 ? ideographicPunctuation(text, i, text[i + 2]) : i + 3
    }
    if a < 0x80 { return isPlain[Int(a)] ? i + 1 : ascii(text, i, a) }
    return a < 0xC2 ? i + 1 : other(text, i, a)
  }

  /// How many bytes before `i` have not been copied yet; nil if there are none, so that the byte before `i` may have been
  /// removed.
  func unflushed(_ text: UnsafeBufferPointer<UInt8>, _ i: Int) -> Int? { run < i ? i - run : nil }

  /// Copies the input up to `i` and continues at `resume`.
  mutating func flush(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, resume: Int? = nil) {
    let end = min(i, text.count)
    if end > run { out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run..<end])) }
    run = resume ?? i
  }

  // ASCII that never needs checking.
  private static let plain = ByteTable { byte in
    byte >= 0x21 && byte != 0x7F && !")+0123456789".utf8.contains(byte)
  }

  private mutating func ascii(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ a: UInt8) -> Int {
    switch a {
    case 0x20:
      let next = i + 1 < text.count ? text[i + 1] : 0x0A
      let isSingle = i > 0 && text[i - 1] > 0x20 && (next > 0x20 && next < 0x80 || next >= 0xE4 && next < 0xED)
      if isSingle && run < i { return i + 1 }
      return rules.tidiesWhitespace ? whitespace(text, i) : i + 1
    case 0x09: return rules.tidiesWhitespace ? whitespace(text, i) : i + 1
    case 0x0A: return newline(text, i, count: 1)
    case 0x0B, 0x0C: return rules.tidiesWhitespace ? newline(text, i, count: 1) : i + 1
    case 0x0D:
      guard rules.tidiesWhitespace else { return i + 1 }
      return newline(text, i, count: i + 1 < text.count && text[i + 1] == 0x0A ? 2 : 1)
    case 0x29: return rules.removesEmptyBrackets ? closing(text, i, .ascii) : i + 1
    case 0x2B, 0x30...0x39: return rules.phones != .keep ? number(text, i) : i + 1
    default: return rules.removesControls ? skip(text, i, 1, .controls) : i + 1  // C0, DEL
    }
  }

  private mutating func ideographicPunctuation(
    _ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ c: UInt8
  ) -> Int {
    switch c {
    case 0x80: return rules.tidiesWhitespace ? whitespace(text, i) : i + 3
    case 0x81: return rules.removesEmptyBrackets ? comma(text, i) : i + 3
    case 0x89, 0x8B, 0x8D, 0x8F, 0x91, 0x95, 0x97:
      return rules.removesEmptyBrackets ? closing(text, i, .ideographic(c)) : i + 3
    default: return i + 3
    }
  }

  /// Scalars that start with a byte that is rare in Japanese text.
  private mutating func other(_ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ a: UInt8) -> Int {
    let (scalar, count) = UTF8Scanning.scalar(at: i, in: text.baseAddress!, end: text.count)
    switch InvisibleKind(scalar) {
    case .none:
      if scalar == 0xFF09 && rules.removesEmptyBrackets { return closing(text, i, .fullWidth) }
      let isNumber = scalar &- 0xFF10 < 10 || scalar == 0xFF0B
      if isNumber && rules.phones != .keep { return number(text, i) }
      return i + count
    case .space: return rules.tidiesWhitespace ? whitespace(text, i) : i + count
    case .lineEnd: return rules.tidiesWhitespace ? newline(text, i, count: count) : i + count
    case .control: return rules.removesControls ? skip(text, i, count, .controls) : i + count
    case .joiner:
      guard rules.removesControls else { return i + count }
      flush(text, i)
      return isJoinable(after: out) ? i + count : skip(text, i, count, .controls)
    }
  }

  /// Whether a ZWJ or ZWNJ may be significant after the preceding output: emoji, Arabic, Indic scripts and the like.
  private func isJoinable(after out: [UInt8]) -> Bool {
    guard let last = out.lastIndex(where: { !$0.isContinuation }) else { return false }
    let isVariationSelector = out[last...].elementsEqual([0xEF, 0xB8, 0x8F])
    return out[last] >= 0xF0 || 0xD8...0xE0 ~= out[last] || isVariationSelector
  }

  mutating func skip(
    _ text: UnsafeBufferPointer<UInt8>, _ i: Int, _ bytes: Int, _ rule: CleaningRule
  ) -> Int {
    flush(text, i, resume: i + bytes)
    counts[rule] += 1
    return i + bytes
  }
}

/// Invisible characters.
enum InvisibleKind {
  case none, space, lineEnd, control, joiner

  init(_ scalar: UInt32) {
    switch scalar {
    case 0x85, 0x2028, 0x2029: self = .lineEnd
    case 0x80...0x9F, 0xAD, 0x180E, 0x200B, 0x200E, 0x200F, 0x202A...0x202E, 0x2060...0x2064, 0x2066...0x206F,
      0xFEFF, 0xFFF9...0xFFFB:
      self = .control
    case 0xA0, 0x1680, 0x2000...0x200A, 0x202F, 0x205F, 0x3000: self = .space
    case 0x200C, 0x200D: self = .joiner
    case 0xFDD0...0xFDEF: self = .control
    default: self = scalar & 0xFFFE == 0xFFFE && scalar < UTF8Scanning.malformed ? .control : .none
    }
  }
}

/// A Boolean for each byte. Created once per process and never freed, so that reads are plain loads.
struct ByteTable: @unchecked Sendable {
  private let table: UnsafePointer<Bool>

  init(_ holds: (UInt8) -> Bool) {
    let table = UnsafeMutablePointer<Bool>.allocate(capacity: 256)
    for byte in UInt8.min...UInt8.max { (table + Int(byte)).initialize(to: holds(byte)) }
    self.table = UnsafePointer(table)
  }

  @inline(__always) subscript(byte: Int) -> Bool { table[byte] }
}
