import ShardKit
import TextKit

/// Checks a content and decodes it to UTF-8.
enum ContentDecoding {
  enum Outcome: Equatable {
    case text([UInt8])
    case failure(reason: String, detail: String)
  }

  /// - Parameters:
  ///   - blob: the content's digest. Software Heritage names its objects by the SHA-1 of their bytes; git's SHA-1,
  ///     which includes a header before them, is accepted too.
  ///   - encoding: as the metadata names it; empty for UTF-8.
  static func text(_ kept: [UInt8], blob: String, encoding: String, limit: Int) -> Outcome {
    guard let bytes = content(kept, blob, limit) else {
      return .failure(
        reason: "digest-mismatch", detail: "\(kept.count) bytes were found that do not match the digest")
    }
    guard var text = utf8(bytes, encoding) else {
      return .failure(reason: "undecodable", detail: "it is not valid \(encoding.isEmpty ? "UTF-8" : encoding)")
    }
    if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
    if text.contains(0) { return .failure(reason: "binary", detail: "it contains NUL characters") }
    return text.isEmpty ? .failure(reason: "empty", detail: "") : .text(text)
  }

  /// The bytes that match the digest: the stored ones, or their decompressed form.
  private static func content(_ kept: [UInt8], _ blob: String, _ limit: Int) -> [UInt8]? {
    let compression = Compression.detect(kept)
    if compression != .none,
      let unpacked = try? decompress(MemorySource(kept), compression).readAll(limit: limit), matches(unpacked, blob)
    {
      return unpacked
    }
    return matches(kept, blob) ? kept : nil
  }

  static func matches(_ bytes: [UInt8], _ blob: String) -> Bool {
    if Checksummer.checksum(bytes, .sha1).hex == blob { return true }
    var git = Checksummer(.sha1)
    Array("blob \(bytes.count)\0".utf8).withUnsafeBytes { git.update($0) }
    bytes.withUnsafeBytes { git.update($0) }
    return git.finish().hex == blob
  }

  /// nil if the bytes are not valid in the encoding, or the encoding is unknown.
  static func utf8(_ bytes: [UInt8], _ encoding: String) -> [UInt8]? {
    let name = encoding.lowercased().filter { $0.isLetter || $0.isNumber }
    if ["", "utf8", "utf8sig", "ascii", "usascii"].contains(name) {
      return bytes.withUnsafeBufferPointer { String(validating: $0, as: UTF8.self) } == nil ? nil : bytes
    }
    guard encoding.utf8.count < 64 else { return nil }
    if name.hasPrefix("utf16") || name.hasPrefix("utf32") {
      let decoded = bytes.withUnsafeBufferPointer { CharacterEncoding.decode($0, as: encoding) }
      return decoded.flatMap { $0.replaced == 0 ? $0.utf8 : nil }
    }
    // Browsers' interpretation of these names: Shift_JIS means code page 932, with a backslash as backslash.
    guard let label = PageEncoding.normalized(encoding),
      let page = bytes.withUnsafeBufferPointer({ PageEncoding.decode($0, as: label) }), page.replacedFraction == 0
    else { return nil }
    return page.text
  }
}
