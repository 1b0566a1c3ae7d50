public import ShardKit

/// A record of a web archive (WARC/1.1, ISO 28500:2017).
public struct WARCRecord: Equatable, Sendable {
  public enum Kind: String, Sendable {
    case warcinfo, response, request, metadata, resource, revisit, conversion, continuation
  }

  /// `WARC-Type` and all other named fields, in order. `Content-Length` is computed from the block.
  public var headers: HTTPHeaders
  public var block: [UInt8]

  public init(headers: HTTPHeaders, block: [UInt8]) {
    self.headers = headers
    self.block = block
  }

  /// A new record with a new id.
  /// - Parameter at: seconds since 1970.
  public init(_ kind: Kind, target: String?, at seconds: Int, contentType: String?, block: [UInt8]) {
    headers = HTTPHeaders()
    headers.add("WARC-Type", kind.rawValue)
    if let target { headers.add("WARC-Target-URI", target) }
    headers.add("WARC-Date", Self.date(seconds))
    headers.add("WARC-Record-ID", Self.newID())
    if let contentType { headers.add("Content-Type", contentType) }
    self.block = block
  }

  /// nil for a type that WARC/1.1 does not define. Some writers use capitals.
  public var kind: Kind? { headers["WARC-Type"].flatMap { Kind(rawValue: $0) ?? Kind(rawValue: $0.lowercased()) } }
  public var id: String { headers["WARC-Record-ID"] ?? "" }
  public var target: String? {
    // Some writers use angle brackets, as in the grammar of WARC/1.0.
    headers["WARC-Target-URI"].map { $0.hasPrefix("<") && $0.hasSuffix(">") ? String($0.dropFirst().dropLast()) : $0 }
  }

  /// The HTTP message in the block of a response, a request or a revisit: its head and the start of its body.
  public var message: (head: HTTPResponse.Head, body: Int)? { HTTPResponse.Head.parse(block) }

  /// The record's bytes, uncompressed.
  var bytes: [UInt8] {
    var out = Array("WARC/1.1\r\n".utf8)
    for field in headers.fields { out += Array("\(field.name): \(field.value)\r\n".utf8) }
    out += Array("Content-Length: \(block.count)\r\n\r\n".utf8)
    out += block
    out += [13, 10, 13, 10]
    return out
  }

  /// One gzip member, so that each record can be read separately.
  /// - Throws: `ShardError` (`.io`) if zlib cannot be initialized.
  public func compressed() throws(ShardError) -> [UInt8] {
    let collected = CollectingSink()
    let sink = try GzipSink(collected)
    try sink.write(bytes)
    try sink.commit()
    return collected.bytes
  }

  /// `2026-01-31T08:00:00Z`
  static func date(_ seconds: Int) -> String {
    let moment = CivilTime(secondsSince1970: seconds)
    return "\(moment.date())T\(moment.time())Z"
  }

  private static func newID() -> String {
    var bytes = (0..<16).map { _ in UInt8.random(in: 0...255) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let hex = Array(hexadecimal(bytes))
    let parts = [hex[0..<8], hex[8..<12], hex[12..<16], hex[16..<20], hex[20..<32]]
    return "<urn:uuid:\(parts.map { String($0) }.joined(separator: "-"))>"
  }
}

/// Keeps written bytes in memory.
final class CollectingSink: ByteSink {
  private(set) var bytes: [UInt8] = []
  func write(_ bytes: UnsafeRawBufferPointer) { self.bytes.append(contentsOf: bytes) }
  func commit() {}
}

extension HTTPResponse.Head {
  /// A status line or request line with its fields, up to the empty line; nil if there is none within 1 MiB.
  static func parse(_ block: [UInt8]) -> (head: HTTPResponse.Head, body: Int)? {
    var head = HTTPResponse.Head(status: 0, reason: "", version: "")
    var at = 0
    var isFirst = true
    while at < min(block.count, 1 << 20), let end = block[at...].firstIndex(of: 10) {
      var stop = end
      while stop > at, block[stop - 1] == 13 || block[stop - 1] == 32 || block[stop - 1] == 9 { stop -= 1 }
      let line = String(decoding: block[at..<stop], as: UTF8.self)
      at = end + 1
      if line.isEmpty { return isFirst ? nil : (head, at) }
      if isFirst {
        isFirst = false
        let parts = line.split(separator: " ", maxSplits: 2)
        guard line.prefix(5).uppercased() == "HTTP/" else { continue }
        head.version = String(parts[0].dropFirst(5))
        head.status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        head.reason = parts.count > 2 ? String(parts[2]) : ""
      } else if let colon = line.firstIndex(of: ":") {
        let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        head.headers.add(String(line[..<colon].prefix { $0 != " " && $0 != "\t" }), String(value))
      }
    }
    return nil
  }
}
