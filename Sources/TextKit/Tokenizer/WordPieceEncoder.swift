/// Converts text to token ids in one pass: normal form, word splitting and longest match take one table lookup and about one
/// trie step per character; no word is copied and no string is created. Only text whose form differs is normalized, a
/// few bytes at a time; a character that becomes one other, such as A or é without regard to case, is looked up as that one.
///
/// Returns the same ids as Hugging Face's tokenizers for the same vocabulary: a word that contains a character or piece
/// outside it, or is longer than `maximumCharacters`, is one unknown token. Immutable, so threads may share it.
public final class WordPieceEncoder: @unchecked Sendable {
  public let unknown: UInt32
  public let maximumCharacters: Int
  private let trie: WordPieceTrie
  private let form: WordForm
  /// By scalar: bits 0–7 the word class, 8–29 the trie's code (0: in no token), 30 whether it changes, 31 whether it joins
  /// what precedes it.
  private let entries: UnsafePointer<UInt32>
  /// The token of a single-character word, by code.
  private let single: UnsafePointer<UInt32>

  public convenience init(tokens: [[UInt8]], unknown: UInt32, maximumCharacters: Int = 100) {
    self.init(tokens: tokens, unknown: unknown, maximumCharacters: maximumCharacters, form: WordForm(.scripts))
  }

  init(tokens: [[UInt8]], unknown: UInt32, maximumCharacters: Int, form: WordForm) {
    self.unknown = unknown
    self.maximumCharacters = maximumCharacters
    self.form = form
    trie = WordPieceTrie(tokens, maximumCharacters: maximumCharacters)
    let plain = form.plainEntries
    let entries = UnsafeMutablePointer<UInt32>.allocate(capacity: plain.count)
    entries.initialize(from: plain, count: plain.count)
    let single = UnsafeMutablePointer<UInt32>.allocate(capacity: trie.codes.count + 1)
    single.initialize(repeating: unknown, count: trie.codes.count + 1)
    var ids: [[UInt8]: UInt32] = [:]
    for (id, token) in tokens.enumerated() where token.count <= 4 { ids[token] = UInt32(id) }
    for (scalar, code) in trie.codes {
      entries[Int(scalar)] |= code << 8
      var token: [UInt8] = []
      UTF8Scanning.append(scalar, to: &token)
      single[Int(code)] = ids[token] ?? unknown
    }
    for (scalar, other) in form.aliases { entries[Int(scalar)] = entries[Int(other)] }
    self.entries = UnsafePointer(entries)
    self.single = UnsafePointer(single)
  }

  deinit {
    entries.deallocate()
    single.deallocate()
  }

  /// Appends the ids of a text.
  public func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout TokenBuffer) {
    guard let bytes = text.baseAddress, text.count > 0 else { return }
    let end = text.count
    ids.reserve(end + 1)
    var match = Match(self, ids)
    var scratch: [UInt32] = []
    var part: [UInt8] = []
    var i = 0
    var (scalar, count) = UTF8Scanning.scalar(at: 0, in: bytes, end: end)
    var entry = entries[Int(scalar)]
    while true {
      let next = i &+ count
      var following: UInt32 = 0
      var width = 0
      if next < end {
        (scalar, width) = UTF8Scanning.scalar(at: next, in: bytes, end: end)
        following = entries[Int(scalar)]
      }
      if entry < 1 << 30 && following < 1 << 31 {
        match.feed(entry)
        if next == end { break }
        (i, count, entry) = (next, width, following)
        continue
      }
      part.removeAll(keepingCapacity: true)
      i = form.segment(text, from: i, scratch: &scratch, into: &part)
      match.flush(into: &ids)
      ids.reserve(part.count + end - i + 1)
      match.resume(ids)
      part.withUnsafeBufferPointer { part in
        UTF8Scanning.forEachScalar(part) { scalar, _, _ in match.feed(entries[Int(scalar)]) }
      }
      if i == end { break }
      (scalar, count) = UTF8Scanning.scalar(at: i, in: bytes, end: end)
      entry = entries[Int(scalar)]
    }
    match.endWord()
    match.flush(into: &ids)
  }

  /// Appends the ids of one word that is already normalized and split off.
  public func encode(word: UnsafeBufferPointer<UInt8>, into ids: inout TokenBuffer) {
    guard !word.isEmpty else { return }
    ids.reserve(word.count + 1)
    var match = Match(self, ids)
    match.startWord(UInt32(WordSplitter.firstScript))
    UTF8Scanning.forEachScalar(word) { scalar, _, _ in match.step(entries[Int(scalar)]) }
    match.endWord()
    match.flush(into: &ids)
  }

  /// Whether any token of the vocabulary contains the scalar.
  public func knows(_ scalar: UInt32) -> Bool { trie.codes[scalar] != nil }
}

extension WordPieceEncoder {
  /// The state of one pass.
  fileprivate struct Match {
    private let nodes: UnsafePointer<WordPieceTrie.Node>
    private let failures: UnsafePointer<WordPieceTrie.Failure>
    private let pops: UnsafePointer<UInt32>
    private let single: UnsafePointer<UInt32>
    private let unknown: UInt32
    private let maximumCharacters: Int
    private var ids: UnsafeMutablePointer<UInt32>
    private var count: Int
    /// The open word: its script (0: none is open), the start of its ids, its characters, its node (below 0: unknown).
    private var script: UInt32 = 0
    private var wordStart = 0
    private var characters = 0
    private var node: Int32 = 0

    init(_ encoder: WordPieceEncoder, _ buffer: borrowing TokenBuffer) {
      nodes = encoder.trie.nodes
      failures = encoder.trie.failures
      pops = encoder.trie.pops
      single = encoder.single
      unknown = encoder.unknown
      maximumCharacters = encoder.maximumCharacters
      ids = buffer.start
      count = buffer.count
    }

    func flush(into buffer: inout TokenBuffer) { buffer.setCount(count) }
    mutating func resume(_ buffer: borrowing TokenBuffer) { ids = buffer.start }

    @inline(__always)
    mutating func feed(_ entry: UInt32) {
      let kind = entry & 0xFF
      if kind != script {
        if kind == UInt32(WordSplitter.follows) {
          if script == 0 { return }
        } else {
          endWord()
          if kind < WordSplitter.firstScript {
            if kind == UInt32(WordSplitter.standsAlone) {
              ids[count] = single[Int(entry >> 8 & 0x3F_FFFF)]
              count &+= 1
            }
            return
          }
          startWord(kind)
        }
      }
      step(entry)
    }

    @inline(__always)
    mutating func startWord(_ kind: UInt32) {
      script = kind
      wordStart = count
      characters = 0
      node = WordPieceTrie.startRoot
    }

    @inline(__always)
    mutating func step(_ entry: UInt32) {
      characters &+= 1
      guard node >= 0 else { return }
      let code = Int32(bitPattern: entry >> 8 & 0x3F_FFFF)
      if code == 0 {
        node = -1
        return
      }
      var next = nodes[Int(node)].base &+ code
      while nodes[Int(next)].parent != node {
        fail()
        if node < 0 { return }
        next = nodes[Int(node)].base &+ code
      }
      node = next
    }

    /// Emits the tokens that are certain and moves to the node where matching continues.
    @inline(__always)
    private mutating func fail() {
      let failure = failures[Int(node)]
      var i = 0
      while i < Int(failure.count) {
        ids[count] = pops[Int(failure.start) &+ i]
        count &+= 1
        i &+= 1
      }
      node = failure.node
    }

    @inline(__always)
    mutating func endWord() {
      guard script != 0 else { return }
      script = 0
      while node >= 0 && node != WordPieceTrie.insideRoot { fail() }
      if node < 0 || characters > maximumCharacters {
        ids[wordStart] = unknown
        count = wordStart &+ 1
      }
    }
  }
}

extension WordForm {
  /// The encoder's entries without codes.
  fileprivate var plainEntries: [UInt32] {
    switch self {
    case .nfkc(let form): form.leavesNewer ? Self.tokenizersEntries : Self.currentEntries
    case .bert(let form): form.isCased ? Self.casedEntries : Self.uncasedEntries
    }
  }

  /// Characters that become one other, which always stays as it is.
  fileprivate var aliases: [(UInt32, UInt32)] {
    guard case .bert(let form) = self else { return [] }
    return form.forms.compactMap { $0.value.count == 1 ? ($0.key, $0.value[0]) : nil }
  }

  private static let tokenizersEntries = makeEntries(.tokenizers)
  private static let currentEntries = makeEntries(.current)
  private static let casedEntries = makeEntries(.cased)
  private static let uncasedEntries = makeEntries(.uncased)

  private static func makeEntries(_ form: BERTNormalization) -> [UInt32] {
    var entries = (0...UTF8Scanning.malformed).map { UInt32(form.classes[$0]) }
    for (scalar, parts) in form.forms where parts.count != 1 { entries[Int(scalar)] |= 1 << 30 }
    return entries
  }

  private static func makeEntries(_ form: NFKC) -> [UInt32] {
    (0...UTF8Scanning.malformed).map { scalar in
      UInt32(WordSplitter.classes[scalar]) | UInt32(form.traits[scalar] & (NFKC.changes | NFKC.joins)) << 16
    }
  }
}

/// A growing list of token ids that hot loops write without checks.
public struct TokenBuffer: ~Copyable {
  fileprivate private(set) var start: UnsafeMutablePointer<UInt32>
  private var capacity: Int
  public private(set) var count = 0

  public init(capacity: Int = 1 << 12) {
    self.capacity = max(1, capacity)
    start = .allocate(capacity: self.capacity)
  }

  deinit { start.deallocate() }

  /// Makes room for `more` ids after the existing ones.
  mutating func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    capacity = max(count + more, capacity * 2)
    let larger = UnsafeMutablePointer<UInt32>.allocate(capacity: capacity)
    larger.update(from: start, count: count)
    start.deallocate()
    start = larger
  }

  fileprivate mutating func setCount(_ count: Int) { self.count = count }

  public mutating func append(_ id: UInt32) {
    reserve(1)
    start[count] = id
    count += 1
  }

  public mutating func removeAll() { count = 0 }

  /// Valid until the buffer changes.
  public var ids: UnsafeBufferPointer<UInt32> { UnsafeBufferPointer(start: start, count: count) }
}
