/// Names inside archives, which may be hostile.
public enum ArchivePath {
  /// Whether a name stays below the folder it is unpacked in: relative, without `..`, backslashes and controls.
  public static func isSafe(_ name: String) -> Bool {
    guard !name.isEmpty, !name.hasPrefix("/"), name.utf8.count <= 4096 else { return false }
    guard !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x5C || $0 == 0x7F }) else { return false }
    return !name.split(separator: "/").contains("..")
  }
}
