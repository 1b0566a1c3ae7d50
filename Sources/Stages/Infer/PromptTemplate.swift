import PipelineKit
import ShardKit

/// A prompt with places for a document's fields: `{text}`, `{id}`, `{source}`, `{added}`, `{created}`, `{version}` and
/// `{metadata.KEY}`, whose dots lead into objects. `{metadata.title|untitled}` has a text for documents without the
/// field. `{{` and `}}` are braces.
struct PromptTemplate: Sendable {
  enum Piece: Equatable, Sendable {
    case literal([UInt8])
    /// With the text for documents that lack the field.
    case field(DocumentField, orElse: [UInt8]?)
  }

  let pieces: [Piece]

  /// - Parameter option: where it stands, for messages.
  init(_ text: String, option: String) throws(StageError) {
    var pieces: [Piece] = []
    var literal: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == Self.open || byte == Self.close else {
        literal.append(byte)
        continue
      }
      if rest.first == byte {
        literal.append(byte)
        rest.removeFirst()
        continue
      }
      guard byte == Self.open, let end = rest.firstIndex(of: Self.close) else {
        throw Self.problem(option, text, at: text.utf8.count - rest.count - 1, "a brace stands alone")
      }
      let inside = String(decoding: rest[..<end], as: UTF8.self)
      guard let piece = Self.piece(inside) else {
        throw Self.problem(
          option, text, at: text.utf8.count - rest.count - 1, "'{\(inside)}' is no field of a document")
      }
      if !literal.isEmpty { pieces.append(.literal(literal)) }
      literal = []
      pieces.append(piece)
      rest = rest[rest.index(after: end)...]
    }
    if !literal.isEmpty { pieces.append(.literal(literal)) }
    self.pieces = pieces
  }

  private static let open = UInt8(ascii: "{"), close = UInt8(ascii: "}")

  private static func piece(_ inside: String) -> Piece? {
    let parts = inside.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
    guard let field = DocumentField(String(parts[0])), field != .metadata else { return nil }
    return .field(field, orElse: parts.count > 1 ? Array(parts[1].utf8) : nil)
  }

  private static func problem(_ option: String, _ text: String, at offset: Int, _ what: String) -> StageError {
    let (line, column) = lineAndColumn(of: offset, in: Array(text.utf8))
    return StageError(
      .options, option, "line \(line), column \(column): \(what)",
      hint:
        "Fields are {text}, {id}, {source}, {added}, {created}, {version} and {metadata.KEY}; write {{ and }} for braces."
    )
  }

  /// Whether it has a place for a field of a document.
  var hasFields: Bool {
    pieces.contains { piece in
      if case .field = piece { true } else { false }
    }
  }
}

/// Fills templates with documents' fields. Used by one thread.
final class PromptFiller {
  enum Filled: Equatable {
    case text([UInt8])
    /// The document lacks a field that the template wants.
    case missing(String)
  }

  private let templates: [PromptTemplate]
  private let metadata: MetadataReader

  init(_ templates: [PromptTemplate]) {
    self.templates = templates
    var paths: [String] = []
    for case .field(.member(let path), _) in templates.flatMap(\.pieces) where !paths.contains(path) {
      paths.append(path)
    }
    metadata = MetadataReader(paths)
  }

  /// The text of each template.
  /// - Parameter text: the document's text, or the beginning of it.
  func fill(_ document: Document, text: ArraySlice<UInt8>) -> [Filled] {
    var values = [[UInt8]?](repeating: nil, count: metadata.paths.count)
    metadata.read(document.metadata) { place, value, kind in
      values[place] = kind == .null ? nil : Array(value)
    }
    return templates.map { fill($0, document, text, values) }
  }

  private func fill(
    _ template: PromptTemplate, _ document: Document, _ text: ArraySlice<UInt8>, _ values: [[UInt8]?]
  ) -> Filled {
    var out: [UInt8] = []
    for piece in template.pieces {
      switch piece {
      case .literal(let bytes): out += bytes
      case .field(.text, _): out += text
      case .field(let field, let orElse):
        guard let value = value(field, document, values) ?? orElse else { return .missing(field.name) }
        out += value
      }
    }
    return .text(out)
  }

  /// nil if the document lacks it.
  private func value(_ field: DocumentField, _ document: Document, _ values: [[UInt8]?]) -> [UInt8]? {
    func present(_ bytes: [UInt8]) -> [UInt8]? { bytes.isEmpty ? nil : bytes }
    return switch field {
    case .text: document.text
    case .id: document.id
    case .source: present(document.source)
    case .added: present(document.added)
    case .created: present(document.created)
    case .version: present(document.version)
    case .member(let path): metadata.paths.firstIndex { $0.isExactly(path) }.flatMap { values[$0] }
    case .metadata: nil
    }
  }
}
