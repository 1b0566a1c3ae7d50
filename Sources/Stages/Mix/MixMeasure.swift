import PipelineKit
import ShardKit
import TextKit

/// A document's domain, amount and position in the sampling order.
final class MixMeasure {
  private let options: MixRebalance.Options
  private let reader: MetadataReader
  private let domainPath: Int?
  private let tokensPath: Int?
  private var domainValue: String?
  private var tokens: UInt64?
  /// Domains as strings by the hash of their bytes: there are only a few.
  private var names: [UInt64: String] = [:]
  /// Whether the last document's tokens were estimated because its tokens field is missing.
  private(set) var isEstimated = false

  init(_ options: MixRebalance.Options) throws(StageError) {
    self.options = options
    var paths: [String] = []
    switch DocumentField(options.domain) {
    case .member(let path): paths.append(path)
    case .source: break
    default:
      throw StageError(
        .options, "domain", "'\(options.domain)' does not denote a domain", hint: "Use metadata.KEY or source.")
    }
    domainPath = paths.isEmpty ? nil : 0
    if !options.tokensField.isEmpty {
      guard case .member(let path)? = DocumentField(options.tokensField) else {
        throw StageError(
          .options, "tokensField", "'\(options.tokensField)' does not denote a number of tokens",
          hint: "Use metadata.KEY.")
      }
      paths.append(path)
    }
    tokensPath = options.tokensField.isEmpty ? nil : paths.count - 1
    reader = MetadataReader(paths)
  }

  func measure(_ document: borrowing Document) -> (domain: String, amount: UInt32) {
    let name = domain(document)
    return (name, UInt32(clamping: amount(document)))
  }

  func domain(_ document: borrowing Document) -> String {
    domainValue = nil
    tokens = nil
    reader.read(document.metadata) { path, value, kind in
      if path == domainPath, kind == .string, value.count > 0 { domainValue = name(value) }
      if path == tokensPath, kind == .number { tokens = parseUnsigned(value) }
    }
    if domainPath == nil, !document.source.isEmpty { domainValue = document.source.withUnsafeBytes { name($0) } }
    return domainValue ?? options.unknownDomain
  }

  private func name(_ bytes: UnsafeRawBufferPointer) -> String {
    let hash = recordHash(bytes)
    if let known = names[hash], known.utf8.elementsEqual(bytes) { return known }
    let name = String(decoding: bytes, as: UTF8.self)
    if names.count < 1 << 12 { names[hash] = name }
    return name
  }

  private func amount(_ document: borrowing Document) -> UInt64 {
    isEstimated = false
    switch options.unit {
    case .documents: return 1
    case .characters: return UInt64(Self.characters(document.text))
    case .tokens:
      if let tokens { return tokens }
      isEstimated = tokensPath != nil
      return UInt64((Double(Self.characters(document.text)) / options.charactersPerToken).rounded(.up))
    }
  }

  /// The number of Unicode scalars in valid UTF-8: bytes that are not continuation bytes.
  static func characters(_ text: [UInt8]) -> Int {
    text.withUnsafeBufferPointer { UTF8Scanning.scalarCount($0) }
  }

  /// A document's position in its domain: by hash with the seed, then by hash without.
  func place(_ id: [UInt8]) -> (rank: UInt64, record: UInt64) {
    (id.withUnsafeBytes { xxh64($0, seed: UInt64(options.seed)) }, recordHash(id))
  }
}
