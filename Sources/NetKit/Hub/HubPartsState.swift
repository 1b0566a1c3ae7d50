import Glibc
import ShardKit

/// A multipart upload on its way, in a folder: where its parts go, and which of them the storage has.
///
/// Addresses are signed, so their file is readable by its owner alone, and both go when the object is complete. The
/// storage knows an upload by its own name: where a new answer means another upload, the parts begin anew.
struct HubPartsState {
  private let addresses: String
  private let tags: String
  /// By part, counted from 1.
  private(set) var etags: [Int: String] = [:]

  init(folder: String, oid: String) {
    addresses = "\(folder)/\(oid).upload"
    tags = "\(folder)/\(oid).parts"
  }

  /// The upload that was left; nil where there is none or its files make no sense.
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

  /// Lines that a kill cut short are passed over.
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

  /// Goes on with an upload, or begins one: parts of another upload are worth nothing.
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
    // Begun with a line end too: what a kill cut short must not spoil this line.
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
