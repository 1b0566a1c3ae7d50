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

  /// Reads an `index.json`.
  /// - Throws: what `FileSystem.read` throws; `ShardError` as `init(text:name:)` does.
  public init(path: String) throws(ShardError) {
    try self.init(text: try FileSystem.read(path), name: path)
  }

  /// Parses the text of an index.
  /// - Throws: `ShardError` if it is damaged (`.malformed`) or not an index of MDS, version 2 (`.unsupported`).
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
      let shard: MDSShard
      do { shard = try MDSShard(json: entry) } catch { throw ShardError(.malformed, name, "shard \(number): \(error)") }
      for file in [shard.raw, shard.zip ?? shard.raw] where !ArchivePath.isSafe(file.basename) {
        throw ShardError(.malformed, name, "shard \(number) is outside the folder: '\(file.basename)'")
      }
      shards.append(shard)
    }
    self.shards = shards
  }
}

extension MDSFile: Codable {
  private enum CodingKeys: CodingKey { case basename, bytes, hashes }

  /// Missing hashes are none; those of other types are passed over.
  /// - Throws: what the decoder throws for a missing or wrong member; `JSONCodingError` for a negative size.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let hashes = try container.decodeIfPresent([String: JSONValue].self, forKey: .hashes) ?? [:]
    self.init(
      basename: try container.decode(String.self, forKey: .basename),
      bytes: try container.decode(Int.self, forKey: .bytes, in: 0...Int.max), hashes: hashes.compactMapValues(\.string))
  }
}

extension MDSShard: JSONRecord {
  private enum CodingKeys: String, CodingKey {
    case columnEncodings = "column_encodings"
    case columnNames = "column_names"
    case columnSizes = "column_sizes"
    case compression, format, hashes
    case raw = "raw_data"
    case samples
    case sizeLimit = "size_limit"
    case version
    case zip = "zip_data"
  }

  /// Writes an entry of `index.json`.
  /// - Throws: what the encoder throws.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(columns.map(\.encoding.name), forKey: .columnEncodings)
    try container.encode(columns.map(\.name), forKey: .columnNames)
    try container.encode(columns.map(\.encoding.fixedBytes), forKey: .columnSizes)
    try container.encode(compression, forKey: .compression)
    try container.encode("mds", forKey: .format)
    try container.encode(hashes, forKey: .hashes)
    try container.encode(raw, forKey: .raw)
    try container.encode(samples, forKey: .samples)
    try container.encode(sizeLimit, forKey: .sizeLimit)
    try container.encode(2, forKey: .version)
    try container.encode(zip, forKey: .zip)
  }

  /// Reads an entry of `index.json`.
  /// - Throws: `DecodingError` if it is of another version or its columns are wrong; what the decoder throws.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func refuse(_ key: CodingKeys, _ message: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: container, debugDescription: message)
    }
    guard try container.decode(Int.self, forKey: .version) == 2 else { throw refuse(.version, "is not 2") }
    guard try container.decode(String.self, forKey: .format) == "mds" else { throw refuse(.format, "is not \"mds\"") }
    let names = try container.decode([String].self, forKey: .columnNames)
    let encodings = try container.decode([String].self, forKey: .columnEncodings)
    guard names.count == encodings.count, !names.isEmpty else {
      throw refuse(.columnNames, "are \(names.count), with \(encodings.count) encodings")
    }
    columns = try Swift.zip(names, encodings).map { name, text in
      guard let encoding = MDSEncoding(name: text) else { throw refuse(.columnEncodings, "'\(text)' is not known") }
      return MDSColumn(name, encoding)
    }
    compression = try container.decodeIfPresent(String.self, forKey: .compression)
    hashes = try container.decodeIfPresent([String].self, forKey: .hashes) ?? []
    sizeLimit = try container.decodeIfPresent(Int.self, forKey: .sizeLimit)
    samples = try container.decode(Int.self, forKey: .samples, in: 0...Int(UInt32.max))
    raw = try container.decode(MDSFile.self, forKey: .raw)
    zip = try container.decodeIfPresent(MDSFile.self, forKey: .zip)
  }
}
