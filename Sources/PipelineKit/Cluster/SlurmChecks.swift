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
    return [isUp(rows, title), time(rows, title), memory(rows, title)].compactMap { $0 }
  }

  private func isUp(_ rows: [[String]], _ title: String) -> ClusterCheck {
    let nodes = rows.reduce(0) { $0 + (Int($1[5]) ?? 0) }
    let isUp = rows.contains { $0[1] == "up" }
    return ClusterCheck(
      name: title, isGood: isUp, finding: isUp ? "is up, with \(nodes) nodes" : "is \(rows[0][1])",
      advice: isUp ? nil : "Jobs wait until it is up again.")
  }

  private func time(_ rows: [[String]], _ title: String) -> ClusterCheck? {
    guard let limit = rows.compactMap({ TimeLimit.parse($0[2]) }).max() else { return nil }
    let isGood = profile.time <= limit && profile.maximumTime <= limit
    return ClusterCheck(
      name: title, isGood: isGood, finding: "allows jobs of up to \(limit)",
      advice: isGood ? nil : "'time' (\(profile.time)) and 'maximumTime' (\(profile.maximumTime)) must be within it.")
  }

  private func memory(_ rows: [[String]], _ title: String) -> ClusterCheck? {
    // "4000+" where nodes differ.
    guard let most = rows.compactMap({ Int($0[3].filter(\.isNumber)) }).max() else { return nil }
    let isGood = profile.maximumMemory.bytes >> 20 <= most
    return ClusterCheck(
      name: title, isGood: isGood, finding: "has nodes of up to \(most) MiB",
      advice: isGood ? nil : "'maximumMemory' (\(profile.maximumMemory)) must be within it.")
  }
}
