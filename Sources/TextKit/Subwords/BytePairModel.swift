/// Byte-pair encoding: from single characters or bytes, always the merge of lowest rank, the leftmost of equal ones
/// (Sennrich, Haddow, Birch 2016, arXiv 1508.07909), with the results of Hugging Face's tokenizers.
final class BytePairModel: Sendable {
  struct Settings: Sendable {
    /// Texts are bytes, not characters, and tokens are written with one character per byte.
    var readsBytes = false
    var unknown: UInt32?
    /// The unknown token is named but is none of the tokens: an unknown character is an error.
    var lacksUnknown = false
    /// Unknown characters next to each other are one token.
    var joinsUnknown = false
    /// Characters without a token are written with `<0x00>` … `<0xFF>`.
    var fallsBackToBytes = false
    /// A piece that is a token is that token, whatever the merges say.
    var prefersWhole = false
  }

  struct Merge: Sendable {
    var first: UInt32
    var second: UInt32
    var result: UInt32
  }

  private let settings: Settings
  /// By character; with `readsBytes`, those that are made of their bytes whatever stands beside them.
  private let symbols: ScalarIds
  /// By byte, with `readsBytes`.
  private let byteSymbols: [UInt32?]
  private let bytes: [UInt32?]
  private let ranks: MergeRanks
  private let whole: ByteTrie?
  let joints: PieceJoints

  /// - Parameters:
  ///   - tokens: the bytes of the piece that each stands for, with their ids.
  ///   - merges: by rank; of equal pairs the last one counts.
  ///   - byteTokens: the ids of `<0x00>` … `<0xFF>`.
  init(
    _ tokens: [(token: [UInt8], id: UInt32)], merges: [Merge], _ settings: Settings, byteTokens: [UInt32?] = []
  ) {
    self.settings = settings
    var symbols: [(scalar: UInt32, id: UInt32)] = []
    var byteSymbols = [UInt32?](repeating: nil, count: 256)
    for (token, id) in tokens where !token.isEmpty && token.count <= 4 {
      if token.count == 1 { byteSymbols[Int(token[0])] = id }
      token.withUnsafeBufferPointer { token in
        let (scalar, count) = UTF8Scanning.scalar(at: 0, in: token.baseAddress!, end: token.count)
        if count == token.count, scalar != UTF8Scanning.malformed { symbols.append((scalar, id)) }
      }
    }
    self.byteSymbols = byteSymbols
    bytes = byteTokens
    ranks = MergeRanks(merges)
    self.symbols = ScalarIds(settings.readsBytes ? Self.merged(symbols, byteSymbols, ranks) : symbols)
    whole = settings.prefersWhole ? ByteTrie(tokens.map { ($0.token, Int32($0.id)) }) : nil
    let results = Set(merges.map(\.result))
    // Unknown bytes side by side may be one token.
    let joinsBytes = settings.joinsUnknown && byteSymbols[..<0xF5].contains(nil)
    joints = PieceJoints(
      tokens.lazy.filter { results.contains($0.id) }.map(\.token),
      known: settings.readsBytes && !joinsBytes ? nil : self.symbols)
  }

  /// Appends the tokens of a piece.
  /// - Throws: `TokenizerError` if a character is unknown and the unknown token is missing.
  func encode(
    _ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout MergeWorkspace, into tokens: inout PieceTokens
  ) throws(TokenizerError) {
    guard !piece.isEmpty else { return }
    if let id = wholeToken(piece) {
      tokens.append(id, piece.count)
      return
    }
    try encode(part: piece, fromCharacters: false, &workspace, into: &tokens)
  }

  /// The token that a piece is whatever the merges say.
  func wholeToken(_ piece: UnsafeBufferPointer<UInt8>) -> UInt32? { whole?.value(piece).map { UInt32($0) } }

  /// The same for a part of a piece between `joints`; `fromCharacters` if no token reaches over one of them in part, so that
  /// the bytes of each are merged before anything else is.
  func encode(
    part piece: UnsafeBufferPointer<UInt8>, fromCharacters: Bool, _ workspace: inout MergeWorkspace,
    into tokens: inout PieceTokens
  ) throws(TokenizerError) {
    workspace.start(piece.count)
    if settings.readsBytes {
      try addBytes(piece, fromCharacters, &workspace)
    } else {
      try addCharacters(piece, &workspace)
    }
    workspace.merge(ranks)
    workspace.forEach { tokens.append($0, $1) }
  }

  private func addBytes(
    _ piece: UnsafeBufferPointer<UInt8>, _ fromCharacters: Bool, _ workspace: inout MergeWorkspace
  ) throws(TokenizerError) {
    var unknown = 0, i = 0
    while i < piece.count {
      if fromCharacters, piece[i] >= 0x80 {
        let (scalar, count) = UTF8Scanning.scalar(at: i, in: piece.baseAddress!, end: piece.count)
        if let id = symbols[scalar] {
          flush(&unknown, &workspace)
          workspace.add(id, count)
          i += count
          continue
        }
      }
      if let id = byteSymbols[Int(piece[i])] {
        flush(&unknown, &workspace)
        workspace.add(id, 1)
      } else {
        try addUnknown(1, &unknown, &workspace)
      }
      i += 1
    }
    flush(&unknown, &workspace)
  }

  /// Those that the merges of their bytes alone make.
  private static func merged(
    _ symbols: [(scalar: UInt32, id: UInt32)], _ bytes: [UInt32?], _ ranks: MergeRanks
  ) -> [(scalar: UInt32, id: UInt32)] {
    var workspace = MergeWorkspace()
    return symbols.filter { symbol in
      var text: [UInt8] = []
      UTF8Scanning.append(symbol.scalar, to: &text)
      workspace.start(text.count)
      for byte in text {
        guard let id = bytes[Int(byte)] else { return false }
        workspace.add(id, 1)
      }
      workspace.merge(ranks)
      var ids: [UInt32] = []
      workspace.forEach { id, _ in ids.append(id) }
      return ids == [symbol.id]
    }
  }

  private func addCharacters(
    _ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout MergeWorkspace
  ) throws(TokenizerError) {
    let start = piece.baseAddress!
    var unknown = 0, i = 0
    while i < piece.count {
      let (scalar, count) = UTF8Scanning.scalar(at: i, in: start, end: piece.count)
      if let id = symbols[scalar] {
        flush(&unknown, &workspace)
        workspace.add(id, count)
      } else if settings.fallsBackToBytes, (i..<(i + count)).allSatisfy({ bytes[Int(piece[$0])] != nil }) {
        // Ahead of unknown characters that are still to be joined, as the original has it.
        for k in i..<(i + count) { workspace.add(bytes[Int(piece[k])]!, 1) }
      } else {
        try addUnknown(count, &unknown, &workspace)
      }
      i += count
    }
    flush(&unknown, &workspace)
  }

  /// Without an unknown token, characters without a token are left out.
  private func addUnknown(
    _ count: Int, _ unknown: inout Int, _ workspace: inout MergeWorkspace
  ) throws(TokenizerError) {
    if settings.lacksUnknown {
      throw TokenizerError("a text has a character that is in no token, and the tokenizer has no unknown token")
    }
    guard settings.unknown != nil else { return }
    if !settings.joinsUnknown { flush(&unknown, &workspace) }
    unknown += count
  }

  private func flush(_ unknown: inout Int, _ workspace: inout MergeWorkspace) {
    guard unknown > 0, let id = settings.unknown else { return }
    workspace.add(id, unknown)
    unknown = 0
  }
}

/// Ids by scalar, in pages of 256.
final class ScalarIds: @unchecked Sendable {
  private static let none = UInt32.max
  private let pages: UnsafeMutablePointer<UInt32>
  private let ids: UnsafeMutableBufferPointer<UInt32>

  init(_ entries: [(scalar: UInt32, id: UInt32)]) {
    let pageCount = Int(UTF8Scanning.malformed >> 8) + 1
    pages = .allocate(capacity: pageCount)
    pages.initialize(repeating: 0, count: pageCount)
    var used: UInt32 = 1
    for entry in entries where pages[Int(entry.scalar >> 8)] == 0 {
      pages[Int(entry.scalar >> 8)] = used
      used += 1
    }
    ids = .allocate(capacity: Int(used) * 256)
    ids.initialize(repeating: Self.none)
    for entry in entries { ids[Int(pages[Int(entry.scalar >> 8)] << 8 | entry.scalar & 0xFF)] = entry.id }
  }

  deinit {
    pages.deallocate()
    ids.deallocate()
  }

  @inline(__always)
  subscript(scalar: UInt32) -> UInt32? {
    let id = ids[Int(pages[Int(scalar >> 8)] &<< 8 | scalar & 0xFF)]
    return id == Self.none ? nil : id
  }
}

/// The rank and the result of each pair: an open-addressed table.
final class MergeRanks: @unchecked Sendable {
  private struct Slot {
    var key: UInt64 = .max
    /// `rank << 32 | result`
    var value: UInt64 = .max
  }

  private let slots: UnsafeMutableBufferPointer<Slot>
  private let mask: Int

  init(_ merges: [BytePairModel.Merge]) {
    var capacity = 64
    while capacity < merges.count * 2 { capacity *= 2 }
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot())
    mask = capacity - 1
    for (rank, merge) in merges.enumerated() {
      let key = UInt64(merge.first) << 32 | UInt64(merge.second)
      slots[place(key)] = Slot(key: key, value: UInt64(rank) << 32 | UInt64(merge.result))
    }
  }

  deinit { slots.deallocate() }

  @inline(__always)
  private func place(_ key: UInt64) -> Int {
    var hash = key &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
    var place = Int(truncatingIfNeeded: hash) & mask
    while slots[place].key != key && slots[place].key != .max { place = (place &+ 1) & mask }
    return place
  }

  /// `rank << 32 | result`; the greatest number if the pair does not merge.
  @inline(__always)
  subscript(first: UInt32, second: UInt32) -> UInt64 { slots[place(UInt64(first) << 32 | UInt64(second))].value }
}
