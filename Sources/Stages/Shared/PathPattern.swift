import PipelineKit
import ShardKit

/// A path pattern: `*` and `?` match within a name, `**` also matches across folders. A pattern without a slash matches
/// names in any folder; one with a slash at its end matches everything below a folder.
struct PathPattern: Sendable {
  private enum Part: Equatable {
    case byte(UInt8)
    /// Any byte except a slash.
    case one
    /// Any number of bytes except slashes.
    case some
    /// Any number of bytes.
    case all
    /// Zero or more folders, each with its slash.
    case folders
  }

  private let parts: [Part]

  static let maximumBytes = 1024

  init(_ text: String) {
    var text = text.hasSuffix("/") ? text + "**" : text
    if !text.utf8.contains(0x2F) { text = "**/" + text }
    var parts: [Part] = []
    var bytes = Array(text.utf8)[...]
    while let byte = bytes.popFirst() {
      switch byte {
      case UInt8(ascii: "?"): parts.append(.one)
      case UInt8(ascii: "*") where bytes.first == byte:
        while bytes.first == byte { bytes.removeFirst() }
        if bytes.first == UInt8(ascii: "/") && (parts.isEmpty || parts.last == .byte(UInt8(ascii: "/"))) {
          bytes.removeFirst()
          parts.append(.folders)
        } else if parts.last != .all {
          parts.append(.all)
        }
      case UInt8(ascii: "*"): if parts.last != .some { parts.append(.some) }
      default: parts.append(.byte(byte))
      }
    }
    self.parts = parts
  }

  /// Always takes time proportional to the pattern's length times the path's.
  func matches(_ path: String) -> Bool {
    // reached[i]: the first i parts match the bytes read so far.
    var reached = [Bool](repeating: false, count: parts.count + 1)
    reached[0] = true
    passEmpty(&reached, atFolder: true)
    for byte in path.utf8 {
      var next = [Bool](repeating: false, count: parts.count + 1)
      let isSlash = byte == UInt8(ascii: "/")
      for (i, part) in parts.enumerated() where reached[i] {
        switch part {
        case .byte(let wanted): if byte == wanted { next[i + 1] = true }
        case .one: if !isSlash { next[i + 1] = true }
        case .some: if !isSlash { next[i] = true }
        case .all, .folders: next[i] = true
        }
      }
      passEmpty(&next, atFolder: isSlash)
      reached = next
    }
    return reached[parts.count]
  }

  /// - Parameter atFolder: nothing was read yet, or the last byte was a slash.
  private func passEmpty(_ reached: inout [Bool], atFolder: Bool) {
    for (i, part) in parts.enumerated() where reached[i] {
      if part == .some || part == .all || part == .folders && atFolder { reached[i + 1] = true }
    }
  }

  static func check(_ patterns: [String], option: String) throws {
    for pattern in patterns where pattern.isEmpty || pattern.utf8.count > maximumBytes || pattern.hasPrefix("/") {
      throw StageError(
        .options, option, "'\(pattern.prefix(80))' is not a path pattern", hint: "Write it as folder/*.jsonl.gz.")
    }
  }
}
