import ShardKit

/// What a search looks for: passages and ids of removed documents, both by their hashes.
struct SearchIndex: Sendable {
  struct Hit: Hashable, Sendable {
    /// A document, by its place in `documents`.
    var document: Int
    /// A passage, by its place among all; nil for the id.
    var passage: Int?
  }

  /// The ids of the documents, as digests.
  let documents: [Digest]
  /// Number of passages.
  let passages: Int
  private let byRolling: [UInt64: [(hit: Hit, check: UInt64)]]
  private let byID: [UInt64: [Int]]
  private let tails: TailTable
  /// Bits of the rolling hashes, so that most positions cost one look.
  private let filter: [UInt64]
  private let shift: UInt64

  /// Longer ids are not looked for, except in lists of their hashes.
  static let mostIDBytes = 512
  /// What a block repeats of the one before it.
  static let overlap = 2 * mostIDBytes

  /// - Throws: `ShardError` if the passages of a removal cannot be read.
  init(root: String, _ removals: RemovalList) throws(ShardError) {
    var documents: [Digest] = []
    var byID: [UInt64: [Int]] = [:]
    var tails = TailTable()
    var passages: [(document: Int, passage: Passage)] = []
    for (name, record) in removals.records {
      let first = documents.count
      for document in record.documents {
        byID[UInt64(bitPattern: document.hash), default: []].append(documents.count)
        tails.add(documents.count, document)
        documents.append(document.id)
      }
      let file = try PassageFile(path: PassageFile.path(root, name), documents: record.documents.count)
      passages += file.passages.map { (first + $0.document, $0.passage) }
    }
    self.init(documents: documents, byID: byID, tails: tails, passages: passages)
  }

  /// Passages alone, by document.
  init(passages: [Int: Set<Passage>]) {
    self.init(
      documents: [], byID: [:], tails: TailTable(),
      passages: passages.sorted { $0.key < $1.key }.flatMap { document, passages in passages.map { (document, $0) } })
  }

  private init(
    documents: [Digest], byID: [UInt64: [Int]], tails: TailTable, passages: [(document: Int, passage: Passage)]
  ) {
    var byRolling: [UInt64: [(hit: Hit, check: UInt64)]] = [:]
    for (number, (document, passage)) in passages.enumerated() {
      byRolling[passage.rolling, default: []].append((Hit(document: document, passage: number), passage.check))
    }
    var bits: UInt64 = 16
    while bits < 26, passages.count << 6 > 1 << bits { bits += 1 }
    var filter = [UInt64](repeating: 0, count: 1 << (bits - 6))
    for rolling in byRolling.keys {
      let slot = Int((rolling &* Self.spread) >> (64 - bits))
      filter[slot >> 6] |= 1 << UInt64(slot & 63)
    }
    (self.documents, self.tails, self.passages) = (documents, tails, passages.count)
    (self.byRolling, self.byID, self.filter, shift) = (byRolling, byID, filter, 64 - bits)
  }

  private static let spread: UInt64 = 0xD6E8_FEB8_6659_FD93

  /// The documents whose ids have this hash.
  func documents(hash: UInt64) -> [Int] { byID[hash] ?? [] }

  /// The documents whose id is one of a value's strings or keys, or all of the bytes.
  func documents(in value: JSONValue?, or bytes: UnsafeRawBufferPointer) -> Set<Int> {
    var out: Set<Int> = []
    func look(_ id: [UInt8]) {
      let candidates = documents(hash: recordHash(id))
      if candidates.isEmpty { return }
      let digest = Digester.digest(id)
      for document in candidates where documents[document] == digest { out.insert(document) }
    }
    func walk(_ value: JSONValue) {
      if let text = value.string { look(Array(text.utf8)) }
      for member in value.members ?? [] {
        look(Array(member.key.utf8))
        walk(member.value)
      }
      for item in value.array ?? [] { walk(item) }
    }
    if let value { walk(value) }
    if bytes.count <= Self.mostIDBytes { look(Array(bytes)) }
    return out
  }

  /// Whether an id is one of the documents'.
  func isOne(of id: String) -> Bool {
    let bytes = Array(id.utf8)
    let digest = Digester.digest(bytes)
    return documents(hash: recordHash(bytes)).contains { documents[$0] == digest }
  }

  /// Searches some bytes.
  /// - Parameters:
  ///   - known: how many of them were searched before, at the end of another block.
  ///   - isFirst: whether nothing comes before them. `isLast`: nothing after them.
  ///   - isBinary: whether they are of a binary file; nil: as their beginning tells.
  func search(
    _ bytes: UnsafeRawBufferPointer, known: Int = 0, isFirst: Bool = true, isLast: Bool = true,
    isBinary: Bool? = nil, _ found: (Hit) -> Void
  ) {
    searchPassages(bytes, known, found)
    let isText = !(isBinary ?? bytes.prefix(Self.headBytes).contains(0))
    searchIDs(bytes, known, isFirst, isLast, isText: isText, found)
  }

  private func searchPassages(_ bytes: UnsafeRawBufferPointer, _ known: Int, _ found: (Hit) -> Void) {
    let length = Passage.length
    guard bytes.count >= length, !byRolling.isEmpty else { return }
    let (factor, leaving, spread, shift) = (Passage.factor, Passage.leaving, Self.spread, shift)
    filter.withUnsafeBufferPointer { filter in
      var rolling: UInt64 = 0
      let start = max(0, known - length + 1)
      for at in start..<min(start + length, bytes.count) { rolling = rolling &* factor &+ UInt64(bytes[at]) &+ 1 }
      var end = start + length
      while true {
        let slot = Int(truncatingIfNeeded: (rolling &* spread) >> shift)
        if filter[slot >> 6] >> UInt64(slot & 63) & 1 == 1 { confirm(rolling, bytes, end, found) }
        guard end < bytes.count else { return }
        rolling =
          rolling &* factor &+ UInt64(bytes[end]) &+ 1 &- (UInt64(bytes[end - length]) &+ 1) &* leaving
        end += 1
      }
    }
  }

  private func confirm(_ rolling: UInt64, _ bytes: UnsafeRawBufferPointer, _ end: Int, _ found: (Hit) -> Void) {
    guard let candidates = byRolling[rolling], end <= bytes.count else { return }
    let check = recordHash(UnsafeRawBufferPointer(rebasing: bytes[(end - Passage.length)..<end]))
    for candidate in candidates where candidate.check == check { found(candidate.hit) }
  }

  /// What can stand around an id: quotes, line ends and control characters; blanks and brackets too.
  private static let delimiters: [UInt8] = (0...255).map { (byte: Int) -> UInt8 in
    if byte < 0x20 || byte == 0x7F || #""'<>"#.utf8.contains(UInt8(byte)) { return 2 }
    return " ,;()[]{}=|`".utf8.contains(UInt8(byte)) ? 1 : 0
  }

  /// How much of a file tells whether it is a text.
  private static let headBytes = 1 << 12

  /// Whether an id looks like any word or number: it counts only where it stands by itself in a text.
  static func isWeak(_ id: UnsafeRawBufferPointer) -> Bool {
    id.count < TailTable.bytes
      && id.allSatisfy { (48...57).contains($0) || (65...90).contains($0 & 0xDF) }
  }

  /// Looks up each run of bytes between two delimiters, strict ones and all of them.
  private func searchIDs(
    _ bytes: UnsafeRawBufferPointer, _ known: Int, _ isFirst: Bool, _ isLast: Bool, isText: Bool,
    _ found: (Hit) -> Void
  ) {
    var strict = isFirst ? 0 : -1
    var loose = strict
    func look(_ start: Int, _ end: Int, _ isStrict: Bool) {
      guard start >= 0, end > start, end - start <= Self.mostIDBytes, end >= known else { return }
      let run = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      guard let candidates = byID[recordHash(run)] else { return }
      if Self.isWeak(run), !isStrict || !isText { return }
      let digest = Digester.digest(Array(run))
      for document in candidates where documents[document] == digest { found(Hit(document: document)) }
    }
    Self.delimiters.withUnsafeBufferPointer { delimiters in
      for at in 0..<bytes.count {
        let kind = delimiters[Int(bytes[at])]
        if kind == 0 { continue }
        look(loose, at, kind == 2 && strict == loose)
        if kind == 2 {
          if strict != loose { look(strict, at, true) }
          strict = at + 1
        }
        loose = at + 1
      }
    }
    guard isLast else { return }
    look(loose, bytes.count, strict == loose)
    if strict != loose { look(strict, bytes.count, true) }
  }

  static let tailBytes = TailTable.bytes

  static func tail(_ hash: UInt64) -> Int { Int(hash >> 40) }

  /// Searches bytes among which an id can stand without anything around it.
  /// - Parameter found: is told a document, and hashes of every longer run of bytes around the id, which may be the id
  ///   of another document.
  private func searchTails(
    _ bytes: UnsafeRawBufferPointer, _ known: Int, _ isFirst: Bool, _ isLast: Bool,
    _ found: (Int, () -> Set<UInt64>) -> Void
  ) {
    let margin = TailTable.margin
    let (first, last) = (isFirst ? 0 : known - margin + 1, isLast ? bytes.count : bytes.count - margin)
    guard first <= last else { return }
    tails.search(bytes, ends: first...last) { document, start, end in
      guard Digester.digest(Array(bytes[start..<end])) == documents[document] else { return }
      found(document) { TailTable.around(start..<end, in: bytes) }
    }
  }

  /// Searches a stream to its end.
  /// - Parameter bare: is told of ids between bytes of a binary file, as `searchTails` is.
  /// - Parameter blockBytes: how much is read at a time.
  /// - Returns: its bytes.
  /// - Throws: `ShardError` if it cannot be read; `StageError` (`.cancelled`) after a request to stop.
  func search(
    _ source: any ByteSource, blockBytes: Int = 1 << 20, _ isStopped: () -> Bool = { false },
    bare: (Int, () -> Set<UInt64>) -> Void = { _, _ in }, _ found: (Hit) -> Void
  ) throws -> Int64 {
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: blockBytes + Self.overlap, alignment: 64)
    defer { block.deallocate() }
    var known = 0
    var total: Int64 = 0
    var isFirst = true
    var isBinary = false
    while true {
      if isStopped() { throw StageError(.cancelled, "the search of the store", "was stopped") }
      var filled = known
      var isLast = false
      while filled < block.count {
        let count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: block[filled...]))
        if count == 0 {
          isLast = true
          break
        }
        filled += count
      }
      total += Int64(filled - known)
      let bytes = UnsafeRawBufferPointer(rebasing: block[..<filled])
      if isFirst { isBinary = bytes.prefix(Self.headBytes).contains(0) }
      search(bytes, known: known, isFirst: isFirst, isLast: isLast, isBinary: isBinary, found)
      if isBinary { searchTails(bytes, known, isFirst, isLast, bare) }
      if isLast { return total }
      isFirst = false
      known = Self.overlap
      block.copyMemory(from: UnsafeRawBufferPointer(rebasing: block[(filled - known)..<filled]))
    }
  }
}
