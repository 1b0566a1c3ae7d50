import PipelineKit
import ShardKit
import TextKit

/// Judges documents by the active gates, and tallies the measures.
struct QualityJudge {
  private let options: FilterQuality.Options
  private let gate: [(rule: QualityRule, threshold: Double)]
  private let reasons: [String]
  private let domains: Set<String>
  private let sources: Set<[UInt8]>
  private let measurer: QualityMeasurer
  private(set) var tally = MeasureTally()
  /// Why a text could not be measured.
  var failure: TokenizerError? { measurer.failure }

  init(_ options: FilterQuality.Options, measurer: QualityMeasurer) {
    self.options = options
    self.measurer = measurer
    gate = options.gate
    reasons = gate.map { $0.rule.reason }
    domains = Set(options.acceptedDomains)
    sources = Set(options.sources.map { Array($0.utf8) })
  }

  /// Whether documents of this source are judged.
  private func judges(_ source: [UInt8]) -> Bool { sources.isEmpty || sources.contains(source) }

  /// The first gate that the document misses. Later measures are not taken (except cheap ones, for a text measured in
  /// pieces).
  mutating func miss(_ document: borrowing Document) -> DropReason? {
    guard judges(document.source) else { return nil }
    if let domain = foreignDomain(document.metadata) {
      return DropReason("top-level-domain", detail: domain)
    }
    let measurer = measurer, cheap = gate.map(\.rule.measure).filter { $0 != .nounFraction }
    return document.text.withUnsafeBufferPointer { text in
      let pieces = TextPieces.of(text, bytes: options.measuring.pieceBytes.bytes)
      if pieces.count == 1 { return measurer.measuring(text) { firstMiss { measurer.value($0) } } }
      let measures = PieceMeasures(pieces, cheap, by: measurer)
      return firstMiss { measure in
        measure == .nounFraction ? PieceMeasures(pieces, [measure], by: measurer)[measure] : measures[measure]
      }
    }
  }

  private mutating func firstMiss(_ measured: (QualityMeasure) -> Double) -> DropReason? {
    var previous: (measure: QualityMeasure, value: Double)?
    for (i, gate) in gate.enumerated() {
      let measure = gate.rule.measure
      let known = previous.flatMap { $0.measure == measure ? $0.value : nil }
      let value = known ?? measured(measure)
      if known == nil { tally.add(value, of: measure) }
      previous = (measure, value)
      if !gate.rule.passes(value, gate.threshold) {
        return DropReason(
          reasons[i], value: value, threshold: gate.threshold, detail: options.gateName(gate.rule, value))
      }
    }
    return nil
  }

  /// Writes every measure, and the reasons for which the document would be dropped, to `metadata.quality`.
  mutating func score(_ document: inout Document) {
    guard judges(document.source) else { return }
    var members: [JSONMember] = []
    var missed: [String] = foreignDomain(document.metadata) == nil ? [] : ["top-level-domain"]
    document.text.withUnsafeBufferPointer { text in
      let pieces = TextPieces.of(text, bytes: options.measuring.pieceBytes.bytes)
      let values = PieceMeasures(pieces, measurer.measures, by: measurer)
      for measure in measurer.measures {
        tally.add(values[measure], of: measure)
        members.append(JSONMember(measure.rawValue, Threshold.at(values[measure]).json))
      }
      for (i, gate) in gate.enumerated() where !gate.rule.passes(values[gate.rule.measure], gate.threshold) {
        missed.append(reasons[i])
      }
    }
    members.append(JSONMember("missed", .strings(missed)))
    setMember("quality", .object(members), ofObject: &document.metadata)
  }

  /// The top-level domain of the document's URL if it is not an accepted one.
  private func foreignDomain(_ metadata: [UInt8]) -> String? {
    guard !domains.isEmpty, let domain = options.measuring.topLevelDomain(metadata), !domains.contains(domain)
    else { return nil }
    return domain
  }
}

/// The last label of a URL's host in lower case; nil for a numeric address or no host.
func topLevelDomain(of url: String) -> String? {
  let bytes = Array(url.utf8)
  guard let scheme = bytes.indices.first(where: { bytes[$0...].starts(with: "://".utf8) }) else { return nil }
  var host = bytes[(scheme + 3)...].prefix { !"/?#".utf8.contains($0) }
  if let user = host.lastIndex(of: 0x40) { host = host[(user + 1)...] }
  host = host.prefix { $0 != 0x3A }
  guard let label = host.split(separator: 0x2E).last, label.contains(where: { !(0x30...0x39 ~= $0) }) else {
    return nil
  }
  return String(decoding: label, as: UTF8.self).lowercased()
}

/// Adds or replaces a member in the bytes of a JSON object. Empty bytes are an empty object. Other members are kept
/// as written.
func setMember(_ key: String, _ value: JSONValue, ofObject bytes: inout [UInt8]) {
  guard var members = JSONMembers(object: bytes) else { return }
  members.set(key.utf8, value.text().utf8)
  bytes = members.object
}
