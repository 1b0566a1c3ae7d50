import Glibc
import ShardKit

/// Whether a folder is on a network file system, where memory is not shared between machines and locks may be missing.
enum FileSystemKind {
  /// Types as Linux names them; `fuse.…` too.
  private static let network: Set<String> = [
    "nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "virtiofs", "gfs2", "ocfs2",
    "panfs",
    "wekafs", "orangefs", "glusterfs", "fuse",
  ]

  /// `PIPELINE_SHARED_STORE` decides if it is set (1 or 0), else the type of the mounted file system.
  static func isNetwork(_ path: String) -> Bool {
    if let said = getenv("PIPELINE_SHARED_STORE").map({ String(cString: $0) }), !said.isEmpty { return said != "0" }
    guard let mounts = try? FileSystem.read("/proc/self/mountinfo") else { return false }
    return isNetwork(FileSystem.realPath(path), mounts: String(decoding: mounts, as: UTF8.self))
  }

  /// - Parameter mounts: lines of `/proc/self/mountinfo`.
  static func isNetwork(_ path: String, mounts: String) -> Bool {
    var best = (length: -1, type: "")
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 6, let dash = words.firstIndex(of: "-"), dash + 1 < words.count else { continue }
      let place = words[4].replacing("\\040", with: " ")
      let isAbove = place == "/" || path == place || path.hasPrefix(place + "/")
      // The last of several mounts on one place is the one that is seen.
      if isAbove, place.utf8.count >= best.length { best = (place.utf8.count, String(words[dash + 1])) }
    }
    return network.contains(best.type) || best.type.hasPrefix("fuse.")
  }
}
