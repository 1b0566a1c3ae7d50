import Glibc
import ShardKit

/// A file of a store, with all its names.
struct StoreFile: Sendable {
  /// One of its names: in a folder with an index, if there is one.
  var path: String
  var names: [String]
  var bytes: Int64
}

/// What a search of a store has to read.
struct StoreFiles {
  /// Every file once, hidden ones too, the largest first.
  private(set) var files: [StoreFile] = []
  /// What is there and cannot be read, with the reason.
  private(set) var unread: [(path: String, reason: String)] = []

  private struct Identity: Hashable {
    var device: UInt64
    var inode: UInt64

    init(_ status: stat) { (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino)) }
  }

  private var known: [Identity: Int] = [:]
  private var folders: Set<Identity> = []

  /// Lists a store. Links are followed, also out of the store; the records of removals are left out.
  init(_ root: String) {
    var status = stat()
    // Entered already, under whatever name it is met.
    if stat(RemovalList.folder(root), &status) == 0 { folders.insert(Identity(status)) }
    if stat(root, &status) == 0 { folders.insert(Identity(status)) }
    var pending = [root]
    while let folder = pending.popLast() {
      do throws(ShardError) {
        for name in try FileSystem.list(folder, others: .repaired) { look(at: "\(folder)/\(name)", &pending) }
      } catch {
        if FileSystem.exists(folder) || folder == root { unread.append((folder, error.message)) }
      }
    }
    files.sort { $0.bytes > $1.bytes }
  }

  private mutating func look(at path: String, _ pending: inout [String]) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      if let reason = Self.reason(path, errno) { unread.append((path, reason)) }
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: if folders.insert(Identity(status)).inserted { pending.append(path) }
    case S_IFREG: add(path, status)
    // A FIFO, a socket or a device keeps nothing in the store.
    default: return
    }
  }

  private mutating func add(_ path: String, _ status: stat) {
    guard let place = known[Identity(status)] else {
      known[Identity(status)] = files.count
      files.append(StoreFile(path: path, names: [path], bytes: Int64(status.st_size)))
      return
    }
    files[place].names.append(path)
    if FileSystem.exists(ArchivePath.folder(of: path) + "/index.json") { files[place].path = path }
  }

  /// Whether something has this name, be it a link to nothing.
  static func isThere(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 || path.unicodeScalars.contains("\u{FFFD}")
  }

  /// Why there is no status; nil if nothing is there any more.
  private static func reason(_ path: String, _ number: Int32) -> String? {
    var status = stat()
    if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
      return "is a link whose target cannot be reached: \(String(cString: strerror(number)))"
    }
    if number != ENOENT { return String(cString: strerror(number)) }
    return path.unicodeScalars.contains("\u{FFFD}") ? "has a name that is not UTF-8" : nil
  }
}
