import Foundation

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

    /// Modules that the file imports, whatever stands before or behind `import`.
    var imports: [String] {
      lines.compactMap { line in
        guard let match = line.firstMatch(of: importLine) else { return nil }
        return match.1.split(separator: ".").first.map(String.init)
      }
    }

    private var importLine: Regex<(Substring, Substring)> {
      #/^\s*(?:(?:@\w+(?:\([^)]*\))?|public|package|internal|fileprivate|private)\s+)*import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias)\s+)?([\w.]+)/#
    }
  }

  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path

  let files: [File]

  init() throws {
    files = try Self.trackedPaths().compactMap { path in
      guard let data = FileManager.default.contents(atPath: Self.root + "/" + path),
        let text = String(data: data, encoding: .utf8)
      else { return nil }
      return File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }
  }

  var swift: [File] { files.filter { $0.path.hasSuffix(".swift") } }

  /// What git tracks; without git (an exported tree), every file outside build folders.
  private static func trackedPaths() throws -> [String] {
    let git = Process()
    git.executableURL = URL(filePath: "/usr/bin/env")
    git.arguments = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    let pipe = Pipe()
    git.standardOutput = pipe
    git.standardError = FileHandle.nullDevice
    if (try? git.run()) != nil {
      let output = pipe.fileHandleForReading.readDataToEndOfFile()
      git.waitUntilExit()
      let paths = output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      if git.terminationStatus == 0, !paths.isEmpty { return paths }
    }
    let all = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return all.filter { !$0.hasPrefix(".build") && !$0.hasPrefix(".venv") && !$0.hasPrefix(".git/") }
  }
}
