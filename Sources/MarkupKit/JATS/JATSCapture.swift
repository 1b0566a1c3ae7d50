import TextKit

/// A field of the front matter that is collected as plain characters.
enum JATSField {
  case journal, pmcid, pmid, doi, year, wording, licenseReference

  /// By `pub-id-type`. PMC's own id is written as `pmc` (digits) or, in newer files, `pmcid` (prefixed with PMC).
  init?(identifier: String) {
    switch identifier {
    case "pmc", "pmcid": self = .pmcid
    case "pmid": self = .pmid
    case "doi": self = .doi
    default: return nil
    }
  }
}

/// The fields being collected; they may be nested (a reference within a license), and all of them get the characters.
struct JATSCapture {
  /// Longer fields are truncated: no journal title and no license needs more.
  private static let maximumBytes = 1 << 16
  /// Whether the current field, or the one that ended last, was truncated.
  private(set) var isCut = false

  private var open: [(field: JATSField, depth: Int, start: Int)] = []
  private var bytes: [UInt8] = []

  var isOpen: Bool { !open.isEmpty }

  mutating func begin(_ field: JATSField, at depth: Int) {
    if open.isEmpty { isCut = false }
    open.append((field, depth, bytes.count))
  }

  mutating func text(_ text: UnsafeBufferPointer<UInt8>) {
    guard !isCut else { return }
    let room = Self.maximumBytes - bytes.count
    bytes.append(contentsOf: UTF8Scanning.wholePrefix(text, limit: room))
    isCut = text.count > room
  }

  /// The field that began at this depth, with white space collapsed.
  mutating func end(at depth: Int) -> (JATSField, String)? {
    guard let last = open.last, last.depth == depth else { return nil }
    open.removeLast()
    let value = String(decoding: bytes[last.start...], as: UTF8.self)
    if open.isEmpty { bytes.removeAll(keepingCapacity: true) }
    return (last.field, value.split(whereSeparator: \.isWhitespace).joined(separator: " "))
  }
}

extension LicenseStatements {
  mutating func add(_ list: WritableKeyPath<LicenseStatements, [String]>, _ value: String) {
    guard !value.isEmpty, !self[keyPath: list].contains(value) else { return }
    if self[keyPath: list].count < Self.maximumEach { self[keyPath: list].append(value) } else { isCut = true }
  }
}

extension JATSArticle {
  /// Stores a field. Of repeated ids and titles, the first counts.
  mutating func take(_ field: JATSField, _ value: String) {
    switch field {
    case .journal: if journal.isEmpty { journal = value }
    case .pmcid:
      let digits = value.uppercased().hasPrefix("PMC") ? value.dropFirst(3) : value[...]
      if pmcid.isEmpty, let number = UInt32(digits) { pmcid = "PMC\(number)" }
    case .pmid: if pmid.isEmpty { pmid = value }
    case .doi: if doi.isEmpty { doi = value }
    case .year:
      if let number = Int(value), (1500...2999).contains(number) { year = min(number, year ?? number) }
    case .wording: license.add(\.wording, value)
    case .licenseReference: license.add(\.references, value)
    }
  }
}
