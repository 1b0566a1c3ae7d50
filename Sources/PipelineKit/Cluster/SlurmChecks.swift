import ShardKit

/// What Slurm says of the profile's partition and limits.
extension SlurmCluster {
  public func checks() -> [ClusterCheck] {
    var checks = [
      ClusterCheck(name: "arrays", isGood: true, finding: "can have up to \(mostGroups) jobs (MaxArraySize)")
    ]
    for partition in Set([profile.partition] + profile.resources.values.compactMap(\.partition)).sorted() {
      checks += self.checks(partition: partition)
    }
    return checks
  }

  private func checks(partition: String) -> [ClusterCheck] {
    let which = partition.isEmpty ? [] : ["--partition=\(partition)"]
    let title = partition.isEmpty ? "default partition" : "partition \(partition)"
    let text: String
    do { text = try Self.ask(["sinfo", "--noheader", "--format=%P|%a|%l|%m|%c|%D"] + which) } catch {
      return [ClusterCheck(name: title, isGood: false, finding: "\(error)")]
    }
    return checks(partition: partition, title, text)
  }

  /// - Parameter text: lines of `%P|%a|%l|%m|%c|%D` of sinfo.
  func checks(partition: String, _ title: String, _ text: String) -> [ClusterCheck] {
    var rows = text.split(separator: "\n").map {
      $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    }
    .filter { $0.count == 6 }
    if partition.isEmpty { rows = rows.filter { $0[0].hasSuffix("*") } }
    guard !rows.isEmpty else {
      return [
        ClusterCheck(
          name: title, isGood: false, finding: "does not exist",
          advice: "`sinfo` lists the partitions; name one in the profile.")
      ]
    }
    return [
      isUp(rows, title), time(rows, title, requests(of: partition)), memory(rows, title, requests(of: partition)),
    ].compactMap { $0 }
  }

  private func isUp(_ rows: [[String]], _ title: String) -> ClusterCheck {
    let nodes = rows.reduce(0) { $0 + (Int($1[5]) ?? 0) }
    let isUp = rows.contains { $0[1] == "up" }
    return ClusterCheck(
      name: title, isGood: isUp, finding: isUp ? "is up, with \(nodes) nodes" : "is \(rows[0][1])",
      advice: isUp ? nil : "Jobs wait until it is up again.")
  }

  private func time(_ rows: [[String]], _ title: String, _ requests: [Request]) -> ClusterCheck? {
    guard let limit = rows.compactMap({ TimeLimit.parse($0[2]) }).max() else { return nil }
    let asked = requests.map { ($0.name, $0.time.description, $0.time <= limit) }
    let most = requests.map { ($0.name, $0.most.time.description, $0.most.time <= limit) }
    return check(title, "allows jobs of up to \(limit)", "time", asked, "maximumTime", most)
  }

  private func memory(_ rows: [[String]], _ title: String, _ requests: [Request]) -> ClusterCheck? {
    // "4000+" where nodes differ.
    guard let most = rows.compactMap({ Int($0[3].filter(\.isNumber)) }).max() else { return nil }
    let asked = requests.map { ($0.name, $0.memory.description, $0.memory.bytes >> 20 <= most) }
    let limits = requests.map { ($0.name, $0.most.memory.description, $0.most.memory.bytes >> 20 <= most) }
    return check(title, "has nodes of up to \(most) MiB", "memory", asked, "maximumMemory", limits)
  }

  /// What a partition must allow: what jobs ask for. More than it allows cannot be asked for after a job that reached its
  /// limit; the profile's own jobs need that.
  private func check(
    _ title: String, _ finding: String, _ option: String, _ asked: [(name: String, value: String, isGood: Bool)],
    _ limit: String, _ most: [(name: String, value: String, isGood: Bool)]
  ) -> ClusterCheck {
    let bad = asked.filter { !$0.isGood }.map { "'\(option)' (\($0.value))\($0.name)" }
    let beyond = most.filter { !$0.isGood }.map { "'\(limit)' (\($0.value))\($0.name)" }
    let all = bad + beyond
    return ClusterCheck(
      name: title, isGood: bad.isEmpty && most.allSatisfy { $0.isGood || !$0.name.isEmpty }, finding: finding,
      advice: all.isEmpty
        ? nil
        : "\(all.joined(separator: ", ")) must be within it"
          + (bad.isEmpty ? ", or jobs that reach their limits get no more." : "."))
  }

  private struct Request {
    /// " of 'model.*'"; empty for the profile itself.
    var name: String
    var time: TimeLimit
    var memory: ByteCount
    var most: (time: TimeLimit, memory: ByteCount)
  }

  /// What the profile and its `resources` ask of a partition.
  private func requests(of partition: String) -> [Request] {
    let own = profile.resources.sorted { $0.key < $1.key }.filter {
      ($0.value.partition ?? profile.partition) == partition
    }
    let all =
      own.map { (" of '\($0.key)'", $0.value) } + (partition == profile.partition ? [("", SiteResources())] : [])
    return all.map { name, own in
      Request(
        name: name, time: own.time ?? profile.time, memory: own.memory ?? profile.memory, most: profile.most(own))
    }
  }
}
