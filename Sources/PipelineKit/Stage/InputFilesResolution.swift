import Glibc
import ShardKit

extension InputFiles {
  /// The files that the paths name, sorted by name within each path, relative to `base`.
  ///
  /// - Returns: absolute path and fingerprint name of each file: its path below the named folder, or its last
  ///   component.
  /// - Throws: `StageError` (`.input`) if a named file does not exist, (`.options`) for a URL; `ShardError` if a folder
  ///   cannot be read.
  public func resolve(base: String) throws -> [(path: String, name: String)] {
    var out: [(String, String)] = []
    for path in paths {
      if let scheme = ["s3", "http", "https"].first(where: { path.hasPrefix($0 + "://") }) {
        throw StageError(
          .options, path, "it is on a server, but this option takes files on disk",
          hint: "Download it with \(scheme == "s3" ? "an s3.download" : "an http.download") stage, and wire that stage."
        )
      }
      let absolute = path.utf8.first == 0x2F ? path : base + "/" + path
      if path.contains("*") || path.contains("?") {
        out += try Self.glob(absolute, written: path)
      } else if FileSystem.isDirectory(absolute) {
        let names = try FileSystem.walk(absolute)
        guard !names.isEmpty else {
          throw StageError(.input, path, "the folder contains no files", hint: "Check the path.")
        }
        out.reserveCapacity(out.count + names.count)
        for name in names { out.append((absolute + "/" + name, name)) }
      } else {
        guard FileSystem.exists(absolute) else {
          throw StageError(
            .input, path, "there is no such file or folder",
            hint: "Paths are relative to the pipeline file; the resolved path is \(absolute).")
        }
        out.append((absolute, ArchivePath.lastPart(of: absolute)))
      }
    }
    return out
  }

  private static func glob(_ pattern: String, written: String) throws -> [(String, String)] {
    var found = glob_t()
    defer { globfree(&found) }
    guard Glibc.glob(pattern, 0, nil, &found) == 0, found.gl_pathc > 0 else {
      throw StageError(
        .input, written, "no file matches the pattern", hint: "Check the path; the resolved pattern is \(pattern).")
    }
    var paths: [String] = []
    for i in 0..<Int(found.gl_pathc) {
      guard let path = String(validatingCString: found.gl_pathv[i]!) else {
        throw FileSystem.noUTF8(
          ArchivePath.parent(of: pattern) ?? ".", ArchivePath.lastPart(of: String(cString: found.gl_pathv[i]!)))
      }
      paths.append(path)
    }
    return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .filter { !FileSystem.isDirectory($0) }.map { ($0, ArchivePath.lastPart(of: $0)) }
  }
}
