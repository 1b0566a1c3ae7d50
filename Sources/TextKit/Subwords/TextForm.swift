/// A text on its way through the normalizers of a tokenizer: its bytes, and on demand the place of each in the raw text.
struct TextForm {
  private(set) var bytes: [UInt8] = []
  /// By byte: the raw bytes that it comes from; empty unless kept.
  private(set) var places: [Range<Int>] = []
  /// The raw place of the first byte: what tells the start of a text from what follows a special token.
  private(set) var firstPlace = 0
  let keepsPlaces: Bool

  init(keepingPlaces: Bool = false) { keepsPlaces = keepingPlaces }

  var count: Int { bytes.count }

  /// A raw text that starts at `place` of the whole one.
  mutating func load(_ text: UnsafeBufferPointer<UInt8>, at place: Int) {
    removeAll()
    bytes.append(contentsOf: text)
    firstPlace = place
    if keepsPlaces { places = (place..<(place + text.count)).map { $0..<($0 + 1) } }
  }

  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    firstPlace = 0
  }

  /// Appends unchanged bytes of another form.
  mutating func copy(_ range: Range<Int>, of other: borrowing TextForm) {
    guard !range.isEmpty else { return }
    if bytes.isEmpty { firstPlace = other.place(range.lowerBound) }
    bytes.append(contentsOf: other.bytes[range])
    if keepsPlaces { places.append(contentsOf: other.places[range]) }
  }

  /// Appends bytes that replace `range` of another form; an empty range is an insertion there.
  mutating func append(_ new: some Collection<UInt8>, for range: Range<Int>, of other: borrowing TextForm) {
    append(for: range, of: other) { $0.append(contentsOf: new) }
  }

  /// Appends what `body` adds, which replaces `range` of another form.
  mutating func append(
    for range: Range<Int>, of other: borrowing TextForm, _ body: (inout [UInt8]) -> Void
  ) {
    let start = bytes.count
    body(&bytes)
    guard bytes.count > start else { return }
    if start == 0 { firstPlace = other.place(range.lowerBound) }
    if keepsPlaces {
      let from = other.rawRange(range)
      places.append(contentsOf: repeatElement(from, count: bytes.count - start))
    }
  }

  /// As Hugging Face's tokenizers count it, which decides whether Metaspace takes a text for the first.
  mutating func setFirstPlace(_ place: Int) { firstPlace = place }

  /// The raw place of a byte; of the first one if places are not kept.
  func place(_ at: Int) -> Int {
    if keepsPlaces, at < places.count { return places[at].lowerBound }
    return at == 0 ? firstPlace : firstPlace + 1
  }

  /// The raw bytes of a part.
  func rawRange(_ part: Range<Int>) -> Range<Int> {
    guard keepsPlaces else { return 0..<0 }
    if part.isEmpty {
      let end = part.lowerBound < places.count ? places[part.lowerBound].lowerBound : places.last?.upperBound ?? 0
      return end..<end
    }
    return places[part.lowerBound]
      .lowerBound..<max(
        places[part.lowerBound].lowerBound, places[part.upperBound - 1].upperBound)
  }
}
