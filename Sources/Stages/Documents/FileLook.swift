import ShardKit

/// The kind of a file that is expected to be text, judged by its first bytes.
enum FileLook: Equatable {
  case text
  /// HTML, which is text, but markup.
  case html
  /// A description: "a zip archive".
  case other(String)

  static let headBytes = 8192

  /// The kind of a file, decompressed.
  init(_ path: String) throws {
    let source = try openSource(path)
    var head: [UInt8] = []
    let block = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.headBytes, alignment: 16)
    defer { block.deallocate() }
    while head.count < Self.headBytes, case let count = try source.read(into: block), count > 0 {
      head.append(contentsOf: block[..<count])
    }
    self.init(head: head)
  }

  init(head: [UInt8]) {
    if let known = Self.signatures.first(where: { head.dropFirst($0.at).starts(with: $0.bytes) }) {
      self = .other(known.name)
    } else if head.prefix(Self.headBytes).contains(0) {
      self = .other("a binary file")
    } else {
      self = Self.isHTML(head) ? .html : .text
    }
  }

  /// A description if it is not plain text; markup counts as not plain.
  var name: String? {
    switch self {
    case .text: nil
    case .html: "an HTML page"
    case .other(let name): name
    }
  }

  private static let signatures: [(at: Int, bytes: [UInt8], name: String)] = [
    (0, Array("PK\u{3}\u{4}".utf8), "a zip archive"), (0, Array("%PDF-".utf8), "a PDF file"),
    (0, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], "a 7z archive"), (0, [0x04, 0x22, 0x4D, 0x18], "an LZ4 file"),
    (257, Array("ustar".utf8), "a tar archive"), (0, Array("PAR1".utf8), "a Parquet file"),
    (0, Array("Rar!".utf8), "a RAR archive"), (0, [0x89, 0x50, 0x4E, 0x47], "a PNG image"),
    (0, [0xFF, 0xD8, 0xFF], "a JPEG image"), (0, [0xFF, 0xFE, 0, 0], "UTF-32 text"),
    (0, [0, 0, 0xFE, 0xFF], "UTF-32 text"), (0, [0xFF, 0xFE], "UTF-16 text"), (0, [0xFE, 0xFF], "UTF-16 text"),
  ]

  private static func isHTML(_ head: [UInt8]) -> Bool {
    let text = (head.starts(with: [0xEF, 0xBB, 0xBF]) ? head.dropFirst(3) : head[...]).drop { $0 <= 32 }
    let start = text.prefix(16).map { byte -> UInt8 in byte &- 0x41 < 26 ? byte | 0x20 : byte }
    return start.starts(with: "<!doctype html".utf8) || start.starts(with: "<html".utf8)
  }
}
