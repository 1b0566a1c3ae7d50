/// BertNormalizer of Hugging Face's tokenizers, and what BertPreTokenizer makes of its forms: control characters are
/// removed; without regard to case, accents too, and letters are lower. Each ideograph and each punctuation mark is a word.
///
/// Every character has a form of its own, whatever stands beside it. Only musical stems and Hangul tone marks that
/// stand side by side would have to change places.
struct BERTNormalization: Sendable {
  static let uncased = BERTNormalization(isCased: false)
  static let cased = BERTNormalization(isCased: true)

  let isCased: Bool
  /// By scalar, as `WordSplitter.classes`.
  let classes: ScalarTable<UInt8>
  /// The forms of the scalars that change, by scalar; empty: removed.
  let forms: [UInt32: [UInt32]]
  /// By scalar: 0 if it stays, otherwise the place of its form in `bytes`, from 1.
  private let places: ScalarTable<UInt16>
  private let bytes: [[UInt8]]

  private init(isCased: Bool) {
    self.isCased = isCased
    classes = Self.wordClasses
    var forms: [UInt32: [UInt32]] = isCased ? [:] : Self.uncasedForms()
    for word in UnicodeData.words(BERTNormalData.removed) { for scalar in word.range { forms[scalar] = [] } }
    forms[UTF8Scanning.malformed] = []
    self.forms = forms
    var flat = [UInt16](repeating: 0, count: Int(UTF8Scanning.malformed) + 256)
    var bytes: [[UInt8]] = [[]]
    // Most of the removed ones are for private use; they share one place.
    for (scalar, form) in forms.sorted(by: { $0.key < $1.key }) {
      flat[Int(scalar)] = form.isEmpty ? 1 : UInt16(bytes.count + 1)
      if !form.isEmpty { bytes.append(form.reduce(into: []) { UTF8Scanning.append($1, to: &$0) }) }
    }
    places = ScalarTable(flat: flat)
    self.bytes = bytes
  }

  private static let wordClasses: ScalarTable<UInt8> = {
    func words(_ table: StaticString, _ kind: UInt8) -> [(range: ClosedRange<UInt32>, value: UInt8)] {
      UnicodeData.words(table).map { ($0.range, kind) }
    }
    return ScalarTable(
      rest: WordSplitter.firstScript,
      words(BERTNormalData.separators, WordSplitter.separates) + words(BERTNormalData.spaces, WordSplitter.separates)
        + words(BERTNormalData.punctuation, WordSplitter.standsAlone)
        + words(BERTNormalData.ideographs, WordSplitter.standsAlone))
  }()

  /// Decomposed, without marks, in lower case.
  private static func uncasedForms() -> [UInt32: [UInt32]] {
    var lower: [UInt32: [UInt32]] = [:], forms: [UInt32: [UInt32]] = [:]
    for word in UnicodeData.words(BERTNormalData.lowercase) { lower[word.first] = word.values }
    forms = lower
    for word in UnicodeData.words(BERTNormalData.marks) { for scalar in word.range { forms[scalar] = [] } }
    for word in UnicodeData.words(BERTNormalData.stripped) {
      forms[word.first] = word.values.flatMap { lower[$0] ?? [$0] }
    }
    for syllable in UInt32(0xAC00)...0xD7A3 {
      let place = syllable - 0xAC00
      let jamo = [0x1100 + place / 588, 0x1161 + place % 588 / 28]
      forms[syllable] = place % 28 > 0 ? jamo + [0x11A7 + place % 28] : jamo
    }
    return forms
  }

  /// Appends the form of the scalar that begins at `start`.
  /// - Returns: where the next one begins.
  func segment(_ text: UnsafeBufferPointer<UInt8>, from start: Int, into out: inout [UInt8]) -> Int {
    let (scalar, count) = UTF8Scanning.scalar(at: start, in: text.baseAddress!, end: text.count)
    let place = places[scalar]
    if place == 0 {
      out.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<(start + count)]))
    } else {
      out.append(contentsOf: bytes[Int(place) - 1])
    }
    return start + count
  }
}

/// The normal form of a text before it is split into words.
enum WordForm: Sendable {
  case nfkc(NFKC)
  case bert(BERTNormalization)

  init(_ words: WordPieceTokenizer.Words) {
    switch words {
    // transformers' MeCab tokenizer normalizes with Python's Unicode version, Hugging Face's tokenizers with their own.
    case .mecab: self = .nfkc(.current)
    case .scripts: self = .nfkc(.tokenizers)
    case .uncased: self = .bert(.uncased)
    case .cased: self = .bert(.cased)
    }
  }

  /// What splits the normalized text, by scalar.
  var classes: ScalarTable<UInt8> {
    switch self {
    case .nfkc: WordSplitter.classes
    case .bert(let form): form.classes
    }
  }

  func normalize(_ text: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
    switch self {
    case .nfkc(let form): form.normalize(text, into: &out)
    case .bert(let form):
      var place = 0
      while place < text.count { place = form.segment(text, from: place, into: &out) }
    }
  }

  /// Normalizes from a boundary to the next one, which is returned.
  @inline(__always)
  func segment(
    _ text: UnsafeBufferPointer<UInt8>, from start: Int, scratch: inout [UInt32], into out: inout [UInt8]
  ) -> Int {
    switch self {
    case .nfkc(let form): form.segment(text, from: start, scratch: &scratch, into: &out)
    case .bert(let form): form.segment(text, from: start, into: &out)
    }
  }
}
