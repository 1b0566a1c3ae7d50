import Glibc

/// Cleans texts according to `CleaningRules`, reusing its buffers.
///
/// The rules are applied repeatedly until nothing changes (twice for nearly every text that changes at all, once for
/// the others; at most `maximumRounds`), because one rule can create work for another: a bracket that contained an
/// address is empty, a line that contained one is boilerplate. So cleaning a clean text changes nothing. A round is
/// linear in the text; the output is valid UTF-8 if the input is.
public struct TextCleaner: Sendable {
  public let rules: CleaningRules
  /// Since the cleaner was created.
  public private(set) var counts = CleaningCounts()
  private var current: [UInt8] = []
  private var next: [UInt8] = []
  private var addressed: [UInt8] = []
  private var hasAddressed = false

  static let maximumRounds = 8

  public init(_ rules: CleaningRules) { self.rules = rules }

  /// Cleans in place. Returns whether anything changed.
  @discardableResult
  public mutating func clean(_ text: inout [UInt8]) -> Bool {
    var changed = false
    for _ in 0..<Self.maximumRounds {
      guard round(text) else { break }
      swap(&text, &next)
      changed = true
    }
    return changed
  }

  /// One application of every rule, from `text` into `next`. Returns whether they differ.
  private mutating func round(_ text: [UInt8]) -> Bool {
    replaceAddresses(text)
    let written = hasAddressed ? addressed : text
    current.removeAll(keepingCapacity: true)
    let unified = rules.unifiesPunctuation ? written.withUnsafeBufferPointer { unify($0) } : false
    if rules.nfkc {
      if unified {
        next.removeAll(keepingCapacity: true)
        swap(&current, &next)
        next.withUnsafeBufferPointer { NFKC.cleaning.normalize($0, into: &current) }
      } else {
        written.withUnsafeBufferPointer { NFKC.cleaning.normalize($0, into: &current) }
      }
    } else if !unified {
      current.append(contentsOf: written)
    }
    next.removeAll(keepingCapacity: true)
    scan()
    if let boilerplate = rules.boilerplate {
      counts[.boilerplate] += boilerplate.peel(&next, window: rules.boilerplateLines)
    }
    return !Self.areEqual(next, text)
  }

  /// Leaves the text without its addresses in `addressed`, if there are any.
  private mutating func replaceAddresses(_ text: [UInt8]) {
    addressed.removeAll(keepingCapacity: true)
    let buffer = addressed
    addressed = []
    hasAddressed = text.withUnsafeBufferPointer { bytes in
      var pass = AddressPass(rules: rules, text: bytes, out: buffer, counts: counts)
      let found = pass.find()
      counts = pass.counts
      addressed = pass.out
      return found
    }
  }

  private static func areEqual(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count else { return false }
    return a.withUnsafeBytes { a in
      b.withUnsafeBytes { a.isEmpty || memcmp(a.baseAddress!, $0.baseAddress!, a.count) == 0 }
    }
  }

  private mutating func unify(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    let replaced = PunctuationStyle.unify(text, into: &current)
    counts[.punctuation] += replaced
    return replaced > 0
  }

  private mutating func scan() {
    var pass = CleaningPass(rules: rules, out: next, counts: counts)
    next = []
    current.withUnsafeBufferPointer { pass.run($0) }
    swap(&next, &pass.out)
    counts = pass.counts
  }
}
