import PipelineKit
import ShardKit

/// Files of names or addresses, one per line. `#` at the start of a line or after a space begins a comment.
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
