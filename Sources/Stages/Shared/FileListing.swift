import NetKit
import PipelineKit
import ShardKit

/// A file's entry in a listing.
struct ListedFile: Codable, Equatable {
  enum Digest: Equatable {
    case checksum(Checksum)
    /// Git's SHA-1 of a file that is stored within git.
    case git(String)
  }

  /// Relative to the listing's root; checked not to lead outside it.
  var path: String
  var digest: Digest
  var bytes: Int64?

  init(path: String, bytes: Int64?, digest: Digest) {
    self.path = path
    self.bytes = bytes
    self.digest = digest
  }

  /// Reads what `line` wrote.
  init(line: [UInt8]) throws(StageError) {
    guard let file = try? JSONValue.parse(line).decode(ListedFile.self), HubRepository.isPath(file.path) else {
      throw StageError(.input, "listing", "a line of the stored listing is damaged", hint: "Run with --force.")
    }
    self = file
  }

  /// A line of the stored listing: everything that identifies the file.
  func line() throws(JSONCodingError) -> [UInt8] { Array(try JSONValue.encoding(self).text().utf8) + [10] }

  init(_ file: HubFile) {
    path = file.path
    bytes = file.bytes
    digest = file.sha256.flatMap { Checksum(.sha256, hex: $0) }.map { .checksum($0) } ?? .git(file.blob)
  }
}

/// One word: `sha256:…`, `git:…`.
extension ListedFile.Digest: Codable {
  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let word = try container.decode(String.self)
    if word.hasPrefix("git:") {
      self = .git(String(word.dropFirst(4)))
    } else if let sum = Checksum(word) {
      self = .checksum(sum)
    } else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(word)' is not a valid digest")
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .checksum(let sum): try container.encode(sum.description)
    case .git(let hex): try container.encode("git:\(hex)")
    }
  }
}

/// The files of a source, sorted by path, each once.
struct FileListing {
  private(set) var files: [ListedFile] = []
  private(set) var repeated = 0
  private var places: [ExactText: Int] = [:]
  private let source: String

  static let maximumFiles = 1_000_000

  init(source: String) { self.source = source }

  /// - Parameter place: for a message, such as "line 12".
  mutating func add(_ file: ListedFile, place: String = "") throws {
    guard HubRepository.isPath(file.path) else {
      let shown = String(String.UnicodeScalarView(file.path.unicodeScalars.filter { $0.value >= 32 }.prefix(100)))
      throw StageError(
        .input, source,
        "\(place.isEmpty ? "" : place + ": ")'\(shown)' leads outside the listing's folder or is not a valid path",
        hint: "Nothing was fetched: a listing with such a line cannot be trusted.")
    }
    if let other = places[ExactText(file.path)] {
      guard files[other] == file else {
        throw StageError(
          .input, source, "\(place.isEmpty ? "" : place + ": ")\(file.path) is listed twice, with different digests")
      }
      repeated += 1
      return
    }
    guard files.count < Self.maximumFiles else {
      throw StageError(.input, source, "lists more than \(Self.maximumFiles) files")
    }
    places[ExactText(file.path)] = files.count
    files.append(file)
  }

  /// Sorts the files. Throws if a file is also the folder of another file.
  mutating func finish() throws {
    files.sort { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    for file in files {
      var folder = file.path.utf8[...]
      while let slash = folder.lastIndex(of: UInt8(ascii: "/")) {
        folder = folder[..<slash]
        guard places[ExactText(Substring(folder))] != nil else { continue }
        throw StageError(.input, source, "\(Substring(folder)) is listed as a file and as the folder of \(file.path)")
      }
    }
  }

  /// Lines `DIGEST [BYTES] PATH`, as sha256sum and md5sum write them; `#` begins a comment.
  static func parse(_ text: [UInt8], source: String) throws -> FileListing {
    var listing = FileListing(source: source)
    for (number, bytes) in text.split(separator: 10, omittingEmptySubsequences: false).enumerated() {
      let line = Substring(String(decoding: bytes.drop { $0 == 32 }, as: UTF8.self))
      guard let first = line.utf8.first, first != UInt8(ascii: "#"), first != 13 else { continue }
      try listing.add(parse(line, source: source, number: number + 1), place: "line \(number + 1)")
    }
    return listing
  }

  private static func parse(_ line: Substring, source: String, number: Int) throws -> ListedFile {
    func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 }
    var rest = line.utf8[...]
    if rest.last == 13 { rest.removeLast() }
    func word() -> String { String(Substring(rest.prefix { !isSpace($0) })) }
    guard let sum = Checksum(word()) else {
      throw StageError(
        .input, source, "line \(number) does not begin with a digest",
        hint: "A line consists of a SHA-256, SHA-1 or MD5, optionally a number of bytes, and a path.")
    }
    rest = rest.dropFirst(word().utf8.count).drop(while: isSpace)
    var bytes: Int64?
    if let number = Int64(word()), number >= 0, word().utf8.count < rest.count {
      bytes = number
      rest = rest.dropFirst(word().utf8.count).drop(while: isSpace)
    }
    // Conventions of sha256sum: a star for a file that was read as binary, and paths that begin with "./".
    if rest.first == UInt8(ascii: "*") { rest = rest.dropFirst() }
    if rest.starts(with: "./".utf8) { rest = rest.dropFirst(2) }
    return ListedFile(path: String(Substring(rest)), bytes: bytes, digest: .checksum(sum))
  }
}
