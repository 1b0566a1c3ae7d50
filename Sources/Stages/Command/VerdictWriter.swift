import Glibc
import PipelineKit
import ShardKit

/// Does what a program's verdicts say, document by document.
final class VerdictWriter {
  private let workspace: Workspace
  private let output: DocumentOutput
  private let reader = VerdictReader()
  private let arrowReader = ArrowVerdictReader()
  private let mostBytes: Int
  private let mask: SecretMask
  private let members = JSONObjectReader()
  private var metrics: [String: Double] = [:]
  private var reasons: Set<String> = []
  private var changed = 0

  private static let mostNames = 1000

  /// Called with a document at which the program failed, and why.
  private let lose: (Document, String) throws -> Void

  /// - Parameters:
  ///   - mostBytes: of a frame with Arrow once it is unpacked.
  ///   - mask: for what the program says of failures and drops, which is recorded.
  init(
    _ workspace: Workspace, to port: Output<Documents>, mostBytes: Int, mask: SecretMask,
    lose: @escaping (Document, String) throws -> Void
  ) throws {
    self.workspace = workspace
    self.mostBytes = mostBytes
    self.mask = mask
    self.lose = lose
    output = try workspace.documents(to: port)
  }

  /// - Parameter bytes: the frame, with `JSONObjectReader.padding` bytes behind it.
  /// - Returns: what is wrong with the frame; nil if nothing is.
  func write(_ bytes: [UInt8], of batch: DocumentBatch) throws -> String? {
    guard batch.format == .arrow else { return try write(lines: bytes, of: batch) }
    return try bytes.withUnsafeBytes { padded in
      let frame = UnsafeRawBufferPointer(rebasing: padded[..<(padded.count - JSONObjectReader.padding)])
      return try arrowReader.read(frame, count: batch.count, mostBytes: mostBytes) { try apply($1, to: batch, $0) }
    }
  }

  private func write(lines: [UInt8], of batch: DocumentBatch) throws -> String? {
    try lines.withUnsafeBytes { padded in
      let end = padded.count - JSONObjectReader.padding
      var start = 0
      for place in 0..<batch.count {
        guard start < end, let stop = memchr(padded.baseAddress! + start, 10, end - start) else {
          return start < end
            ? "verdict \(place + 1) has no line end" : "it has \(place) verdicts for \(batch.count) documents"
        }
        let next = UnsafeRawPointer(stop) - padded.baseAddress!
        let line = UnsafeRawBufferPointer(rebasing: padded[start..<next])
        let problem: String?
        switch reader.read(padded: line) {
        case .broken(let what): problem = what
        case .verdict(let verdict): problem = try apply(verdict, to: batch, place)
        }
        if let problem { return "verdict \(place + 1): \(problem)" }
        start = next + 1
      }
      return start == end ? nil : "it has more verdicts than the \(batch.count) documents"
    }
  }

  /// Hands the program's own figures over.
  func finish() {
    for (name, value) in metrics { workspace.metric(name, value) }
    if changed > 0 { workspace.metric("documents-changed", Double(changed)) }
  }

  private func apply(_ verdict: ProgramVerdict, to batch: DocumentBatch, _ place: Int) throws -> String? {
    let document = batch.documents[place]
    if let id = verdict.id, !id.elementsEqual(document.id) {
      return "its id is '\(Frame.shown(id))', but the document's is '\(Frame.shown(document.id))'"
    }
    if let metrics = verdict.metrics, let problem = add(metrics) { return problem }
    if let error = verdict.error {
      try lose(document, Frame.shown(mask.masking(error), mostBytes: 500))
      return nil
    }
    if let reason = verdict.drop { return try drop(document, reason) }
    if let parts = verdict.documents { return try split(document, parts) }
    if verdict.text != nil || verdict.metadata != nil { return try change(document, verdict) }
    try batch.withLine(place) { line in
      try document.id.withUnsafeBytes { try output.write(line: line, id: $0, textBytes: document.text.count) }
    }
    return nil
  }

  private func drop(_ document: Document, _ reason: DropReason) throws -> String? {
    reasons.insert(reason.name)
    guard reasons.count <= Self.mostNames else { return "it is the \(Self.mostNames + 1)th reason of a drop" }
    var reason = reason
    reason.detail = reason.detail.map { mask.masking($0) }
    try workspace.drop(document, reason)
    return nil
  }

  private func change(_ document: Document, _ verdict: ProgramVerdict) throws -> String? {
    var copy = document
    if let text = verdict.text { copy.text = Array(text) }
    if let added = verdict.metadata {
      guard var all = JSONMembers(object: copy.metadata) ?? (copy.metadata.isEmpty ? JSONMembers() : nil),
        JSONMembers(object: Array(added)) != nil || added.elementsEqual("{}".utf8)
      else { return "its \"metadata\" has too many members or is nested too deeply" }
      all.add(object: added)
      copy.metadata = all.object
    }
    changed += 1
    return try write(copy)
  }

  /// - Returns: why a document cannot be written.
  private func write(_ document: Document) throws -> String? {
    do { try output.write(document) } catch let error as ShardError where error.code == .malformed {
      return error.message
    }
    return nil
  }

  // MARK: Several documents of one

  private func split(_ document: Document, _ parts: UnsafeRawBufferPointer) throws -> String? {
    var count = 0
    for json in JSONArraySlices(parts) {
      count += 1
      var part = document
      if count > 1 { part.id = document.id + Array("#\(count)".utf8) }
      if let problem = try fill(&part, from: json) ?? write(part) { return "document \(count) of it: \(problem)" }
      if count > 1 { workspace.repeatDocument("split", bytes: part.text.count) }
    }
    return count > 0 ? nil : "its \"documents\" has none; drop the document with a \"reason\""
  }

  /// What a part does not say it has from the whole.
  private func fill(_ part: inout Document, from json: UnsafeRawBufferPointer) -> String? {
    var wrong: String?
    var hasText = false
    let problem = members.read(copying: json) { field in
      func take(_ value: inout [UInt8], _ kind: JSONObjectReader.Kind = .string) {
        if field.kind == kind { value = Array(field.value) } else { wrong = "a member has a value of another kind" }
      }
      if field.has(key: "text") {
        hasText = true
        take(&part.text)
      } else if field.has(key: "id") {
        take(&part.id)
      } else if field.has(key: "source") {
        take(&part.source)
      } else if field.has(key: "metadata") {
        take(&part.metadata, .object)
      } else if field.has(key: "added") {
        take(&part.added)
      } else if field.has(key: "created") {
        take(&part.created)
      } else if field.has(key: "version") {
        take(&part.version)
      } else {
        wrong = "it has an unknown member \"\(Frame.shown(field.key))\""
      }
    }
    return problem ?? wrong ?? (hasText ? nil : "it has no \"text\"")
  }

  // MARK: Figures

  private func add(_ json: UnsafeRawBufferPointer) -> String? {
    var wrong: String?
    let problem = members.read(copying: json) { field in
      let name = String(decoding: field.key, as: UTF8.self)
      guard DropReason.isName(name), field.kind == .number,
        let value = Double(String(decoding: field.value, as: UTF8.self)),
        value.isFinite
      else { return wrong = "its metric '\(Frame.shown(field.key))' is not a name with a number" }
      metrics[name, default: 0] += value
    }
    guard metrics.count <= Self.mostNames else { return "it is the \(Self.mostNames + 1)th metric" }
    return problem ?? wrong
  }
}
