/// A file of an MDS data set: its path, its size, and its hashes by algorithm.
public struct MDSFile: Equatable, Sendable {
  public var basename: String
  public var bytes: Int
  public var hashes: [String: String]

  public init(basename: String, bytes: Int, hashes: [String: String]) {
    self.basename = basename
    self.bytes = bytes
    self.hashes = hashes
  }
}

/// One entry of `index.json`.
public struct MDSShard: Equatable, Sendable {
  public var columns: [MDSColumn]
  /// As written; may name an unsupported algorithm.
  public var compression: String?
  public var hashes: [String]
  public var sizeLimit: Int?
  public var samples: Int
  public var raw: MDSFile
  public var zip: MDSFile?

  /// The file on disk.
  public var stored: MDSFile { zip ?? raw }

  /// The same shard as number `number` of its data set: `shard.00042.mds`, `shard.00042.mds.zstd`.
  public func numbered(_ number: Int) -> MDSShard {
    var copy = self
    copy.raw.basename = "shard.\(padded(number, 5)).mds"
    if var zip {
      let suffix = zip.basename.lastIndex(of: ".").map { zip.basename[$0...] } ?? ""
      zip.basename = copy.raw.basename + suffix
      copy.zip = zip
    }
    return copy
  }
}

/// The `index.json` of an MDS data set.
public struct MDSIndex: Equatable, Sendable {
  public var shards: [MDSShard]

  public init(shards: [MDSShard]) { self.shards = shards }

  public var samples: Int { shards.reduce(0) { $0 + $1.samples } }

  /// In Python's format: sorted keys, separated by `", "` and `": "`.
  public var text: String {
    let index: JSONValue = ["shards": .list(shards.map(\.json)), "version": 2]
    return index.pythonText()
  }

  public init(path: String) throws(ShardError) {
    try self.init(text: try FileSystem.read(path), name: path)
  }

  public init(text: [UInt8], name: String) throws(ShardError) {
    let json: JSONValue
    do { json = try JSONValue.parse(text).value } catch {
      throw ShardError(.malformed, name, "is not valid JSON at byte \(error.offset): \(error.message)")
    }
    guard json["version"]?.integer == 2, let list = json["shards"]?.array else {
      throw ShardError(
        .unsupported, name, "is not an MDS index of version 2", hint: "Use the folder that contains index.json.")
    }
    var shards: [MDSShard] = []
    for (number, entry) in list.enumerated() {
      guard let shard = MDSShard(json: entry) else {
        throw ShardError(
          .malformed, name, "shard \(number) lacks a field of the MDS format or has an unknown encoding")
      }
      for file in [shard.raw, shard.zip ?? shard.raw] where !ArchivePath.isSafe(file.basename) {
        throw ShardError(.malformed, name, "shard \(number) is outside the folder: '\(file.basename)'")
      }
      shards.append(shard)
    }
    self.shards = shards
  }
}

extension MDSFile {
  var json: JSONValue {
    [
      "basename": .string(basename), "bytes": .integer(bytes),
      "hashes": .object(hashes.sorted { $0.key < $1.key }.map { JSONMember($0.key, .string($0.value)) }),
    ]
  }

  init?(json: JSONValue?) {
    guard let basename = json?["basename"]?.string, let bytes = json?["bytes"]?.integer, bytes >= 0 else {
      return nil
    }
    self.init(basename: basename, bytes: bytes, hashes: [:])
    for member in json?["hashes"]?.members ?? [] { hashes[member.key] = member.value.string }
  }
}

extension MDSShard {
  public var json: JSONValue {
    [
      "column_encodings": .strings(columns.map(\.encoding.name)), "column_names": .strings(columns.map(\.name)),
      "column_sizes": .list(columns.map { $0.encoding.fixedBytes.map { .integer($0) } ?? .null }),
      "compression": compression.map { .string($0) } ?? .null, "format": "mds", "hashes": .strings(hashes),
      "raw_data": raw.json, "samples": .integer(samples), "size_limit": sizeLimit.map { .integer($0) } ?? .null,
      "version": 2, "zip_data": zip?.json ?? .null,
    ]
  }

  public init?(json: JSONValue) {
    guard json["version"]?.integer == 2, json["format"]?.string == "mds",
      let names = json["column_names"]?.array?.map(\.string), !names.contains(nil),
      let encodings = json["column_encodings"]?.array?.map({ $0.string.flatMap(MDSEncoding.init(name:)) }),
      !encodings.contains(nil), names.count == encodings.count, !names.isEmpty,
      let samples = json["samples"]?.integer, (0...Int(UInt32.max)).contains(samples),
      let raw = MDSFile(json: json["raw_data"])
    else { return nil }
    let zipped = json["zip_data"] ?? .null
    columns = Swift.zip(names, encodings).map { MDSColumn($0!, $1!) }
    compression = json["compression"]?.string
    hashes = json["hashes"]?.array?.compactMap(\.string) ?? []
    sizeLimit = json["size_limit"]?.integer
    self.samples = samples
    self.raw = raw
    self.zip = zipped == .null ? nil : MDSFile(json: zipped)
    if zipped != .null && self.zip == nil { return nil }
  }
}
