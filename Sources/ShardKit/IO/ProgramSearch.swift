import Glibc

extension FileSystem {
  /// The path of a program by its path or name, which is looked for in PATH; nil if there is none that may be run.
  public static func program(named name: String) -> String? {
    if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
    let folders = getenv("PATH").map { String(cString: $0) } ?? ""
    return folders.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 && !isDirectory($0) }
  }
}
