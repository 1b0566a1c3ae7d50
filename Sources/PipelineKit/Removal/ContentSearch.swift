import ShardKit

/// Searches one file, with everything that is packed in it.
struct ContentSearch {
  let index: SearchIndex
  let decode: StoreSearch.Decoder
  let isStopped: () -> Bool
  private(set) var hits: Set<SearchIndex.Hit> = []
  /// Ids that stand between other bytes, with the hashes of the longer runs around them.
  private(set) var bare: [(document: Int, around: Set<UInt64>)] = []
  /// Decompressed.
  private(set) var bytes: Int64 = 0
  /// What was not searched, or only as it is.
  private(set) var reasons: [String] = []

  /// Each of them may take some 30 kB.
  private static let mostBare = 1024
  /// Members of archives, and texts in other encodings, are read as a whole.
  private static let mostBytes = 256 << 20
  private static let mostNested = 4

  init(_ index: SearchIndex, decode: @escaping StoreSearch.Decoder, isStopped: @escaping () -> Bool) {
    (self.index, self.decode, self.isStopped) = (index, decode, isStopped)
  }

  /// - Throws: `ShardError` if the file cannot be read at all; `StageError` (`.cancelled`) after a request to stop.
  mutating func search(_ path: String) throws {
    do { try search(stream: try Self.open(path), path) } catch {
      guard let error = error as? ShardError else { throw error }
      // Nothing may escape because its file is damaged, or only looks compressed.
      guard FileSystem.exists(path) else { return }
      reasons.append(error.message)
      bytes = 0
      try search(stream: try FileSource(path), nil)
    }
  }

  static func open(_ path: String) throws(ShardError) -> any ByteSource {
    if try ParquetFile.isOne(path) { return try ParquetLines(path) }
    return try openSource(path)
  }

  /// - Parameter path: of the file that it comes from; nil: it is searched as it is.
  private mutating func search(stream source: any ByteSource, _ path: String?) throws {
    let observed = ObservedSource(source)
    var (found, bare, isCut) = (hits, bare, false)
    func note(_ document: Int, _ around: () -> Set<UInt64>) {
      if bare.count < Self.mostBare { bare.append((document, around())) } else { isCut = true }
    }
    let count = try index.search(observed, isStopped, bare: note) { found.insert($0) }
    (hits, self.bare, bytes) = (found, bare, bytes + count)
    if isCut { reasons.append("has more than \(Self.mostBare) places that may be ids") }
    guard let path else { return }
    switch Container(observed.head) {
    case .zip where try Compression.detect(path) == .none: try search(zip: try ZipReader(path: path), 0)
    case .zip: reasons.append("has a zip archive within another compression")
    case .other(let name): reasons.append("is \(name)")
    case nil:
      if observed.isOtherText, count <= Self.mostBytes {
        try search(text: try Self.open(path).readAll(limit: Self.mostBytes))
      }
    }
  }

  private mutating func search(text bytes: [UInt8]) throws {
    if let text = decode(bytes) { try search(stream: MemorySource(text), nil) }
  }

  private mutating func search(zip: ZipReader, _ depth: Int) throws {
    // What is too large and stored as it is was searched with the archive.
    for entry in zip.entries
    where !entry.isDirectory && !(entry.bytes == entry.compressedBytes && entry.bytes > Self.mostBytes) {
      try search(entry, of: zip, depth)
    }
  }

  private mutating func search(_ entry: ZipReader.Entry, of zip: ZipReader, _ depth: Int) throws {
    let name = String(decoding: entry.name, as: UTF8.self)
    do throws(ShardError) {
      let content = try zip.read(entry, limit: Self.mostBytes)
      do { try search(member: content, name, depth + 1) } catch {
        guard let error = error as? ShardError else { throw ShardError(.io, name, "\(error)") }
        throw error
      }
    } catch { reasons.append("member \(name) \(error.message)") }
    if isStopped() { throw StageError(.cancelled, "the search of the store", "was stopped") }
  }

  private mutating func search(member content: [UInt8], _ name: String, _ depth: Int) throws {
    guard depth <= Self.mostNested else { return reasons.append("member \(name) is packed too often") }
    let compression = Compression.detect(content)
    if compression != .none {
      let unpacked = try decompress(MemorySource(content), compression).readAll(limit: Self.mostBytes)
      return try search(member: unpacked, name, depth + 1)
    }
    let source = ObservedSource(MemorySource(content))
    try search(stream: source, nil)
    switch Container(source.head) {
    case .zip: try search(zip: try ZipReader(content, name: name), depth)
    case .other(let kind): reasons.append("member \(name) is \(kind)")
    case nil: if source.isOtherText { try search(text: content) }
    }
  }
}

/// Formats that keep text packed, by their first bytes.
private enum Container {
  case zip
  /// One that cannot be opened here.
  case other(String)

  init?(_ head: [UInt8]) {
    let names: [(bytes: [UInt8], name: String)] = [
      ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive, which cannot be opened"),
      (Array("Rar!".utf8) + [0x1A, 0x07], "a RAR archive, which cannot be opened"),
      (Array("%PDF-".utf8), "a PDF document, whose text is packed"),
      ([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], "an older Office document, which cannot be opened"),
    ]
    if head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6]) {
      self = .zip
    } else if let found = names.first(where: { head.starts(with: $0.bytes) }) {
      self = .other(found.name)
    } else {
      return nil
    }
  }
}

/// Passes a stream on, and learns how it begins and whether it is a text in UTF-8.
private final class ObservedSource: ByteSource {
  private let source: any ByteSource
  private(set) var head: [UInt8] = []
  private var isUTF8 = true
  /// Bytes of a character that are to come.
  private var missing = 0
  var name: String { source.name }

  private static let headBytes = 1 << 12

  init(_ source: any ByteSource) { self.source = source }

  /// Whether it is a text, as far as its beginning tells, and not in UTF-8.
  var isOtherText: Bool { !isUTF8 && !head.contains(0) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(ShardError) -> Int {
    let count = try source.read(into: buffer)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    if head.count < Self.headBytes { head += bytes.prefix(Self.headBytes - head.count) }
    if isUTF8 { check(bytes) }
    return count
  }

  /// Looks at lengths alone, which no long text of another encoding keeps.
  private func check(_ bytes: UnsafeRawBufferPointer) {
    for byte in bytes {
      if byte & 0xC0 == 0x80 {
        if missing == 0 { return isUTF8 = false }
        missing -= 1
      } else {
        if missing > 0 || byte >= 0xF8 { return isUTF8 = false }
        missing = byte < 0xC0 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3
      }
    }
  }
}
