public import PipelineKit
import ShardKit
public import TrainerCore

extension TextTask.Kind: OptionChoice {}

/// What is known of documents, and where in their metadata it stands.
public struct LabelOptions: StageOptions {
  @Option("The metadata field with the label, such as label or review.verdict.") public var labelField = "label"
  @Option(
    "The metadata field with the second text of a pair, such as sentence2; the document's text is the first. \"\": single "
      + "texts.")
  public var pairField = ""

  public init() {}
}

/// Reads what is known of a document: a label, a list of labels or a number, and the second text of a pair.
final class KnownLabel {
  /// Why a document cannot be learned from.
  struct Unusable: Error { var reason: DropReason }

  /// A document's label as a line of examples has it, and its second text.
  struct Known {
    var label: JSONValue
    var pair: [UInt8]?
  }

  private let reader: MetadataReader
  private let kind: TextTask.Kind
  private let wanted: Set<ExactText>
  private let hasPairs: Bool

  /// - Parameter labels: those that count; empty: all.
  init(_ options: LabelOptions, _ kind: TextTask.Kind, labels: [String]) {
    hasPairs = !options.pairField.isEmpty
    reader = MetadataReader([options.labelField] + (hasPairs ? [options.pairField] : []))
    self.kind = kind
    wanted = Set(labels.map { ExactText($0) })
  }

  func read(_ metadata: [UInt8]) -> Result<Known, Unusable> {
    var found: JSONValue?, pair: [UInt8]?
    reader.read(metadata) { path, value, valueKind in
      if path == 1 {
        if valueKind == .string { pair = Array(value) }
      } else if let label = Self.value(value, valueKind) {
        found = label
      }
    }
    guard let found else { return .failure(Unusable(reason: DropReason("no-label"))) }
    guard !hasPairs || pair != nil else { return .failure(Unusable(reason: DropReason("no-second-text"))) }
    return label(found).map { Known(label: $0, pair: pair) }
  }

  /// Texts, and numbers and truth values as they are written; a list of these.
  private static func value(_ bytes: UnsafeRawBufferPointer, _ kind: JSONObjectReader.Kind) -> JSONValue? {
    switch kind {
    case .object, .null: return nil
    case .array:
      guard let items = try? JSONValue.parse(Array(bytes)).value.array else { return nil }
      let names = items.map { $0.string ?? $0.text() }
      return items.contains { $0.members != nil || $0.array != nil || $0 == .null } ? nil : .strings(names)
    default: return .string(String(decoding: bytes, as: UTF8.self))
    }
  }

  private func label(_ value: JSONValue) -> Result<JSONValue, Unusable> {
    switch kind {
    case .singleLabel:
      guard let name = value.string else { return .failure(Unusable(reason: DropReason("several-labels"))) }
      guard wanted.isEmpty || wanted.contains(ExactText(name)) else {
        return .failure(Unusable(reason: DropReason("other-label", detail: String(name.prefix(80)))))
      }
      return .success(value)
    case .multiLabel:
      let names = value.string.map { [$0] } ?? value.array?.compactMap(\.string) ?? []
      return .success(.strings(names.filter { wanted.isEmpty || wanted.contains(ExactText($0)) }))
    case .regression:
      guard let number = value.string.flatMap({ Double($0) }), number.isFinite else {
        let detail = String((value.string ?? value.text()).prefix(80))
        return .failure(Unusable(reason: DropReason("label-not-a-number", detail: detail)))
      }
      return .success(.number(number))
    }
  }

  /// Writes the documents of a task with what is known of them as lines of examples; drops the others.
  func write(_ workspace: Workspace, to output: Output<Intermediate>) throws {
    let name = workspace.task.key + ".jsonl"
    let file = try workspace.file(output, name)
    let stream = workspace.documents()
    var document = Document()
    while try stream.next(&document) {
      switch read(document.metadata) {
      case .failure(let unusable): try workspace.drop(document, unusable.reason)
      case .success(let known):
        try file.write(LabeledTexts.line(text: document.text, pair: known.pair, label: known.label))
        workspace.consume(bytes: document.text.count)
      }
    }
    try workspace.publish(output, file, name: name)
  }
}
