import ShardKit

/// One step that splits a normalized text into the pieces that the model sees, as in the `pre_tokenizer` of a
/// `tokenizer.json`.
enum PreTokenizer: Sendable {
  enum Scheme: String { case first, never, always }
  /// What becomes of the delimiters between pieces.
  enum Behavior: String {
    case removed = "Removed"
    case isolated = "Isolated"
    case contiguous = "Contiguous"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
  }

  case metaspace(replacement: [UInt8], Scheme, splits: Bool)
  case pattern(Pattern, Behavior, isInverted: Bool)
  case text([UInt8], Behavior, isInverted: Bool)
  /// A space before each text, and the pattern of GPT-2.
  case byteLevel(addsSpace: Bool, Pattern?)
  case whiteSpace
  case words
  case punctuation(Behavior)
  case digits(Behavior)

  private static let maximumSteps = 64
  private static let maximumDepth = 8

  /// The pattern of GPT-2, which ByteLevel splits with.
  static let byteLevelPattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  var isByteLevel: Bool { if case .byteLevel = self { true } else { false } }
  var dependsOnStart: Bool { if case .metaspace(_, .first, _) = self { true } else { false } }

  /// The steps of a `pre_tokenizer`; none for null.
  /// - Throws: `TokenizerError` for a type or setting that is not supported.
  static func steps(_ json: JSONValue) throws(TokenizerError) -> [PreTokenizer] {
    var steps: [PreTokenizer] = []
    try add(json, depth: 0, to: &steps)
    if steps.dropLast().contains(where: \.isByteLevel) {
      throw TokenizerError("pre_tokenizer has a step after ByteLevel, which is not supported")
    }
    return steps
  }

  private static func add(_ json: JSONValue, depth: Int, to steps: inout [PreTokenizer]) throws(TokenizerError) {
    if json == .null { return }
    guard depth <= maximumDepth else { throw TokenizerError("pre_tokenizer is nested deeper than \(maximumDepth)") }
    guard steps.count < maximumSteps else { throw TokenizerError("pre_tokenizer has more than \(maximumSteps) steps") }
    let part = TokenizerPart(json, "pre_tokenizer")
    switch try part.type() {
    case "Sequence": for step in try part.list("pretokenizers") { try add(step, depth: depth + 1, to: &steps) }
    case "Metaspace": steps.append(try metaspace(part))
    case "Split":
      let behavior = try behavior(part)
      let isInverted = try part.flag("invert")
      switch try part.pattern() {
      case .text(let text): steps.append(.text(text, behavior, isInverted: isInverted))
      case .expression(let text):
        if let literal = try Pattern.literal(text) {
          steps.append(.text(literal, behavior, isInverted: isInverted))
        } else {
          steps.append(.pattern(try Pattern(text), behavior, isInverted: isInverted))
        }
      }
    case "ByteLevel":
      let pattern = try part.flag("use_regex", ifNull: true) ? try Pattern(byteLevelPattern) : nil
      steps.append(.byteLevel(addsSpace: try part.flag("add_prefix_space"), pattern))
    case "Whitespace": steps.append(.words)
    case "WhitespaceSplit": steps.append(.whiteSpace)
    case "BertPreTokenizer": steps += [.whiteSpace, .punctuation(.isolated)]
    case "Punctuation": steps.append(.punctuation(try behavior(part, ifNull: .isolated)))
    case "Digits": steps.append(.digits(try part.flag("individual_digits") ? .isolated : .contiguous))
    case "CharDelimiterSplit":
      let delimiter = try part.insertion("delimiter", 4)
      guard isOneScalar(delimiter) else { throw part.error("delimiter", "is not one character") }
      steps.append(.text(delimiter, .removed, isInverted: false))
    case let type: throw part.unsupported(type)
    }
  }

  private static func behavior(_ part: TokenizerPart, ifNull: Behavior? = nil) throws(TokenizerError) -> Behavior {
    guard let name = try part.text("behavior", ifMissing: ifNull?.rawValue), let behavior = Behavior(rawValue: name)
    else { throw part.error("behavior", "is not one that is supported") }
    return behavior
  }

  private static func isOneScalar(_ text: [UInt8]) -> Bool {
    text.withUnsafeBufferPointer { UTF8Scanning.scalarCount($0) } == 1
  }

  private static func metaspace(_ part: TokenizerPart) throws(TokenizerError) -> PreTokenizer {
    let replacement = try part.insertion("replacement", 4)
    guard let name = try part.text("prepend_scheme", ifMissing: Scheme.always.rawValue),
      var scheme = Scheme(rawValue: name),
      isOneScalar(replacement)
    else { throw part.error("prepend_scheme", "or its replacement is not one that is supported") }
    if try !part.flag("add_prefix_space", ifNull: true) {
      guard scheme == .never || part.json["prepend_scheme"] == nil else {
        throw part.error("add_prefix_space", "contradicts prepend_scheme")
      }
      scheme = .never
    }
    return .metaspace(replacement: replacement, scheme, splits: try part.flag("split", ifNull: true))
  }
}

/// A normalized text and its pieces.
struct TextPieces {
  private(set) var form: TextForm
  private(set) var ranges: [Range<Int>] = []
  private var spareForm: TextForm
  private var spareRanges: [Range<Int>] = []
  private var matches: [(range: Range<Int>, isMatch: Bool)] = []

  init(keepingPlaces: Bool = false) {
    form = TextForm(keepingPlaces: keepingPlaces)
    spareForm = form
  }

  /// Takes a part of a normalized text as one piece.
  mutating func load(_ range: Range<Int>, of text: borrowing TextForm) {
    form.removeAll()
    form.copy(range, of: text)
    ranges.removeAll(keepingCapacity: true)
    if form.count > 0 { ranges.append(0..<form.count) }
  }

  /// Splits every piece by all steps.
  /// - Throws: `TokenizerError` if a pattern takes too long.
  mutating func split(_ steps: [PreTokenizer]) throws(TokenizerError) {
    for step in steps { try split(step) }
  }

  private mutating func split(_ step: PreTokenizer) throws(TokenizerError) {
    switch step {
    case .metaspace(let replacement, let scheme, let splits):
      writeMetaspace(replacement, scheme)
      guard splits else { return }
      try splitPieces(.mergedWithNext) { (piece, matches) in Self.find(replacement, in: piece, &matches) }
    case .text(let text, let behavior, let isInverted):
      try splitPieces(behavior, isInverted) { (piece, matches) in Self.find(text, in: piece, &matches) }
    case .pattern(let pattern, let behavior, let isInverted): try split(pattern, behavior, isInverted)
    case .byteLevel(let addsSpace, let pattern):
      if addsSpace { prependSpaces() }
      if let pattern { try split(pattern, .isolated, false) }
    case .whiteSpace:
      try splitCharacters(.removed) { ScalarProperties(of: $0).contains(.whitespace) }
    case .punctuation(let behavior):
      try splitCharacters(behavior) { TextNormalizer.traits[$0] & TextNormalizer.punctuation != 0 }
    case .digits(let behavior):
      try splitCharacters(behavior) { TextNormalizer.traits[$0] & TextNormalizer.numeric != 0 }
    case .words: splitWords()
    }
  }

  private mutating func split(
    _ pattern: Pattern, _ behavior: PreTokenizer.Behavior, _ isInverted: Bool
  ) throws(TokenizerError) {
    let matcher = PatternMatcher(pattern)
    try splitPieces(behavior, isInverted) { (piece, matches) throws(TokenizerError) in
      var last = 0
      try matcher.forEachMatch(in: piece) { match in
        if match.lowerBound > last { matches.append((last..<match.lowerBound, false)) }
        matches.append((match, true))
        last = match.upperBound
      }
      if last < piece.count { matches.append((last..<piece.count, false)) }
    }
  }

  private mutating func splitCharacters(
    _ behavior: PreTokenizer.Behavior, _ isDelimiter: (UInt32) -> Bool
  ) throws(TokenizerError) {
    try splitPieces(behavior) { (piece, matches) in
      var last = 0
      UTF8Scanning.forEachScalar(piece) { scalar, start, end in
        guard isDelimiter(scalar) else { return }
        if start > last { matches.append((last..<start, false)) }
        matches.append((start..<end, true))
        last = end
      }
      if last < piece.count { matches.append((last..<piece.count, false)) }
    }
  }

  private static func find(
    _ text: [UInt8], in piece: UnsafeBufferPointer<UInt8>, _ matches: inout [(range: Range<Int>, isMatch: Bool)]
  ) {
    var last = 0, i = 0
    while i + text.count <= piece.count {
      guard piece[i] == text[0], piece[i..<(i + text.count)].elementsEqual(text) else {
        i += 1
        continue
      }
      if i > last { matches.append((last..<i, false)) }
      i += text.count
      matches.append(((i - text.count)..<i, true))
      last = i
    }
    if last < piece.count { matches.append((last..<piece.count, false)) }
  }

  /// Runs of letters, digits and marks, and runs of other characters; white space is removed.
  private mutating func splitWords() {
    spareRanges.removeAll(keepingCapacity: true)
    form.bytes.withUnsafeBufferPointer { bytes in
      for piece in ranges {
        var start = piece.lowerBound
        var previous: UInt8 = 0
        UTF8Scanning.forEachScalar(UnsafeBufferPointer(rebasing: bytes[piece])) { scalar, from, _ in
          let isWord = TextNormalizer.traits[scalar] & TextNormalizer.inWord != 0
          let kind: UInt8 = isWord ? 1 : ScalarProperties(of: scalar).contains(.whitespace) ? 0 : 2
          if kind != previous {
            if previous != 0 { spareRanges.append(start..<(piece.lowerBound + from)) }
            start = piece.lowerBound + from
            previous = kind
          }
        }
        if previous != 0 { spareRanges.append(start..<piece.upperBound) }
      }
    }
    swap(&ranges, &spareRanges)
  }

  /// Splits each piece at what `find` lists, which covers the piece.
  private mutating func splitPieces(
    _ behavior: PreTokenizer.Behavior, _ isInverted: Bool = false,
    _ find: (UnsafeBufferPointer<UInt8>, inout [(range: Range<Int>, isMatch: Bool)]) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    spareRanges.removeAll(keepingCapacity: true)
    for piece in ranges {
      matches.removeAll(keepingCapacity: true)
      let result = form.bytes.withUnsafeBufferPointer { bytes in
        Result { () throws(TokenizerError) in
          try find(UnsafeBufferPointer(rebasing: bytes[piece]), &matches)
        }
      }
      try result.get()
      if isInverted { for i in matches.indices { matches[i].isMatch.toggle() } }
      append(piece.lowerBound, behavior)
    }
    swap(&ranges, &spareRanges)
  }

  private mutating func append(_ offset: Int, _ behavior: PreTokenizer.Behavior) {
    func add(_ range: Range<Int>) {
      if !range.isEmpty { spareRanges.append((range.lowerBound + offset)..<(range.upperBound + offset)) }
    }
    switch behavior {
    case .isolated: for match in matches { add(match.range) }
    case .removed: for match in matches where !match.isMatch { add(match.range) }
    case .contiguous, .mergedWithPrevious: for range in joined(behavior) { add(range) }
    case .mergedWithNext:
      matches.reverse()
      for range in joined(behavior).reversed() { add(range) }
    }
  }

  /// The matches with those joined that belong together; for `mergedWithNext` both in reverse.
  private func joined(_ behavior: PreTokenizer.Behavior) -> [Range<Int>] {
    var out: [Range<Int>] = []
    var previous = false
    for (range, isMatch) in matches {
      let joins = behavior == .contiguous ? isMatch == previous : isMatch && !previous
      if joins, let last = out.last {
        let isReversed = behavior == .mergedWithNext
        out[out.count - 1] =
          isReversed ? range.lowerBound..<last.upperBound : last.lowerBound..<range.upperBound
      } else {
        out.append(range)
      }
      previous = isMatch
    }
    return out
  }
}

// Steps that change the text.
extension TextPieces {
  private mutating func writeMetaspace(_ replacement: [UInt8], _ scheme: PreTokenizer.Scheme) {
    rewrite { piece, form, out in
      let start = out.count
      let starts = form.bytes[piece].starts(with: replacement) || form.bytes[piece.lowerBound] == 0x20
      if !starts, scheme == .always || (scheme == .first && form.place(piece.lowerBound) == 0) {
        out.append(replacement, for: piece.lowerBound..<piece.lowerBound, of: form)
      }
      var i = piece.lowerBound, kept = i
      while let found = form.bytes[i..<piece.upperBound].firstIndex(of: 0x20) {
        out.copy(kept..<found, of: form)
        out.append(replacement, for: found..<(found + 1), of: form)
        i = found + 1
        kept = i
      }
      out.copy(kept..<piece.upperBound, of: form)
      return start..<out.count
    }
  }

  private mutating func prependSpaces() {
    if ranges.allSatisfy({ form.bytes[$0.lowerBound] == 0x20 }) { return }
    rewrite { piece, form, out in
      let start = out.count
      if form.bytes[piece.lowerBound] != 0x20 {
        out.append([0x20], for: piece.lowerBound..<piece.lowerBound, of: form)
      }
      out.copy(piece, of: form)
      return start..<out.count
    }
  }

  /// Writes each piece anew; `body` returns its range in the new text.
  private mutating func rewrite(_ body: (Range<Int>, borrowing TextForm, inout TextForm) -> Range<Int>) {
    spareForm.removeAll()
    spareRanges.removeAll(keepingCapacity: true)
    for piece in ranges { spareRanges.append(body(piece, form, &spareForm)) }
    swap(&form, &spareForm)
    swap(&ranges, &spareRanges)
  }
}
