import Glibc

/// The name of this machine, as its scheduler calls it if it has one.
public func hostName() -> String {
  if let node = getenv("SLURMD_NODENAME").map({ String(cString: $0) }), !node.isEmpty { return node }
  var host = [CChar](repeating: 0, count: 256)
  gethostname(&host, host.count - 1)
  return String(decoding: host.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
}
