import CKernels

/// Unicode normalization form KC on UTF-8 bytes (Unicode Standard Annex 15).
///
/// Text that is already normalized, as most Japanese text is, is copied in runs; a lone character that changes
/// (full-width letters, half-width kana) takes one table lookup; only marks that combine with what precedes them (か +
/// ゛, decomposed accents) are decomposed, ordered and composed. Dakuten are composed, never dropped. Malformed bytes
/// become U+FFFD. Linear in the input, except for many marks on one character: n log n.
public struct NFKC: Sendable {
  /// All of the Unicode version `ScalarProperties.unicodeVersion`.
  public static let current = NFKC(leaving: [])
  /// Like Hugging Face's tokenizers 0.22: characters newer than Unicode 9 are unchanged (including ㋿).
  public static let tokenizers = NFKC(leaving: UnicodeData.words(UnicodeData.unknownToTokenizers))
  /// For texts that people read. Form KC turns standalone marks (゛ ´ ¨ ￣) into a space and a combining mark; here they
  /// are unchanged. ゛ ゜ ﾞ ﾟ compose with the preceding kana if Unicode has such a kana (か゛ → が); otherwise the
  /// half-width ones become ゛ ゜ (ｱﾞ → ア゛).
  public static let cleaning = NFKC(leaving: [], keepsSpacingMarks: true)

  /// Forms C, D and KD of Hugging Face's tokenizers.
  static let tokenizersC = NFKC(leaving: UnicodeData.words(UnicodeData.unknownToTokenizers), isCanonical: true)
  static let tokenizersD = NFKC(
    leaving: UnicodeData.words(UnicodeData.unknownToTokenizers), isCanonical: true, composes: false)
  static let tokenizersKD = NFKC(leaving: UnicodeData.words(UnicodeData.unknownToTokenizers), composes: false)

  /// Per scalar: bit 15 `joins`, bit 14 `changes`, below them the index of its decomposition.
  private(set) var traits: ScalarTable<UInt16>
  /// The scalar may combine with or reorder around what precedes it, so there is no boundary before it.
  static let joins: UInt16 = 0x8000
  /// The scalar alone is not normalized.
  static let changes: UInt16 = 0x4000

  /// Whether characters of newer Unicode versions are left unchanged.
  let leavesNewer: Bool
  private let keepsSpacingMarks: Bool
  private let composes: Bool
  /// Whether all of `settled` neither changes nor joins, so that a kernel may pass over it.
  private(set) var skipsSettled: Bool
  /// What `pl_find_unsettled` passes over.
  static let settled = [0..<0x80, 0x3001..<0x302A, 0x3040..<0x3099, 0x30A0..<0x30FF, 0x4000..<0xA000]
  private let classes: ScalarTable<UInt8>
  private let decompositions: [[UInt32]]
  /// The normalized form of a lone character, by the index of its decomposition.
  private var alone: [[UInt8]]
  /// `first << 21 | second`, ascending, and the composition of each pair.
  private let pairs: [UInt64]
  private let composites: [UInt32]

  private init(
    leaving unknown: [UnicodeData.Word], keepsSpacingMarks: Bool = false, isCanonical: Bool = false,
    composes: Bool = true
  ) {
    let left = Set(unknown.flatMap(\.range))
    let marks = UnicodeData.words(UnicodeData.combiningClasses).flatMap { word in
      word.range.filter { !left.contains($0) }.map { ($0...$0, UInt8(word.values[0])) }
    }
    var parts = UnicodeData.words(isCanonical ? UnicodeData.canonical : UnicodeData.decompositions)
      .filter { !left.contains($0.first) }
    if keepsSpacingMarks { parts = parts.compactMap(Self.keepingSpacingMark) }
    let compositions = UnicodeData.words(UnicodeData.compositions).filter { !left.contains($0.first) }
      .map { (UInt64($0.values[0]) << 21 | UInt64($0.values[1]), $0.first) }.sorted { $0.0 < $1.0 }
    let hangul = Array(UInt32(0x1161)...0x1175) + Array(0x11A8...0x11C2)  // vowels and finals
    let joining = Set(marks.map(\.0.lowerBound) + compositions.map { UInt32($0.0 & 0x1F_FFFF) } + hangul)

    var flat = [UInt16](repeating: 0, count: Int(UTF8Scanning.malformed) + 256)
    flat[Int(UTF8Scanning.malformed)] = Self.changes | 1
    for c in joining { flat[Int(c)] = Self.joins }
    for (i, word) in parts.enumerated() {
      flat[Int(word.first)] |= UInt16(i + 2) | (joining.contains(word.values[0]) ? Self.joins : 0)
    }
    if !composes { for c in 0xAC00..<0xAC00 + 11_172 { flat[c] |= Self.changes } }
    leavesNewer = !unknown.isEmpty
    self.keepsSpacingMarks = keepsSpacingMarks
    self.composes = composes
    classes = ScalarTable(rest: 0, marks)
    decompositions = [[], [0xFFFD]] + parts.map(\.values)
    pairs = compositions.map(\.0)
    composites = compositions.map(\.1)
    traits = ScalarTable(flat: flat)
    skipsSettled = false
    alone = []
    var alone: [[UInt8]] = [[], [0xEF, 0xBF, 0xBD]]
    for word in parts {
      let form = form(of: word.first)
      if form != [word.first] { flat[Int(word.first)] |= Self.changes }
      alone.append([])
      for scalar in form { UTF8Scanning.append(scalar, to: &alone[alone.count - 1]) }
    }
    traits = ScalarTable(flat: flat)
    skipsSettled = Self.settled.allSatisfy { range in flat[range].allSatisfy { $0 < Self.changes } }
    self.alone = alone
  }
}

extension NFKC {
  /// Appends the normalized text.
  public func normalize(_ text: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
    guard let bytes = text.baseAddress else { return }
    out.reserveCapacity(out.count + text.count + 16)
    let level = Kernels.level
    var scratch: [UInt32] = []
    var scan = pl_scan()
    var run = 0, i = 0
    while i < text.count {
      if skipsSettled {
        i = pl_find_unsettled(level, bytes, i, text.count, &scan)
        guard i < text.count else { break }
      }
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: bytes, end: text.count)
      let trait = traits[scalar]
      if trait < Self.changes {
        i &+= count
        continue
      }
      let start = trait & Self.joins != 0 && i > run ? Self.scalarStart(bytes, before: i) : i
      out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run..<start]))
      i = segment(text, from: start, scratch: &scratch, into: &out)
      run = i
    }
    out.append(contentsOf: UnsafeBufferPointer(rebasing: text[run...]))
  }

  /// Where the well-formed scalar starts that ends at `end`.
  private static func scalarStart(_ bytes: UnsafePointer<UInt8>, before end: Int) -> Int {
    var start = end - 1
    while bytes[start].isContinuation { start -= 1 }
    return start
  }

  public func normalize(_ text: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    text.withUnsafeBufferPointer { normalize($0, into: &out) }
    return out
  }

  /// Normalizes from a boundary to the next one, which is returned: the first scalar and all that combine with it.
  @inline(never)
  func segment(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, scratch: inout [UInt32], into out: inout [UInt8]
  ) -> Int {
    let bytes = text.baseAddress!
    let (first, count) = UTF8Scanning.scalar(at: start, in: bytes, end: text.count)
    var i = start + count
    scratch.removeAll(keepingCapacity: true)
    while i < text.count {
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: bytes, end: text.count)
      guard traits[scalar] & Self.joins != 0 else { break }
      if scratch.isEmpty { decompose(first, into: &scratch) }
      decompose(scalar, into: &scratch)
      i += count
    }
    if scratch.isEmpty {
      let trait = traits[first]
      if trait & Self.changes != 0, first &- 0xAC00 < 11_172 {
        decompose(first, into: &scratch)
        for entry in scratch { UTF8Scanning.append(entry & 0x1F_FFFF, to: &out) }
      } else if trait & Self.changes != 0 {
        out.append(contentsOf: alone[Int(trait & 0x3FFF)])
      } else {
        out.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<i]))
      }
      return i
    }
    order(&scratch)
    if composes { compose(&scratch) }
    for entry in scratch { UTF8Scanning.append(entry & 0x1F_FFFF, to: &out) }
    return i
  }

  private func form(of scalar: UInt32) -> [UInt32] {
    var scratch: [UInt32] = []
    decompose(scalar, into: &scratch)
    order(&scratch)
    if composes { compose(&scratch) }
    return scratch.map { $0 & 0x1F_FFFF }
  }
}

// Standalone marks.
extension NFKC {
  /// Maps ゛ ゜ to the combining marks, which may compose, and skips what becomes a space and marks.
  private static func keepingSpacingMark(_ word: UnicodeData.Word) -> UnicodeData.Word? {
    guard word.values.count > 1, word.values[0] == 0x20 else { return word }
    guard word.first == 0x309B || word.first == 0x309C else { return nil }
    return UnicodeData.Word(first: word.first, last: word.last, values: Array(word.values[1...]))
  }

  private func isSpacing(_ scalar: UInt32) -> Bool {
    keepsSpacingMarks && (scalar &- 0x309B < 2 || scalar &- 0xFF9E < 2)
  }

  /// A mark written as a standalone one: the combining mark directly after a character that it composes with, otherwise
  /// a character of its own, U+309B for U+3099, which no mark is sorted past.
  private func spacingMark(_ mark: UInt32, behind last: UInt32?) -> UInt32 {
    if let last, last >> 24 == 0, composite(last, mark) != nil { return UInt32(classes[mark]) << 24 | mark }
    return mark + 2
  }
}

// Scratch entries are `class << 24 | scalar`.
extension NFKC {
  private func decompose(_ scalar: UInt32, into scratch: inout [UInt32]) {
    let index = Int(traits[scalar] & 0x3FFF)
    if index > 0 {
      if isSpacing(scalar) {
        scratch.append(spacingMark(decompositions[index][0], behind: scratch.last))
      } else {
        for part in decompositions[index] { scratch.append(UInt32(classes[part]) << 24 | part) }
      }
    } else if scalar &- 0xAC00 < 11_172 {
      let s = scalar - 0xAC00
      scratch.append(0x1100 + s / 588)
      scratch.append(0x1161 + s % 588 / 28)
      if s % 28 > 0 { scratch.append(0x11A7 + s % 28) }
    } else {
      scratch.append(UInt32(classes[scalar]) << 24 | scalar)
    }
  }

  /// Sorts every run of marks by class; the sort is stable.
  private func order(_ scratch: inout [UInt32]) {
    var i = 0
    while i < scratch.count {
      guard scratch[i] >> 24 != 0 else {
        i += 1
        continue
      }
      let start = i
      while i < scratch.count, scratch[i] >> 24 != 0 { i += 1 }
      guard i - start > 1 else { continue }
      let marks = scratch[start..<i].enumerated()
        .map { UInt64($1 >> 24) << 56 | UInt64($0) << 24 | UInt64($1 & 0xFF_FFFF) }.sorted()
      for (k, mark) in marks.enumerated() {
        scratch[start + k] = UInt32(mark >> 56) << 24 | UInt32(mark & 0xFF_FFFF)
      }
    }
  }

  private func compose(_ scratch: inout [UInt32]) {
    var starter = -1, kept = 0
    for entry in scratch {
      let rank = entry >> 24
      if starter >= 0, kept == starter + 1 || (scratch[kept - 1] >> 24 < rank && scratch[kept - 1] >> 24 != 0),
        let composite = composite(scratch[starter], entry & 0x1F_FFFF)
      {
        scratch[starter] = composite
        continue
      }
      if rank == 0 { starter = kept }
      scratch[kept] = entry
      kept += 1
    }
    scratch.removeLast(scratch.count - kept)
  }

  private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if first &- 0x1100 < 19, second &- 0x1161 < 21 { return 0xAC00 + (first - 0x1100) * 588 + (second - 0x1161) * 28 }
    if first &- 0xAC00 < 11_172, (first - 0xAC00) % 28 == 0, second &- 0x11A8 < 27 { return first + second - 0x11A7 }
    let key = UInt64(first) << 21 | UInt64(second)
    var low = 0, high = pairs.count
    while low < high {
      let middle = (low + high) / 2
      if pairs[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low < pairs.count && pairs[low] == key ? composites[low] : nil
  }
}
