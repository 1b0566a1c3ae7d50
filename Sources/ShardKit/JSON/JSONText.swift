import CKernels

/// Writing JSON as bytes.
public enum JSONText {
  /// Appends `bytes` (UTF-8) as a JSON string with its quotes.
  public static func append(string bytes: UnsafeRawBufferPointer, to out: inout [UInt8]) {
    out.append(0x22)
    let source = bytes.bindMemory(to: UInt8.self)
    if let base = source.baseAddress {
      // Most text needs no escaping, so first try without room for escapes.
      let plain = pl_json_plain_prefix(base, source.count)
      out.append(contentsOf: source[..<plain])
      if plain < source.count { escape(UnsafeBufferPointer(rebasing: source[plain...]), to: &out) }
    }
    out.append(0x22)
  }

  public static func append(string bytes: [UInt8], to out: inout [UInt8]) {
    bytes.withUnsafeBytes { append(string: $0, to: &out) }
  }

  public static func append(string: String, to out: inout [UInt8]) {
    var string = string
    string.withUTF8 { append(string: UnsafeRawBufferPointer($0), to: &out) }
  }

  private static func escape(_ rest: UnsafeBufferPointer<UInt8>, to out: inout [UInt8]) {
    let piece = 4096
    var start = 0
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: piece * 6) { room in
      while start < rest.count {
        let count = min(piece, rest.count - start)
        let written = pl_json_escape(rest.baseAddress! + start, count, room.baseAddress!)
        out.append(contentsOf: room[..<written])
        start += count
      }
    }
  }
}
