import ShardKit

/// The replacements that SentencePiece stores with a model (`precompiled_charsmap`), applied as Hugging Face's
/// tokenizers do: to clusters of fewer than six bytes as a whole, then to single characters; in both the shortest key
/// counts, and what follows it in a cluster is dropped.
struct Charsmap: Sendable {
  /// A double array of Darts-clone: bits 0–7 the byte, 8 a value follows, 9 a large offset, 10–30 the offset.
  private let units: [UInt32]
  /// Replacements, each ending with a zero byte.
  private let texts: [UInt8]

  private static let maximumBytes = 16 << 20
  private static let longestCluster = 5

  /// - Throws: `TokenizerError` if it is not Base64 or its parts do not fit.
  init(base64: String) throws(TokenizerError) {
    let bytes = try Self.decode(base64)
    guard bytes.count <= Self.maximumBytes else { throw TokenizerError("the charsmap is larger than 16 MiB") }
    guard bytes.count > 4 else { throw TokenizerError("the charsmap is truncated") }
    func word(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) } }
    let size = Int(word(0))
    guard size % 4 == 0, size > 0, size <= bytes.count - 4 else { throw TokenizerError("the charsmap is truncated") }
    units = stride(from: 4, to: 4 + size, by: 4).map(word)
    texts = Array(bytes[(4 + size)...])
    guard texts.withUnsafeBufferPointer({ UTF8Scanning.validPrefix($0) }) == texts.count else {
      throw TokenizerError("the charsmap has text that is not UTF-8")
    }
    // Clusters of several pictographs are told apart by length alone.
    for pictograph in [[0xC2, 0xA9], [0xC2, 0xAE]] as [[UInt8]] where try replacement(pictograph) != nil {
      throw TokenizerError("the charsmap replaces © or ®, which is not supported")
    }
  }

  private static func decode(_ text: String) throws(TokenizerError) -> [UInt8] {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for c in text.utf8 {
      let value: UInt8
      switch c {
      case 0x41...0x5A: value = c - 0x41
      case 0x61...0x7A: value = c - 0x61 + 26
      case 0x30...0x39: value = c - 0x30 + 52
      case 0x2B: value = 62
      case 0x2F: value = 63
      case 0x3D: continue
      default: throw TokenizerError("the charsmap is not Base64")
      }
      bits = bits << 6 | UInt32(value)
      count += 6
      if count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
      }
    }
    return bytes
  }

  private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & (1 << 9)) >> 6)) }

  private func unit(_ place: Int) throws(TokenizerError) -> UInt32 {
    guard units.indices.contains(place) else { throw TokenizerError("the charsmap refers to a place beyond its end") }
    return units[place]
  }

  /// What replaces the text, or nil.
  private func replacement(_ key: some Sequence<UInt8>) throws(TokenizerError) -> ArraySlice<UInt8>? {
    var place = Self.offset(units[0])
    for byte in key {
      if byte == 0 { return nil }
      place ^= Int(byte)
      let unit = try unit(place)
      guard unit & (1 << 31 | 0xFF) == UInt32(byte) else { return nil }
      place ^= Self.offset(unit)
      guard unit >> 8 & 1 == 1 else { continue }
      let start = Int(try self.unit(place) & 0x7FFF_FFFF)
      guard start < texts.count, texts[start] & 0xC0 != 0x80 else {
        throw TokenizerError("the charsmap refers to a text beyond its end")
      }
      return texts[start..<(texts[start...].firstIndex(of: 0) ?? texts.count)]
    }
    return nil
  }

  /// Appends the text with its replacements.
  /// - Throws: `TokenizerError` if the charsmap is damaged.
  func apply(_ text: borrowing TextForm, into out: inout TextForm) throws(TokenizerError) {
    var i = 0, kept = 0
    while i < text.count {
      let cluster = Self.clusterEnd(text.bytes, i)
      if cluster - i <= Self.longestCluster, let new = try replacement(text.bytes[i..<cluster]) {
        out.copy(kept..<i, of: text)
        out.append(new, for: i..<cluster, of: text)
        i = cluster
        kept = i
        continue
      }
      while i < cluster {
        let next = i + Self.scalar(text.bytes, i).count
        if let new = try replacement(text.bytes[i..<next]) {
          out.copy(kept..<i, of: text)
          out.append(new, for: i..<next, of: text)
          kept = next
        }
        i = next
      }
    }
    out.copy(kept..<text.count, of: text)
    // What is removed at the start still counts as its place.
    if text.count > 0 { out.setFirstPlace(text.place(0)) }
  }
}

/// Grapheme clusters (Unicode Standard Annex 29), exact for those of fewer than six bytes.
extension Charsmap {
  private static let classes = ScalarTable<UInt8>(
    rest: 0, UnicodeData.words(UnicodeData.clusters).map { ($0.range, UInt8($0.values[0])) })
  private static let joinsPreceding: UInt8 = 1
  private static let joinsFollowing: UInt8 = 2
  private static let joinsNone: UInt8 = 3

  private static func scalar(_ bytes: [UInt8], _ at: Int) -> (value: UInt32, count: Int) {
    bytes.withUnsafeBufferPointer { UTF8Scanning.scalar(at: at, in: $0.baseAddress!, end: $0.count) }
  }

  private static func clusterEnd(_ bytes: [UInt8], _ start: Int) -> Int {
    var (value, count) = scalar(bytes, start)
    var i = start + count
    if value == 0x0D, i < bytes.count, bytes[i] == 0x0A { return i + 1 }
    // Printable ASCII before printable ASCII stands alone.
    while i < bytes.count {
      if bytes[i] < 0x80, classes[value] != joinsFollowing { return i }
      let kind = classes[value]
      let (next, width) = scalar(bytes, i)
      let nextKind = classes[next]
      guard nextKind != joinsNone, next != 0, kind != joinsNone, value != 0,
        nextKind == joinsPreceding || kind == joinsFollowing || isSyllable(value, next)
      else { return i }
      (value, count) = (next, width)
      i += width
    }
    return i
  }

  /// Whether a Hangul syllable continues.
  private static func isSyllable(_ a: UInt32, _ b: UInt32) -> Bool {
    let isLead = 0x1100...0x115F ~= a || 0xA960...0xA97C ~= a
    let isVowel = 0x1160...0x11A7 ~= a || 0xD7B0...0xD7C6 ~= a
    let isFinal = 0x11A8...0x11FF ~= a || 0xD7CB...0xD7FB ~= a
    let isWhole = 0xAC00...0xD7A3 ~= a
    let leads = 0x1100...0x115F ~= b || 0xA960...0xA97C ~= b || 0xAC00...0xD7A3 ~= b
    let vowel = 0x1160...0x11A7 ~= b || 0xD7B0...0xD7C6 ~= b
    let final = 0x11A8...0x11FF ~= b || 0xD7CB...0xD7FB ~= b
    if isLead { return leads || vowel }
    let isOpen = isVowel || (isWhole && (a - 0xAC00) % 28 == 0)
    return (isOpen && (vowel || final)) || ((isFinal || isWhole) && final)
  }
}
