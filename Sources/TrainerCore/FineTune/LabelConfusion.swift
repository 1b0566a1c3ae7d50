/// How often texts of each label were given each label.
public struct LabelConfusion: Equatable, Sendable {
  /// By the label that a text has, then by the one it was given.
  public private(set) var counts: [[Int]]

  public init(labels: Int) { counts = [[Int]](repeating: [Int](repeating: 0, count: labels), count: labels) }

  /// - Parameters: places among the labels.
  public mutating func add(label: Int, given: Int) { counts[label][given] += 1 }

  public var labels: Range<Int> { counts.indices }
  public var total: Int { counts.reduce(0) { $0 + $1.reduce(0, +) } }
  /// Texts that have the label.
  public func having(_ label: Int) -> Int { counts[label].reduce(0, +) }
  /// Texts that were given the label.
  public func given(_ label: Int) -> Int { counts.reduce(0) { $0 + $1[label] } }

  /// 0 without texts.
  public var accuracy: Double { Self.share(labels.reduce(0) { $0 + counts[$1][$1] }, of: total) }

  /// The fraction of those given the label that have it; 0 if none were.
  public func precision(_ label: Int) -> Double { Self.share(counts[label][label], of: given(label)) }
  /// The fraction of those having the label that were given it; 0 if none have.
  public func recall(_ label: Int) -> Double { Self.share(counts[label][label], of: having(label)) }
  /// The harmonic mean of both; 0 if there is neither.
  public func f1(_ label: Int) -> Double { Self.share(2 * counts[label][label], of: given(label) + having(label)) }

  /// The mean over the labels that any text has or was given.
  public var macroF1: Double {
    let seen = labels.filter { having($0) + given($0) > 0 }
    return seen.isEmpty ? 0 : seen.reduce(0) { $0 + f1($1) } / Double(seen.count)
  }

  /// Matthews' correlation, for any number of labels (Gorodkin 2004); 0 if all texts have one label or were given one.
  public var matthews: Double {
    let all = Double(total), right = Double(labels.reduce(0) { $0 + counts[$1][$1] })
    var together = right * all, spreadHaving = all * all, spreadGiven = all * all
    for label in labels {
      let (having, given) = (Double(having(label)), Double(given(label)))
      together -= having * given
      spreadHaving -= having * having
      spreadGiven -= given * given
    }
    let spread = (spreadHaving * spreadGiven).squareRoot()
    return spread > 0 ? together / spread : 0
  }

  /// 0 of none.
  public static func share(_ count: Int, of all: Int) -> Double { all == 0 ? 0 : Double(count) / Double(all) }
}

/// How often each of several labels, of which a text may have any, was rightly given.
public struct LabelFlags: Equatable, Sendable {
  /// One label's texts.
  public struct Counts: Equatable, Sendable {
    /// Having it, and given it.
    public var both = 0
    public var having = 0
    public var given = 0

    public var precision: Double { LabelConfusion.share(both, of: given) }
    public var recall: Double { LabelConfusion.share(both, of: having) }
    public var f1: Double { LabelConfusion.share(2 * both, of: having + given) }
  }

  public private(set) var counts: [Counts]
  public private(set) var total = 0
  private var exact = 0

  public init(labels: Int) { counts = [Counts](repeating: Counts(), count: labels) }

  public mutating func add(labels: [Bool], given: [Bool]) {
    for (place, (has, gets)) in zip(labels, given).enumerated() {
      if has { counts[place].having += 1 }
      if gets { counts[place].given += 1 }
      if has && gets { counts[place].both += 1 }
    }
    total += 1
    if labels == given { exact += 1 }
  }

  /// The fraction of the texts all of whose labels are right.
  public var exactMatch: Double { LabelConfusion.share(exact, of: total) }
  public var macroF1: Double { counts.reduce(0) { $0 + $1.f1 } / Double(max(1, counts.count)) }
  /// Of all labels of all texts together.
  public var microF1: Double {
    var all = Counts()
    for label in counts {
      all.both += label.both
      all.having += label.having
      all.given += label.given
    }
    return all.f1
  }
}
