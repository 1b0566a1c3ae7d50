import NetKit
import ShardKit

/// The body of an HTTP answer in an archive, without what it wore on its way.
///
/// Archives should hold it as it came or say that they undid its encodings; some say the one and did the other, so the
/// bytes decide.
enum MessageBody: Equatable {
  case bytes([UInt8])
  case tooLarge
  /// In an encoding that is not undone here.
  case encoded(String)

  init(_ bytes: ArraySlice<UInt8>, _ headers: HTTPHeaders, limit: Int) {
    var body = Array(bytes)
    if headers["Transfer-Encoding"]?.lowercased().contains("chunked") ?? false, let whole = Self.joined(body) {
      body = whole
    }
    if body.starts(with: [0x1F, 0x8B, 8]) {
      self = Self.unpacked(body, limit)
      return
    }
    let encoding = headers["Content-Encoding"]?.lowercased() ?? "identity"
    let isText = body.prefix(64).first { $0 > 32 } == UInt8(ascii: "<") || !body.prefix(512).contains { $0 < 9 }
    self = encoding == "identity" || encoding.isEmpty || isText ? .bytes(body) : .encoded(encoding)
  }

  /// The chunks' contents (RFC 9112, 7.1), as far as they reach; nil where the body does not begin with one.
  static func joined(_ body: [UInt8]) -> [UInt8]? {
    var out: [UInt8] = []
    var at = 0
    while at < body.count {
      guard let end = body[at...].prefix(64).firstIndex(of: 10), let size = size(body[at..<end]) else {
        return at == 0 ? nil : out
      }
      if size == 0 { return out }
      let start = end + 1
      let stop = min(body.count, start + min(size, body.count))
      out.append(contentsOf: body[start..<stop])
      at = stop
      if at < body.count, body[at] == 13 { at += 1 }
      if at < body.count, body[at] == 10 { at += 1 }
    }
    return out
  }

  private static func size(_ line: ArraySlice<UInt8>) -> Int? {
    let digits = line.prefix { $0 != 13 && $0 != UInt8(ascii: ";") && $0 != 32 }
    guard (1...8).contains(digits.count) else { return nil }
    return Int(String(decoding: digits, as: UTF8.self), radix: 16).flatMap { $0 < 0 ? nil : $0 }
  }

  /// As far as the stream is sound.
  private static func unpacked(_ body: [UInt8], _ limit: Int) -> MessageBody {
    var out: [UInt8] = []
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { block.deallocate() }
    guard let source = try? GzipSource(MemorySource(body)) else { return .encoded("gzip") }
    while let count = try? source.read(into: block), count > 0 {
      guard out.count + count <= limit else { return .tooLarge }
      out.append(contentsOf: block[..<count])
    }
    return out.isEmpty ? .encoded("gzip") : .bytes(out)
  }
}
