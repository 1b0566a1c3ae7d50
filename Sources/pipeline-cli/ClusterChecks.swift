import PipelineKit
import ShardKit

/// The requirements of a cluster, each checked once; for `doctor --executor` and `profile check`.
enum ClusterChecks {
  static func all(_ profile: SiteProfile, store: String) -> [MachineChecks.Finding] {
    let cluster: any Cluster
    do { cluster = try ExecutorOptions.cluster(profile) } catch {
      return [MachineChecks.Finding(profile.executor.rawValue, .missing, "\(error)")]
    }
    var findings = [MachineChecks.Finding("cluster", .good, "\(cluster.name) answers")]
    findings += cluster.checks().map { check in
      MachineChecks.Finding(check.name, check.isGood ? .good : .missing, check.finding, check.advice)
    }
    guard !findings.contains(where: { $0.state == .missing }) else { return findings }
    return findings + probe(cluster, profile, store)
  }

  /// A job that does nothing, the same way as all others.
  private static func probe(_ cluster: any Cluster, _ profile: SiteProfile, _ store: String) -> [MachineChecks.Finding]
  {
    do {
      try FileSystem.makeDirectory(store)
      let probe = try ClusterProbe(cluster: cluster, profile: profile, store: FileSystem.realPath(store))
      let answer = try probe.run()
      let seconds = "\(Int(answer.seconds.rounded())) s"
      var findings = [
        MachineChecks.Finding("job", .good, "a job ran on \(answer.host), \(seconds) after it was submitted"),
        MachineChecks.Finding("shared folder", .good, "what \(answer.host) writes below \(store) is seen here"),
        MachineChecks.Finding("program", .good, "is the same on \(answer.host)"),
      ]
      if let skew = answer.clockSkewSeconds {
        findings.append(
          MachineChecks.Finding(
            "clock", .missing, "of \(answer.host) differs from this machine's by \(Int(skew)) s",
            "Synchronize both by NTP: file times decide what has changed."))
      } else {
        findings.append(MachineChecks.Finding("clock", .good, "of \(answer.host) agrees with this machine's"))
      }
      if !profile.marker.isEmpty {
        findings.append(MachineChecks.Finding("container", .good, "\(profile.marker) is seen"))
      }
      return findings
    } catch {
      return [MachineChecks.Finding("job", .missing, "\(error)")]
    }
  }
}
