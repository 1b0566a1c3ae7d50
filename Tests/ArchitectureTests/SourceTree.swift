import Glibc
import ShardKit
import TestKit

/// The package's tracked files, read as text.
struct SourceTree {
  struct File {
    var path: String
    var lines: [String]

    /// `ShardKit` for `Sources/ShardKit/IO/FileSystem.swift`; nil outside `Sources`.
    var target: String? {
      let parts = path.split(separator: "/")
      return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }
  }

  static let root = packagePath("").dropLast()

  let files: [File]

  init() throws {
    files = try Self.trackedPaths().compactMap { path in
      guard let bytes = try? FileSystem.read("\(Self.root)/\(path)"),
        let text = String(validating: bytes, as: UTF8.self)
      else { return nil }
      return File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }
  }

  var swift: [File] { files.filter { $0.path.hasSuffix(".swift") } }

  /// What git tracks; without git (an exported tree), every file outside build folders.
  private static func trackedPaths() throws -> [String] {
    if let pipe = popen("git -C '\(root)' ls-files -z --cached --others --exclude-standard 2>/dev/null", "r") {
      var output: [UInt8] = []
      var byte = getc(pipe)
      while byte != EOF {
        output.append(UInt8(byte))
        byte = getc(pipe)
      }
      if pclose(pipe) == 0, !output.isEmpty {
        return output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      }
    }
    return try FileSystem.walk(String(root))
  }
}
