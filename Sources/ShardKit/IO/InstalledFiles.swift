import Glibc

/// Files that a release installs along with the program: in `share/pipeline`, beside the program's `bin`.
public enum InstalledFiles {
  /// The folder of this program; nil if it cannot be told.
  public static let programFolder: String? = {
    guard let resolved = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(resolved) }
    return ArchivePath.parent(of: String(cString: resolved))
  }()

  /// `share/pipeline` of this program's installation; nil for a program that was built where it is.
  public static let folder: String? = programFolder.flatMap { folder(program: $0) }

  /// The same for a program in another folder.
  static func folder(program: String) -> String? {
    guard let prefix = ArchivePath.parent(of: program) else { return nil }
    let folder = (prefix == "/" ? "" : prefix) + "/share/pipeline"
    return FileSystem.isDirectory(folder) ? folder : nil
  }

  /// The path of an installed file or folder; nil if there is none.
  public static func path(_ name: String) -> String? {
    guard let path = folder.map({ "\($0)/\(name)" }), FileSystem.exists(path) else { return nil }
    return path
  }
}
