import ShardKit

/// The decoded body of an HTTP response in an archive.
///
/// Archives should store the body as received, or declare that they decoded it. Some declare one and do the other, so
/// the bytes decide.
public enum MessageBody: Equatable {
  /// A truncated body ends before the end of its encoding, its chunks or its stated length.
  case bytes([UInt8], isCut: Bool)
  case tooLarge
  /// In an unsupported encoding, or in one that its bytes do not match.
  case encoded(String)

  public init(_ bytes: ArraySlice<UInt8>, _ headers: HTTPHeaders, limit: Int) {
    var body = Array(bytes)
    var isCut = false
    let encodings = Self.list(headers, "Content-Encoding").filter { $0 != "identity" && $0 != "none" }
    if Self.list(headers, "Transfer-Encoding").contains("chunked") {
      if let joined = Self.joined(body) { (body, isCut) = joined }
    } else if encodings.isEmpty, let length = headers["Content-Length"].flatMap({ Int($0) }) {
      isCut = length > body.count
    }
    self = Self.undone(body, encodings, isCut, limit)
  }

  /// More than any server uses. A crafted body may nest encodings without end.
  private static let maximumLayers = 8

  /// Decodes in the reverse order of encoding. gzip is recognized even if it is not declared.
  private static func undone(_ body: [UInt8], _ encodings: [String], _ isCut: Bool, _ limit: Int) -> MessageBody {
    var (body, isCut) = (body, isCut)
    var named = encodings[...]
    var layers = 0
    while let name = named.popLast() ?? (BodyLayer.isGzip(body) ? "gzip" : nil) {
      layers += 1
      guard layers <= maximumLayers else { return .encoded("more than \(maximumLayers) encodings") }
      switch BodyLayer.undo(name, body, limit) {
      case .bytes(let inner, let isInnerCut): (body, isCut) = (inner, isCut || isInnerCut)
      case .notOn: continue
      case .tooLarge: return .tooLarge
      case .failed(let why): return .encoded(why)
      }
    }
    return .bytes(body, isCut: isCut)
  }

  /// The values of all fields with a name, in lower case.
  private static func list(_ headers: HTTPHeaders, _ name: String) -> [String] {
    headers.fields.filter { $0.name.lowercased() == name.lowercased() }
      .flatMap { $0.value.lowercased().split(separator: ",") }
      .map { String($0.filter { $0 > " " }) }.filter { !$0.isEmpty }
  }

  /// The contents of the available chunks (RFC 9112, 7.1); nil if the body does not begin with one.
  static func joined(_ body: [UInt8]) -> (bytes: [UInt8], isCut: Bool)? {
    var out: [UInt8] = []
    var at = 0
    while at < body.count {
      guard let end = body[at...].prefix(256).firstIndex(of: 10), let size = size(body[at..<end]) else {
        return at == 0 ? nil : (out, true)
      }
      if size == 0 { return (out, false) }
      let (start, isFirst) = (end + 1, at == 0)
      let stop = min(body.count, start + min(size, body.count))
      out.append(contentsOf: body[start..<stop])
      at = stop
      if at < body.count, body[at] == 13 { at += 1 }
      if at < body.count, body[at] == 10 { at += 1 }
      // A text that happens to look like the beginning of a chunk.
      if isFirst, at == stop, at < body.count { return nil }
    }
    return (out, true)
  }

  private static func size(_ line: ArraySlice<UInt8>) -> Int? {
    let digits = line.prefix { $0 != 13 && $0 != UInt8(ascii: ";") && $0 != 32 }
    guard (1...8).contains(digits.count), digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") })
    else { return nil }
    return Int(String(decoding: digits, as: UTF8.self), radix: 16)
  }
}

/// One content encoding of a body.
enum BodyLayer {
  enum Outcome: Equatable {
    case bytes([UInt8], isCut: Bool)
    /// The body is not in this encoding: the archive's writer decoded it.
    case notOn
    case tooLarge
    case failed(String)
  }

  static func isGzip(_ body: [UInt8]) -> Bool { body.starts(with: [0x1F, 0x8B, 8]) }

  static func undo(_ name: String, _ body: [UInt8], _ limit: Int) -> Outcome {
    let source = MemorySource(body, name: "a body")
    switch name {
    case "gzip", "x-gzip": return isGzip(body) ? read(name, try? GzipSource(source), limit) : .notOn
    case "zstd":
      guard Compression.detect(body) == .zstd else { return plain(name, body) }
      // A dictionary may only precede an archive, never a body.
      return read(name, try? ZstdSource(source, readsDictionary: false), limit)
    case "br": return orPlain(name, body, read(name, try? BrotliSource(source), limit))
    case "deflate":
      let isZlib = body.count >= 2 && body[0] & 0x0F == 8 && (Int(body[0]) << 8 | Int(body[1])) % 31 == 0
      return orPlain(name, body, read(name, try? DeflateSource(source, isZlib ? .zlib : .raw), limit))
    default: return plain(name, body)
    }
  }

  /// Valid text is not encoded.
  private static func plain(_ name: String, _ body: [UInt8]) -> Outcome {
    let isText = body.prefix(64).first { $0 > 32 } == UInt8(ascii: "<") || !body.prefix(512).contains { $0 < 9 }
    return isText || isGzip(body) ? .notOn : .failed(name)
  }

  /// These encodings have no signature: a body that cannot be decoded may be text.
  private static func orPlain(_ name: String, _ body: [UInt8], _ outcome: Outcome) -> Outcome {
    switch outcome {
    case .bytes(_, isCut: false), .tooLarge, .notOn: outcome
    case .bytes, .failed: plain(name, body) == .notOn ? .notOn : outcome
    }
  }

  private static func read(_ name: String, _ source: (any ByteSource)?, _ limit: Int) -> Outcome {
    guard let source else { return .failed(name) }
    var out: [UInt8] = []
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { block.deallocate() }
    do throws(ShardError) {
      while true {
        let count = try source.read(into: block)
        if count == 0 { return .bytes(out, isCut: false) }
        guard out.count + count <= limit else { return .tooLarge }
        out.append(contentsOf: block[..<count])
      }
    } catch {
      if error.code == .truncated, !out.isEmpty { return .bytes(out, isCut: true) }
      if let gzip = source as? GzipSource, gzip.isBehindWholeMember { return .bytes(out, isCut: false) }
      return .failed("\(name): \(error.message)")
    }
  }
}
