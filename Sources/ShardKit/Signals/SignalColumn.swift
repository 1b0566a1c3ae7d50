/// A column of a signals file.
public struct SignalColumn: Codable, Equatable, Sendable {
  public enum Kind: String, Codable, Sendable {
    /// A `Double` per document; NaN where there is none.
    case number
    /// A text of few distinct values per document; empty where there is none.
    case text
  }

  public var name: String
  public var kind: Kind

  public init(_ name: String, _ kind: Kind) {
    self.name = name
    self.kind = kind
  }
}

/// Texts of one block by number: the distinct ones, and each document's.
public struct CodedTexts: Equatable, Sendable {
  public var values: [String]
  public var codes: [UInt32]

  public init(values: [String], codes: [UInt32]) {
    self.values = values
    self.codes = codes
  }
}

/// The end of a signals file: its columns, and where each block has them.
///
/// A file is `PLSIGNL1`, the parts of its blocks, this footer as JSON, its length (4 bytes, little endian) and
/// `PLSIGNL1` again. A block has at most `blockRows` documents; its parts are zstd frames in the order *ids* (the
/// length of each in 4 bytes, then all of them), *hashes* (`recordHash` of each id), then one per column. Numbers are
/// stored by significance: the first bytes of all, then the second bytes, …. Texts are stored as the number of distinct
/// ones, the length of each, all of them, and a number of 4 bytes per document.
struct SignalsFooter: JSONRecord {
  struct Part: Codable {
    var at: Int
    var bytes: Int
    /// Before compression.
    var size: Int
  }

  struct Block: Codable {
    var rows: Int
    var parts: [Part]
  }

  var columns: [SignalColumn]
  var blocks: [Block]

  static let magic = Array("PLSIGNL1".utf8)
  static let blockRows = 1 << 16
  /// Of one part, compressed or not.
  static let largestPart = 1 << 30
}
