import PipelineKit
import ShardKit

/// Phase `apply`: what the answers do to the documents of one file.
struct ApplyTask {
  private let options: InferEndpoint.Options
  private let workspace: Workspace
  private let reader: AnswerReader
  private let text: AnswerPath?
  /// Metadata keys with the part of the answer that they get; nil for the model's name.
  private let metadata: [(key: String, path: AnswerPath?)]
  private let minimum: [(path: AnswerPath, bound: Double)]
  private let maximum: [(path: AnswerPath, bound: Double)]
  private let allowed: [(path: AnswerPath, values: Set<ExactText>)]
  private let excluded: [(path: AnswerPath, values: Set<ExactText>)]

  init(_ options: InferEndpoint.Options, _ workspace: Workspace) throws {
    self.options = options
    self.workspace = workspace
    reader = AnswerReader(form: options.reading.answer, schema: nil, reasoningEnd: options.reading.reasoningEnd)
    let use = options.use
    text = AnswerPath(use.textFrom)
    func sorted<Value>(_ table: [String: Value]) -> [(key: String, value: Value)] {
      table.sorted { ExactText($0.key) < ExactText($1.key) }.map { ($0.key, $0.value) }
    }
    metadata = sorted(use.metadataFrom).map { ($0.key, AnswerPath($0.value)) }
    minimum = sorted(use.minimum).map { (AnswerPath($0.key)!, $0.value) }
    maximum = sorted(use.maximum).map { (AnswerPath($0.key)!, $0.value) }
    func values(_ table: [String: [String]]) -> [(path: AnswerPath, values: Set<ExactText>)] {
      sorted(table).map { (AnswerPath($0.key)!, Set($0.value.map { ExactText($0) })) }
    }
    allowed = values(use.allowed)
    excluded = values(use.excluded)
  }

  func run() throws {
    let stream = workspace.documents()
    let output = try workspace.documents(to: InferEndpoint.answered)
    let lines = LineReader(try openSource(try workspace.file("answers").path))
    var document = Document()
    while try stream.next(&document) {
      guard let line = try lines.next(), let (id, answer) = AskedAnswer.read(Array(line)), id == document.id else {
        throw StageError(
          .input, "document '\(document.idString)'", "its answer is not where it should be",
          hint: "Run with --force; kept answers are not asked for again.")
      }
      let reason: DropReason? =
        switch answer {
        case .drop(let reason): reason
        case .content(let content): apply(content, to: &document)
        }
      if let reason { try workspace.drop(document, reason) } else { try output.write(document) }
    }
  }

  /// Changes the document, or says why it is dropped.
  private func apply(_ content: String, to document: inout Document) -> DropReason? {
    let answer: JSONValue
    switch reader.read(content) {
    case .text(let text): answer = .string(text)
    case .json(let json): answer = json
    case .unusable(let why): return .unusable(DropReason.invalid, why)
    }
    if let reason = judged(answer) { return reason }
    let before = document.text
    if let text {
      guard let new = text.value(in: answer)?.string else { return missing(text, "text") }
      document.text = Array(new.utf8)
      if document.text.allSatisfy({ $0 <= 32 }) { return .empty }
    }
    return addMetadata(answer, before, to: &document)
  }

  private func judged(_ answer: JSONValue) -> DropReason? {
    for (path, bound) in minimum {
      guard let value = path.value(in: answer).flatMap(Self.number) else { return missing(path, "number") }
      if value < bound { return DropReason("below-minimum", value: value, threshold: bound, detail: path.text) }
    }
    for (path, bound) in maximum {
      guard let value = path.value(in: answer).flatMap(Self.number) else { return missing(path, "number") }
      if value > bound { return DropReason("above-maximum", value: value, threshold: bound, detail: path.text) }
    }
    return labelled(answer, allowed, "not-allowed", wanted: true)
      ?? labelled(answer, excluded, "excluded", wanted: false)
  }

  private func labelled(
    _ answer: JSONValue, _ lists: [(path: AnswerPath, values: Set<ExactText>)], _ reason: String, wanted: Bool
  ) -> DropReason? {
    for (path, values) in lists {
      guard let value = path.value(in: answer) else { return missing(path, "value") }
      let text = value.string ?? value.text()
      guard values.contains(ExactText(text)) == wanted else {
        return DropReason(reason, detail: "\(path.text) is \(text.prefix(80))")
      }
    }
    return nil
  }

  /// A text answer may be a number too.
  private static func number(_ value: JSONValue) -> Double? {
    value.double ?? value.string.flatMap { Double($0) }.flatMap { $0.isFinite ? $0 : nil }
  }

  private func missing(_ path: AnswerPath, _ what: String) -> DropReason {
    .unusable(DropReason.invalid, "it has no \(what) at \(path.text)")
  }

  private func addMetadata(_ answer: JSONValue, _ before: [UInt8], to document: inout Document) -> DropReason? {
    guard !metadata.isEmpty || !options.use.originalText.isEmpty else { return nil }
    guard var members = JSONMembers(object: document.metadata) else {
      return DropReason("metadata-too-large")
    }
    for (key, path) in metadata {
      let value = path.map { $0.value(in: answer) } ?? .string(options.model)
      guard let value else { return missing(path!, "value") }
      members.set(Array(key.utf8), Array(value.text().utf8))
    }
    if !options.use.originalText.isEmpty {
      before.withUnsafeBytes { _ = members.set(Array(options.use.originalText.utf8), string: $0) }
    }
    document.metadata = members.object
    return nil
  }
}
