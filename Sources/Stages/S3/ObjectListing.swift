import Glibc
import NetKit
import PipelineKit
import ShardKit

/// An object that is to be fetched.
struct ListedObject: Codable, Equatable, Sendable {
  var bucket: String
  var key: String
  var bytes: Int64
  var etag: String
  /// Below the prefix.
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
        throw StageError(.input, path, "a line names no object", hint: "Run with --force.")
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

  /// Fetches the version that was listed and compares it with all that is known of it.
  func fetch(_ client: S3Client, to path: String, maximumBytes: Int64) throws -> DownloadedFile {
    guard let head = try client.head(place), head.etag.unquoted == etag.unquoted else {
      throw StageError(
        .input, "\(place)", "it has been replaced or removed since it was listed",
        hint: "Set another \"snapshot\" to look again.")
    }
    var expected = DownloadExpectation(bytes: bytes)
    if let digest = head.digest, let sum = Checksum(.sha256, hex: digest.hex) { expected.checksums.append(sum) }
    if !head.isEncryptedElsewhere, let sum = Checksum(.md5, hex: head.etag.unquoted) { expected.checksums.append(sum) }
    return try client.download(
      place, to: path, etag: head.etag, maximumBytes: maximumBytes, expecting: expected)
  }
}

/// What there is below a prefix, as files.
struct ObjectListing {
  private let root: S3Location
  private let options: S3Download.Options

  init(_ root: S3Location, _ options: S3Download.Options) {
    self.root = root
    self.options = options
  }

  /// In order of keys.
  func objects(_ client: S3Client, _ control: TaskControl) throws -> [ListedObject] {
    let folder = root.key.isEmpty ? root : root.appending("")
    var objects: [ListedObject] = []
    let asked = S3Location(bucket: folder.bucket, key: folder.key + Self.commonBeginning(of: options.match))
    try client.list(asked) { entry in
      try control.check()
      let name = String(decoding: entry.key.utf8.dropFirst(folder.key.utf8.count), as: UTF8.self)
      // Consoles mark a folder by an empty object.
      if name.isEmpty || name.hasSuffix("/") && entry.bytes == 0 { return }
      guard matches(name) else { return }
      objects.append(ListedObject(bucket: root.bucket, entry: entry, name: name))
      guard objects.count <= options.maximumObjects else {
        throw StageError(
          .input, "\(root)", "there are more than \(options.maximumObjects) objects",
          hint: "Narrow \"from\" or \"match\", or raise \"maximumObjects\".")
      }
    }
    if objects.isEmpty, let object = try single(client) { objects = [object] }
    guard !objects.isEmpty else {
      throw StageError(
        .input, "\(root)", "nothing is there" + (options.match.isEmpty ? "" : " that \"match\" takes"),
        hint: "Check the bucket, the prefix and \"match\".")
    }
    try check(objects)
    return objects
  }

  /// The place may be an object's own.
  private func single(_ client: S3Client) throws -> ListedObject? {
    guard !root.key.isEmpty, !root.key.hasSuffix("/"), let object = try client.head(root) else { return nil }
    let name = ArchivePath.lastPart(of: root.key)
    let entry = S3Entry(key: root.key, bytes: object.bytes, etag: object.etag)
    return matches(name) ? ListedObject(bucket: root.bucket, entry: entry, name: name) : nil
  }

  /// What every match begins with, so that a bucket of millions is not listed for a few of them.
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

  /// Keys are any text; names of files are not.
  private func check(_ objects: [ListedObject]) throws {
    let names = Set(objects.map { ExactText($0.name) })
    for object in objects {
      let place = S3Location(bucket: root.bucket, key: object.key)
      let parts = ArchivePath.parts(object.name)
      guard ArchivePath.isSafe(object.name), !parts.contains(where: { $0.isEmpty || $0 == "." }),
        parts.allSatisfy({ $0.utf8.count <= 240 })
      else {
        throw StageError(.input, "\(place)", "its key makes no name of a file", hint: "Leave it out by \"match\".")
      }
      for end in parts.indices.dropLast() where names.contains(ExactText(parts[...end].joined(separator: "/"))) {
        throw StageError(
          .input, "\(place)", "its key runs through another object as if that were a folder",
          hint: "Leave one of them out by \"match\".")
      }
      guard object.bytes <= Int64(options.maximumBytes.bytes) else {
        throw StageError(
          .input, "\(place)", "it has \(object.bytes) bytes, the limit is \(options.maximumBytes.bytes)",
          hint: "Raise \"maximumBytes\", or leave it out by \"match\".")
      }
    }
  }
}
