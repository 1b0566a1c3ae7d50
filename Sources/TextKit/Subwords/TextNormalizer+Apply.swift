import Glibc

extension TextNormalizer {
  /// Applies the steps to `text`; `spare` is a second form to write into.
  /// - Throws: `TokenizerError` if a pattern takes too long, a charsmap is damaged or the text grows too large.
  static func apply(
    _ steps: [TextNormalizer], to text: inout TextForm, _ spare: inout TextForm
  ) throws(TokenizerError) {
    let limit = 1 << 20 + 64 * text.count
    for step in steps {
      spare.removeAll()
      if try step.apply(to: text, into: &spare) { swap(&text, &spare) }
      guard text.count <= limit else {
        throw TokenizerError("the normalizer makes a text of more than \(limit) bytes from a small one")
      }
    }
  }

  /// Writes the normalized text; false if it is the same and nothing was written.
  private func apply(to text: borrowing TextForm, into out: inout TextForm) throws(TokenizerError) -> Bool {
    switch self {
    case .form(let form): Self.apply(form, text, &out)
    case .lowercase: Self.map(text, &out, Self.lower)
    case .stripMarks: Self.map(text, &out) { Self.traits[$0] & Self.anyMark != 0 ? [] : nil }
    case .strip(let left, let right): out.copy(Self.core(text, left, right), of: text)
    case .nmt: Self.map(text, &out, Self.nmt)
    case .prepend(let prefix):
      if text.count == 0 { return false }
      out.append(prefix, for: 0..<0, of: text)
      out.copy(0..<text.count, of: text)
    case .replaceText(let old, let new): return Self.replace(text, &out, old, new)
    case .replace(let pattern, let new): return try Self.replace(text, &out, pattern, new)
    case .charsmap(let map): try map.apply(text, into: &out)
    case .clean: Self.map(text, &out, Self.cleaned)
    case .spaceHan:
      Self.map(text, &out) { scalar in
        guard Self.isHan(scalar) else { return nil }
        return [0x20, scalar, 0x20]
      }
    case .stripAccents:
      var decomposed = TextForm(keepingPlaces: text.keepsPlaces)
      Self.apply(.d, text, &decomposed)
      Self.map(decomposed, &out) { Self.traits[$0] & Self.nonspacingMark != 0 ? [] : nil }
    }
    return true
  }

  /// Bits as in `Scripts/unicode-tables`.
  static let traits = ScalarTable<UInt8>(
    rest: 0, UnicodeData.words(UnicodeData.tokenizersTraits).map { ($0.range, UInt8($0.values[0])) })
  static let inWord: UInt8 = 1
  static let numeric: UInt8 = 2
  static let punctuation: UInt8 = 4
  private static let nonspacingMark: UInt8 = 8
  private static let other: UInt8 = 0x10
  private static let anyMark: UInt8 = 0x20

  private static func apply(_ form: Form, _ text: borrowing TextForm, _ out: inout TextForm) {
    let normalization: NFKC =
      switch form {
      case .c: .tokenizersC
      case .d: .tokenizersD
      case .kc: .tokenizers
      case .kd: .tokenizersKD
      }
    if !text.keepsPlaces {
      out.append(for: 0..<text.count, of: text) { out in
        text.bytes.withUnsafeBufferPointer { normalization.normalize($0, into: &out) }
      }
      return
    }
    var scratch: [UInt32] = []
    var i = 0
    while i < text.count {
      var segment: [UInt8] = []
      let end = text.bytes.withUnsafeBufferPointer {
        normalization.segment($0, from: i, scratch: &scratch, into: &segment)
      }
      if text.bytes[i..<end].elementsEqual(segment) {
        out.copy(i..<end, of: text)
      } else {
        out.append(segment, for: i..<end, of: text)
      }
      i = end
    }
  }

  /// Replaces characters one by one; nil keeps one.
  private static func map(
    _ text: borrowing TextForm, _ out: inout TextForm, _ replacement: (UInt32) -> [UInt32]?
  ) {
    var i = 0, kept = 0
    while i < text.count {
      let (scalar, count) = text.bytes.withUnsafeBufferPointer {
        UTF8Scanning.scalar(at: i, in: $0.baseAddress!, end: $0.count)
      }
      if let new = replacement(scalar) {
        out.copy(kept..<i, of: text)
        var bytes: [UInt8] = []
        for scalar in new { UTF8Scanning.append(scalar, to: &bytes) }
        out.append(bytes, for: i..<(i + count), of: text)
        kept = i + count
      }
      i += count
    }
    out.copy(kept..<text.count, of: text)
  }

  private static let changesCase = ScalarTable<UInt8>(
    rest: 0, lowerForms.keys.map { ($0...$0, 1) })
  private static let lowerForms: [UInt32: [UInt32]] = {
    var forms = UnicodeFacts.lowercase
    for word in UnicodeData.words(UnicodeData.lowercaseOfTokenizers) { forms[word.first] = word.values }
    return forms
  }()

  private static func lower(_ scalar: UInt32) -> [UInt32]? {
    if scalar < 0x80 { return scalar &- 0x41 < 26 ? [scalar + 0x20] : nil }
    return changesCase[scalar] == 0 ? nil : lowerForms[scalar]
  }

  private static func cleaned(_ scalar: UInt32) -> [UInt32]? {
    if traits[scalar] & other != 0 { return [] }
    return ScalarProperties(of: scalar).contains(.whitespace) && scalar != 0x20 ? [0x20] : nil
  }

  private static func isHan(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x2_0000...0x2_A6DF, 0x2_A700...0x2_B73F, 0x2_B740...0x2_B81F,
      0x2_B920...0x2_CEAF, 0xF900...0xFAFF, 0x2_F800...0x2_FA1F:
      true
    default: false
    }
  }

  private static func nmt(_ scalar: UInt32) -> [UInt32]? {
    switch scalar {
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: []
    case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: [0x20]
    default: nil
    }
  }

  /// What is left without white space at the ends.
  private static func core(_ text: borrowing TextForm, _ left: Bool, _ right: Bool) -> Range<Int> {
    var start = 0, lastEnd = 0
    var isLeading = true
    text.bytes.withUnsafeBufferPointer { bytes in
      UTF8Scanning.forEachScalar(bytes) { scalar, from, to in
        let isSpace = ScalarProperties(of: scalar).contains(.whitespace)
        if isSpace, isLeading { start = to } else { isLeading = false }
        if !isSpace { lastEnd = to }
      }
    }
    let from = left ? start : 0
    return from..<max(from, right ? lastEnd : text.count)
  }

  private static func replace(
    _ text: borrowing TextForm, _ out: inout TextForm, _ old: [UInt8], _ new: [UInt8]
  ) -> Bool {
    var i = 0, kept = 0
    while let found = find(old, in: text.bytes, from: i) {
      i = found
      insert(new, for: i..<(i + old.count), of: text, keptFrom: kept, into: &out)
      i += old.count
      kept = i
    }
    if kept == 0 { return false }
    out.copy(kept..<text.count, of: text)
    return true
  }

  private static func find(_ part: [UInt8], in text: [UInt8], from start: Int) -> Int? {
    text.withUnsafeBytes { text in
      guard let bytes = text.baseAddress else { return nil }
      var at = start
      while at + part.count <= text.count {
        guard let found = memchr(bytes + at, Int32(part[0]), text.count - part.count + 1 - at) else { return nil }
        at = UnsafeRawPointer(found) - bytes
        if part.withUnsafeBytes({ memcmp(bytes + at, $0.baseAddress!, part.count) == 0 }) { return at }
        at += 1
      }
      return nil
    }
  }

  private static func replace(
    _ text: borrowing TextForm, _ out: inout TextForm, _ pattern: Pattern, _ new: [UInt8]
  ) throws(TokenizerError) -> Bool {
    if text.count == 0 { return false }
    var matches: [Range<Int>] = []
    let matcher = PatternMatcher(pattern)
    let result = text.bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(TokenizerError) in try matcher.forEachMatch(in: bytes) { matches.append($0) } }
    }
    try result.get()
    if matches.isEmpty { return false }
    var kept = 0
    for match in matches {
      insert(new, for: match, of: text, keptFrom: kept, into: &out)
      kept = match.upperBound
    }
    out.copy(kept..<text.count, of: text)
    return true
  }

  private static func insert(
    _ new: [UInt8], for match: Range<Int>, of text: borrowing TextForm, keptFrom kept: Int, into out: inout TextForm
  ) {
    out.copy(kept..<match.lowerBound, of: text)
    let isFirst = out.count == 0
    out.append(new, for: match, of: text)
    guard isFirst, !new.isEmpty else { return }
    // The original gives what is inserted the place of the character before it.
    var last = max(0, match.upperBound - 1)
    while last > 0, text.bytes[last] & 0xC0 == 0x80 { last -= 1 }
    out.setFirstPlace(text.place(last))
  }
}
