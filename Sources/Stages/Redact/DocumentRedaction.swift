import ShardKit
import TextKit

/// Redacts documents and counts what it finds.
struct DocumentRedaction {
  private let options: RedactPII.Options
  private let scanner: PersonalScanner
  private var redactor: PersonalRedactor
  private var found = [Int](repeating: 0, count: PersonalKind.allCases.count)
  private var holding = [Int](repeating: 0, count: PersonalKind.allCases.count)
  private var inMetadata = [Int](repeating: 0, count: PersonalKind.allCases.count)
  private var idSpans: [PersonalSpan] = []

  /// Shorter numbers of JSON are no telephone numbers (those begin with 0 or +), cards or My Numbers.
  private static let longNumber = 12

  init(_ options: RedactPII.Options, _ exemptions: PersonalExemptions) {
    self.options = options
    scanner = PersonalScanner(PersonalKind.allCases.filter { options[$0] != .keep }, exemptions: exemptions)
    redactor = PersonalRedactor(scanner, masking: PersonalKind.allCases.filter { options[$0] == .mask })
  }

  /// Redacts text and metadata. Returns why the document is dropped; nil if it is kept.
  mutating func redact(_ document: inout Document) -> DropReason? {
    redactor.redact(&document.text)
    let spans = redactor.spans
    let elsewhere = options.metadata ? redactMetadata(&document.metadata) + redactSource(&document.source) : []
    let counts = Self.counts(spans.map(\.kind)), outside = Self.counts(elsewhere)
    for kind in PersonalKind.allCases {
      found[kind.rawValue] += counts[kind.rawValue]
      inMetadata[kind.rawValue] += outside[kind.rawValue]
      holding[kind.rawValue] += counts[kind.rawValue] + outside[kind.rawValue] > 0 ? 1 : 0
    }
    if let reason = dropReason(counts, outside) { return reason }
    guard !spans.isEmpty || !elsewhere.isEmpty else { return nil }
    setMember("pii", record(document.text, spans, counts, outside), ofObject: &document.metadata)
    return nil
  }

  private static func counts(_ kinds: [PersonalKind]) -> [Int] {
    kinds.reduce(into: [Int](repeating: 0, count: PersonalKind.allCases.count)) { $0[$1.rawValue] += 1 }
  }

  private mutating func redactMetadata(_ metadata: inout [UInt8]) -> [PersonalKind] {
    guard !metadata.isEmpty else { return [] }
    var kinds: [PersonalKind] = []
    JSONStrings.rewrite(&metadata, longNumber: Self.longNumber) { value in
      let changed = redactor.redact(&value)
      kinds += redactor.spans.map(\.kind)
      return changed
    }
    return kinds
  }

  private mutating func redactSource(_ source: inout [UInt8]) -> [PersonalKind] {
    redactor.redact(&source)
    return redactor.spans.map(\.kind)
  }

  private func dropReason(_ counts: [Int], _ outside: [Int]) -> DropReason? {
    for kind in PersonalKind.allCases where options[kind] == .drop {
      let count = counts[kind.rawValue] + outside[kind.rawValue]
      if count > 0 { return DropReason("pii-\(kind.name)", value: Double(count), threshold: 0) }
    }
    return nil
  }

  /// `{"counts": {"mail": 1}, "spans": [{"kind": "mail", "start": 12, "end": 18}]}`: places in characters of the text as
  /// it is written.
  private func record(
    _ text: [UInt8], _ spans: [PersonalSpan], _ counts: [Int], _ outside: [Int]
  ) -> JSONValue {
    var members = [JSONMember("counts", Self.object(counts))]
    if outside.contains(where: { $0 > 0 }) { members.append(JSONMember("metadata", Self.object(outside))) }
    members.append(JSONMember("spans", .list(places(text, Array(spans.prefix(options.maximumSpans))))))
    return .object(members)
  }

  private static func object(_ counts: [Int]) -> JSONValue {
    .object(
      PersonalKind.allCases.filter { counts[$0.rawValue] > 0 }
        .map { JSONMember($0.name, .integer(counts[$0.rawValue])) })
  }

  private func places(_ text: [UInt8], _ spans: [PersonalSpan]) -> [JSONValue] {
    var byte = 0, character = 0
    func characters(to end: Int) -> Int {
      text[byte..<end].withUnsafeBufferPointer { character += UTF8Scanning.scalarCount($0) }
      byte = end
      return character
    }
    return spans.map { span in
      let start = characters(to: span.range.lowerBound), end = characters(to: span.range.upperBound)
      return ["kind": .string(span.kind.name), "start": .integer(start), "end": .integer(end)]
    }
  }

  /// Whether the document's id contains something that would be masked in its text.
  mutating func isInID(_ document: borrowing Document) -> Bool {
    document.id.withUnsafeBufferPointer { scanner.scan($0, into: &idSpans) }
    return idSpans.contains { options[$0.kind] == .mask }
  }

  var metrics: [(String, Int)] {
    PersonalKind.allCases.flatMap { kind in
      [
        ("\(kind.name)-found", found[kind.rawValue]), ("\(kind.name)-documents", holding[kind.rawValue]),
        ("\(kind.name)-in-metadata", inMetadata[kind.rawValue]),
      ]
    }
    .filter { $0.1 > 0 }
  }
}
