public import ShardKit

/// A response of the API with meetings: `{numberOfRecords, nextRecordPosition, meetingRecord: […]}`.
///
/// JSON is requested; a response in XML, the API's default, is accepted too and stored as JSON.
public struct DietAnswer {
  /// The total over all pages.
  public var records: Int
  /// Position of the next page; nil at the end.
  public var next: Int?
  /// Each meeting's bytes, by issueID.
  public var meetings: [(id: String, bytes: [UInt8])] = []

  /// - Returns: the response, or a description of the problem.
  public static func read(_ bytes: [UInt8]) -> Result<DietAnswer, ShardError> {
    var answer = DietAnswer(records: -1)
    var list: [UInt8] = []
    var message: String?
    let json: [UInt8]
    do throws(ShardError) {
      json = try DietXML.json(bytes)
    } catch {
      return .failure(error)
    }
    let problem = json.withUnsafeBytes {
      JSONObjectReader().read(copying: $0) { field in
        if field.has(key: "meetingRecord"), field.kind == .array { list = Array(field.value) }
        if field.has(key: "numberOfRecords") { answer.records = number(field) ?? -1 }
        if field.has(key: "nextRecordPosition") { answer.next = number(field) }
        if field.has(key: "message"), field.kind == .string { message = String(decoding: field.value, as: UTF8.self) }
      }
    }
    if let problem { return .failure(ShardError(.malformed, "it is not a JSON object: \(problem)")) }
    if let message { return .failure(ShardError(.malformed, "the API returned an error: \(message)")) }
    guard answer.records >= 0 else {
      return .failure(ShardError(.malformed, "it does not state the number of records"))
    }
    let reader = JSONObjectReader()
    list.withUnsafeBytes { list in
      for record in JSONArraySlices(list) {
        var id: String?
        _ = reader.read(copying: record) { field in
          if field.has(key: "issueID"), field.kind == .string { id = String(decoding: field.value, as: UTF8.self) }
        }
        if let id { answer.meetings.append((id, Array(record))) }
      }
    }
    return .success(answer)
  }

  private static func number(_ field: JSONObjectReader.Field) -> Int? {
    Int(String(decoding: field.value, as: UTF8.self))
  }
}
