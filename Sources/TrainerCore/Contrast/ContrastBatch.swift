/// The texts of a step: all anchors, then all positives in the same order, then all negatives.
///
/// A text's number here is its name for dropout, so that a text that is its own positive is encoded differently, however
/// the step is divided.
struct ContrastBatch {
  let examples: Int
  let texts: [TokenSequence]
  /// By example, the numbers of its texts.
  private let members: [[Int]]
  /// Pairs of an anchor and a document, both by number, that do not count: the document is equal to the anchor's
  /// positive, or to the anchor itself.
  let ignored: [(anchor: Int, document: Int)]

  /// - Parameter encode: a text as a query or as a document.
  init(_ examples: [ContrastExample], _ encode: (String, _ isQuery: Bool) throws -> TokenSequence) rethrows {
    let count = examples.count
    var texts = try examples.map { try encode($0.anchor, true) }
    texts += try examples.map { try encode($0.positive ?? $0.anchor, false) }
    var members = examples.indices.map { [$0, count + $0] }
    for (place, example) in examples.enumerated() {
      for negative in example.negatives {
        members[place].append(texts.count)
        texts.append(try encode(negative, false))
      }
    }
    self.examples = count
    self.texts = texts
    self.members = members
    ignored = Self.repeated(texts, count)
  }

  var documents: Int { texts.count - examples }

  private static func repeated(_ texts: [TokenSequence], _ count: Int) -> [(anchor: Int, document: Int)] {
    var places: [[Int32]: [Int]] = [:]
    for number in count..<texts.count { places[texts[number].ids, default: []].append(number - count) }
    var pairs: [(anchor: Int, document: Int)] = []
    for anchor in 0..<count {
      let positive = texts[count + anchor].ids, own = texts[anchor].ids
      let same = (places[positive] ?? []) + (own == positive ? [] : places[own] ?? [])
      pairs += same.filter { $0 != anchor }.map { (anchor, $0) }
    }
    return pairs
  }

  /// The numbers of the texts that go through the model together, in parts of about equally many examples.
  /// - Parameters:
  ///   - size: examples of a part at most; 0: any number.
  ///   - processes: each gets as many parts, if there are enough examples.
  func parts(atMost size: Int, processes: Int) -> [[Int]] {
    let size = size > 0 ? size : examples
    let rounds = (examples + processes * size - 1) / (processes * size)
    let count = min(examples, processes * rounds)
    return (0..<count).map { part in
      members[(part * examples / count)..<((part + 1) * examples / count)].flatMap { $0 }.sorted()
    }
  }
}
