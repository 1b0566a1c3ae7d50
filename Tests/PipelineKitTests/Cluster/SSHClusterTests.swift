import ShardKit
import TestKit
import Testing

@testable import PipelineKit

/// Where jobs find a host, without any.
@Suite struct SSHClusterTests {
  private func state(excluding hosts: [String]) throws -> (JobState?, SSHCluster) {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    var profile = SiteProfile()
    profile.executor = .ssh
    profile.ssh = ["/bin/false"]
    profile.hosts = ["n1": 1, "n2": 1]
    let batch = JobBatch(
      id: "1-1-x", number: 1, jobName: "pipeline-1-1-x", run: 1, stage: "t", use: "test.write", phase: "run",
      options: "{}", canonical: "{}", directory: "/d", keptState: "/k", folder: "/",
      program: ProgramIdentity(path: "/p", digest: Digester.digest([])),
      request: JobRequest(memoryBytes: 1, seconds: 60), groups: [[0]], excluded: hosts)
    let cluster = try SSHCluster(profile: profile)
    let job = ClusterJob(number: "7", batch: batch, folder: BatchFolder(folder))
    do { return (try cluster.states(of: [job])["7"]?[0], cluster) } catch {
      #expect(error.code == .silent)
      return (nil, cluster)
    }
  }

  /// Else it would wait for ever, since a batch keeps the hosts that it keeps away from.
  @Test func aJobThatKeepsAwayFromAllHostsCanNeverStart() throws {
    let (state, cluster) = try state(excluding: ["n1", "n2"])
    guard case .waiting(let reason)? = state else {
      Issue.record("\(String(describing: state))")
      return
    }
    #expect(reason == "no host is left" && cluster.isHopeless(reason))
  }

  @Test func oneThatMayUseAHostIsTriedThere() throws {
    let (state, cluster) = try state(excluding: ["n1"])
    #expect(state == nil, "no host answers")
    #expect(!cluster.isHopeless("no place is free"))
  }
}
