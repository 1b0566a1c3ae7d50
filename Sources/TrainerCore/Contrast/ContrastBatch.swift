import ShardKit

/// The texts of a step: all anchors, then all positives in the same order, then all negatives.
///
/// A text's number here is its name for dropout, so that a text that is its own positive is encoded differently, however
/// the step is divided.
struct ContrastBatch {
  let examples: Int
  let texts: [TokenSequence]
  /// By example, the numbers of its texts.
  private let members: [[Int]]
  /// Pairs of an anchor and a document, both by number, that do not count: the document is the anchor's own text or one of
  /// its positives, or has the tokens of the anchor or of its positive.
  let ignored: [(anchor: Int, document: Int)]

  /// - Parameters:
  ///   - positives: of the examples that the step's are taken from.
  ///   - encode: a text as a query or as a document.
  init(
    _ examples: [ContrastExample], _ positives: ContrastPositives,
    _ encode: (String, _ isQuery: Bool) throws -> TokenSequence
  ) rethrows {
    let count = examples.count
    let documents = examples.map { $0.positive ?? $0.anchor } + examples.flatMap(\.negatives)
    let texts = try examples.map { try encode($0.anchor, true) } + documents.map { try encode($0, false) }
    var members = examples.indices.map { [$0, count + $0] }
    var next = 2 * count
    for (place, example) in examples.enumerated() {
      members[place] += next..<(next + example.negatives.count)
      next += example.negatives.count
    }
    self.examples = count
    self.texts = texts
    self.members = members
    let known = examples.map { positives[$0] + [ExactText($0.anchor)] }
    ignored = Self.ignored(known, documents.map { ExactText($0) }, texts.map(\.ids))
  }

  var documents: Int { texts.count - examples }

  /// - Parameters:
  ///   - known: of each anchor, the texts that are no negatives of it.
  ///   - ids: of the anchors, then of the documents.
  private static func ignored(
    _ known: [[ExactText]], _ documents: [ExactText], _ ids: [[Int32]]
  ) -> [(anchor: Int, document: Int)] {
    let count = known.count
    var texts: [ExactText: [Int]] = [:], tokens: [[Int32]: [Int]] = [:]
    for (number, document) in documents.enumerated() {
      texts[document, default: []].append(number)
      tokens[ids[count + number], default: []].append(number)
    }
    return known.enumerated().flatMap { anchor, known in
      var same = Set(known.flatMap { texts[$0] ?? [] })
      for own in [ids[anchor], ids[count + anchor]] { same.formUnion(tokens[own] ?? []) }
      return same.filter { $0 != anchor }.sorted().map { (anchor, $0) }
    }
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

/// What belongs to an anchor, over all examples with the same one.
struct ContrastPositives {
  /// Of anchors that several examples have.
  private var shared: [ExactText: [ExactText]] = [:]

  init(_ examples: [ContrastExample]) {
    var seen: Set<ExactText> = []
    for example in examples where !seen.insert(ExactText(example.anchor)).inserted {
      shared[ExactText(example.anchor)] = []
    }
    for example in examples { shared[ExactText(example.anchor)]?.append(ExactText(example.positive ?? example.anchor)) }
  }

  subscript(example: ContrastExample) -> [ExactText] {
    shared[ExactText(example.anchor)] ?? [ExactText(example.positive ?? example.anchor)]
  }
}
