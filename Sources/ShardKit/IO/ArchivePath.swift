/// Names inside archives, which may be hostile.
public enum ArchivePath {
  /// Whether a name stays below the folder it is unpacked in: relative, without `..`, backslashes and control
  /// characters.
  public static func isSafe(_ name: String) -> Bool {
    guard !name.isEmpty, name.utf8.first != 0x2F, name.utf8.count <= 4096 else { return false }
    guard !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x5C || $0 == 0x7F }) else { return false }
    return !parts(name).contains { $0.utf8.elementsEqual("..".utf8) }
  }

  /// Whether macOS created it to store file system attributes of another file: `__MACOSX/a/._b.txt`, `a/._b.txt`.
  public static func isSideFile(_ name: String) -> Bool {
    let parts = parts(name)
    return parts.last!.utf8.starts(with: "._".utf8) || parts.contains { $0.utf8.elementsEqual("__MACOSX".utf8) }
  }

  /// A safe name for reading a member: relative, with backslashes replaced by slashes, without drive, `..` and control
  /// characters, limited to its last 4,096 bytes. Equal to `name` if that is safe.
  public static func safe(_ name: String) -> String {
    if isSafe(name) { return name }
    let bytes = name.utf8.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "_") : $0 == 0x5C ? 0x2F : $0 }
    var kept: [ArraySlice<UInt8>] = []
    for (number, part) in bytes.split(separator: 0x2F).enumerated() {
      let isDrive = number == 0 && part.count == 2 && part.last == UInt8(ascii: ":")
      if isDrive || part.elementsEqual(".".utf8) || part.elementsEqual("..".utf8) { continue }
      kept.append(part)
    }
    let whole = Array(kept.joined(separator: [0x2F]))
    // The end contains the file extension.
    let tail = whole.suffix(4096).drop { whole.count > 4096 && ($0 & 0xC0 == 0x80 || $0 == 0x2F) }
    return tail.isEmpty ? "_" : String(decoding: tail, as: UTF8.self)
  }

  /// The part before the last slash; all of it if there is none. By bytes, like `parts`.
  public static func folder(of path: String) -> String {
    path.utf8.lastIndex(of: 0x2F).map { String(path[..<$0]) } ?? path
  }

  /// The folder of a path: `/` for entries of the root, nil if there is no slash. By bytes, like `parts`.
  public static func parent(of path: String) -> String? {
    path.utf8.lastIndex(of: 0x2F).map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
  }

  /// What stands before the last part, with its slash; empty where there is no slash. By bytes, as `parts` is.
  public static func prefix(of path: String) -> String {
    path.utf8.lastIndex(of: 0x2F).map { String(path[...$0]) } ?? ""
  }

  /// The part after the last slash; all of it if there is none. By bytes, like `parts`.
  public static func lastPart(of path: String) -> String {
    String(path[(path.utf8.lastIndex(of: 0x2F).map { path.utf8.index(after: $0) } ?? path.startIndex)...])
  }

  /// The parts between slashes, including empty ones. By bytes: a combining mark after a slash forms one character with
  /// it, which would hide the slash.
  public static func parts(_ name: String) -> [String] {
    name.utf8.split(separator: 0x2F, omittingEmptySubsequences: false).map { String(Substring($0)) }
  }
}
