import ShardKit

/// Nodes that broke under a job, which new jobs keep away from for half an hour, and from a few only: they may be
/// repaired, and others are needed.
struct AvoidedNodes {
  private var nodes: [(name: String, until: Int)] = []
  /// Questions which of several nodes are broken.
  fileprivate(set) var questions = 0

  private static let most = 8
  private static let nanoseconds = 1_800_000_000_000

  var isAsking: Bool { questions > 0 }

  /// In alphabetical order.
  var names: [String] {
    let now = monotonicNanoseconds()
    return nodes.filter { $0.until > now }.map(\.name).sorted()
  }

  mutating func add(_ name: String) {
    nodes.removeAll { $0.name == name }
    nodes.append((name, monotonicNanoseconds() + Self.nanoseconds))
    if nodes.count > Self.most { nodes.removeFirst() }
  }

  mutating func forget() { nodes = [] }
}

extension ClusterDriver {
  /// New jobs do not run there. Of a job's several nodes, only those that the scheduler says are broken.
  func keepAway(_ node: String) {
    guard node.contains(where: { "[,".contains($0) }) else {
      if !node.isEmpty { avoided.add(node) }
      return
    }
    avoided.questions += 1
    line.ask({ [cluster] in Result { () throws(ClusterError) in try cluster.broken(node) } }) { [unowned self] in
      avoided.questions -= 1
      for name in (try? $0.get()) ?? [] { avoided.add(name) }
    }
  }
}
