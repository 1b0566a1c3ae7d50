import PipelineKit
import ShardKit

/// Files of names or addresses, one a line. `#` at the beginning or behind a space begins a remark.
enum ListedLines {
  static func read(_ files: some Sequence<ArtifactFile>) throws -> [String] {
    var out: [String] = []
    for file in files {
      let lines = LineReader(try openSource(file.path), maximumLineBytes: 1 << 16, ends: .any)
      while let line = try lines.next() {
        let words = String(decoding: line, as: UTF8.self).split(whereSeparator: \.isWhitespace)
        if let name = words.first, !name.hasPrefix("#") { out.append(String(name)) }
      }
    }
    return out
  }
}
