/// Replaces personal data in texts by tokens, and says where the tokens, or the data that was kept, stand.
public struct PersonalRedactor: Sendable {
  private let scanner: PersonalScanner
  private let masks: [Bool]
  /// What the last text contained; of the text as it is now, in bytes.
  public private(set) var spans: [PersonalSpan] = []
  private var buffer: [UInt8] = []

  /// - Parameters:
  ///   - scanner: what is looked for.
  ///   - masked: the kinds that are replaced by their tokens; all others are only found.
  public init(_ scanner: PersonalScanner, masking masked: some Sequence<PersonalKind>) {
    self.scanner = scanner
    let masked = Set(masked)
    masks = PersonalKind.allCases.map(masked.contains)
  }

  /// Looks for personal data and replaces what is to be masked; `spans` has all that was found. Returns whether the text
  /// changed.
  @discardableResult
  public mutating func redact(_ text: inout [UInt8]) -> Bool {
    text.withUnsafeBufferPointer { scanner.scan($0, into: &spans) }
    guard spans.contains(where: { masks[$0.kind.rawValue] }) else { return false }
    buffer.removeAll(keepingCapacity: true)
    var copied = 0
    for (i, span) in spans.enumerated() {
      buffer.append(contentsOf: text[copied..<span.range.lowerBound])
      let start = buffer.count
      if masks[span.kind.rawValue] {
        buffer.append(contentsOf: span.kind.token.utf8)
      } else {
        buffer.append(contentsOf: text[span.range])
      }
      spans[i].range = start..<buffer.count
      copied = span.range.upperBound
    }
    buffer.append(contentsOf: text[copied...])
    swap(&text, &buffer)
    return true
  }
}
