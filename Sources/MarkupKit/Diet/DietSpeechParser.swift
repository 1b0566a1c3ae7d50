public import ShardKit

/// Reads one response of the API, in JSON or XML: `{numberOfRecords, numberOfReturn, …, speechRecord: […]}`, or
/// `meetingRecord` with its own `speechRecord`s inside.
public final class DietSpeechParser {
  private let page = JSONObjectReader()
  private let meeting = JSONObjectReader()
  private let speech = JSONObjectReader()
  /// Members of the speech's meeting, each `"key":value` followed by a comma.
  private var meetingFields: [UInt8] = []
  private var meetingID: [UInt8] = []

  public init() {}

  /// A speech's fields about its meeting, in the order of the records published by LLM-jp.
  public static let meetingKeys: [StaticString] = [
    "issueID", "imageKind", "searchObject", "session", "nameOfHouse", "nameOfMeeting", "issue", "date", "closing",
    "meetingURL", "pdfURL",
  ]
  public static let speechKeys: [StaticString] = [
    "speechID", "speechOrder", "speaker", "speakerYomi", "speakerGroup", "speakerPosition", "speakerRole", "startPage",
    "createTime", "updateTime", "speechURL",
  ]

  /// Calls `body` with each speech as a document: the id is the speechID, the version the issueID, the creation
  /// updateTime, the metadata all other fields of the page. A nil document is a record that is not a speech.
  /// - Throws: `ShardError` (`.malformed`) if it is not such a response, or reports an error; what `body` throws.
  public func read(_ bytes: [UInt8], _ body: (Document?, String) throws -> Void) throws {
    var records: [UInt8] = []
    var isByMeeting = false
    var message: String?
    var isEnvelope = false
    let problem = try DietXML.json(bytes).withUnsafeBytes {
      page.read(copying: $0) { field in
        if field.has(key: "speechRecord") || field.has(key: "meetingRecord"), field.kind == .array {
          records = Array(field.value)
          isByMeeting = field.has(key: "meetingRecord")
          isEnvelope = true
        } else if field.has(key: "numberOfRecords") {
          isEnvelope = true
        } else if field.has(key: "message"), field.kind == .string {
          message = String(decoding: field.value, as: UTF8.self)
        }
      }
    }
    if let problem { throw ShardError(.malformed, "it is not a JSON object: \(problem)") }
    guard isEnvelope else {
      throw ShardError(
        .malformed, message.map { "the API returned an error: \($0)" } ?? "it contains no speech records")
    }
    try records.withUnsafeBytes { records in
      for record in JSONArraySlices(records) {
        if isByMeeting { try readMeeting(record, body) } else { try readSpeech(record, ofMeeting: false, body) }
      }
    }
  }

  private func readMeeting(_ record: UnsafeRawBufferPointer, _ body: (Document?, String) throws -> Void) throws {
    meetingFields.removeAll(keepingCapacity: true)
    meetingID.removeAll(keepingCapacity: true)
    var speeches: [UInt8] = []
    let problem = meeting.read(copying: record) { field in
      if field.has(key: "speechRecord") { speeches = Array(field.value) }
      takeMeeting(field)
    }
    if let problem { return try body(nil, problem) }
    try speeches.withUnsafeBytes { bytes in
      for speech in JSONArraySlices(bytes) { try readSpeech(speech, ofMeeting: true, body) }
    }
  }

  private func takeMeeting(_ field: JSONObjectReader.Field) {
    if field.has(key: "issueID"), field.kind == .string { meetingID = Array(field.value) }
    if Self.meetingKeys.contains(where: { field.has(key: $0) }) { Self.append(field, to: &meetingFields) }
  }

  private func readSpeech(
    _ record: UnsafeRawBufferPointer, ofMeeting: Bool, _ body: (Document?, String) throws -> Void
  ) throws {
    if !ofMeeting {
      meetingFields.removeAll(keepingCapacity: true)
      meetingID.removeAll(keepingCapacity: true)
    }
    var document = Document()
    var fields: [UInt8] = []
    let problem = speech.read(copying: record) { field in
      if field.has(key: "speech") {
        if field.kind == .string { document.text = Self.text(field.value) }
      } else if field.has(key: "speechID") {
        if field.kind == .string { document.id = Array(field.value) }
      } else if field.has(key: "updateTime"), field.kind == .string {
        document.created = Array(field.value)
      } else if !ofMeeting {
        takeMeeting(field)
      }
      if Self.speechKeys.contains(where: { field.has(key: $0) }) { Self.append(field, to: &fields) }
    }
    document.version = meetingID
    if let problem { return try body(nil, problem) }
    guard !document.id.isEmpty, !meetingID.isEmpty else {
      return try body(nil, "a speech has no speechID or no issueID")
    }
    document.metadata = [UInt8(ascii: "{")] + meetingFields + fields.dropLast() + [UInt8(ascii: "}")]
    try body(document, "")
  }

  /// Converts `\r\n` and `\r` to `\n`, and removes white space at the end.
  private static func text(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var text = Array(bytes)
    LineEnds.unify(&text)
    while let last = text.last, last <= 32 { text.removeLast() }
    return text
  }

  private static func append(_ field: JSONObjectReader.Field, to out: inout [UInt8]) {
    JSONText.append(string: field.key, to: &out)
    out.append(UInt8(ascii: ":"))
    switch field.kind {
    case .string: JSONText.append(string: field.value, to: &out)
    case .object, .array: out.append(contentsOf: "null".utf8)  // not used by the API
    default: out.append(contentsOf: field.value)
    }
    out.append(UInt8(ascii: ","))
  }
}
