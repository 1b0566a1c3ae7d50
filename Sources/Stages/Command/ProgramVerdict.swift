import ShardKit

/// What a program says about one document. The slices are valid until the next verdict is read.
struct ProgramVerdict {
  var id: UnsafeRawBufferPointer?
  var keeps: Bool?
  var text: UnsafeRawBufferPointer?
  /// Members to set.
  var metadata: UnsafeRawBufferPointer?
  var drop: DropReason?
  var documents: UnsafeRawBufferPointer?
  var metrics: UnsafeRawBufferPointer?
  /// What failed for this document in the program, which works on.
  var error: UnsafeRawBufferPointer?

  /// Why it is not one; nil if it is.
  var problem: String? {
    if id == nil { return "it has no \"id\"" }
    let endings = [
      ("drop", drop != nil), ("documents", documents != nil), ("error", error != nil),
      ("keep", keeps != nil || text != nil || metadata != nil),
    ]
    let said = endings.filter(\.1).map { "\"\($0.0)\"" }
    if said.isEmpty { return "it says neither \"keep\", \"text\", \"metadata\", \"drop\", \"documents\" nor \"error\"" }
    if said.count > 1 { return "it says \(said.joined(separator: " and ")) of one document" }
    if keeps == false { return "its \"keep\" is false; a document that is not kept is dropped with a \"reason\"" }
    return nil
  }
}

/// Reads verdicts, one JSON line each.
final class VerdictReader {
  private let json = JSONObjectReader()

  enum Reading {
    case verdict(ProgramVerdict)
    case broken(String)
  }

  /// - Parameter padded: a line, with `JSONObjectReader.padding` readable bytes after it.
  func read(padded line: UnsafeRawBufferPointer) -> Reading {
    var verdict = ProgramVerdict()
    var wrong: String?
    let problem = json.read(padded: line) { field in
      func slice(_ kind: JSONObjectReader.Kind, _ name: String) -> UnsafeRawBufferPointer? {
        if field.kind == kind { return field.value }
        wrong = wrong ?? "its \"\(name)\" is not \(Self.names[kind] ?? "of that kind")"
        return nil
      }
      if field.has(key: "id") {
        verdict.id = slice(.string, "id")
      } else if field.has(key: "keep") {
        verdict.keeps = slice(.bool, "keep").map { $0.first == UInt8(ascii: "t") }
      } else if field.has(key: "text") {
        verdict.text = slice(.string, "text")
      } else if field.has(key: "metadata") {
        verdict.metadata = slice(.object, "metadata")
      } else if field.has(key: "drop") {
        guard let json = slice(.object, "drop") else { return }
        let (reason, problem) = DropReason.reading(json)
        verdict.drop = reason
        if reason == nil { wrong = wrong ?? problem }
      } else if field.has(key: "documents") {
        verdict.documents = slice(.array, "documents")
      } else if field.has(key: "error") {
        verdict.error = slice(.string, "error")
      } else if field.has(key: "metrics") {
        verdict.metrics = slice(.object, "metrics")
      } else {
        wrong = wrong ?? "it has an unknown member \"\(Frame.shown(field.key))\""
      }
    }
    if let problem = problem ?? wrong ?? verdict.problem { return .broken(problem) }
    return .verdict(verdict)
  }

  private static let names: [JSONObjectReader.Kind: String] = [
    .string: "a string", .bool: "true or false", .object: "an object", .array: "a list",
  ]
}

extension DropReason {
  /// Longer details are cut.
  private static let longestDetail = 1000

  /// Reads `{"reason": "too-short", "value": 3, "threshold": 10, "detail": "…"}`.
  /// - Returns: nil with the problem if it is not of this form.
  static func reading(_ json: UnsafeRawBufferPointer) -> (reason: DropReason?, problem: String) {
    guard let value = try? JSONValue.parse(Array(json)).value else { return (nil, "its \"drop\" cannot be read") }
    guard let name = value["reason"]?.string, isName(name) else {
      return (
        nil, "its \"drop\" has no \"reason\" of 1 to 64 letters, digits, dots, dashes or underscores"
      )
    }
    for number in ["value", "threshold"] {
      guard let given = value[number], given != .null, given.double == nil else { continue }
      return (nil, "the \"\(number)\" of its \"drop\" is not a number")
    }
    let detail = value["detail"]?.string.map(shortened)
    return (
      DropReason(name, value: value["value"]?.double, threshold: value["threshold"]?.double, detail: detail), ""
    )
  }

  static func shortened(_ detail: String) -> String { String(detail.prefix(longestDetail)) }

  static func isName(_ name: String) -> Bool { name.wholeMatch(of: #/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/#) != nil }
}
