import ShardKit

/// The header of a safetensors file, checked against the file's length.
struct SafetensorsHeader {
  private(set) var entries: [Safetensors.Entry] = []
  private(set) var metadata: [String: String] = [:]

  /// The header's bytes, of a length that the file and the limit allow.
  static func json(of file: UnsafeRawBufferPointer, file path: String, limit: Int) throws(ShardError) -> [UInt8] {
    guard file.count >= 8 else {
      throw ShardError(
        .truncated, path, "has \(file.count) bytes; a safetensors file begins with 8 of its header's length")
    }
    let length = UInt64(littleEndian: file.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(limit) else {
      throw ShardError(
        .tooLarge, path, "says that its header has \(length) bytes, the limit is \(limit)",
        hint: "Is it a safetensors file?")
    }
    guard Int(length) <= file.count - 8 else {
      throw ShardError(.truncated, path, "ends inside its header of \(length) bytes", hint: "Fetch the file again.")
    }
    return Array(file[8..<(8 + Int(length))])
  }

  init(_ json: [UInt8], dataBytes: Int, file: String) throws(ShardError) {
    let root: JSONValue
    do { root = try JSONValue.parse(json).value } catch {
      throw ShardError(.malformed, file, "has a header that is not JSON at byte \(error.offset): \(error.message)")
    }
    guard let members = root.members else {
      throw ShardError(.malformed, file, "has a header that is \(root.typeName), not an object")
    }
    // The parser compares keys as bytes; as `String`s, names that differ in Unicode normalization are equal too.
    var seen: Set<String> = []
    for member in members {
      guard seen.insert(member.key).inserted else {
        throw ShardError(.malformed, file, "two tensors are called '\(member.key)'")
      }
      if member.key == "__metadata__" {
        metadata = try Self.metadata(member.value, file: file)
      } else {
        entries.append(try Self.entry(member, file: file))
      }
    }
    try order(dataBytes: dataBytes, file: file)
  }

  private static func metadata(_ value: JSONValue, file: String) throws(ShardError) -> [String: String] {
    var out: [String: String] = [:]
    for member in value.members ?? [] {
      guard let text = member.value.string else {
        throw ShardError(
          .malformed, file, "has metadata '\(member.key)' that is \(member.value.typeName), not a string")
      }
      out[member.key] = text
    }
    return out
  }

  private static func entry(_ member: JSONMember, file: String) throws(ShardError) -> Safetensors.Entry {
    func wrong(_ message: String) -> ShardError {
      ShardError(.malformed, file, "tensor '\(member.key)' \(message)")
    }
    guard let typeName = member.value["dtype"]?.string else { throw wrong("has no 'dtype'") }
    guard let type = Safetensors.ElementType(rawValue: typeName) else {
      let known = Safetensors.ElementType.allCases.map(\.rawValue).joined(separator: ", ")
      throw ShardError(
        .unsupported, file, "tensor '\(member.key)' is of type '\(typeName)', known are \(known)",
        hint: "Convert it to one of these.")
    }
    guard let shape = integers(member.value["shape"]) else { throw wrong("has no 'shape' of integers") }
    guard let offsets = integers(member.value["data_offsets"]), offsets.count == 2 else {
      throw wrong("has no 'data_offsets' of two integers")
    }
    guard let bytes = Safetensors.bytes(type: type, shape: shape) else {
      throw wrong("cannot have the shape \(shape)")
    }
    guard offsets[0] >= 0, offsets[1] >= offsets[0] else {
      throw wrong("lies from byte \(offsets[0]) to \(offsets[1])")
    }
    guard offsets[1] - offsets[0] == bytes else {
      throw wrong("of shape \(shape) should have \(bytes) bytes of \(typeName), it has \(offsets[1] - offsets[0])")
    }
    return .init(name: member.key, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }

  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard let array = value?.array else { return nil }
    let numbers = array.compactMap(\.integer)
    return numbers.count == array.count ? numbers : nil
  }

  /// Sorts by place, and refuses gaps, overlaps and a file of another length.
  private mutating func order(dataBytes: Int, file: String) throws(ShardError) {
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var end = 0
    var previous = "the header"
    for entry in entries {
      guard entry.range.upperBound <= dataBytes else {
        throw ShardError(
          .truncated, file,
          "tensor '\(entry.name)' ends at byte \(entry.range.upperBound) of the values, the file has \(dataBytes)",
          hint: "Download the file again.")
      }
      guard entry.range.lowerBound == end else {
        let how = entry.range.lowerBound < end ? "overlaps" : "leaves a gap after"
        throw ShardError(.malformed, file, "tensor '\(entry.name)' \(how) \(previous)")
      }
      end = entry.range.upperBound
      previous = "tensor '\(entry.name)'"
    }
    guard end == dataBytes else {
      throw ShardError(.malformed, file, "has \(dataBytes - end) bytes after \(previous)")
    }
  }
}
