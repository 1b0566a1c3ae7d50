/// Packs the tokens of documents into samples of at most `length` tokens.
///
/// No token is lost: a document that is too long continues in another sample. The order of samples depends only on the
/// order of documents.
struct SequencePacker: ~Copyable {
  enum Mode: String, CaseIterable, Sendable {
    /// Each sample holds one document or one part of a document.
    case none
    /// Documents end to end, split at exactly `length`.
    case concatenate
    /// Parts of documents are not split further. Each goes into the sample where it leaves the least room (best fit;
    /// Ding et al. 2024, arXiv 2404.10830, here with a bounded number of open samples).
    case bestfit
  }

  /// The part of a document that a sample contains.
  struct Part: Equatable, Sendable {
    /// The document's number, as given to `add`.
    var document: Int
    /// The number of its tokens before this part.
    var from: Int
    /// Positions that the part takes up in the sample, including special tokens.
    var count: Int
  }

  struct Sample: Equatable, Sendable {
    var tokens: [UInt32] = []
    var parts: [Part] = []
  }

  private let mode: Mode
  /// 0: no limit; only for `none`.
  private let length: Int
  private let before: [UInt32]
  private let after: [UInt32]
  private var open: [Sample] = []
  /// Open samples by their remaining room, for `bestfit`.
  private var byRoom: [[Int]] = []
  /// Indices in `open` that are free again.
  private var free: [Int] = []
  private let maximumOpen: Int

  /// - Parameters:
  ///   - before: tokens before each part (`[CLS]`). `after`: tokens after it (`[SEP]`). `concatenate` puts them around
  ///     complete documents.
  init(_ mode: Mode, length: Int, before: [UInt32], after: [UInt32], maximumOpen: Int = 4096) {
    self.mode = mode
    self.length = length
    self.before = before
    self.after = after
    self.maximumOpen = maximumOpen
    if mode == .bestfit { byRoom = [[Int]](repeating: [], count: length + 1) }
  }

  /// Adds a document's tokens and passes each sample that this completes to `body`.
  mutating func add(_ tokens: UnsafeBufferPointer<UInt32>, document: Int, _ body: (Sample) throws -> Void) rethrows {
    if mode == .concatenate { return try concatenate(tokens, document, body) }
    let room = length == 0 ? max(1, tokens.count) : length - before.count - after.count
    for from in stride(from: 0, to: tokens.count, by: room) {
      let piece = before + tokens[from..<min(from + room, tokens.count)] + after
      let part = Part(document: document, from: from, count: piece.count)
      if mode == .none {
        try body(Sample(tokens: piece, parts: [part]))
      } else {
        try fit(piece, part, body)
      }
    }
  }

  /// Passes on the samples that are still open.
  mutating func finish(_ body: (Sample) throws -> Void) rethrows {
    for sample in open where !sample.tokens.isEmpty { try body(sample) }
    open = []
    free = []
    for room in byRoom.indices { byRoom[room] = [] }
  }

  private mutating func concatenate(
    _ tokens: UnsafeBufferPointer<UInt32>, _ document: Int, _ body: (Sample) throws -> Void
  ) rethrows {
    if open.isEmpty { open = [Sample()] }
    let whole = before + tokens + after
    var at = 0
    while at < whole.count {
      let count = min(length - open[0].tokens.count, whole.count - at)
      open[0].tokens += whole[at..<at + count]
      open[0].parts.append(
        Part(document: document, from: min(max(0, at - before.count), tokens.count), count: count))
      at += count
      if open[0].tokens.count == length {
        try body(open[0])
        open[0] = Sample()
      }
    }
  }

  private mutating func fit(_ piece: [UInt32], _ part: Part, _ body: (Sample) throws -> Void) rethrows {
    var slot = -1
    if let room = (piece.count...length).first(where: { !byRoom[$0].isEmpty }) {
      slot = byRoom[room].removeLast()
    } else {
      if open.count == maximumOpen, free.isEmpty { try closeFullest(body) }
      slot = free.popLast() ?? open.count
      if slot == open.count { open.append(Sample()) }
    }
    open[slot].tokens += piece
    open[slot].parts.append(part)
    let left = length - open[slot].tokens.count
    if left <= before.count + after.count {
      try close(slot, body)
    } else {
      byRoom[left].append(slot)
    }
  }

  private mutating func closeFullest(_ body: (Sample) throws -> Void) rethrows {
    guard let room = byRoom.firstIndex(where: { !$0.isEmpty }) else { return }
    try close(byRoom[room].removeFirst(), body)
  }

  private mutating func close(_ slot: Int, _ body: (Sample) throws -> Void) rethrows {
    try body(open[slot])
    open[slot] = Sample()
    free.append(slot)
  }
}
