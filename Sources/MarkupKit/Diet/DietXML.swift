import ShardKit

/// Converts the XML form of the API's responses (its default) to the JSON form, so that one reader handles both.
///
/// `<data>` contains the counts and `<records><record><recordData>` per meeting or speech. Each element of a record
/// is a member of it; an empty one is null. No DTD is loaded and no entity declared in a response is expanded.
enum DietXML {
  /// Whether a response is XML, by its first character.
  static func isXML(_ bytes: [UInt8]) -> Bool {
    if bytes.starts(with: [0xFE, 0xFF]) || bytes.starts(with: [0xFF, 0xFE]) { return true }
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    return bytes[start...].first { ![9, 10, 13, 32].contains($0) } == UInt8(ascii: "<")
  }

  /// The response as JSON; JSON is returned unchanged.
  static func json(_ bytes: [UInt8]) throws(ShardError) -> [UInt8] {
    guard isXML(bytes) else { return bytes }
    let reader = DietXMLReader()
    try reader.read(bytes)
    return reader.json
  }
}

private final class DietXMLReader: XMLEvents {
  private struct Record {
    var members: [UInt8] = []
    var speeches: [UInt8] = []

    mutating func add(_ key: String, _ value: [UInt8]) {
      if !members.isEmpty { members.append(UInt8(ascii: ",")) }
      JSONText.append(string: key, to: &members)
      members.append(UInt8(ascii: ":"))
      DietXMLReader.append(value, of: key, to: &members)
    }

    var object: [UInt8] { [UInt8(ascii: "{")] + members + [UInt8(ascii: "}")] }
  }

  private var top = Record()
  private var meetings: [UInt8] = []
  private var meeting: Record?
  private var speech: Record?
  private var path: [String] = []
  private var text: [UInt8] = []
  private var problem: ShardError?
  private var parser: XMLPushParser?

  private static let policy = XMLPolicy(
    maximumDepth: 64, refusesEntityDeclarations: true, refusesReferences: true, refusesAttributeDeclarations: true)
  private static let frames: Set = ["data", "records", "record", "recordData", "meetingRecord", "speechRecord"]
  private static let counts: Set = ["numberOfRecords", "numberOfReturn", "startRecord", "nextRecordPosition"]
  private static let numbers = counts.union(["searchObject", "session", "speechOrder", "startPage"])

  /// The parsed response in the JSON form.
  var json: [UInt8] {
    var answer = top
    func list(_ key: String, _ records: [UInt8]) {
      guard !records.isEmpty else { return }
      if !answer.members.isEmpty { answer.members.append(UInt8(ascii: ",")) }
      answer.members += Array("\"\(key)\":[".utf8) + records + [UInt8(ascii: "]")]
    }
    list("meetingRecord", meetings)
    list("speechRecord", top.speeches)
    return answer.object
  }

  func read(_ bytes: [UInt8]) throws(ShardError) {
    let parser = XMLPushParser(self, policy: Self.policy)
    self.parser = parser
    parser.parse(bytes)
    self.parser = nil
    if let fault = parser.fault { problem = ShardError(.malformed, Self.message(fault)) }
    if let problem { throw problem }
  }

  private static func message(_ fault: XMLFault) -> String {
    switch fault.cause {
    case .malformed(nil): "its XML is not well-formed"
    case .malformed(let message?): "its XML is not well-formed in line \(fault.line): \(message)"
    case .declaredAttribute: "it declares attributes, which no response of the API does"
    case .noMemory: "there is no memory for its XML"
    default: fault.message
    }
  }

  private func fail(_ message: String) {
    problem = ShardError(.malformed, message)
    parser?.stop()
  }

  // MARK: Events

  func start(_ tag: XMLStartTag) {
    let name = tag.name.string
    if meeting != nil || speech != nil, let parent = path.last, !Self.frames.contains(parent) {
      return fail("an element <\(name.prefix(40))> is within <\(parent.prefix(40))>")
    }
    path.append(name)
    text.removeAll(keepingCapacity: true)
    switch name {
    case "meetingRecord" where meeting == nil && speech == nil: meeting = Record()
    case "speechRecord" where speech == nil: speech = Record()
    case "meetingRecord", "speechRecord": fail("a <\(name)> is within another record")
    default: break
    }
  }

  func text(_ bytes: UnsafeBufferPointer<UInt8>) { text.append(contentsOf: bytes) }

  func end(_: XMLName, depth: Int) {
    guard let name = path.popLast() else { return }
    defer { text.removeAll(keepingCapacity: true) }
    if name == "speechRecord", let record = speech {
      speech = nil
      if meeting == nil {
        Self.append(record.object, to: &top.speeches)
      } else {
        Self.append(record.object, to: &meeting!.speeches)
      }
    } else if name == "meetingRecord", var record = meeting {
      if !record.members.isEmpty { record.members.append(UInt8(ascii: ",")) }
      record.members += Array("\"speechRecord\":[".utf8) + record.speeches + [UInt8(ascii: "]")]
      Self.append(record.object, to: &meetings)
      meeting = nil
    } else if speech != nil {
      speech?.add(name, text)
    } else if meeting != nil {
      meeting?.add(name, text)
    } else if name == "message" || Self.counts.contains(name) {
      top.add(name, text)
    }
  }

  private static func append(_ object: [UInt8], to list: inout [UInt8]) {
    if !list.isEmpty { list.append(UInt8(ascii: ",")) }
    list += object
  }

  /// Appends a member's value: null if it is empty, a number if the JSON form has one, else a string.
  private static func append(_ text: [UInt8], of key: String, to out: inout [UInt8]) {
    let value = key == "speech" ? text[...] : trimmed(text)
    if value.isEmpty {
      out += Array("null".utf8)
    } else if numbers.contains(key), value.count <= 9, value.allSatisfy({ 0x30...0x39 ~= $0 }),
      value.count == 1 || value.first != 0x30
    {
      out += value
    } else {
      value.withUnsafeBytes { JSONText.append(string: $0, to: &out) }
    }
  }

  private static func trimmed(_ text: [UInt8]) -> ArraySlice<UInt8> {
    let end = (text.lastIndex { $0 > 32 } ?? -1) + 1
    return text[..<end].drop { $0 <= 32 }
  }
}
