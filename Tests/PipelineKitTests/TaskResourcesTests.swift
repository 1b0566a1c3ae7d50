import ShardKit
import Testing

@testable import PipelineKit

@Suite struct TaskResourcesTests {
  private func fingerprint(_ task: TaskPlan) -> Digest {
    Fingerprint.task(stage: "any", revision: 1, options: [:], phase: "run", task: task)
  }

  /// What a task needs says nothing about its result: another estimate keeps what is done.
  @Test func resourcesHaveNoPartInTheFingerprint() {
    let plain = TaskPlan(key: "a", memoryBytes: 1)
    let large = TaskPlan(key: "a", memoryBytes: 1 << 40).using(cores: 8, gpus: 4, nodes: 2)
    #expect(large.resources == TaskResources(memoryBytes: 1 << 40, cores: 8, gpus: 4, nodes: 2))
    #expect(plain.resources == TaskResources(memoryBytes: 1, cores: 1, gpus: 0, nodes: 1))
    #expect(fingerprint(plain) == fingerprint(large))
    #expect(fingerprint(plain) != fingerprint(TaskPlan(key: "b", memoryBytes: 1)))
  }

  /// For progress and order: tasks that read parts of one file do not read it whole each, nor what all tasks of a phase read.
  @Test func aTaskCountsWhatItWorksOn() throws {
    func file(_ bytes: Int64, text: Int64 = 0) -> ArtifactFile {
      ArtifactFile(path: "/a", name: "a", bytes: bytes, digest: Digester.digest([]), textBytes: text)
    }
    let whole = TaskPlan(key: "a", inputs: [.main: [file(7), file(5, text: 30)], "index": [file(1 << 40)]])
    #expect(whole.contentBytes == 37)
    #expect(TaskPlan(key: "a", inputs: [.main: [], "rows": [file(3)], "index": [file(4)]]).contentBytes == 7)
    let parts = try (0..<4).map { try whole.with(payload: $0).reading(bytes: Int64($0)) }
    #expect(parts.map(\.contentBytes) == [0, 1, 2, 3])
    #expect(parts[2].files == whole.files)
    #expect(try fingerprint(parts[1]) == fingerprint(whole.with(payload: 1)))
  }

  @Test func impossibleNumbersAreRaised() {
    #expect(TaskPlan(key: "a").using(cores: 0, gpus: -1, nodes: 0).resources == TaskResources())
  }
}
