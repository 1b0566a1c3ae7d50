import Glibc
import ShardKit

/// The state of a multipart upload, in a folder: the URLs of its parts, and the parts that the storage has.
///
/// The URLs are signed, so only the owner can read their file. Both files are deleted when the object is complete. If a
/// new response refers to another upload id, the parts are uploaded again from the start.
struct HubPartsState {
  private let addresses: String
  private let tags: String
  /// By part number, starting at 1.
  private(set) var etags: [Int: String] = [:]

  init(folder: String, oid: String) {
    addresses = "\(folder)/\(oid).upload"
    tags = "\(folder)/\(oid).parts"
  }

  /// The interrupted upload; nil if there is none or its files are invalid.
  mutating func resume(objectBytes: Int64) -> HubObjectTransfer? {
    guard let json = try? JSONValue.parse(FileSystem.read(addresses, limit: 64 << 20)).value,
      let target = json["target"]?.string.flatMap({ try? WebURL($0) }), let bytes = json["partBytes"]?.integer,
      bytes > 0
    else { return nil }
    let parts = json["parts"]?.array?.compactMap { $0.string.flatMap { try? WebURL($0) } } ?? []
    var transfer = HubObjectTransfer(target: target, parts: parts, partBytes: Int64(bytes))
    guard transfer.hasParts(for: objectBytes) else { return nil }
    transfer.verify = json["verify"]?.string.flatMap { try? WebURL($0) }
    readTags(upload: transfer.upload, count: parts.count)
    return transfer
  }

  /// Lines that a kill cut off are ignored.
  private mutating func readTags(upload: String, count: Int) {
    etags = [:]
    guard let text = try? FileSystem.read(tags, limit: 64 << 20) else { return }
    for line in text.split(separator: 10) {
      guard let entry = try? JSONValue.parse(Array(line)).value, entry["upload"]?.string == upload,
        let number = entry["part"]?.integer, number >= 1, number <= count, let etag = entry["etag"]?.string
      else { continue }
      etags[number] = etag
    }
  }

  /// Resumes an upload or starts one. Parts of another upload cannot be used.
  mutating func begin(_ transfer: HubObjectTransfer) throws(NetError) {
    readTags(upload: transfer.upload, count: transfer.parts.count)
    let json: JSONValue = [
      "target": .string(transfer.target.text), "partBytes": .integer(Int(transfer.partBytes)),
      "parts": .strings(transfer.parts.map(\.text)), "verify": transfer.verify.map { .string($0.text) } ?? .null,
    ]
    try write(Array(json.text().utf8), to: addresses, flags: O_TRUNC)
  }

  mutating func add(part: Int, etag: String, upload: String) throws(NetError) {
    etags[part] = etag
    let line: JSONValue = ["upload": .string(upload), "part": .integer(part), "etag": .string(etag)]
    // Also begins with a line end, so that a preceding line that was cut off does not damage this one.
    try write(Array("\n\(line.text())\n".utf8), to: tags, flags: O_APPEND)
  }

  private func write(_ bytes: [UInt8], to path: String, flags: Int32) throws(NetError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o600)
    guard descriptor >= 0 else { throw NetError(FileSystem.error(path, "cannot be written")) }
    defer { close(descriptor) }
    var done = 0
    while done < bytes.count {
      let count = bytes[done...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        throw NetError(FileSystem.error(path, "cannot be written"))
      }
      done += count
    }
  }

  mutating func discard() throws(NetError) {
    etags = [:]
    do throws(ShardError) {
      try FileSystem.remove(addresses)
      try FileSystem.remove(tags)
    } catch { throw NetError(error) }
  }
}
