/// The best segmentation of a piece by the sum of its tokens' scores (Kudo 2018, arXiv 1804.10959), computed as Hugging
/// Face's tokenizers do: 64-bit scores, the first of equal ones, unknown characters next to each other as one token.
final class UnigramModel: Sendable {
  private let trie: ByteTrie
  private let scores: [Double]
  private let unknown: UInt32?
  private let unknownScore: Double
  /// The ids of `<0x00>` … `<0xFF>`; nil without byte fallback.
  private let bytes: [UInt32?]?
  let joints: PieceJoints

  private static let unknownPenalty = 10.0
  /// More than what sums of scores lose by rounding in a piece of 64 MiB.
  private static let almostEqual = 1e-5

  /// - Parameters:
  ///   - tokens: with their scores, by id; of equal tokens the last one counts.
  ///   - unknown: nil if there is none; unknown characters are errors then.
  init(_ tokens: [(token: [UInt8], score: Double)], unknown: UInt32?, fallsBackToBytes: Bool) {
    trie = ByteTrie(tokens.enumerated().map { ($1.token, Int32($0)) })
    scores = tokens.map(\.score)
    self.unknown = unknown
    unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
    bytes = fallsBackToBytes ? ByteTokens.ids { [trie] in trie.value($0).map { UInt32($0) } } : nil
    // Unknown tokens next to each other become one, also where a text spells them out.
    let name = unknown.map { String(decoding: tokens[Int($0)].token, as: UTF8.self).unicodeScalars }
    let ends = [name?.first?.value, name?.last?.value].compactMap { $0 }
    let known = tokens.lazy.compactMap { entry -> (scalar: UInt32, id: UInt32)? in
      guard let first = entry.token.first, entry.token.count == PieceJoints.width(first) else { return nil }
      let scalar = entry.token.withUnsafeBufferPointer {
        UTF8Scanning.scalar(at: 0, in: $0.baseAddress!, end: $0.count).value
      }
      return ends.contains(scalar) ? nil : (scalar, 0)
    }
    joints = PieceJoints(tokens.lazy.map(\.token), known: ScalarIds(Array(known)))
  }

  struct Workspace: ~Copyable {
    fileprivate struct Best {
      var score: Double
      /// Below 0: nothing ends here.
      var start: Int32
      var id: UInt32
    }
    fileprivate var best = UnsafeMutableBufferPointer<Best>.allocate(capacity: 1 << 10)
    /// Of the text before the piece.
    var score = 0.0
    /// The piece has segmentations whose scores are almost equal, or an unknown character: which one is the best, or what
    /// is written, depends on the score before it.
    fileprivate(set) var varies = false
    deinit { best.deallocate() }

    fileprivate mutating func reset(_ count: Int) {
      varies = false
      if best.count < count {
        best.deallocate()
        best = .allocate(capacity: max(count, best.count * 2))
      }
      UnsafeMutableBufferPointer(rebasing: best[..<count]).update(repeating: Best(score: 0, start: -1, id: 0))
      best[0].score = score
    }
  }

  /// The score of the tokens together with what is before them, added up in their order.
  @inline(__always)
  func score(_ ids: UnsafeBufferPointer<UInt32>, after score: Double) -> Double {
    scores.withUnsafeBufferPointer { scores in
      var sum = score
      for id in ids { sum = scores[Int(id)] + sum }
      return sum
    }
  }

  /// Appends the tokens of a piece; `workspace.score` is the score of what is before it, and then with it.
  /// - Throws: `TokenizerError` if it has a character that no token has, and there is no unknown token.
  func encode(
    _ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout Workspace, into tokens: inout PieceTokens
  ) throws(TokenizerError) {
    guard !piece.isEmpty else { return }
    guard piece.count < Int(Int32.max) else { throw TokenizerError("a text has \(piece.count) bytes, more than 2 GiB") }
    try search(piece, &workspace)
    workspace.score = workspace.best[piece.count].score
    let first = tokens.ids.count
    var end = piece.count
    // Unknown characters next to each other are one string.
    var unknownEnd = -1
    while end > 0 {
      let best = workspace.best[end]
      let start = Int(best.start)
      if best.id == unknown {
        if unknownEnd < 0 { unknownEnd = end }
      } else {
        if unknownEnd >= 0 { append(piece, end..<unknownEnd, into: &tokens) }
        unknownEnd = -1
        tokens.append(best.id, end - start)
      }
      end = start
    }
    if unknownEnd >= 0 { append(piece, 0..<unknownEnd, into: &tokens) }
    tokens.reverse(from: first)
  }

  private func search(
    _ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout Workspace
  ) throws(TokenizerError) {
    workspace.reset(piece.count + 1)
    let best = workspace.best
    let nodes = trie.nodes
    let unknownId = unknown ?? .max
    var lacksUnknown = false
    var varies = false
    scores.withUnsafeBufferPointer { scores in
      var start = 0
      while start < piece.count {
        let width = Self.width(piece[start])
        let score = best[start].score
        var isSingle = false
        var node = ByteTrie.root, end = start
        while end < piece.count {
          let next = nodes[Int(node)].base ^ UInt32(piece[end])
          let entry = nodes[Int(next)]
          guard entry.parent == node, next != 0 else { break }
          node = next
          end &+= 1
          guard entry.value >= 0 else { continue }
          let sum = scores[Int(entry.value)] + score
          if best[end].start >= 0, abs(sum - best[end].score) < Self.almostEqual { varies = true }
          if best[end].start < 0 || sum > best[end].score {
            best[end] = .init(score: sum, start: Int32(truncatingIfNeeded: start), id: UInt32(entry.value))
          }
          if end &- start == width { isSingle = true }
        }
        let next = min(start &+ width, piece.count)
        if !isSingle {
          varies = true
          let sum = unknownScore + score
          if best[next].start < 0 || sum > best[next].score {
            lacksUnknown = lacksUnknown || unknown == nil
            best[next] = .init(score: sum, start: Int32(truncatingIfNeeded: start), id: unknownId)
          }
        }
        start = next
      }
    }
    workspace.varies = varies
    if lacksUnknown {
      throw TokenizerError(
        "a text has a character that is in no token, and the tokenizer has no unknown token",
        hint: "Use a tokenizer with one, or replace the character.")
    }
  }

  @inline(__always)
  private static func width(_ lead: UInt8) -> Int { lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4 }

  /// In reverse, as everything is at that time.
  private func append(_ piece: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into tokens: inout PieceTokens) {
    if let id = trie.value(piece[range]) {
      tokens.append(UInt32(id), range.count)
    } else if let bytes, piece[range].allSatisfy({ bytes[Int($0)] != nil }) {
      for byte in piece[range].reversed() { tokens.append(bytes[Int(byte)]!, 1) }
    } else {
      tokens.append(unknown!, range.count)
    }
  }
}

/// The tokens `<0x00>` … `<0xFF>`, which stand for bytes.
enum ByteTokens {
  static func name(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return "<0x" + (digits.count < 2 ? "0" : "") + digits + ">"
  }

  static func ids(_ id: ([UInt8]) -> UInt32?) -> [UInt32?] { (0...255).map { id(Array(name(UInt8($0)).utf8)) } }
}
