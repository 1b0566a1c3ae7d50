import ShardKit

/// A short run of bytes of a removed document, by two hashes: it can be found again, but not read.
public struct Passage: Hashable, Sendable {
  /// Rolls along a stream.
  var rolling: UInt64
  /// `recordHash` of the same bytes.
  var check: UInt64

  /// Bytes of a passage: about ten Japanese characters, sixteen token ids of 16 bits.
  static let length = 32
  static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15
  /// `factor` to the power of `length`.
  static let leaving = (0..<length).reduce(into: UInt64(1)) { power, _ in power &*= factor }

  init(rolling: UInt64, check: UInt64) {
    self.rolling = rolling
    self.check = check
  }

  /// - Parameter bytes: `length` of them.
  init(_ bytes: UnsafeRawBufferPointer) {
    rolling = bytes.reduce(0) { $0 &* Self.factor &+ UInt64($1) &+ 1 }
    check = recordHash(bytes)
  }

  /// How many passages to take of each form of a text, so that a search for many documents stays fast.
  static func most(of documents: Int) -> Int { max(4, min(24, 40_000 / max(1, documents))) }

  /// Passages spread evenly over a text, without characters that formats write in other ways than as they are.
  static func of(text: UnsafeRawBufferPointer, most: Int) -> [Passage] {
    choose(text, most: most, step: 1) { $0 < 0x20 || $0 == 0x7F || marks.contains($0) }
  }

  /// Passages of an array of token ids.
  /// - Parameter width: bytes per id.
  static func of(tokens: UnsafeRawBufferPointer, width: Int, most: Int) -> [Passage] {
    choose(tokens, most: most, step: width) { _ in false }
  }

  private static let marks = Set(#""\/<>&'`"#.utf8)
  /// Fewer different bytes say little: blanks, dashes, one token over and over.
  private static let leastDifferent = 6

  private static func choose(
    _ bytes: UnsafeRawBufferPointer, most: Int, step: Int, _ isExcluded: (UInt8) -> Bool
  ) -> [Passage] {
    var out: [Passage] = []
    let stride = max(length, (bytes.count / most + step - 1) / step * step)
    var start = 0
    var at = 0
    while at < bytes.count, out.count < most {
      if isExcluded(bytes[at]) { start = (at / step + 1) * step }
      at += 1
      guard at - start == length else { continue }
      let window = UnsafeRawBufferPointer(rebasing: bytes[start..<at])
      if Set(window).count >= leastDifferent {
        out.append(Passage(window))
        start += stride
      } else {
        start += step
      }
      // The bytes of the next window are looked at again, from its beginning.
      at = start
    }
    return out
  }
}

/// The passages of a removal's documents, as a file: 24 bytes each, little-endian: document, `rolling`, `check`.
struct PassageFile {
  var passages: [(document: Int, passage: Passage)] = []

  static func path(_ root: String, _ name: String) -> String { "\(RemovalList.folder(root))/\(name).passages" }

  init(_ passages: [(document: Int, passage: Passage)]) { self.passages = passages }

  /// - Throws: `ShardError` if it cannot be read; `.malformed` if it names documents that the removal does not have.
  init(path: String, documents: Int) throws(ShardError) {
    let bytes = try FileSystem.read(path)
    guard bytes.count % 24 == 0 else { throw ShardError(.malformed, path, "is not a list of passages") }
    for at in stride(from: 0, to: bytes.count, by: 24) {
      let words = (0..<3).map { word in
        bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: at + 8 * word, as: UInt64.self)) }
      }
      guard words[0] < documents else { throw ShardError(.malformed, path, "is not a list of passages") }
      passages.append((Int(words[0]), Passage(rolling: words[1], check: words[2])))
    }
  }

  var bytes: [UInt8] {
    var out: [UInt8] = []
    for (document, passage) in passages {
      for word in [UInt64(document), passage.rolling, passage.check] {
        withUnsafeBytes(of: word.littleEndian) { out.append(contentsOf: $0) }
      }
    }
    return out
  }
}
