/// A `SubwordTokenizer` in use by one thread, with the buffers it needs.
final class SubwordSession {
  private let tokenizer: SubwordTokenizer
  private let model: SubwordTokenizer.Model
  @exclusivity(unchecked) private var form = TextForm()
  @exclusivity(unchecked) private var spare = TextForm()
  @exclusivity(unchecked) private var pieces = TextPieces()
  @exclusivity(unchecked) private var merging = MergeWorkspace()
  @exclusivity(unchecked) private var segmenting = UnigramModel.Workspace()
  @exclusivity(unchecked) private var tokens = PieceTokens()
  @exclusivity(unchecked) private var cache = PieceCache()
  private let joints = KnownJoints()
  /// Tokens of the part of a piece may begin or end within characters.
  @exclusivity(unchecked) private var isJoinedInParts = false

  init(_ tokenizer: SubwordTokenizer) {
    self.tokenizer = tokenizer
    model = tokenizer.model
  }

  /// Appends the ids of a text, without the tokens of the frame.
  /// - Throws: `TokenizerError` if a pattern takes too long, or a character is unknown to a tokenizer without an unknown
  ///   token.
  func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout TokenBuffer) throws(TokenizerError) {
    try tokenizer.rawTokens.forEachPart(of: text) { (range, token) throws(TokenizerError) in
      if let token {
        ids.append(token)
      } else if range.lowerBound == 0, tokenizer.needsPlacesAtStart {
        try encodeWithPlaces(UnsafeBufferPointer(rebasing: text[range]), at: 0) { id, _ in ids.append(id) }
      } else {
        try encode(UnsafeBufferPointer(rebasing: text[range]), at: range.lowerBound, into: &ids)
      }
    }
  }

  private func encode(
    _ text: UnsafeBufferPointer<UInt8>, at place: Int, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    form.load(text, at: place)
    try TextNormalizer.apply(tokenizer.normalizers, to: &form, &spare)
    try Self.forEachPart(of: form, tokenizer.normalizedTokens) { (range, token) throws(TokenizerError) in
      if let token {
        ids.append(token)
        return
      }
      pieces.load(range, of: form)
      try pieces.split(tokenizer.preTokenizers)
      try encodePieces(into: &ids)
    }
  }

  private static func forEachPart(
    of form: borrowing TextForm, _ tokens: AddedTokens, _ body: (Range<Int>, UInt32?) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    if tokens.isEmpty {
      if form.count > 0 { try body(0..<form.count, nil) }
      return
    }
    let bytes = form.bytes
    let result = bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(TokenizerError) in try tokens.forEachPart(of: bytes, body) }
    }
    try result.get()
  }

  private func encodePieces(into ids: inout TokenBuffer) throws(TokenizerError) {
    let (form, ranges) = (pieces.form, pieces.ranges)
    let result = form.bytes.withUnsafeBufferPointer { bytes in
      Result { () throws(TokenizerError) in
        for range in ranges { try encode(piece: UnsafeBufferPointer(rebasing: bytes[range]), into: &ids) }
      }
    }
    try result.get()
  }

  private func encode(
    piece: UnsafeBufferPointer<UInt8>, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    switch model {
    case .bytePair(let model):
      if let id = model.wholeToken(piece) { return ids.append(id) }
      try encode(piece, cutAt: model.joints, into: &ids)
    case .wordPiece, .unigram: try encode(part: piece, into: &ids)
    }
  }

  private func encode(
    _ piece: UnsafeBufferPointer<UInt8>, cutAt joints: PieceJoints, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    guard !piece.isEmpty else { return }
    var start = 0
    var (last, i) = PieceJoints.character(piece, at: 0)
    isJoinedInParts = false
    while i < piece.count {
      let (next, width) = PieceJoints.character(piece, at: i)
      switch self.joints.joint(last, next, joints) {
      case .none:
        try encode(part: UnsafeBufferPointer(rebasing: piece[start..<i]), into: &ids)
        start = i
        isJoinedInParts = false
      case .whole: break
      case .parts: isJoinedInParts = true
      }
      last = next
      i &+= width
    }
    try encode(part: UnsafeBufferPointer(rebasing: piece[start...]), into: &ids)
  }

  @inline(__always)
  private func encode(
    part: UnsafeBufferPointer<UInt8>, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    let hash = PieceCache.hash(part)
    if let hash, cache.append(part, hash, to: &ids) { return }
    try encode(new: part, hash, into: &ids)
  }

  @inline(never)
  private func encode(
    new part: UnsafeBufferPointer<UInt8>, _ hash: UInt64?, into ids: inout TokenBuffer
  ) throws(TokenizerError) {
    tokens.removeAll()
    switch model {
    case .bytePair(let model): try model.encode(part: part, fromCharacters: !isJoinedInParts, &merging, into: &tokens)
    case .unigram(let model): try model.encode(part, &segmenting, into: &tokens)
    case .wordPiece: try encode(piece: part)
    }
    for id in tokens.ids { ids.append(id) }
    if let hash { cache.add(part, hash, tokens.ids) }
  }

  /// Replaces `tokens`.
  private func encode(piece: UnsafeBufferPointer<UInt8>) throws(TokenizerError) {
    switch model {
    case .bytePair(let model): try model.encode(piece, &merging, into: &tokens)
    case .unigram(let model): try model.encode(piece, &segmenting, into: &tokens)
    case .wordPiece(let encoder):
      var ids = TokenBuffer(capacity: piece.count + 1)
      encoder.encode(word: piece, into: &ids)
      for (i, id) in ids.ids.enumerated() {
        let isUnknown = id == encoder.unknown
        tokens.append(id, isUnknown ? piece.count : tokenizer.tokens[Int(id)].count - (i > 0 ? 2 : 0))
      }
    }
  }

  /// Calls `body` with the same ids as `encode`, each with the raw bytes that it comes from; for small texts.
  /// - Throws: as `encode`.
  func encodeWithPlaces(
    _ text: UnsafeBufferPointer<UInt8>, _ body: (UInt32, Range<Int>) -> Void
  ) throws(TokenizerError) {
    try tokenizer.rawTokens.forEachPart(of: text) { (range, token) throws(TokenizerError) in
      if let token {
        body(token, range)
      } else {
        try encodeWithPlaces(UnsafeBufferPointer(rebasing: text[range]), at: range.lowerBound, body)
      }
    }
  }

  private func encodeWithPlaces(
    _ text: UnsafeBufferPointer<UInt8>, at place: Int, _ body: (UInt32, Range<Int>) -> Void
  ) throws(TokenizerError) {
    var form = TextForm(keepingPlaces: true), spare = form
    var pieces = TextPieces(keepingPlaces: true)
    form.load(text, at: place)
    try TextNormalizer.apply(tokenizer.normalizers, to: &form, &spare)
    try Self.forEachPart(of: form, tokenizer.normalizedTokens) { (range, token) throws(TokenizerError) in
      if let token {
        body(token, form.rawRange(range))
        return
      }
      pieces.load(range, of: form)
      try pieces.split(tokenizer.preTokenizers)
      for range in pieces.ranges {
        tokens.removeAll()
        let bytes = Array(pieces.form.bytes[range])
        let result = bytes.withUnsafeBufferPointer { piece in
          Result { () throws(TokenizerError) in try encode(piece: piece) }
        }
        try result.get()
        var from = range.lowerBound
        for (id, length) in zip(tokens.ids, tokens.lengths) {
          let end = min(from + Int(length), pieces.form.count)
          body(id, pieces.form.rawRange(from..<end))
          from = end
        }
      }
    }
  }
}
