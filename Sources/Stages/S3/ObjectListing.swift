import Glibc
import NetKit
import PipelineKit
import ShardKit

/// An object to download.
struct ListedObject: Codable, Equatable, Sendable {
  var bucket: String
  var key: String
  var bytes: Int64
  var etag: String
  /// The name relative to the prefix.
  var name: String

  init(bucket: String, entry: S3Entry, name: String) {
    self.bucket = bucket
    key = entry.key
    bytes = entry.bytes
    etag = entry.etag
    self.name = name
  }

  private var place: S3Location { S3Location(bucket: bucket, key: key) }

  /// A line of the listing.
  func line() throws(JSONCodingError) -> [UInt8] { Array(try JSONValue.encoding(self).text().utf8) + [10] }

  static func read(_ path: String) throws -> [ListedObject] {
    var out: [ListedObject] = []
    let lines = LineReader(try openSource(path))
    while let line = try lines.next() {
      guard let object = try? JSONValue.parse(Array(line)).decode(ListedObject.self) else {
        throw StageError(.input, path, "contains an invalid object entry", hint: "Run with --force.")
      }
      out.append(object)
    }
    return out
  }

  static func grouped(_ objects: [ListedObject], bytes: Int64) -> [[ListedObject]] {
    var groups: [[ListedObject]] = []
    var size: Int64 = 0
    for object in objects {
      if groups.isEmpty || size + object.bytes > bytes || groups.last!.count >= 1000 {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(object)
      size += object.bytes
    }
    return groups
  }

  /// Downloads the listed version and checks it against all known sizes and digests.
  func fetch(_ client: S3Client, to path: String, maximumBytes: Int64) throws -> DownloadedFile {
    guard let head = try client.head(place), head.etag.unquoted == etag.unquoted else {
      throw StageError(
        .input, "\(place)", "was replaced or removed after the listing",
        hint: "Set another \"snapshot\" to list again.")
    }
    var expected = DownloadExpectation(bytes: bytes)
    if let digest = head.digest, let sum = Checksum(.sha256, hex: digest.hex) { expected.checksums.append(sum) }
    if !head.isEncryptedElsewhere, let sum = Checksum(.md5, hex: head.etag.unquoted) { expected.checksums.append(sum) }
    return try client.download(
      place, to: path, etag: head.etag, maximumBytes: maximumBytes, expecting: expected)
  }
}

/// The objects below a prefix, as files.
struct ObjectListing {
  private let root: S3Location
  private let options: S3Download.Options

  init(_ root: S3Location, _ options: S3Download.Options) {
    self.root = root
    self.options = options
  }

  /// Sorted by key.
  func objects(_ client: S3Client, _ control: TaskControl) throws -> [ListedObject] {
    let folder = root.key.isEmpty ? root : root.appending("")
    var objects: [ListedObject] = []
    let asked = S3Location(bucket: folder.bucket, key: folder.key + Self.commonBeginning(of: options.match))
    try client.list(asked) { entry in
      try control.check()
      let name = String(decoding: entry.key.utf8.dropFirst(folder.key.utf8.count), as: UTF8.self)
      // S3 consoles mark a folder with an empty object.
      if name.isEmpty || name.hasSuffix("/") && entry.bytes == 0 { return }
      guard matches(name) else { return }
      objects.append(ListedObject(bucket: root.bucket, entry: entry, name: name))
      guard objects.count <= options.maximumObjects else {
        throw StageError(
          .input, "\(root)", "has more than \(options.maximumObjects) objects",
          hint: "Narrow \"from\" or \"match\", or raise \"maximumObjects\".")
      }
    }
    if objects.isEmpty, let object = try single(client) { objects = [object] }
    guard !objects.isEmpty else {
      throw StageError(
        .input, "\(root)", "has no objects" + (options.match.isEmpty ? "" : " that match \"match\""),
        hint: "Check the bucket, the prefix and \"match\".")
    }
    try check(objects)
    return objects
  }

  /// The place may also be a single object.
  private func single(_ client: S3Client) throws -> ListedObject? {
    guard !root.key.isEmpty, !root.key.hasSuffix("/"), let object = try client.head(root) else { return nil }
    let name = ArchivePath.lastPart(of: root.key)
    let entry = S3Entry(key: root.key, bytes: object.bytes, etag: object.etag)
    return matches(name) ? ListedObject(bucket: root.bucket, entry: entry, name: name) : nil
  }

  /// The common prefix of all patterns, so that a bucket of millions is not listed for a few objects.
  static func commonBeginning(of patterns: [String]) -> String {
    let beginnings = patterns.map { $0.unicodeScalars.prefix { !"*?[\\".unicodeScalars.contains($0) } }
    guard var common = beginnings.first else { return "" }
    for other in beginnings.dropFirst() {
      common = common.prefix(zip(common, other).prefix { $0 == $1 }.count)
    }
    return String(Substring(common))
  }

  private func matches(_ name: String) -> Bool {
    options.match.isEmpty || options.match.contains { fnmatch($0, name, 0) == 0 }
  }

  /// Keys may be any text; file names may not.
  private func check(_ objects: [ListedObject]) throws {
    let names = Set(objects.map { ExactText($0.name) })
    for object in objects {
      let place = S3Location(bucket: root.bucket, key: object.key)
      let parts = ArchivePath.parts(object.name)
      guard ArchivePath.isSafe(object.name), !parts.contains(where: { $0.isEmpty || $0 == "." }),
        parts.allSatisfy({ $0.utf8.count <= 240 })
      else {
        throw StageError(.input, "\(place)", "its key is not a valid file name", hint: "Exclude it with \"match\".")
      }
      for end in parts.indices.dropLast() where names.contains(ExactText(parts[...end].joined(separator: "/"))) {
        throw StageError(
          .input, "\(place)", "its key uses another object as a folder",
          hint: "Exclude one of them with \"match\".")
      }
      guard object.bytes <= Int64(options.maximumBytes.bytes) else {
        throw StageError(
          .input, "\(place)", "has \(object.bytes) bytes; the limit is \(options.maximumBytes.bytes)",
          hint: "Raise \"maximumBytes\", or exclude it with \"match\".")
      }
    }
  }
}
