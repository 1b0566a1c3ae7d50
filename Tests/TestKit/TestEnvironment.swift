import Glibc
import Synchronization

/// Sets environment variables of this process while other threads read some.
///
/// `setenv` moves the list that `getenv` and `posix_spawn` read. Here they find either the old or the new list, and
/// neither is ever freed.
public enum TestEnvironment {
  private typealias List = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
  private static let changing = Mutex(())

  public static func set(_ variables: [String: String]) {
    changing.withLock { _ in
      let missing = variables.filter { name, value in getenv(name).map { String(cString: $0) } != value }
      guard !missing.isEmpty else { return }
      var entries: [UnsafeMutablePointer<CChar>?] = []
      var place = environ
      while let entry = place.pointee {
        let name = String(cString: entry).prefix { $0 != "=" }
        if missing[String(name)] == nil { entries.append(entry) }
        place += 1
      }
      entries += missing.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
      let list = List.allocate(capacity: entries.count)
      list.initialize(from: entries, count: entries.count)
      // Swift's `environ` is read-only.
      dlsym(nil, "environ")?.assumingMemoryBound(to: List.self).pointee = list
    }
  }
}
