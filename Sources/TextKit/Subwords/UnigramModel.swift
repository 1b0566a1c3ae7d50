/// The best segmentation of a piece by the sum of its tokens' scores (Kudo 2018, arXiv 1804.10959), computed as Hugging
/// Face's tokenizers do: 64-bit scores, the first of equal ones, unknown characters next to each other as one token.
final class UnigramModel: Sendable {
  private let trie: CharacterTrie
  private let scores: [Double]
  private let unknown: UInt32?
  private let unknownScore: Double
  /// The ids of `<0x00>` … `<0xFF>`; nil without byte fallback.
  private let bytes: [UInt32?]?

  private static let unknownPenalty = 10.0

  /// - Parameters:
  ///   - tokens: with their scores, by id; of equal tokens the last one counts.
  ///   - unknown: nil if there is none; unknown characters are errors then.
  init(_ tokens: [(token: [UInt8], score: Double)], unknown: UInt32?, fallsBackToBytes: Bool) {
    trie = CharacterTrie(tokens.enumerated().map { ($1.token, Int32($0)) })
    scores = tokens.map(\.score)
    self.unknown = unknown
    unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
    bytes = fallsBackToBytes ? ByteTokens.ids { [trie] in trie.value($0).map { UInt32($0) } } : nil
  }

  struct Workspace: ~Copyable {
    /// The best way to the place before a character, and that character.
    fileprivate struct Place {
      var score: Double
      /// The place where the last token starts. Below 0: none ends here.
      var start: Int32
      var id: UInt32
      /// The number of bytes before it.
      var byte: Int32
      var symbol: UInt32
    }
    fileprivate var places = UnsafeMutableBufferPointer<Place>.allocate(capacity: 1 << 10)
    fileprivate var characters = 0
    /// What remains allocated after a long piece.
    private static let mostKept = 1 << 20

    deinit { places.deallocate() }

    fileprivate mutating func load(_ piece: UnsafeBufferPointer<UInt8>, _ trie: CharacterTrie) {
      if places.count <= piece.count || places.count > max(Self.mostKept, 2 * piece.count) {
        places.deallocate()
        places = .allocate(capacity: piece.count * 3 / 2 + 1024)
      }
      var i = 0, count = 0
      while i < piece.count {
        let (scalar, width) = UTF8Scanning.scalar(at: i, in: piece.baseAddress!, end: piece.count)
        places.initializeElement(
          at: count,
          to: Place(score: 0, start: -1, id: 0, byte: Int32(truncatingIfNeeded: i), symbol: trie.symbol(scalar)))
        count &+= 1
        i &+= width
      }
      places.initializeElement(
        at: count,
        to: Place(
          score: 0, start: -1, id: 0, byte: Int32(truncatingIfNeeded: i), symbol: CharacterTrie.noSymbol))
      characters = count
    }
  }

  /// Appends the tokens of a piece.
  /// - Throws: `TokenizerError` if it has a character that no token has, and there is no unknown token.
  func encode(
    _ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout Workspace, into tokens: inout PieceTokens
  ) throws(TokenizerError) {
    guard !piece.isEmpty else { return }
    guard piece.count < Int(Int32.max) else { throw TokenizerError("a text has \(piece.count) bytes, more than 2 GiB") }
    workspace.load(piece, trie)
    try search(&workspace)
    let places = workspace.places
    var end = workspace.characters
    let first = tokens.ids.count
    // Unknown characters next to each other are one string.
    var unknownEnd = -1
    while end > 0 {
      let place = places[end]
      let start = Int(place.start)
      if place.id == unknown {
        if unknownEnd < 0 { unknownEnd = Int(place.byte) }
      } else {
        if unknownEnd >= 0 { append(piece, Int(place.byte)..<unknownEnd, into: &tokens) }
        unknownEnd = -1
        tokens.append(place.id, Int(place.byte &- places[start].byte))
      }
      end = start
    }
    if unknownEnd >= 0 { append(piece, 0..<unknownEnd, into: &tokens) }
    tokens.reverse(from: first)
  }

  private func search(_ workspace: inout Workspace) throws(TokenizerError) {
    let places = workspace.places
    let count = workspace.characters
    let nodes = trie.nodes
    let unknownId = unknown ?? .max
    var lacksUnknown = false
    scores.withUnsafeBufferPointer { scores in
      for start in 0..<count {
        let score = places[start].score
        var node = places[start].symbol
        let next = start &+ 1
        if node == CharacterTrie.noSymbol || nodes[Int(node)].value < 0 {
          let sum = unknownScore + score
          if places[next].start < 0 || sum > places[next].score {
            lacksUnknown = lacksUnknown || unknown == nil
            places[next].score = sum
            places[next].start = Int32(truncatingIfNeeded: start)
            places[next].id = unknownId
          }
        }
        var end = next
        while node != CharacterTrie.noSymbol {
          let entry = nodes[Int(node)]
          if entry.value >= 0 {
            let sum = scores[Int(entry.value)] + score
            if places[end].start < 0 || sum > places[end].score {
              places[end].score = sum
              places[end].start = Int32(truncatingIfNeeded: start)
              places[end].id = UInt32(entry.value)
            }
          }
          let child = entry.base ^ places[end].symbol
          guard nodes[Int(child)].parent == node else { break }
          node = child
          end &+= 1
        }
      }
    }
    if lacksUnknown {
      throw TokenizerError(
        "a text has a character that is in no token, and the tokenizer has no unknown token",
        hint: "Use a tokenizer with one, or replace the character.")
    }
  }

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
